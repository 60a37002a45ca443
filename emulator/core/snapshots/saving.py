"""Saving what is stored as the files of a snapshot."""

import sqlite3
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Protocol

from emulator.core.snapshots.files import DATABASE_NAME, Build, SharedBlobs, digest_of, share_blobs
from emulator.core.snapshots.manifest import Manifest
from emulator.store.blobs import BlobMissing
from emulator.store.damage_check import reading
from emulator.store.database import SCHEMA_REVISION
from emulator.store.references import blobs_in

_ATTEMPTS = 3


class Rows(Protocol):
    """The rows that are saved: those of a `Database`."""

    def copy_to(self, target: Path) -> None:
        """Write the rows to a new database file. Raises StorageFull, sqlite3.Error."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Make writers wait."""


def current_state(database: Rows, blobs: SharedBlobs, *, created: int, may_wait: bool) -> Build:
    """Writes what the store has at this time. Writers go on meanwhile, readers always.

    created: microseconds since 1970. may_wait: make writers wait if they delete blobs that are being saved;
    False in a process that ends, where a writer may never end.

    The result raises StorageFull, BlobDamaged (BlobMissing if a file is gone), sqlite3.Error.
    """

    def save(data: Path) -> Manifest:
        path = data / DATABASE_NAME
        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError):
                return write(data)
            path.unlink(missing_ok=True)
        if may_wait:
            with database.exclusively():
                return last_attempt(data)
        return last_attempt(data)

    def last_attempt(data: Path) -> Manifest:
        try:
            return write(data)
        except FileNotFoundError as error:
            raise BlobMissing(str(error)) from None

    def write(data: Path) -> Manifest:
        path = data / DATABASE_NAME
        database.copy_to(path)
        names = blobs_in(path)
        sizes = share_blobs(blobs, names, data)
        for file in (data / "blobs").glob("*/*"):  # of earlier attempts
            if file.name not in names:
                file.unlink()
        with reading(path) as connection:
            return Manifest(
                schema_revision=SCHEMA_REVISION,
                created=created,
                projects=_count(connection, "project"),
                images=_count(connection, "image WHERE removed IS NULL"),
                iterations=_count(connection, "iteration"),
                database_sha256=digest_of(path),
                database_bytes=path.stat().st_size,
                blobs=sizes,
            )

    return save


def _count(connection: sqlite3.Connection, what: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {what}").fetchone()  # noqa: S608  (our own names)
    return int(count)
