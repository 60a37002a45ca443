"""Where each image of a view stands, so that a count or a page far down a list needs no walk.

For a filter that no counter answers (tags, metadata, the past), the numbers of its images are read once, in
order, and kept until the project's revision changes: 8 bytes an image. Reading takes a fraction of a second
for 100,000 images; what comes after does not depend on their number.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable

_KEPT = 32


class PositionCache:
    """The least recently used lists are forgotten first."""

    def __init__(self) -> None:
        self._lists: OrderedDict[tuple[object, ...], array[int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...], read: Callable[[], Iterable[int]]) -> "array[int]":
        """The numbers for `key`, ascending; `read` obtains them when they are not known."""
        with self._lock:
            if key in self._lists:
                self._lists.move_to_end(key)
                return self._lists[key]
        numbers = array("q", read())
        with self._lock:
            self._lists[key] = numbers
            while len(self._lists) > _KEPT:
                self._lists.popitem(last=False)
        return numbers

    def clear(self) -> None:
        with self._lock:
            self._lists.clear()
