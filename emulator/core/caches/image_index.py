"""The numbers of the images of a filtered list, so that counts and distant pages need no scan.

For a filter without a counter (tags, metadata, an iteration's view), the numbers of its images are read once,
in ascending order, and kept: 8 bytes an image. After changes to the project, only the changed images are read
again.
"""

import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable

_LISTS_KEPT = 32
_PROJECTS_KEPT = 64
_CHANGES_KEPT = 256
# With more changed images than this, the whole list is read again.
_MAX_TOUCHED = 512

Read = Callable[[Collection[int] | None], Iterable[int]]


class ImageIndex:
    """Lists of image numbers, and the images that the latest changes affected; a bounded number of each."""

    def __init__(self) -> None:
        # The revision that a list is valid for, and the list, which is never modified.
        self._lists: OrderedDict[Hashable, tuple[int, array[int]]] = OrderedDict()
        self._changes: OrderedDict[str, OrderedDict[int, frozenset[int]]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, project_id: str, revision: int, touched: Collection[int] | None) -> None:
        """Record which images the change to `revision` (`revisions.changes`) affects; None: possibly all.

        To be called within the transaction of the change, so that the record exists when the revision becomes
        visible. The record of a transaction that is rolled back is overwritten by that of the next change,
        which is of this server; where it may be of another one, the record is made after the commit.
        """
        with self._lock:
            changes = self._changes.setdefault(project_id, OrderedDict())
            self._changes.move_to_end(project_id)
            changes.pop(revision, None)
            if touched is not None:
                changes[revision] = frozenset(touched)
            while len(changes) > _CHANGES_KEPT:
                changes.popitem(last=False)
            while len(self._changes) > _PROJECTS_KEPT:
                self._changes.popitem(last=False)

    def get(self, project_id: str, revision: int, key: Hashable, read: Read) -> "array[int]":
        """The ascending numbers of the images of the list named by `key`, as of a revision of the project.

        `read` obtains the numbers from the database: all of them (None), or those among the given ones.
        """
        with self._lock:
            kept = self._lists.get(key)
            if kept is not None and kept[0] == revision:
                self._lists.move_to_end(key)
                return kept[1]
            touched = None if kept is None else self._touched(project_id, kept[0], revision)
        if kept is None or touched is None:
            numbers = array("q", read(None))
        else:
            numbers = _updated(kept[1], touched, set(read(touched)))
        with self._lock:
            if key not in self._lists or self._lists[key][0] < revision:
                self._lists[key] = revision, numbers
            self._lists.move_to_end(key)
            while len(self._lists) > _LISTS_KEPT:
                self._lists.popitem(last=False)
        return numbers

    def clear(self) -> None:
        with self._lock:
            self._lists.clear()
            self._changes.clear()

    def _touched(self, project_id: str, after: int, revision: int) -> set[int] | None:
        """The images that the changes between two revisions affected; None when that is unknown."""
        changes = self._changes.get(project_id, OrderedDict())
        if not 0 < revision - after <= len(changes):
            return None
        touched: set[int] = set()
        for one in range(after + 1, revision + 1):
            if one not in changes:
                return None
            touched |= changes[one]
        return touched if len(touched) <= _MAX_TOUCHED else None


def _updated(numbers: "array[int]", touched: Collection[int], present: Collection[int]) -> "array[int]":
    """A copy of the ascending `numbers` that contains, of the `touched` ones, exactly those in `present`."""
    copy = numbers[:]
    for number in touched:
        place = bisect_left(copy, number)
        there = place < len(copy) and copy[place] == number
        if there and number not in present:
            del copy[place]
        elif number in present and not there:
            copy.insert(place, number)
    return copy
