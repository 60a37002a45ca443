"""Saving a backup of a data folder, or of a database on a server, also while servers use it.

A backup is a folder, named by its time:

- ``SHA256SUMS``: all files of it, see `hash_list`
- ``snapshot.json`` and a folder beside it: rows and blobs, in the form of a snapshot
- ``folder/``: the other files of the data folder: secrets, added networks, named snapshots

It has the same form wherever the rows and blobs were, and is restored to either place.

The folder is renamed to its name when it is complete and on the disk. Files are copies, so that
damage of the data folder does not reach them; those that the previous backup has, and that are intact there,
are hard links to it.
"""

import hashlib
import itertools
import os
import re
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.exc import DBAPIError

from emulator.core.backups import hash_list
from emulator.core.disk_space import DiskGuard
from emulator.core.signed_uris import SECRET_FILE
from emulator.core.snapshots import files
from emulator.core.snapshots import manifest as manifests
from emulator.core.snapshots.folder_lock import locked
from emulator.core.snapshots.manifest import Manifest, SnapshotRejected
from emulator.core.snapshots.saving import current_state
from emulator.durable_files import UNFINISHED_PREFIX
from emulator.store.blob_trash import is_blob
from emulator.store.blobs import CLEARED, BlobDamaged, BlobMissing, blob_path, link_or_copy
from emulator.store.commit_counter import FILE_NAME as COMMITS
from emulator.store.damage_check import reading
from emulator.store.database import (
    FILE_NAME,
    SCHEMA_REVISION,
    DatabaseDamaged,
    DatabaseRefused,
    StorageFull,
    StoreUnreachable,
)
from emulator.store.opening import ServerStore
from emulator.store.row_copy import write_copy
from emulator.store.server_mark import FILE_NAME as MARK
from emulator.store.server_mark import is_marked
from emulator.store.sqlite import SqliteDatabase
from emulator.store.tables import microseconds

if TYPE_CHECKING:
    from emulator.store.object_blobs import ObjectBlobStore

OTHERS = "folder"
_TIME = "%Y-%m-%dT%H-%M-%SZ"
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d+)?")
# What a server makes again, what belongs to its process, and what the snapshot in the backup has. Jobs are
# executed from the beginning, so that the folders in which they work are left out, too.
_LEFT_OUT = re.compile(
    rf"blobs|trash|{CLEARED}.*|features|thumbnails|number-formats|logs|{re.escape(FILE_NAME)}.*|"
    rf"{re.escape(COMMITS)}|{re.escape(MARK)}|emulator\.(lock|pid)|unclean|region-proposals-.*|.*\.log|"
    r"(advanced |instant )?training|exports|imports|data-set-imports|evaluations|jobs|cluster-id"
)
_ATTEMPTS = 3
_CHUNK_BYTES = 2**20


class BackupFailed(Exception):
    """A backup was not made; earlier ones are as they were. str() is one line."""


class Backup(NamedTuple):
    """A complete backup. copied: bytes that the previous backup did not have."""

    folder: Path
    manifest: Manifest
    copied: int


def complete(target: Path) -> list[Path]:
    """The folders of complete backups in `target`, oldest first."""
    found = [path for path in target.glob("*Z*") if _NAME.fullmatch(path.name)]
    return sorted(path for path in found if (path / hash_list.FILE_NAME).is_file())


def save(
    data: Path, target: Path, *, now: datetime, keep: int = 0, server: ServerStore | None = None
) -> Backup:
    """Back up the data folder `data` into a new folder in `target`.

    Args:
        server: where the rows are, if they are not in the folder.
        now: the time that names it.
        keep: the number of backups that stay in `target`, this one included; 0 for all.

    Raises:
        BackupFailed: nothing has changed.
    """
    if server is None and is_marked(data):
        raise BackupFailed(
            f"the rows of {data} are in a database on a server; give its URL with --database, and --blobs as "
            "the server has it"
        )
    if server is None and not (data / FILE_NAME).is_file():
        raise BackupFailed(f"{data} is no data folder: it has no {FILE_NAME}")
    if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(data)):
        raise BackupFailed(f"{target} is in the data folder; give a folder on another disk")
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(target):
            for left in target.glob(f"{UNFINISHED_PREFIX}*"):
                shutil.rmtree(left, ignore_errors=True)
            backup = _save(data, target, now, server)
            if keep:
                for old in complete(target)[:-keep]:
                    _remove(old)
    except (BlobDamaged, SnapshotRejected, DatabaseRefused, DatabaseDamaged, StorageFull) as error:
        raise BackupFailed(_reason(error)) from error
    except (OSError, sqlite3.Error, UnicodeDecodeError, StoreUnreachable) as error:
        raise BackupFailed(str(error)) from error
    except DBAPIError as error:  # a page or a value that PostgreSQL cannot read
        raise BackupFailed(f"the rows cannot be read: {error.orig}") from error
    return backup


def _save(data: Path, target: Path, now: datetime, server: ServerStore | None) -> Backup:
    work = target / f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}"
    work.mkdir(mode=0o700)  # it has the secrets of the data folder
    try:
        previous = next(reversed(complete(target)), None)
        copies = _Copies(work, previous)
        objects = None if server is None else server.objects
        state = current_state(
            _Rows(data / FILE_NAME, work) if server is None else _ServerRows(server),
            _Blobs(data, copies) if objects is None else _Objects(objects, copies),
            created=microseconds(now),
            may_wait=False,
        )
        snapshot = files.write(work, state)
        within = snapshot.data.relative_to(work).as_posix()
        digests = {
            manifests.FILE_NAME: files.digest_of(work / manifests.FILE_NAME),
            f"{within}/{files.DATABASE_NAME}": snapshot.manifest.database_sha256,
        }
        digests |= {
            snapshot.blob(name).relative_to(work).as_posix(): name for name in snapshot.manifest.blobs
        }
        others = _copy_others(data, work / OTHERS, copies)
        if server is not None and (secret := server.database.secret()) is not None:
            path = work / OTHERS / SECRET_FILE
            path.write_bytes(secret)
            others[path] = hashlib.sha256(secret).hexdigest()
        digests |= {path.relative_to(work).as_posix(): digest for path, digest in others.items()}
        hash_list.write(work, digests)
        if hasattr(os, "sync"):
            os.sync()  # once, in place of every file
        final = _free_name(target, now)
        work.rename(final)
        return Backup(final, snapshot.manifest, copies.bytes)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


class _Rows:
    """The rows of a database that another process may be using, in the schema of this version."""

    def __init__(self, database: Path, work: Path) -> None:
        self._database = database
        self._work = work

    def copy_to(self, target: Path) -> None:
        reason = DiskGuard(self._work).shortage(2 * self._database.stat().st_size)
        if reason is not None:
            raise StorageFull(reason)
        write_copy(self._database, target)
        with reading(target) as connection:
            marks = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        if marks == [(SCHEMA_REVISION,)]:
            return
        older = target.with_name("older")
        older.mkdir()
        target.rename(older / FILE_NAME)
        SqliteDatabase(older, durable=False).close()  # migrates it
        write_copy(older / FILE_NAME, target)
        shutil.rmtree(older)

    def exclusively(self) -> AbstractContextManager[None]:
        return nullcontext()


class _ServerRows:
    """The rows of a database on a server."""

    def __init__(self, server: ServerStore) -> None:
        self._database = server.database

    def copy_to(self, target: Path) -> None:
        self._database.copy_to(target)

    def exclusively(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Copies:
    """Copies files into a backup. bytes: the sum of those that are no links to the previous one."""

    def __init__(self, work: Path, previous: Path | None) -> None:
        self.bytes = 0
        self._work = work
        self._known: dict[str, Path] = {}
        if previous is not None:
            with suppress(hash_list.BackupRejected):
                self._known = {digest: previous / path for path, digest in hash_list.read(previous).items()}

    def link(self, digest: str, target: Path) -> bool:
        """Link an intact file of this or the previous backup to `target`; False when there is none."""
        source = self._known.get(digest)
        try:
            if source is None or (self._work not in source.parents and files.digest_of(source) != digest):
                return False
            link_or_copy(source, target)
        except OSError:
            return False
        return True

    def copy(self, source: Path, target: Path) -> str:
        """Copy a file, as it is at this time; returns its SHA-256. Raises FileNotFoundError, OSError."""
        hashed = hashlib.sha256()
        size = 0
        with source.open("rb") as read, target.open("wb") as written:
            while chunk := read.read(_CHUNK_BYTES):
                hashed.update(chunk)
                written.write(chunk)
                size += len(chunk)
        self.bytes += size
        digest = hashed.hexdigest()
        self._known[digest] = target
        return digest


class _Blobs:
    """The blobs of a data folder that another process may be using."""

    def __init__(self, data: Path, copies: _Copies) -> None:
        self._data = data
        self._copies = copies

    def share(self, name: str, target: Path) -> None:
        if self._copies.link(name, target):
            return
        if self._copies.copy(blob_path(self._data, name), target) != name:
            raise BlobDamaged(name)


class _Objects:
    """The blobs of an object store."""

    def __init__(self, objects: "ObjectBlobStore", copies: _Copies) -> None:
        self._objects = objects
        self._copies = copies

    def share(self, name: str, target: Path) -> None:
        if not self._copies.link(name, target):
            data = self._objects.download(name)
            target.write_bytes(data)
            self._copies.bytes += len(data)


def _copy_others(data: Path, target: Path, copies: _Copies) -> dict[Path, str]:
    """Copy the files besides rows and blobs; returns the SHA-256 of the copies."""
    for attempt in range(1, _ATTEMPTS + 1):
        target.mkdir(mode=0o700)
        digests: dict[Path, str] = {}
        try:
            for source in _others(data):
                copy = target / source.relative_to(data)
                copy.parent.mkdir(parents=True, exist_ok=True)
                # The files of named snapshots are mostly those of the store.
                is_linked = is_blob(source) and copies.link(source.name, copy)
                digests[copy] = source.name if is_linked else copies.copy(source, copy)
            break
        except FileNotFoundError as gone:  # a named snapshot was replaced meanwhile
            if attempt == _ATTEMPTS:
                raise BackupFailed(f"{gone.filename} is replaced again and again; try it later") from None
            shutil.rmtree(target)
    return digests


def _others(data: Path) -> Iterator[Path]:
    for path in sorted(data.iterdir()) if data.is_dir() else ():
        if not _LEFT_OUT.fullmatch(path.name):
            yield from _files(path)


def _files(path: Path) -> Iterator[Path]:
    """The file at a path, or those of a folder, without links, locks, files that are being written, and names
    that a list of hashes cannot have."""
    if path.is_symlink() or path.name.startswith(UNFINISHED_PREFIX) or path.name == ".lock":
        return
    if not hash_list.is_listable(path.name):
        return
    if path.is_dir():
        for each in sorted(path.iterdir()):
            yield from _files(each)
    elif path.is_file():
        yield path


def _free_name(target: Path, now: datetime) -> Path:
    name = now.astimezone(UTC).strftime(_TIME)

    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(target / each for each in names if not (target / each).exists())


def _remove(folder: Path) -> None:
    # Renamed first: what a kill leaves is removed by the next backup.
    away = folder.with_name(f"{UNFINISHED_PREFIX}{uuid.uuid4().hex}")
    folder.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def _reason(error: Exception) -> str:
    if isinstance(error, BlobDamaged):
        state = "missing" if isinstance(error, BlobMissing) else "damaged"
        return (
            f"the stored bytes {error.names[0]} are {state}; "
            "'custom-vision-emulator doctor' says what they belong to and what to do"
        )
    return str(error) or type(error).__name__
