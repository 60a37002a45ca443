"""Ending what waits in an event loop, from any thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Ending:
    """An event that happens once; coroutines of any loop wait for it, and any thread sets it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_over = False
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def end(self) -> None:
        with self._lock:
            self._is_over = True
            waiting, self._waiting = self._waiting, set()
        for loop, event in waiting:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def event(self) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set at the end."""
        entry = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._is_over:
                entry[1].set()
            else:
                self._waiting.add(entry)
        try:
            yield entry[1]
        finally:
            with self._lock:
                self._waiting.discard(entry)
