"""Thumbnails of images as files, so that a list of large photographs is decoded only once."""

import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from emulator.durable_files import write_atomically
from emulator.store.blobs import CLEARED, delete_in_thread

_FOLDER = "thumbnails"
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


class ThumbnailFiles:
    """The thumbnail of a blob by the name of the blob: ``thumbnails/ab/abcdef...``.

    A cache: every file can be deleted at any time, and is made again when it is requested. Files are not
    synchronised, so after a power cut one may be empty or incomplete; such a file counts as missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER

    def read(self, name: str) -> bytes | None:
        """The JPEG file of the thumbnail; None when there is none, or not a complete one."""
        try:
            data = self._path(name).read_bytes()
        except OSError:
            return None
        return data if data.startswith(_JPEG_START) and data.endswith(_JPEG_END) else None

    def write(self, name: str, data: bytes) -> None:
        """Keep a thumbnail. Without room on the disk, or without permission, it is not kept."""
        path = self._path(name)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data, durable=False)

    def forget(self, names: Iterable[str]) -> None:
        """Delete the thumbnails of deleted blobs."""
        for name in names:
            with suppress(OSError):
                self._path(name).unlink()

    def clear(self) -> None:
        """Delete all thumbnails; a rename takes no time, whatever their number."""
        if not self._folder.exists():
            return
        with suppress(OSError):
            cleared = Path(tempfile.mkdtemp(dir=self._folder.parent, prefix=CLEARED))
            self._folder.replace(cleared / _FOLDER)
            delete_in_thread(cleared)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name
