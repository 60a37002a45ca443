"""A search for damage in the whole database: its structure, its indexes and the values of its rows."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import JSON, Boolean, Column, Float, Integer, Table
from sqlmodel import SQLModel

from emulator.store.tables import Moment, microseconds

_DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DAMAGE_TEXT = re.compile("decode to UTF-8|^no such (?:table|column): ")
# A pattern of GLOB: any character that is not ASCII, such as those in bytes that are not UTF-8.
_NOT_ASCII = "*[^\x01-\x7f]*"


# The first and the last time that can be read.
_TIMES = tuple(microseconds(time.replace(tzinfo=UTC)) for time in (datetime.min, datetime.max))


def is_damage(error: BaseException | None) -> bool:
    """Whether an exception of SQLite's driver shows that the database is damaged."""
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    # The low byte is the kind of the error. Text that is not UTF-8 has no code, and missing tables and
    # columns have that of a wrong statement.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE_CODES or bool(
        _DAMAGE_TEXT.search(str(error))
    )


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes neither the database nor its write-ahead log, nor creates a missing one.

    The last connection that may write deletes the log when it is closed, even a damaged one.
    """
    address = f"file:{quote(os.fsencode(path))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
        yield connection


def structural_damage(connection: sqlite3.Connection, check: str = "quick_check") -> str | None:
    """The first damage that SQLite's check finds, as one line. Raises sqlite3.DatabaseError, see `is_damage`.

    Args:
        check: ``quick_check`` or ``integrity_check``, which compares indexes with their tables, too.
    """
    (result,) = connection.execute(f"PRAGMA {check}(1)").fetchone()
    return None if result == "ok" else " ".join(str(result).split())


def find_damage(path: Path) -> str | None:
    """The first damage in a database, as one line.

    Most of the time is spent in SQLite, without Python's lock: about 10 ms for a megabyte.

    Raises:
        sqlite3.Error: the database cannot be opened or read for another reason.
    """
    try:
        with reading(path) as connection:
            damage = structural_damage(connection, "integrity_check")
            if damage is not None:
                return damage
            for table in SQLModel.metadata.sorted_tables:
                damage = _damaged_values(connection, table)
                if damage is not None:
                    return damage
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return str(error)
    return None


def _damaged_values(connection: sqlite3.Connection, table: Table) -> str | None:
    """The first value of a table that its column cannot have."""
    wrong = [f"typeof({_name(column)}) NOT IN ({_types(column)})" for column in table.columns]
    found = f"SELECT 1 FROM {_name(table)} WHERE {' OR '.join(wrong)} LIMIT 1"  # noqa: S608  (our own names)
    if connection.execute(found).fetchone():
        return f"a value in the table {table.name!r} has another type than its column"
    times = [
        f"{_name(column)} NOT BETWEEN {_TIMES[0]} AND {_TIMES[1]}"
        for column in table.columns
        if isinstance(column.type, Moment)
    ]
    found = f"SELECT 1 FROM {_name(table)} WHERE {' OR '.join(times) or 'FALSE'} LIMIT 1"  # noqa: S608
    if connection.execute(found).fetchone():
        return f"a value in the table {table.name!r} is no time"
    for column in table.columns:
        if "text" not in _types(column):
            continue
        name, is_json = _name(column), isinstance(column.type, JSON)
        condition = f"{name} GLOB ?" + (f" OR NOT json_valid({name})" if is_json else "")
        found = f"SELECT {name} FROM {_name(table)} WHERE {condition}"  # noqa: S608
        # The driver raises an error when it decodes bytes that are not UTF-8.
        for (value,) in connection.execute(found, (_NOT_ASCII,)):
            if value is not None and is_json and not _is_valid_json(value):
                return f"a value in the table {table.name!r} is not JSON"
    return None


def _types(column: Column[Any]) -> str:
    """SQLite's types of the values of a column, in SQL."""
    kind = getattr(column.type, "impl_instance", column.type)
    if isinstance(kind, Float):
        return "'real', 'integer', 'null'"
    return "'integer', 'null'" if isinstance(kind, Integer | Boolean) else "'text', 'null'"


def _is_valid_json(value: Any) -> bool:
    try:
        json.loads(value)
    except (ValueError, TypeError):
        return False
    return True


def _name(item: Column[Any] | Table) -> str:
    if isinstance(item, Column):  # SQLite takes the name of a missing column in quotes for a text
        return f'"{item.table.name}"."{item.name}"'
    return f'"{item.name}"'
