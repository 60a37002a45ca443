"""Restoring a backup, into a data folder that no server uses or through the server that uses it."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from emulator.core.backups import hash_list
from emulator.core.backups.hash_list import BackupRejected
from emulator.core.backups.saving import OTHERS, complete
from emulator.core.blob_sweep import mark_unclean
from emulator.core.signed_uris import SECRET_FILE
from emulator.core.snapshots import files
from emulator.core.snapshots.files import Snapshot
from emulator.core.snapshots.manage import FOLDER_NAME, NamedSnapshot
from emulator.core.snapshots.manifest import Manifest, SnapshotRejected
from emulator.core.snapshots.receiving import received
from emulator.durable_files import write_atomically
from emulator.store.blobs import CLEARED, BlobStore, FolderBlobStore, link_or_copy
from emulator.store.database import StoreUnreachable
from emulator.store.opening import Store, open_store

_log = logging.getLogger(__name__)


def chosen(path: Path) -> Path:
    """The backup at a path, or the newest one in the folder at the path. Raises BackupRejected."""
    if (path / hash_list.FILE_NAME).is_file():
        return path
    found = complete(path) if path.is_dir() else []
    if not found:
        raise BackupRejected(f"{path} is no complete backup, and no folder with one")
    return found[-1]


def verified(backup: Path) -> Manifest:
    """Compare all files of a backup with their SHA-256. Raises BackupRejected, which names the wrong ones."""
    hash_list.verify(backup)
    return _snapshot(backup).manifest


def restore(backup: Path, folder: Path, opened: Callable[[], Store] | None = None) -> Manifest:
    """Replace all that is stored in a data folder by a backup.

    The caller has locked the folder. All files are checked first; rows are replaced at the end, in one
    transaction, so that a restore that was interrupted is repeated. A process that is killed leaves the old
    rows or the new ones. A database that is damaged is set aside.

    opened: opens the store whose data folder it is, and which no server uses; by default that in the folder.

    Raises:
        BackupRejected: the backup is damaged, or cannot be used; nothing has changed.
        DatabaseRefused: the data folder is of a newer version, or the store cannot be opened.
        StorageFull, StoreUnreachable, TextRefused, OSError: no row has changed; files besides rows and blobs
            may be those of the backup already.
    """
    listed = hash_list.verify(backup)
    store = open_store(folder, accept_data_loss=True) if opened is None else opened()
    try:
        mark_unclean(folder)  # superfluous blobs are removed at the next start
        with _staged(backup, folder) as snapshot, store.database.exclusively():
            snapshot.place_blobs(store.blobs)
            _place_others(backup, folder, listed, replace=True)
            path = f"{OTHERS}/{SECRET_FILE}"
            secret = (backup / path).read_bytes() if path in listed else None
            store.database.replace_rows(snapshot.database, secret)
        _clear_uploads(store.blobs)
    finally:
        store.database.close()
    return snapshot.manifest


@contextmanager
def as_named_snapshot(backup: Path, folder: Path) -> Iterator[NamedSnapshot]:
    """A backup as a named snapshot, which the caller lets the server restore that uses the data folder.

    Before, files of the backup are placed that the data folder lacks; at the end, the snapshot is deleted.
    Raises BackupRejected, StorageFull.
    """
    listed = hash_list.verify(backup)
    with _staged(backup, folder) as staged:
        name = f"restore-{staged.manifest.folder[:12]}"
        target = folder / FOLDER_NAME / name
        target.parent.mkdir(exist_ok=True)
        staged.data.parent.rename(target)
    try:
        _place_others(backup, folder, listed, replace=False)
        yield NamedSnapshot(name, staged.manifest)
    finally:
        files.remove(target)


@contextmanager
def _staged(backup: Path, folder: Path) -> Iterator[Snapshot]:
    """A verified backup as a snapshot of this version, in a folder within the data folder `folder`.

    Blobs of which the data folder has no file are copied from the backup, also where an object store has
    them. A process that is killed leaves the folder, which is removed at the next start.
    """
    blobs = FolderBlobStore(folder)
    stage = Path(tempfile.mkdtemp(dir=folder, prefix=CLEARED))
    try:
        yield files.write(stage / "snapshot", received(_BackupSource(_snapshot(backup), blobs)))
    except SnapshotRejected as rejected:
        raise BackupRejected(f"the backup {backup} cannot be used: {rejected}") from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _clear_uploads(blobs: BlobStore) -> None:
    """Delete the archives of imports, whose states were deleted with the rows."""
    if blobs.uploads is not None:
        try:
            blobs.uploads.clear()
        except StoreUnreachable as error:  # a server deletes them later
            _log.warning("Uploaded data sets could not be deleted: %s", error)


def _place_others(backup: Path, folder: Path, listed: Mapping[str, str], *, replace: bool) -> None:
    """Write the files of a backup besides rows and blobs into a data folder.

    replace: also those that the folder has.
    """
    prefix = f"{OTHERS}/"
    for path in listed:
        target = folder / path.removeprefix(prefix)
        if path.startswith(prefix) and (replace or not target.exists()):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(target, (backup / path).read_bytes())


def _snapshot(backup: Path) -> Snapshot:
    try:
        return files.read(backup)
    except (SnapshotRejected, OSError) as error:
        raise BackupRejected(f"the backup {backup} cannot be used: {error}") from None


class _BackupSource:
    """The files of a verified backup; blobs that the data folder has are taken from there."""

    def __init__(self, snapshot: Snapshot, blobs: FolderBlobStore) -> None:
        self._snapshot = snapshot
        self._blobs = blobs

    @property
    def manifest(self) -> Manifest:
        return self._snapshot.manifest

    def takes_room(self, digest: str) -> bool:
        return not self._blobs.exists(digest)

    def fetch_database(self, target: Path) -> None:
        shutil.copyfile(self._snapshot.database, target)

    def fetch_blob(self, digest: str, target: Path) -> None:
        if self._blobs.is_intact(digest):
            link_or_copy(self._blobs.path(digest), target)
            return
        # A copy, so that damage of the data folder does not reach the backup.
        write_atomically(target, self._snapshot.blob(digest).read_bytes())
