"""Checking snapshots of other origin: archives, exported folders, and snapshots of older schemas.

Nothing of it is trusted: files are compared with the sizes and SHA-256 in the manifest, and rows are copied
into a new database of this version, whose constraints they must fulfil. Only that database is kept.
"""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.exc import DBAPIError

from emulator.core.disk_space import DiskGuard
from emulator.core.snapshots.files import DATABASE_NAME, Build, Snapshot, digest_of
from emulator.core.snapshots.manifest import Manifest, SnapshotRejected
from emulator.store.blobs import blob_path, link_or_copy
from emulator.store.damage_check import find_damage, reading
from emulator.store.database import FILE_NAME, SCHEMA_REVISION, DatabaseDamaged, DatabaseRefused
from emulator.store.references import blobs_in
from emulator.store.sqlite import SqliteDatabase
from emulator.store.verified_files import VerifiedFiles

# More images than any emulator ever had.
_HIGHEST_NUMBER = 2**53
_CONTRADICTION = "Its rows contradict each other."


class Source(Protocol):
    """Where the files of a snapshot come from."""

    @property
    def manifest(self) -> Manifest: ...

    def takes_room(self, digest: str) -> bool:
        """Whether `fetch_blob` writes the bytes of a blob, and not a link."""

    def fetch_database(self, target: Path) -> None:
        """Write the database file, verified. Raises SnapshotRejected."""

    def fetch_blob(self, digest: str, target: Path) -> None:
        """Write a blob, verified. Raises SnapshotRejected."""


class FolderSource:
    """The files of a snapshot in a folder."""

    def __init__(self, snapshot: Snapshot, verified: VerifiedFiles) -> None:
        snapshot.verify(verified)
        self._snapshot = snapshot

    @property
    def manifest(self) -> Manifest:
        return self._snapshot.manifest

    def takes_room(self, digest: str) -> bool:
        return True  # on a file system without links

    def fetch_database(self, target: Path) -> None:
        shutil.copyfile(self._snapshot.database, target)

    def fetch_blob(self, digest: str, target: Path) -> None:
        link_or_copy(self._snapshot.blob(digest), target)


def received(source: Source) -> Build:
    """Writes the files of another snapshot, checked. The result raises SnapshotRejected, StorageFull."""

    def build(data: Path) -> Manifest:
        manifest = source.manifest
        _check_room(data, source)
        work = data / "work"
        work.mkdir()
        source.fetch_database(work / FILE_NAME)
        _copy_rows(work, data / DATABASE_NAME)
        shutil.rmtree(work)
        if blobs_in(data / DATABASE_NAME) != manifest.blobs.keys():
            raise SnapshotRejected("Its files are not those to which its rows refer.")
        for digest in manifest.blobs:
            target = blob_path(data, digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.fetch_blob(digest, target)
        return manifest.model_copy(
            update={
                "schema_revision": SCHEMA_REVISION,
                "database_sha256": digest_of(data / DATABASE_NAME),
                "database_bytes": (data / DATABASE_NAME).stat().st_size,
            }
        )

    return build


def _check_room(folder: Path, source: Source) -> None:
    manifest = source.manifest
    blobs = sum(size for digest, size in manifest.blobs.items() if source.takes_room(digest))
    reason = DiskGuard(folder).shortage(2 * manifest.database_bytes + blobs)
    if reason is not None:
        raise SnapshotRejected(reason)


def _copy_rows(work: Path, target: Path) -> None:
    """Copy the rows of the database in the folder `work` to the new file `target`."""
    fresh = work / "checked"
    fresh.mkdir()
    try:
        _check_kinds(work / FILE_NAME)
        SqliteDatabase(work, durable=False).close()  # migrates an older schema
        damage = find_damage(work / FILE_NAME)
        if damage is not None:
            raise SnapshotRejected(f"Its database is damaged: {damage}.")
        checked = SqliteDatabase(fresh, durable=False)
        try:
            checked.replace_rows(work / FILE_NAME)
            checked.copy_to(target)
        finally:
            checked.close()
        with reading(target) as connection:
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise SnapshotRejected(_CONTRADICTION)
            _check_trained(connection)
            _check_numbers(connection)
    except sqlite3.IntegrityError:
        raise SnapshotRejected(_CONTRADICTION) from None
    # UnicodeDecodeError: of messages of SQLite that quote a damaged schema.
    except (
        DatabaseRefused,
        DatabaseDamaged,
        DBAPIError,
        sqlite3.DatabaseError,
        UnicodeDecodeError,
    ) as error:
        reason = str(error).replace(str(work / FILE_NAME), "its database")
        raise SnapshotRejected(f"Its database cannot be used: {reason}") from None


def _check_kinds(database: Path) -> None:
    """Raises SnapshotRejected for views, triggers and virtual tables, which databases of ours do not have."""
    with reading(database) as connection:
        for kind, sql in connection.execute("SELECT type, sql FROM sqlite_master"):
            if kind not in ("table", "index") or "VIRTUAL" in str(sql)[:20].upper():
                raise SnapshotRejected("Its database has views, triggers or virtual tables.")


def _check_numbers(connection: sqlite3.Connection) -> None:
    """Raises SnapshotRejected for numbers of rows that leave none for further rows."""
    (highest,) = connection.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()
    if highest is not None and not (isinstance(highest, int) and highest <= _HIGHEST_NUMBER):
        raise SnapshotRejected("Its images have numbers beyond those of any emulator.")


def _check_trained(connection: sqlite3.Connection) -> None:
    """Raises SnapshotRejected for a completed iteration without a model or without names of its tags."""
    rows = connection.execute(
        "SELECT model_blob IS NOT NULL OR is_pulled, model_tags FROM iteration WHERE status = 'Completed'"
    )
    for is_whole, text in rows:
        tags = json.loads(text or "null")
        if not is_whole or not isinstance(tags, list) or not all(map(_is_tag, tags)):
            raise SnapshotRejected("It has a completed iteration without its model or its tags.")


def _is_tag(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("id", "name"))
