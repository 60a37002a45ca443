"""Content-addressed bytes: the name of a blob is the SHA-256 of its content."""

import errno
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Protocol

from emulator.durable_files import UNFINISHED_PREFIX, is_disk_full, write_atomically
from emulator.store.blob_trash import BlobTrash, is_blob
from emulator.store.database import full_disk_noticed
from emulator.store.verified_files import VerifiedFiles

_NAME = "blobs"
# Beginning of the names of folders of cleared files.
CLEARED = "trash-"
_UNFINISHED_SECONDS = 3600
_ATTEMPTS = 5


class BlobDamaged(Exception):
    """The bytes of the blobs `names` do not match their names."""

    def __init__(self, *names: str) -> None:
        super().__init__(f"the SHA-256 of the bytes of {', '.join(names)} is another one")
        self.names = names


class BlobMissing(BlobDamaged):
    """A row refers to the blob `name`, which has no file."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.args = (f"there is no file of the blob {name}",)


class Trash(Protocol):
    """Blobs without a row, kept for a time before they are deleted."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def batch(self, now: datetime) -> object:
        """The place of the blobs that are moved at this time, for people."""

    def names(self) -> Iterable[str]:
        """The names of all blobs here."""

    def delete_old(self, now: datetime) -> None:
        """Delete what has been here for more than a day, and log how much."""


class Uploads(Protocol):
    """Uploaded files of all servers, which wait for their import. Each method raises StoreUnreachable."""

    def put(self, id: str, file: Path) -> None:
        """Store a file."""

    def exists(self, id: str) -> bool: ...

    def fetch(self, id: str, target: Path) -> None:
        """Write an upload to a file. Raises FileNotFoundError, StorageFull."""

    def remove(self, id: str) -> None:
        """Delete an upload, if it exists."""

    def ages(self) -> dict[str, float]:
        """The ids of all uploads, and seconds since they were stored."""

    def clear(self) -> None:
        """Delete all uploads."""


class BlobStore(Protocol):
    """Stores blobs."""

    @property
    def address(self) -> str:
        """Where they are, for people: a folder or a URL."""

    def check(self) -> None:
        """Raises StoreUnreachable when the blobs are on a server that does not respond."""

    def put(self, data: bytes) -> str:
        """Store `data` durably and return its name. Raises StorageFull; then nothing is stored."""

    def put_file(self, path: Path) -> str:
        """Store the content of the file at `path`, which may be moved. Raises StorageFull."""

    def read(self, name: str) -> bytes:
        """The bytes of a blob, verified. Raises FileNotFoundError, BlobDamaged."""

    def path(self, name: str) -> Path:
        """The file that contains the blob, not verified; only to be read."""

    def verified_path(self, name: str) -> Path:
        """The file that contains the blob, verified unless it is unchanged since the last time.

        Raises FileNotFoundError, BlobDamaged.
        """

    def is_intact(self, name: str) -> bool:
        """Whether the blob exists and its bytes match its name."""

    def exists(self, name: str) -> bool: ...

    def names(self) -> Iterator[str]:
        """The names of all blobs."""

    def delete_unfinished(self) -> None:
        """Delete files that earlier processes did not finish writing, by their age."""

    def delete(self, name: str) -> None:
        """Delete a blob, if it exists."""

    def move_to_trash(self, name: str, now: datetime) -> int:
        """Move a blob to the trash; returns its size in bytes, 0 when there is no such blob."""

    def bring_back(self, name: str) -> bool:
        """Move a blob back from the trash, unless it exists; returns whether it was moved."""

    def share(self, name: str, target: Path) -> None:
        """Make the verified file of a blob available at `target`, too, outside of the store.

        Raises FileNotFoundError, BlobDamaged, StorageFull.
        """

    def adopt(self, name: str, source: Path) -> bool:
        """Store the blob whose verified file is at `source`, which stays; returns whether it was missing.

        Raises StorageFull.
        """

    def clear(self) -> None:
        """Delete all blobs, those in the trash, too."""

    @property
    def trash(self) -> Trash: ...

    @property
    def uploads(self) -> Uploads | None:
        """Uploaded files that wait for their import; None where each server keeps its own."""

    @property
    def verified(self) -> VerifiedFiles:
        """The memory of `verified_path`, for copies outside of the store."""


def has_blobs(folder: Path) -> bool:
    """Whether a data folder has blobs, also in the trash."""
    files = chain((folder / _NAME).glob("*/*"), BlobTrash(folder).files())
    return any(is_blob(file) for file in files)


def blob_path(folder: Path, name: str) -> Path:
    """The file of a blob in a data folder, or in a folder of a snapshot, whose blobs are arranged alike."""
    return folder / _NAME / name[:2] / name


class FolderBlobStore:
    """Blobs as files, ``ab/abcdef...``, written atomically.

    Args:
        durable: whether they must survive a power cut.
        only_read: do not create the folder, and leave what was cleared to the process that uses it.
    """

    def __init__(self, folder: Path, *, durable: bool = True, only_read: bool = False) -> None:
        self._durable = durable
        self._folder = folder / _NAME
        self.address = str(self._folder)
        if not only_read:
            self._folder.mkdir(parents=True, exist_ok=True)
        self.verified = VerifiedFiles()
        self._folder_trash = BlobTrash(folder)
        self.trash: Trash = self._folder_trash
        self.uploads: Uploads | None = None
        for cleared in () if only_read else folder.glob(f"{CLEARED}*"):
            delete_in_thread(cleared)

    def check(self) -> None:
        """A folder needs no check beside that of the disk."""

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        target = self.path(name)
        for attempt in range(1, _ATTEMPTS + 1):
            if self.is_intact(name):
                return name
            try:
                with full_disk_noticed():
                    if attempt > 1:
                        # Not the data folder: if it was moved while the emulator runs, the file would be
                        # lost.
                        self._folder.mkdir(exist_ok=True)
                        target.parent.mkdir(exist_ok=True)
                    write_atomically(target, data, durable=self._durable)
                break
            except (FileNotFoundError, FileExistsError):  # no folder yet, or `clear` is removing it
                if attempt == _ATTEMPTS:
                    if not self._folder.parent.exists():
                        raise OSError(errno.EIO, "the data folder is gone", str(target)) from None
                    raise
        return name

    def put_file(self, path: Path) -> str:
        return self.put(path.read_bytes())

    def read(self, name: str) -> bytes:
        data = self.path(name).read_bytes()
        if hashlib.sha256(data).hexdigest() != name:
            raise BlobDamaged(name)
        return data

    def path(self, name: str) -> Path:
        return blob_path(self._folder.parent, name)

    def verified_path(self, name: str) -> Path:
        path = self.path(name)
        if not self.verified.is_intact(path, name):
            raise BlobDamaged(name)
        return path

    def is_intact(self, name: str) -> bool:
        try:
            return self.verified.is_intact(self.path(name), name)
        except FileNotFoundError:
            return False

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def names(self) -> Iterator[str]:
        for file in sorted(self._files()):
            if is_blob(file):
                yield file.name

    def delete_unfinished(self) -> None:
        for file in chain(self._files(), self._folder.parent.iterdir()):
            if file.name.startswith(UNFINISHED_PREFIX):
                with suppress(OSError):  # deleted meanwhile, or a folder
                    if time.time() - file.stat().st_mtime > _UNFINISHED_SECONDS:
                        file.unlink()

    def _files(self) -> Iterator[Path]:
        return self._folder.glob("*/*")

    def delete(self, name: str) -> None:
        try:
            blob_path(self._folder.parent, name).unlink(missing_ok=True)
        except PermissionError:
            # Windows cannot delete a file that is being read; a later sweep deletes it.
            if os.name != "nt":
                raise

    def move_to_trash(self, name: str, now: datetime) -> int:
        return self._folder_trash.add(self.path(name), now)

    def bring_back(self, name: str) -> bool:
        return self._folder_trash.take(name, self.path(name))

    def share(self, name: str, target: Path) -> None:
        link_or_copy(self.verified_path(name), target)

    def adopt(self, name: str, source: Path) -> bool:
        target = self.path(name)
        with suppress(FileNotFoundError):
            if target.samefile(source) or self.is_intact(name):
                return False
        self._folder.mkdir(exist_ok=True)
        target.parent.mkdir(exist_ok=True)
        link_or_copy(source, target)
        return True

    def clear(self) -> None:
        # A rename takes no time, whatever the number of blobs, which are deleted in a thread.
        cleared = Path(tempfile.mkdtemp(dir=self._folder.parent, prefix=CLEARED))
        with suppress(FileNotFoundError):
            self._folder_trash.folder.replace(cleared / "trash")
        self._folder.replace(cleared / "blobs")
        self._folder.mkdir(exist_ok=True)  # an upload may have created it
        delete_in_thread(cleared)


def link_or_copy(source: Path, target: Path) -> None:
    """Make a file available at `target`, replacing a file there. Raises FileNotFoundError, StorageFull.

    A hard link takes no room and no time. It is possible because the bytes of blobs are never changed: an
    intact file is replaced by a rename. Some file systems have none, and none leads to another file system.
    """
    with full_disk_noticed():
        for _ in range(_ATTEMPTS):
            try:
                os.link(source, target)
                return
            except FileExistsError:
                target.unlink(missing_ok=True)
            except FileNotFoundError:
                raise
            except OSError as error:
                if is_disk_full(error):
                    raise
                break
        write_atomically(target, source.read_bytes())


def delete_in_thread(folder: Path) -> None:
    """Delete a folder, whose name begins with `CLEARED`: what a stop leaves is deleted at the next start."""
    threading.Thread(
        target=shutil.rmtree,
        args=(folder,),
        kwargs={"ignore_errors": True},
        name="deletion of cleared files",
        daemon=True,
    ).start()
