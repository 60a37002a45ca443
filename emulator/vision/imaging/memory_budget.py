"""One budget of memory for the images that all threads of a process decode at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class MemoryBudget:
    """A semaphore counted in bytes, first come, first served."""

    def __init__(self, capacity: int, negligible: int) -> None:
        """Args:
        capacity: bytes in use at a time. A larger amount waits until it is alone.
        negligible: amounts below this are not counted and never wait.
        """
        self._capacity, self._negligible = capacity, negligible
        self._used = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, amount: int) -> Iterator[None]:
        """Wait until `amount` bytes are free, and use them within the context."""
        if amount < self._negligible:
            yield
            return
        amount = min(amount, self._capacity)
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(
                    lambda: self._waiting[0] is ticket and self._used + amount <= self._capacity
                )
                self._used += amount
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()  # there may be room for the next one too
        try:
            yield
        finally:
            with self._changed:
                self._used -= amount
                self._changed.notify_all()
