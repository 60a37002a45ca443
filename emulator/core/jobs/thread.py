"""Threads that wait for notifications of work, and do it."""

import threading
import time
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

    run_next: must not raise. seconds_to_stop: how long `stop` waits for the thread. count: of threads that do
    so at the same time.
    """

    def __init__(
        self, name: str, run_next: Callable[[], Outcome], seconds_to_stop: float, *, count: int = 1
    ) -> None:
        self.name = name
        self._run_next = run_next
        self._seconds_to_stop = seconds_to_stop
        self._wakes = [threading.Event() for _ in range(count)]
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads, which wait for the first `notify`."""
        self._threads = [
            threading.Thread(target=self._loop, args=(wake,), name=self.name, daemon=True)
            for wake in self._wakes
        ]
        for thread in self._threads:
            thread.start()

    def notify(self) -> None:
        """There is new work."""
        for wake in self._wakes:
            wake.set()

    def stop(self, interrupt: Callable[[], None] = lambda: None) -> None:
        """End the threads. interrupt: makes the running calls of `run_next` return soon."""
        self._stopping = True
        self.notify()
        interrupt()
        latest = time.monotonic() + self._seconds_to_stop
        for thread in self._threads:
            thread.join(timeout=max(0.0, latest - time.monotonic()))

    @property
    def stopping(self) -> bool:
        """Whether the threads are about to end."""
        return self._stopping

    @property
    def is_alive(self) -> bool:
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def run_waiting(self) -> Outcome:
        """Do all waiting work in the calling thread."""
        outcome = Outcome.DONE
        while not self._stopping and outcome is Outcome.DONE:
            outcome = self._run_next()
        return outcome

    def _loop(self, wake: threading.Event) -> None:
        postponed = False
        while True:
            wake.wait(PAUSE_SECONDS if postponed else None)
            wake.clear()
            postponed = self.run_waiting() is Outcome.POSTPONED
            if self._stopping:
                return
