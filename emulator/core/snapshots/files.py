"""The files of a snapshot, in a folder of its own.

- ``snapshot.json``: the manifest, which is written last. It names the folder with the other files, so that
  replacing it atomically replaces the snapshot: a process that is killed leaves the old one or the new one.
- ``<32 digits>/database.sqlite``: the rows
- ``<32 digits>/blobs/ab/abcdef...``: the blobs, hard links to those of the store where possible
"""

import hashlib
import re
import shutil
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from emulator.core.snapshots import manifest as manifests
from emulator.core.snapshots.manifest import Manifest, SnapshotRejected
from emulator.durable_files import UNFINISHED_PREFIX, is_disk_full, write_atomically
from emulator.store.blobs import BlobStore, blob_path
from emulator.store.database import StorageFull
from emulator.store.verified_files import VerifiedFiles

DATABASE_NAME = "database.sqlite"
_DATA_FOLDER = re.compile("[0-9a-f]{32}")

# Writes the files of a snapshot into a new folder and returns the manifest.
Build = Callable[[Path], Manifest]


class SharedBlobs(Protocol):
    """The blobs that are saved: those of a `BlobStore`."""

    def share(self, name: str, target: Path) -> None:
        """Make a blob available at `target`, too. Raises FileNotFoundError, BlobDamaged, StorageFull."""


class Snapshot:
    """A stored snapshot. data: the folder of its files."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self.data = folder / manifest.folder

    @property
    def database(self) -> Path:
        return self.data / DATABASE_NAME

    def blob(self, digest: str) -> Path:
        return blob_path(self.data, digest)

    def verify(self, verified: VerifiedFiles) -> None:
        """Compare every file with its SHA-256. Raises SnapshotRejected."""
        wanted = [(self.database, self.manifest.database_sha256)]
        wanted += [(self.blob(digest), digest) for digest in self.manifest.blobs]
        for path, digest in wanted:
            try:
                if not verified.is_intact(path, digest):
                    raise SnapshotRejected(f"Its file {path.name} is damaged: it has another SHA-256.")
            except FileNotFoundError:
                raise SnapshotRejected(f"Its file {path.name} is missing.") from None

    def place_blobs(self, blobs: BlobStore) -> set[str]:
        """Store all blobs; returns the names of those that were missing. Raises StorageFull."""
        return {digest for digest in self.manifest.blobs if blobs.adopt(digest, self.blob(digest))}


def read(folder: Path) -> Snapshot:
    """The snapshot in a folder. Raises FileNotFoundError when there is none, SnapshotRejected."""
    with (folder / manifests.FILE_NAME).open("rb") as file:
        text = file.read(manifests.MANIFEST_BYTES + 1)
    if len(text) > manifests.MANIFEST_BYTES:
        raise SnapshotRejected(f"Its {manifests.FILE_NAME} is too large.")
    manifest = manifests.parse(text)
    if not manifest.folder:
        raise SnapshotRejected(f"Its {manifests.FILE_NAME} names no folder.")
    return Snapshot(folder, manifest)


def write(folder: Path, build: Build) -> Snapshot:
    """Make a snapshot in a folder, in place of the one that is there.

    If anything fails, the folder is as it was. Raises StorageFull and the exceptions of `build`.
    """
    is_new = not folder.exists()
    data = folder / uuid.uuid4().hex
    try:
        data.mkdir(parents=True)
        manifest = build(data).model_copy(update={"folder": data.name})
        write_atomically(folder / manifests.FILE_NAME, manifest.dump())
    except BaseException as error:
        shutil.rmtree(data, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        if is_disk_full(error):
            raise StorageFull(str(error)) from error
        raise
    remove_unfinished(folder)
    return Snapshot(folder, manifest)


def remove(folder: Path) -> None:
    """Delete a snapshot, the manifest first: what is left when the process is killed is no snapshot."""
    (folder / manifests.FILE_NAME).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Delete what processes left that were killed while they wrote or deleted a snapshot in this folder."""
    try:
        used = read(folder).manifest.folder
    except FileNotFoundError:
        used = ""
    except (SnapshotRejected, OSError):
        return
    for path in folder.iterdir():
        if _DATA_FOLDER.fullmatch(path.name) and path.name != used:
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(UNFINISHED_PREFIX):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # not empty
        folder.rmdir()


def share_blobs(blobs: SharedBlobs, names: Iterable[str], data: Path) -> dict[str, int]:
    """Make blobs available in a folder of files, too; returns their sizes.

    Raises FileNotFoundError with the name of one that is missing, after the others are there, BlobDamaged,
    StorageFull.
    """
    sizes = {}
    missing = ""
    for name in sorted(names):
        target = blob_path(data, name)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                blobs.share(name, target)
            except FileNotFoundError:
                missing = name
                continue
        sizes[name] = target.stat().st_size
    if missing:
        raise FileNotFoundError(missing)
    return sizes


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
