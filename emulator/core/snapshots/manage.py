"""Named snapshots in the data folder: saving, listing, restoring, deleting, downloading, uploading.

One of these at a time; other requests go on meanwhile.
"""

import io
import logging
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rollouts import saving as rollout_figures
from emulator.core.snapshots import files
from emulator.core.snapshots.archive import ArchiveSource, write_archive
from emulator.core.snapshots.files import Snapshot
from emulator.core.snapshots.manifest import Manifest, SnapshotRejected
from emulator.core.snapshots.receiving import FolderSource, received
from emulator.core.snapshots.restore import restore_snapshot
from emulator.core.snapshots.saving import current_state
from emulator.durable_files import is_disk_full
from emulator.store.database import SCHEMA_REVISION, StorageFull
from emulator.store.tables import microseconds

FOLDER_NAME = "snapshots"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
# Names of devices on Windows, also with a suffix.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_log = logging.getLogger(__name__)


class NamedSnapshot(NamedTuple):
    name: str
    manifest: Manifest


def checked_name(name: str) -> str:
    """The name. Raises ServiceError unless it can be that of a folder on every system."""
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise ServiceError(
            "BadRequest",
            "The name of a snapshot must have 1 to 64 letters, digits, dots, dashes and underscores, begin "
            "with a letter or digit, not end with a dot, and not be the name of a device of Windows.",
        )
    return name


def list_all(context: Context) -> list[NamedSnapshot]:
    """All snapshots by name. Those that cannot be read are left out, which is logged."""
    with context.snapshot_lock:
        found = []
        for folder in sorted(_folder(context).glob("*")):
            try:
                found.append(NamedSnapshot(folder.name, files.read(folder).manifest))
            except (FileNotFoundError, NotADirectoryError):
                continue  # unfinished
            except SnapshotRejected as rejected:
                _log.warning("The snapshot '%s' cannot be read. %s", folder.name, rejected)
        return found


def get(context: Context, name: str) -> NamedSnapshot:
    """The snapshot with this name. Raises ServiceError if it does not exist or cannot be read."""
    with context.snapshot_lock:
        return NamedSnapshot(name, _open(context, name).manifest)


def save(context: Context, name: str) -> tuple[NamedSnapshot, bool]:
    """Save all that is stored, in place of the snapshot of this name if there is one; second: whether not.

    Raises ServiceError, StorageFull, BlobDamaged; then nothing has changed.
    """
    with context.snapshot_lock:
        folder, is_new = _place(context, name)
        rollout_figures.save(context)
        state = current_state(
            context.database,
            context.blobs,
            created=microseconds(context.clock.now()),
            may_wait=True,
        )
        return NamedSnapshot(name, files.write(folder, state).manifest), is_new


def restore(context: Context, name: str) -> NamedSnapshot:
    """Replace all that is stored by a snapshot, see `restore_snapshot`.

    Raises ServiceError, StorageFull; then nothing has changed.
    """
    with context.snapshot_lock:
        snapshot = _open(context, name)
        try:
            if snapshot.manifest.schema_revision < SCHEMA_REVISION:
                source = FolderSource(snapshot, context.blobs.verified)
                snapshot = files.write(_folder(context) / name, received(source))
            restore_snapshot(context, snapshot)
        except SnapshotRejected as rejected:
            raise _unusable(name, rejected) from None
        return NamedSnapshot(name, snapshot.manifest)


def delete(context: Context, name: str) -> None:
    """Delete a snapshot, also one that cannot be read. Raises ServiceError when there is none."""
    with context.snapshot_lock:
        with suppress(SnapshotRejected):
            _read(context, name)
        files.remove(_folder(context) / name)


def delete_all(context: Context) -> None:
    with context.snapshot_lock:
        shutil.rmtree(_folder(context), ignore_errors=True)


def open_archive(context: Context, name: str) -> IO[bytes]:
    """A new file with the archive of a snapshot, at its beginning; it is deleted when it is closed.

    Raises ServiceError, StorageFull.
    """
    with context.snapshot_lock:
        snapshot = _open(context, name)
        file = tempfile.TemporaryFile(dir=context.folder)  # noqa: SIM115  (the caller closes it)
        try:
            snapshot.verify(context.blobs.verified)
            write_archive(snapshot, file)
            file.seek(0)
        except BaseException as error:
            file.close()
            if isinstance(error, SnapshotRejected):
                raise _unusable(name, error) from None
            if is_disk_full(error):
                raise StorageFull(str(error)) from error
            raise
        return file


def upload(context: Context, name: str, archive: bytes) -> tuple[NamedSnapshot, bool]:
    """Store an archive as a snapshot, in place of the one of this name if there is one; second: whether not.

    Raises ServiceError, StorageFull; then nothing has changed.
    """
    context.disk.check_upload()
    with context.snapshot_lock:
        folder, is_new = _place(context, name)
        try:
            source = ArchiveSource(io.BytesIO(archive), len(archive))
            return NamedSnapshot(name, files.write(folder, received(source)).manifest), is_new
        except SnapshotRejected as rejected:
            raise ServiceError("BadRequest", f"The archive cannot be used. {rejected}") from None


def _folder(context: Context) -> Path:
    return context.folder / FOLDER_NAME


def _place(context: Context, name: str) -> tuple[Path, bool]:
    """The folder for a new snapshot, and whether the name is unused."""
    checked_name(name)
    for other in _folder(context).glob("*"):
        files.remove_unfinished(other)
        if other.name != name and other.name.casefold() == name.casefold():
            raise ServiceError(
                "BadRequest",
                f"There is a snapshot '{other.name}'; names must differ by more than case.",
            )
    folder = _folder(context) / name
    return folder, not folder.exists()


def _open(context: Context, name: str) -> Snapshot:
    try:
        return _read(context, name)
    except SnapshotRejected as rejected:
        raise _unusable(name, rejected) from None


def _read(context: Context, name: str) -> Snapshot:
    """The snapshot of this name. Raises ServiceError when there is none, SnapshotRejected."""
    checked_name(name)
    try:
        return files.read(_folder(context) / name)
    except (FileNotFoundError, NotADirectoryError):
        raise ServiceError("NotFound", f"There is no snapshot '{name}'.") from None


def _unusable(name: str, reason: SnapshotRejected) -> ServiceError:
    return ServiceError("Conflict", f"The snapshot '{name}' cannot be used. {reason}")
