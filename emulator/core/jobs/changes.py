"""A count of changes to jobs, which clients can wait for."""

import threading
from collections.abc import Callable


class Changes:
    """Counts the changes that a list of jobs would show. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = self._first = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def number(self) -> int:
        """The number of changes since the start of the process."""
        return self._number

    def begin_at(self, number: int) -> None:
        """Let the first number be another one, so that those of several servers differ."""
        self._number = self._first = number

    def has_given(self, number: int) -> bool:
        """Whether a number is one that this server has given; always, where there is one server."""
        return self._first == 0 or self._first <= number <= self._number

    def note(self) -> None:
        """Count a change and call the listeners."""
        with self._lock:
            self._number += 1
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def add(self, listener: Callable[[], None]) -> None:
        """Call a function after each change, in the thread of the change; it must be short and not raise."""
        with self._lock:
            self._listeners.append(listener)

    def remove(self, listener: Callable[[], None]) -> None:
        with self._lock:
            self._listeners.remove(listener)
