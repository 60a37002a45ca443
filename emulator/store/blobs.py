"""Content-addressed bytes: the name of a blob is the SHA-256 of its content."""

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

from emulator.durable_files import UNFINISHED_PREFIX, is_disk_full, write_atomically
from emulator.store.database import StorageFull

_TRASH = "trash-"
_UNFINISHED_SECONDS = 3600
_ATTEMPTS = 5


class BlobStore(Protocol):
    """Stores blobs."""

    def put(self, data: bytes) -> str:
        """Store `data` durably and return its name. Raises StorageFull; then nothing is stored."""

    def put_file(self, path: Path) -> str:
        """Store the content of the file at `path`, which may be moved. Raises StorageFull."""

    def read(self, name: str) -> bytes:
        """The bytes of a blob. Raises FileNotFoundError."""

    def path(self, name: str) -> Path:
        """The file that contains the blob; only to be read."""

    def exists(self, name: str) -> bool: ...

    def names(self) -> Iterator[str]:
        """The names of all blobs. Unfinished files of earlier processes are deleted."""

    def delete(self, name: str) -> None:
        """Delete a blob, if it exists."""

    def clear(self) -> None:
        """Delete all blobs."""


class FolderBlobStore:
    """Blobs as files, ``ab/abcdef...``, written atomically."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "blobs"
        self._folder.mkdir(parents=True, exist_ok=True)
        for trash in folder.glob(f"{_TRASH}*"):
            _delete_in_thread(trash)

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
            except (FileNotFoundError, FileExistsError):  # `clear` is removing the folder
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
                    if time.time() - file.stat().st_mtime > _UNFINISHED_SECONDS:
                        file.unlink()
            else:
                yield file.name

    def delete(self, name: str) -> None:
        try:
            self.path(name).unlink(missing_ok=True)
        except PermissionError:
            # Windows cannot delete a file that is being read; a later sweep deletes it.
            if os.name != "nt":
                raise

    def clear(self) -> None:
        # A rename takes no time, whatever the number of blobs, which are deleted in a thread.
        trash = Path(tempfile.mkdtemp(dir=self._folder.parent, prefix=_TRASH))
        self._folder.replace(trash / "blobs")
        self._folder.mkdir(exist_ok=True)  # an upload may have created it
        _delete_in_thread(trash)


def _delete_in_thread(folder: Path) -> None:
    threading.Thread(
        target=shutil.rmtree,
        args=(folder,),
        kwargs={"ignore_errors": True},
        name="blob deletion",
        daemon=True,
    ).start()
