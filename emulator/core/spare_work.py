"""Work that requests do not wait for, done while they leave a processor idle."""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from emulator.core.jobs.thread import Outcome, WorkThread

# Of the images that wait: about those of a few seconds of a camera.
_MOST_ITEMS = 64
_MOST_BYTES = 64 * 2**20
# Under load some of the work is done, too; so it takes a tenth of a processor or less from ten-millisecond
# predictions.
_LONGEST_WAIT_SECONDS = 0.1
_SECONDS_TO_STOP = 10.0
_log = logging.getLogger(__name__)


class _Item(NamedTuple):
    size: int
    function: Callable[[], None]


class SpareWork:
    """One thread that does what was put into a bounded queue, in order. It starts with the first item.

    An item waits until less than all processors are used within `precedence`, but at most
    `longest_wait_seconds`.
    """

    def __init__(
        self,
        *,
        most_items: int = _MOST_ITEMS,
        most_bytes: int = _MOST_BYTES,
        longest_wait_seconds: float = _LONGEST_WAIT_SECONDS,
    ) -> None:
        self._most_items, self._most_bytes = most_items, most_bytes
        self._longest_wait_seconds = longest_wait_seconds
        self._processors = os.cpu_count() or 1
        self._preceding = 0
        self._items: deque[_Item] = deque()
        self._bytes = 0
        self._is_working = False
        self._changed = threading.Condition()
        self._thread: WorkThread | None = None

    @contextmanager
    def precedence(self) -> Iterator[None]:
        """Within its context, the calling thread uses a processor for a request."""
        with self._changed:
            self._preceding += 1
        try:
            yield
        finally:
            with self._changed:
                self._preceding -= 1
                self._changed.notify_all()

    def put(self, size: int, function: Callable[[], None]) -> bool:
        """Have `function` called later; an exception of it is logged. False when the queue is full.

        size: bytes that the function keeps in memory.
        """
        with self._changed:
            if len(self._items) >= self._most_items or self._bytes + size > self._most_bytes:
                return False
            self._items.append(_Item(size, function))
            self._bytes += size
            if self._thread is None:
                self._thread = WorkThread("spare work", self._run_next, _SECONDS_TO_STOP)
                self._thread.start()
            thread = self._thread
        thread.notify()
        return True

    def clear(self) -> None:
        """Forget what waits."""
        with self._changed:
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until all that was put has been done."""
        with self._changed:
            self._changed.wait_for(lambda: not self._items and not self._is_working)

    def stop(self) -> None:
        """Forget what waits and end the thread."""
        self.clear()
        if self._thread is not None:
            self._thread.stop()

    def _run_next(self) -> Outcome:
        with self._changed:
            if not self._items:
                return Outcome.IDLE
            self._changed.wait_for(
                lambda: self._preceding < self._processors, timeout=self._longest_wait_seconds
            )
            if not self._items:  # forgotten meanwhile
                return Outcome.IDLE
            item = self._items.popleft()
            self._bytes -= item.size
            self._is_working = True
        try:
            item.function()
        except Exception:  # noqa: BLE001 - the thread goes on
            _log.exception("work beside requests failed")
        finally:
            with self._changed:
                self._is_working = False
                self._changed.notify_all()
        return Outcome.DONE
