"""Copying the rows of a database to another file, and replacing them by those of a file."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlmodel import SQLModel

from emulator.store import (  # noqa: F401  (they declare the tables)
    resource_tables,
    rollout_tables,
    tables,
    test_set_tables,
)
from emulator.store.damage_check import reading

# More changes of a project than one transaction can make.
CHANGES_PER_COMMIT = 2**20


def write_copy(database: Path, target: Path) -> None:
    """Write the rows of a database to the new file `target`, without what was deleted.

    Transactions that are committed meanwhile are not in it. Raises sqlite3.OperationalError.
    """
    with reading(database) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    descriptor = os.open(target, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_rows(database: Path, source: Path, number: int, *, durable: bool) -> None:
    """Replace the rows of a database by those of `source`, in one transaction with the number `number`.

    Two columns differ from the source:

    - ``Project.metadata_revision``: the changes of a project (`core.revisions.changes`) continue above all
      that the project ever had, so that nothing that was cached for another state is taken for current.
    - ``Job.id`` and ``attempts``: a job that runs while its row is replaced finds no row at its end; the
      restored job is executed from the beginning.

    Args:
        durable: whether the commit must survive a power cut.

    Raises:
        sqlite3.DatabaseError: the disk is full, the rows cannot be read, or violate a constraint; nothing has
            changed.
    """
    address = f"file:{quote(os.fsencode(source))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(database, timeout=30, uri=True)) as connection:
        connection.isolation_level = None
        # Enforcing foreign keys row by row would take most of the time.
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("ATTACH ? AS source", (address,))
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(number):
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _statements(number: int) -> Iterator[str]:
    for table in SQLModel.metadata.sorted_tables:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        yield f'DELETE FROM main."{table.name}"'  # noqa: S608  (our own names)
        yield f'INSERT INTO main."{table.name}" ({columns}) SELECT {columns} FROM source."{table.name}"'  # noqa: S608
    # Numbers that were used, here or there, are never used again.
    yield (
        "UPDATE main.sqlite_sequence AS here SET seq = max(seq, coalesce("
        "(SELECT seq FROM source.sqlite_sequence AS other WHERE other.name = here.name), 0))"
    )
    yield (
        "INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM source.sqlite_sequence "
        "WHERE name NOT IN (SELECT name FROM main.sqlite_sequence)"
    )
    base = number * CHANGES_PER_COMMIT
    yield f"UPDATE main.project SET metadata_revision = {base} - revision"  # noqa: S608
    yield "UPDATE main.job SET id = lower(hex(randomblob(16))), attempts = 0"
    yield f"PRAGMA main.user_version = {number}"
