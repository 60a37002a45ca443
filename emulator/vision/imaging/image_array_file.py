"""Many images of one size in a file: more than memory should hold, each read in microseconds.

The file is not mapped into memory: mapped pages count against the memory limit of a container, and a full
disk would end the process instead of raising an error.
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
    """RGB images (side, side, 3) by index, from 0. Safe for concurrent reads and writes."""

    def __init__(self, path: Path, side: int) -> None:
        """Args:
        path: created empty, and deleted by `remove`.
        """
        self._path, self._shape = path, (side, side, 3)
        self._bytes = side * side * 3
        self._file = path.open("w+b", buffering=0)
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> Pixels:
        """Return a copy. Raises OSError if the image was not written."""
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
        """Raises OSError, for example on a full disk."""
        import numpy

        rest = numpy.ascontiguousarray(pixels).data.cast("B")
        with self._lock:
            self._file.seek(int(number) * self._bytes)
            while rest:
                rest = rest[self._file.write(rest) :]

    def remove(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
