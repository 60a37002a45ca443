"""Bytes, content-addressed: a blob's name is the SHA-256 of what it holds."""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from emulator.files import UNFINISHED_PREFIX, is_disk_full, write_atomically
from emulator.store.database import StorageFull

_TRASH = "trash-"
_ABANDONED_SECONDS = 3600
_ATTEMPTS = 5


class BlobStore(Protocol):
    """The small interface behind which the bytes lie."""

    def put(self, data: bytes) -> str:
        """Keep `data` durably and return its name. Raises StorageFull, leaving nothing behind."""

    def put_file(self, path: Path) -> str:
        """Keep the content of the file at `path`, which may be moved away."""

    def read(self, name: str) -> bytes:
        """The bytes of a blob. Raises FileNotFoundError."""

    def path(self, name: str) -> Path:
        """A file that holds the blob, to read by others."""

    def exists(self, name: str) -> bool: ...

    def names(self) -> Iterator[str]:
        """The names of all blobs; what was left half-written is removed on the way."""

    def delete(self, name: str) -> None:
        """Forget a blob; not there is no error."""

    def clear(self) -> None:
        """Forget all blobs."""


class FolderBlobStore:
    """Blobs as files, ``ab/abcdef...``, each written under another name, synced, and renamed into place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "blobs"
        self._folder.mkdir(parents=True, exist_ok=True)
        for trash in folder.glob(f"{_TRASH}*"):
            _remove_unhurried(trash)

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        target = self.path(name)
        for attempt in range(1, _ATTEMPTS + 1):
            if target.exists():
                return name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(target, data)
                break
            except (FileNotFoundError, FileExistsError):  # `clear` is taking the folder away
                if attempt == _ATTEMPTS:
                    raise
            except OSError as error:
                if is_disk_full(error):
                    raise StorageFull(str(error)) from error
                raise
        return name

    def put_file(self, path: Path) -> str:
        return self.put(path.read_bytes())

    def read(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def names(self) -> Iterator[str]:
        for file in sorted(self._folder.glob("*/*")):
            if file.name.startswith(UNFINISHED_PREFIX):
                with suppress(FileNotFoundError):
                    if time.time() - file.stat().st_mtime > _ABANDONED_SECONDS:
                        file.unlink()
            else:
                yield file.name

    def delete(self, name: str) -> None:
        try:
            self.path(name).unlink(missing_ok=True)
        except PermissionError:
            # Windows lets nobody delete what somebody is reading; it is swept some other time.
            if os.name != "nt":
                raise

    def clear(self) -> None:
        # A rename is instant however many blobs there are; removing them is nobody's wait.
        trash = Path(tempfile.mkdtemp(dir=self._folder.parent, prefix=_TRASH))
        self._folder.replace(trash / "blobs")
        self._folder.mkdir(exist_ok=True)  # an upload may have been quicker
        _remove_unhurried(trash)


def _remove_unhurried(folder: Path) -> None:
    threading.Thread(
        target=shutil.rmtree, args=(folder,), kwargs={"ignore_errors": True}, name="emptying", daemon=True
    ).start()
