"""A thread that waits for notifications of work, and does it."""

import threading
from collections.abc import Callable
from enum import Enum, auto

# Pause before the next attempt at work that was postponed, for example because the disk is full.
PAUSE_SECONDS = 30.0


class Outcome(Enum):
    """The result of one call of `run_next`.

    DONE: a piece of work was done; call again. IDLE: there is no work; wait for a notification. POSTPONED:
    the waiting work cannot be done now; call again after PAUSE_SECONDS.
    """

    DONE = auto()
    IDLE = auto()
    POSTPONED = auto()


class WorkThread:
    """A thread that calls `run_next` until there is no work left, and again after each `notify`.

    run_next: must not raise. seconds_to_stop: how long `stop` waits for the thread.
    """

    def __init__(self, name: str, run_next: Callable[[], Outcome], seconds_to_stop: float) -> None:
        self.name = name
        self._run_next = run_next
        self._seconds_to_stop = seconds_to_stop
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, which waits for the first `notify`."""
        self._thread = threading.Thread(target=self._loop, name=self.name, daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """There is new work."""
        self._wake.set()

    def stop(self, interrupt: Callable[[], None] = lambda: None) -> None:
        """End the thread. interrupt: makes the running call of `run_next` return soon."""
        self._stopping = True
        self._wake.set()
        interrupt()
        if self._thread:
            self._thread.join(timeout=self._seconds_to_stop)

    @property
    def stopping(self) -> bool:
        """Whether the thread is about to end."""
        return self._stopping

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def run_waiting(self) -> Outcome:
        """Do all waiting work in the calling thread."""
        outcome = Outcome.DONE
        while not self._stopping and outcome is Outcome.DONE:
            outcome = self._run_next()
        return outcome

    def _loop(self) -> None:
        postponed = False
        while True:
            self._wake.wait(PAUSE_SECONDS if postponed else None)
            self._wake.clear()
            postponed = self.run_waiting() is Outcome.POSTPONED
            if self._stopping:
                return
