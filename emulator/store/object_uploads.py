"""Uploaded files in an object store that wait for their import: ``uploads/<id>``."""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from emulator.durable_files import UNFINISHED_PREFIX
from emulator.store.database import full_disk_noticed
from emulator.store.object_errors import explained

_UPLOADS = "uploads"


class ObjectUploads:
    """The uploads of all servers of an object store. Each method raises BlobsUnreachable.

    Args:
        objects: the result of `object_blobs.open_objects`.
    """

    def __init__(self, objects: Any) -> None:
        self._objects = objects

    @explained
    def put(self, id: str, file: Path) -> None:
        """Store a file, in parts if it is large."""
        self._objects.put(_path(id), file)

    @explained
    def exists(self, id: str) -> bool:
        try:
            self._objects.head(_path(id))
        except FileNotFoundError:
            return False
        return True

    @explained
    def fetch(self, id: str, target: Path) -> None:
        """Write an upload to a file. Raises FileNotFoundError, StorageFull."""
        found = self._objects.get(_path(id))
        part = target.with_name(f"{UNFINISHED_PREFIX}{target.name}")
        with full_disk_noticed():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    for chunk in found.stream():
                        file.write(chunk)
                shutil.move(part, target)
            finally:
                part.unlink(missing_ok=True)

    @explained
    def remove(self, id: str) -> None:
        with suppress(FileNotFoundError):  # S3 does not tell
            self._objects.delete(_path(id))

    @explained
    def ages(self) -> dict[str, float]:
        """The ids of all uploads, and seconds since they were stored."""
        now = time.time()
        return {
            found["path"].rpartition("/")[2]: now - found["last_modified"].timestamp()
            for batch in self._objects.list(_UPLOADS)
            for found in batch
        }

    def clear(self) -> None:
        for name in self.ages():
            self.remove(name)


def _path(id: str) -> str:
    return f"{_UPLOADS}/{id}"
