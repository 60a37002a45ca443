"""Reading image files, whose SHA-256 is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ImageFile(Protocol):
    """A file and the SHA-256 of its bytes in hexadecimal."""

    @property
    def path(self) -> str: ...
    @property
    def key(self) -> str: ...


@dataclass(frozen=True)
class StoredImage:
    """An `ImageFile`."""

    path: str
    key: str


class ImageFileDamaged(Exception):
    """The SHA-256 of a file is not `key`. The file was changed since that was computed."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"the image file with the SHA-256 {self.key} has changed"


def read_image_file(image: ImageFile) -> bytes:
    """The bytes of the file.

    Raises:
        OSError: it cannot be read.
        ImageFileDamaged: its bytes do not match the SHA-256.
    """
    data = Path(image.path).read_bytes()
    if hashlib.sha256(data).hexdigest() != image.key:
        raise ImageFileDamaged(image.key)
    return data
