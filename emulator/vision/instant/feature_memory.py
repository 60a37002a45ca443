"""Features of images seen before, in memory, by the SHA-256 of the image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# About 35 MB.
_MOST = 50_000


class FeatureMemory:
    """The features that were used last. May be used by several threads at once."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, NDArray[numpy.int16]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> NDArray[numpy.int16] | None:
        """The features of an image; None when they are not known."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, features: NDArray[numpy.int16]) -> None:
        with self._lock:
            self._kept[key] = features
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
