"""Writes of several threads in one transaction, so that they share one synchronisation with the disk."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from emulator.store.database import StorageFull, StoreUnreachable

_Item = TypeVar("_Item")
# They concern every item of a transaction, and none of them is written again.
_SHARED = (StorageFull, StoreUnreachable)


class GroupedWrites(Generic[_Item]):
    """Items that wait while a transaction is written; the next one writes all of them.

    No thread waits for others to come: without concurrent requests, each item has its own transaction.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Entry[_Item]] = deque()
        self._turn = threading.Lock()

    def __len__(self) -> int:
        """The number of items whose transaction has not begun."""
        return len(self._waiting)

    def write(self, item: _Item, write: Callable[[Sequence[_Item]], None], most: int) -> None:
        """Write an item, in one transaction with others that wait; returns when it is committed.

        Args:
            write: writes items in one transaction, all of them or none.
            most: the number of items of a transaction, at least 1.

        Raises what `write` raises for the item: an error of another item of the transaction has no effect on
        it, since each item is then written by itself.
        """
        entry = _Entry(item)
        self._waiting.append(entry)
        with self._turn:
            while not entry.is_done:
                together = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
                _write(together, write)
                for each in together:
                    each.is_done = True
        if entry.error is not None:
            raise entry.error


class _Entry(Generic[_Item]):
    def __init__(self, item: _Item) -> None:
        self.item = item
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
