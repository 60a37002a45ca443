"""The examination of a data folder or of a database on a server, also while servers use them.

Nothing is changed. Rows are examined in a copy in the form of SQLite, wherever they are.
"""

import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from sqlalchemy.exc import DBAPIError

from emulator.core.disk_space import KEPT_BYTES, DiskGuard
from emulator.core.rules.limits import MEGABYTE
from emulator.core.signed_uris import SECRET_BYTES, SECRET_FILE
from emulator.core.snapshots import files
from emulator.core.snapshots.manage import FOLDER_NAME as SNAPSHOTS
from emulator.core.snapshots.manifest import SnapshotRejected
from emulator.core.status.information import FolderSize
from emulator.durable_files import UNFINISHED_PREFIX
from emulator.store.blob_trash import BlobTrash, is_blob
from emulator.store.blobs import CLEARED, BlobDamaged, BlobMissing, blob_path
from emulator.store.commit_counter import CommitCounter
from emulator.store.damage import describe
from emulator.store.damage_check import find_damage, is_damage, reading, structural_damage
from emulator.store.database import (
    FILE_NAME,
    BlobsUnreachable,
    DatabaseDamaged,
    DatabaseRefused,
    StorageFull,
    StoreUnreachable,
)
from emulator.store.opening import ServerStore, loss_in_file
from emulator.store.references import blobs_in
from emulator.store.row_copy import write_copy
from emulator.store.server_mark import is_marked
from emulator.store.sqlite import SqliteDatabase
from emulator.store.verified_files import VerifiedFiles

if TYPE_CHECKING:
    from emulator.store.object_blobs import ObjectBlobStore

State = Literal["ok", "note", "problem"]
_FROM_BACKUP = "Restore the newest backup: custom-vision-emulator restore BACKUPS."
# A blob without a row may belong to a request in progress.
_IN_PROGRESS_SECONDS = 600
_SMALL_SHARE = 0.05
_MOST_SHOWN = 10


class Finding(NamedTuple):
    """The result of a check. remedy: what to do; empty when there is nothing to do."""

    check: str
    state: State
    text: str
    remedy: str = ""


def examine(
    folder: Path,
    *,
    hashes: bool = True,
    now: Callable[[], float] = time.time,
    server: ServerStore | None = None,
) -> Iterator[Finding]:
    """Examine a data folder; each check has at least one finding, in the order in which they are made.

    Args:
        hashes: compare the bytes of every image and model with its SHA-256, which reads all of them.
        now: seconds since 1970.
        server: where the rows are, and the images and models with an object store; None if in the folder.
    """
    if server is not None and not folder.is_dir():  # on a machine without a server
        yield from _server(folder, server, hashes, now())
        return
    if not folder.is_dir():
        yield Finding("folder", "problem", f"There is no folder {folder}.", "Name another one with --data.")
        return
    yield from _permissions(folder)
    yield from _disk(folder)
    if server is not None:
        yield from _server(folder, server, hashes, now())
        yield from _snapshots(folder, hashes)
        yield from _left_files(folder, now())
        return
    if is_marked(folder):
        text = "The rows are in a database on a server: neither they nor the images and models are examined."
        remedy = "Give its URL with --database, and --blobs as the server has it."
        yield Finding("database", "note", text, remedy)
        return
    loss = loss_in_file(folder, CommitCounter(folder).read())
    if loss is not None:
        yield Finding("database", "problem", f"{loss}.", _FROM_BACKUP)
        return
    if not (folder / FILE_NAME).exists():
        yield Finding("database", "note", "There is none yet: no emulator was started with this folder.")
        return
    try:
        with _copy(folder) as copy:
            _check_rows(copy)
            size = sum(_sizes(folder.glob(f"{FILE_NAME}*"))) / MEGABYTE
            text = f"{size:.1f} MB; structure, indexes, values and references are intact."
            yield Finding("database", "ok", text)
            yield from _blobs(_FolderPlace(folder), copy, hashes, now())
    except _Contradiction as wrong:
        yield Finding("database", "problem", str(wrong), _FROM_BACKUP)
    except (DatabaseDamaged, DatabaseRefused, sqlite3.Error, OSError, UnicodeDecodeError) as error:
        remedy = _FROM_BACKUP if isinstance(error, DatabaseDamaged) or is_damage(error) else ""
        yield Finding("database", "problem", f"{folder / FILE_NAME} cannot be read: {error}.", remedy)
    yield from _snapshots(folder, hashes)
    yield from _left_files(folder, now())


def _server(folder: Path, server: ServerStore, hashes: bool, now: float) -> Iterator[Finding]:
    """Examine rows on a server, and the images and models to which they refer."""
    name = server.database.name
    try:
        problems = list(server.database.problems())
        yield from (Finding("database", "problem", one.text, one.remedy) for one in problems)
        with _copy_of(server.database.copy_to) as copy:
            _check_rows(copy)
            checksums = "" if server.database.has_checksums() else " PostgreSQL runs without page checksums."
            size = server.database.size() / MEGABYTE
            text = f"{name}, {size:.1f} MB; constraints, values and references are intact.{checksums}"
            if not problems:
                yield Finding("database", "ok", text)
            place = _FolderPlace(folder) if server.objects is None else _ObjectPlace(server.objects)
            yield from _blobs(place, copy, hashes, now)
    except _Contradiction as wrong:
        yield Finding("database", "problem", str(wrong), _FROM_BACKUP)
    except BlobsUnreachable as error:
        yield Finding("images and models", "problem", f"{error}", "Try again when the store can be reached.")
    except StoreUnreachable as error:
        yield Finding("database", "problem", f"{error}.", "Try again when the database can be reached.")
    except (DatabaseDamaged, DatabaseRefused, StorageFull, DBAPIError, sqlite3.Error, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = " ".join(str(cause).split())
        yield Finding("database", "problem", f"The rows of {name} cannot be read: {reason}.", _FROM_BACKUP)


def _permissions(folder: Path) -> Iterator[Finding]:
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("folder", "problem", f"{folder} cannot be read and written.", "Change its permissions.")
        return
    mode = folder.stat().st_mode
    if os.name != "nt" and mode & 0o077 and not mode & stat.S_ISGID:
        text = f"Other users of this machine can enter {folder} (mode {stat.S_IMODE(mode):o})."
        yield Finding("folder", "note", text, f"chmod 700 {folder}")
    secret = folder / SECRET_FILE
    if secret.exists() and secret.stat().st_size != SECRET_BYTES:
        text = f"{secret} is damaged: the next start replaces it, and URIs that were issued become invalid."
        yield Finding("folder", "problem", text, _FROM_BACKUP)
    else:
        yield Finding("folder", "ok", f"{folder}")


def _disk(folder: Path) -> Iterator[Finding]:
    usage = shutil.disk_usage(folder)
    text = (
        f"{usage.free // MEGABYTE} MB of {usage.total // MEGABYTE} MB are free; the folder has "
        f"{FolderSize(folder).bytes // MEGABYTE} MB."
    )
    remedy = "Delete stored predictions, snapshots or exports, or move the folder to a larger disk."
    if usage.free < KEPT_BYTES:
        yield Finding("disk", "problem", text, remedy)
    elif usage.free < _SMALL_SHARE * usage.total:
        yield Finding("disk", "note", text, remedy)
    else:
        yield Finding("disk", "ok", text)


class _Copy:
    """A copy of the rows in the schema of this version. fresh: makes another one."""

    def __init__(self, database: SqliteDatabase, fresh: Callable[[], set[str]]) -> None:
        self.database = database
        self.fresh = fresh


@contextmanager
def _copy(folder: Path) -> Iterator[_Copy]:
    """A copy of the database in a temporary folder. Raises OSError, sqlite3.Error, DatabaseRefused."""
    reason = DiskGuard(Path(tempfile.gettempdir())).shortage(2 * (folder / FILE_NAME).stat().st_size)
    if reason is not None:
        raise OSError(f"no copy can be made for the check. {reason}")
    with reading(folder / FILE_NAME) as connection:
        damage = structural_damage(connection, "integrity_check")
    if damage is not None:
        raise DatabaseDamaged(damage)
    with _copy_of(partial(write_copy, folder / FILE_NAME)) as copy:
        yield copy


@contextmanager
def _copy_of(write: Callable[[Path], None]) -> Iterator[_Copy]:
    """A copy of rows in a temporary folder. write: writes them to a new file. Raises what `write` raises."""
    with tempfile.TemporaryDirectory(prefix="custom-vision-emulator-") as name:

        def references() -> set[str]:
            with tempfile.TemporaryDirectory(dir=name) as again:
                write(Path(again) / FILE_NAME)
                SqliteDatabase(Path(again), durable=False).close()  # migrates an older schema
                return blobs_in(Path(again) / FILE_NAME)

        write(Path(name) / FILE_NAME)
        database = SqliteDatabase(Path(name), durable=False)
        try:
            yield _Copy(database, references)
        finally:
            database.close()


class _Contradiction(Exception):
    """Rows contradict each other. str() is a sentence."""


def _check_rows(copy: _Copy) -> None:
    """Raises DatabaseDamaged, _Contradiction."""
    damage = find_damage(copy.database.path)
    if damage is not None:
        raise DatabaseDamaged(damage)
    with reading(copy.database.path) as connection:
        wrong = connection.execute("PRAGMA foreign_key_check").fetchone()
    if wrong is not None:
        raise _Contradiction(
            f"Rows of the table {wrong[0]!r} refer to rows of {wrong[2]!r} that do not exist."
        )


class _Place(Protocol):
    """Where images and models are."""

    def check(self, name: str, *, hashes: bool) -> bool:
        """Whether a file is there and, with `hashes`, has its SHA-256. Raises FileNotFoundError, OSError."""

    def files(self) -> Iterable[tuple[str, int, float]]:
        """Name, size in bytes and time of the last change, in seconds since 1970, of each file."""


class _FolderPlace:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._verified = VerifiedFiles()

    def check(self, name: str, *, hashes: bool) -> bool:
        path = blob_path(self._folder, name)
        if hashes:
            return self._verified.is_intact(path, name)
        path.stat()
        return True

    def files(self) -> Iterator[tuple[str, int, float]]:
        for path in (self._folder / "blobs").glob("*/*"):
            with suppress(FileNotFoundError):
                if is_blob(path):
                    status = path.stat()
                    yield path.name, status.st_size, status.st_mtime


class _ObjectPlace:
    def __init__(self, objects: "ObjectBlobStore") -> None:
        self._objects = objects
        self._listed: dict[str, tuple[str, int, float]] | None = None

    def check(self, name: str, *, hashes: bool) -> bool:
        if not hashes:
            if name not in self._by_name():
                raise FileNotFoundError(name)
            return True
        try:
            self._objects.download(name)
        except BlobDamaged:
            return False
        return True

    def files(self) -> Iterable[tuple[str, int, float]]:
        return self._by_name().values()

    def _by_name(self) -> dict[str, tuple[str, int, float]]:
        if self._listed is None:
            self._listed = {found[0]: found for found in self._objects.listed()}
        return self._listed


def _blobs(place: _Place, copy: _Copy, hashes: bool, now: float) -> Iterator[Finding]:
    referenced = blobs_in(copy.database.path)
    missing, damaged = set(), set()
    for name in sorted(referenced):
        try:
            if not place.check(name, hashes=hashes):
                damaged.add(name)
        except FileNotFoundError:
            missing.add(name)
        except OSError:  # sectors of the disk that cannot be read
            damaged.add(name)
    if missing or damaged:  # clients may have deleted them meanwhile
        still = copy.fresh()
        missing &= still
        damaged &= still
    problems: list[BlobDamaged] = [BlobMissing(name) for name in sorted(missing)]
    problems += [BlobDamaged(name) for name in sorted(damaged)]
    for problem in problems[:_MOST_SHOWN]:
        message = describe(copy.database, problem).message
        text, _, remedy = message.partition(". ")
        yield Finding("images and models", "problem", f"{text}.", f"{remedy} Or: {_FROM_BACKUP}")
    if len(problems) > _MOST_SHOWN:
        text = f"{len(problems) - _MOST_SHOWN} more files are missing or damaged."
        yield Finding("images and models", "problem", text, _FROM_BACKUP)
    if not problems:
        what = "have the SHA-256 that they had" if hashes else "exist; their bytes were not compared"
        yield Finding("images and models", "ok", f"{len(referenced)} files {what}.")
    yield from _orphans(place, referenced, copy, now)


def _orphans(place: _Place, referenced: set[str], copy: _Copy, now: float) -> Iterator[Finding]:
    found = {
        name: size
        for name, size, changed in place.files()
        if name not in referenced and now - changed > _IN_PROGRESS_SECONDS
    }
    if found:
        still = copy.fresh()
        found = {name: size for name, size in found.items() if name not in still}
    if found:
        yield Finding(
            "orphans",
            "note",
            f"{len(found)} files ({sum(found.values())} bytes) belong to nothing, as after a power failure.",
            "The next start after a kill moves them to the folder trash and deletes them a day later.",
        )
    else:
        yield Finding("orphans", "ok", "Every file belongs to a row of the database.")


def _snapshots(folder: Path, hashes: bool) -> Iterator[Finding]:
    verified = VerifiedFiles()
    names = []
    for path in sorted((folder / SNAPSHOTS).glob("*")):
        try:
            snapshot = files.read(path)
            if hashes:
                snapshot.verify(verified)
            names.append(path.name)
        except (FileNotFoundError, NotADirectoryError):
            continue  # unfinished
        except (SnapshotRejected, OSError) as error:
            text = f"The snapshot {path.name!r} cannot be used. {error}"
            yield Finding("snapshots", "problem", text, f"custom-vision-emulator snapshot delete {path.name}")
    if names:
        yield Finding("snapshots", "ok", f"{', '.join(names)}.")


def _left_files(folder: Path, now: float) -> Iterator[Finding]:
    damaged = sorted(path.name for path in folder.glob(f"{FILE_NAME}.damaged-*[0-9]"))
    if damaged:
        text = f"{', '.join(damaged)}: databases that were damaged and were replaced."
        yield Finding("left files", "note", text, "Delete them when nothing of them is needed.")
    unfinished = [*folder.glob(f"{UNFINISHED_PREFIX}*"), *folder.glob(f"blobs/*/{UNFINISHED_PREFIX}*")]
    old = [path for path in unfinished if now - _modified(path, now) > _IN_PROGRESS_SECONDS]
    old += folder.glob(f"{CLEARED}*")
    if old:
        text = f"{len(old)} files and folders were not finished or not deleted by a process that was killed."
        yield Finding("left files", "note", text, "The next start deletes them.")
    trash = _sizes(BlobTrash(folder).files())
    if trash:
        text = f"The trash has {len(trash)} files ({sum(trash)} bytes)."
        yield Finding("left files", "note", text, "The first start after one day deletes them.")


def _modified(path: Path, default: float) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return default


def _sizes(paths: Iterable[Path]) -> list[int]:
    sizes = []
    for path in paths:
        with suppress(OSError):
            sizes.append(path.stat().st_size)
    return sizes
