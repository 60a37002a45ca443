"""Writes of several threads in one transaction, so that they share one synchronisation with the disk."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

from emulator.store.database import StorageFull, StoreUnreachable

_Item = TypeVar("_Item")
# Half of the time that 2 processors take to score and write 8 images.
_DELAY_SECONDS = 0.02
# They concern every item of a transaction, and none of them is written again.
_SHARED = (StorageFull, StoreUnreachable)


class GroupedWrites(Generic[_Item]):
    """Items that wait while a transaction is written; the next one writes all of them.

    A transaction costs about as much processor time for one item as for many. While 3 or more items are made
    or wait, it waits up to `seconds` until three quarters of them wait.

    Args:
        seconds: 0 for no such delay.
    """

    def __init__(self, seconds: float = _DELAY_SECONDS) -> None:
        self._seconds = seconds
        self._waiting: deque[_Entry[_Item]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._coming = 0
        self._has_writer = False

    def __len__(self) -> int:
        """The number of items whose transaction has not begun."""
        return len(self._waiting)

    @property
    def coming(self) -> int:
        """The number of items that are being made."""
        return self._coming

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Within its context, an item is made; `write` follows, unless there is an exception."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._changed.notify()

    def write(self, item: _Item, write: Callable[[Sequence[_Item]], None], most: int) -> None:
        """Write an item, in one transaction with others that wait; returns when it is committed.

        Args:
            write: writes items in one transaction, all of them or none.
            most: the number of items of a transaction, at least 1.

        Raises what `write` raises for the item: an error of another item of the transaction has no effect on
        it, since each item is then written by itself.
        """
        entry = _Entry(item)
        with self._changed:
            self._waiting.append(entry)
            is_writer, self._has_writer = not self._has_writer, True
            self._changed.notify()
        if not is_writer:
            entry.turn.acquire()  # until it is written, or the first that waits
        if not entry.is_done:
            self._write_first(write, most)
        if entry.error is not None:
            raise entry.error

    def _write_first(self, write: Callable[[Sequence[_Item]], None], most: int) -> None:
        """Write the items that wait, up to `most`. The thread of the first of the others writes those."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) >= self._enough(most), self._seconds)
            together = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        _write(together, write)
        with self._changed:
            following = self._waiting[0] if self._waiting else None
            self._has_writer = following is not None
        for entry in together:
            entry.is_done = True
        # Not by a lock for all: each thread would wake the next one, and only to wait for the interpreter.
        if following is not None:
            following.turn.release()
        for entry in together:
            entry.turn.release()

    def _enough(self, most: int) -> int:
        return min(most, max(1, (len(self._waiting) + self._coming) * 3 // 4))


class _Entry(Generic[_Item]):
    """turn: released when the item is written, or when its thread is to write."""

    def __init__(self, item: _Item) -> None:
        self.item = item
        self.turn = threading.Lock()
        self.turn.acquire()
        self.is_done = False
        self.error: BaseException | None = None


def _write(entries: Sequence[_Entry[_Item]], write: Callable[[Sequence[_Item]], None]) -> None:
    try:
        write([entry.item for entry in entries])
    except BaseException as error:  # noqa: BLE001  (each error is raised in the thread of its item)
        if len(entries) == 1 or isinstance(error, _SHARED) or not isinstance(error, Exception):
            for entry in entries:
                entry.error = error
        else:
            for entry in entries:
                _write([entry], write)
