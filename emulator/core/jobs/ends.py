"""Waiting until jobs end, for those that end within milliseconds."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")


class JobEnds:
    """Counts the ends of jobs of a kind. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._number = 0
        self._changed = threading.Condition()

    def note(self) -> None:
        """A job has ended, and its end is stored."""
        with self._changed:
            self._number += 1
            self._changed.notify_all()

    def wait(self, read: Callable[[], _Value], is_over: Callable[[_Value], bool], seconds: float) -> _Value:
        """The result of `read` as soon as `is_over` is true of it, at the latest after some seconds.

        It is read again after each end of a job.
        """
        latest = time.monotonic() + seconds
        while True:
            number = self._number
            value = read()
            remaining = latest - time.monotonic()
            if is_over(value) or remaining <= 0:
                return value
            self._wait_after(number, remaining)

    def _wait_after(self, number: int, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._number != number, seconds)
