"""Copying all rows between PostgreSQL and the SQLite file of a snapshot, in both directions.

Values are the same in both: texts, integers, floating-point numbers and, in SQLite, 0 and 1 for truth values.
JSON is copied as text, so that the null of JSON and that of SQL stay what they are.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import JSON, Column, Connection, Table, create_engine
from sqlmodel import SQLModel

from emulator.store import shared_data_sets, shared_responses
from emulator.store.database import create_schema, full_disk_noticed
from emulator.store.row_copy import CHANGES_PER_COMMIT
from emulator.store.shared_state import ENDS_TABLE, SIGNATURES_COLUMN

# What several servers share that belongs to the rows. Leases are deleted with their jobs.
_SHARED = (shared_data_sets.TABLE, shared_responses.TABLE, ENDS_TABLE)
# Rows that are read at a time.
_ROWS = 1000


def write_copy(connection: Connection, target: Path) -> None:
    """Write the rows that a transaction sees to the new SQLite file `target`. Raises StorageFull."""
    with full_disk_noticed():
        engine = create_engine(f"sqlite:///{target}")
        try:
            with engine.begin() as new:
                create_schema(new)
        finally:
            engine.dispose()
        with closing(sqlite3.connect(target, isolation_level=None)) as file:
            file.execute("PRAGMA synchronous=OFF")
            file.execute("BEGIN")
            for table in SQLModel.metadata.sorted_tables:
                places = ", ".join("?" for _ in table.columns)
                insert = f"INSERT INTO {_name(table)} ({_names(table)}) VALUES ({places})"  # noqa: S608  (our own names)
                for rows in _rows(connection, table):
                    file.executemany(insert, rows)
            for table in _never_used_again():
                last = _last_number(connection, table)
                file.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
                file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))
            file.execute("COMMIT")
        descriptor = os.open(target, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_rows(connection: Connection, source: Path, secret: bytes | None = None) -> None:
    """Replace all rows by those of the SQLite file `source`, in the transaction of `connection`.

    As `row_copy.replace_rows` does it, numbers of changes of projects go on, and jobs are new ones. What
    servers share that belongs to the former rows is deleted. secret: see `Database.replace_rows`.

    Raises sqlite3.DatabaseError: the rows cannot be read.
    """
    address = f"file:{quote(os.fsencode(source))}?mode=ro&immutable=1"
    base = _next_base(connection)
    tables = SQLModel.metadata.sorted_tables
    for table in reversed(tables):
        connection.exec_driver_sql(f"DELETE FROM {_name(table)}")  # noqa: S608
    for name in _SHARED:
        if connection.exec_driver_sql("SELECT to_regclass(%s)", (name,)).scalar() is not None:
            connection.exec_driver_sql(f"DELETE FROM {name}")  # noqa: S608
    if secret is not None:
        connection.exec_driver_sql(SIGNATURES_COLUMN)  # a new database has none
        connection.exec_driver_sql("UPDATE emulator_store SET secret = %s", (secret.hex(),))
    with closing(sqlite3.connect(address, uri=True)) as file:
        for table in tables:
            _copy_in(connection, table, file.execute(f"SELECT {_names(table)} FROM {_name(table)}"))  # noqa: S608
        used = dict(file.execute("SELECT name, seq FROM sqlite_sequence"))
    for table in tables:
        if "number" in table.columns and table.columns["number"].primary_key:
            sequence = f"pg_get_serial_sequence('{table.name}', 'number')"
            newest = f"(SELECT coalesce(max(number), 0) FROM {_name(table)})"  # noqa: S608
            following = f"greatest(nextval({sequence}), {int(used.get(table.name, 0))} + 1, {newest} + 1)"
            connection.exec_driver_sql(f"SELECT setval({sequence}, {following}, false)")
    connection.exec_driver_sql(f"UPDATE project SET metadata_revision = {base} - revision")  # noqa: S608
    connection.exec_driver_sql("UPDATE job SET id = replace(gen_random_uuid()::text, '-', ''), attempts = 0")


def _next_base(connection: Connection) -> int:
    """A number of changes above all that any project ever had.

    The number of the transaction grows with each commit, unless the rows were moved to another server.
    """
    transaction, changes = connection.exec_driver_sql(
        "SELECT pg_current_xact_id()::text::bigint, coalesce(max(metadata_revision + revision), 0) "
        "FROM project"
    ).one()
    return int(max(transaction, changes // CHANGES_PER_COMMIT + 1)) * CHANGES_PER_COMMIT


def _rows(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table in the order of their keys."""
    columns = ", ".join(
        f"{_name(column)}::text" if isinstance(column.type, JSON) else _name(column)
        for column in table.columns
    )
    order = ", ".join(_name(column) for column in table.primary_key)
    options = {"stream_results": True, "yield_per": _ROWS}
    result = connection.execution_options(**options).exec_driver_sql(
        f"SELECT {columns} FROM {_name(table)} ORDER BY {order}"  # noqa: S608
    )
    for rows in result.partitions(_ROWS):
        yield [tuple(row) for row in rows]


def _copy_in(connection: Connection, table: Table, rows: sqlite3.Cursor) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {_name(table)} ({_names(table)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _never_used_again() -> Iterator[Table]:
    """The tables whose numbers are never used again, see `tables.Image`."""
    for table in SQLModel.metadata.sorted_tables:
        if table.dialect_options["sqlite"]["autoincrement"]:
            yield table


def _last_number(connection: Connection, table: Table) -> int:
    """The last number that was given to a row of a table; 0 for none."""
    (name,) = connection.exec_driver_sql(f"SELECT pg_get_serial_sequence('{table.name}', 'number')").one()
    last, is_used = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {name}").one()  # noqa: S608
    return int(last) if is_used else int(last) - 1


def _name(item: Column[Any] | Table) -> str:
    return f'"{item.name}"'


def _names(table: Table) -> str:
    return ", ".join(_name(column) for column in table.columns)
