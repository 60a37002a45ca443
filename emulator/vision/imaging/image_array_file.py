"""Many images of one size in a file: more than memory should hold, and each at hand in microseconds.

Why no memory that is mapped to the file: it counts as the process's own, which limits of containers look at,
and a disk that becomes full ends the process instead of raising an error.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Pixels = NDArray[numpy.uint8]


class ImageArrayFile:
    """RGB images (side, side, 3) by number, from 0. Any thread may read and write."""

    def __init__(self, path: Path, side: int) -> None:
        """
        Args:
            path: made anew; removed by `remove`.
        """
        self._path, self._shape = path, (side, side, 3)
        self._bytes = side * side * 3
        self._file = path.open("w+b", buffering=0)
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> Pixels:
        """A copy. Raises OSError when it was not written."""
        import numpy

        pixels = numpy.empty(self._shape, numpy.uint8)
        rest = pixels.data.cast("B")
        with self._lock:
            self._file.seek(int(number) * self._bytes)
            while rest:
                count = self._file.readinto(rest)
                if not count:
                    raise OSError(f"image {number} is not in {self._path.name}")
                rest = rest[count:]
        return pixels

    def __setitem__(self, number: int, pixels: Pixels) -> None:
        """Raises OSError, above all on a full disk."""
        import numpy

        rest = numpy.ascontiguousarray(pixels).data.cast("B")
        with self._lock:
            self._file.seek(int(number) * self._bytes)
            while rest:
                rest = rest[self._file.write(rest) :]

    def remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
