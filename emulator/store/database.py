"""SQLite through SQLModel: one writer at a time, many readers, durable commits."""

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel

from emulator.store import tables  # noqa: F401  (declares the tables)

# The newest migration in `migrations/versions`; a test checks that they agree.
SCHEMA_REVISION = "0005"
FILE_NAME = "emulator.sqlite"
_POOL_SIZE = 16
_COMMITTED = "functions to call when committed"


class StorageFull(Exception):
    """The disk of the data folder is full; nothing of the transaction or blob is stored."""


class SchemaTooNew(Exception):
    """The data folder was written by a newer version of the program."""


class Database:
    """The database of one data folder.

    Writers wait for a lock of this process (only one process uses a data folder), so SQLite never reports
    "database is locked". WAL with ``synchronous=FULL``: a commit survives a power cut.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        # Number of commits. Data is current as long as this has the same value as before the data was read.
        self.commits = 0
        self._write_lock = threading.RLock()
        self._engine = create_engine(
            f"sqlite:///{self.path}",
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            connect_args={"check_same_thread": False, "timeout": 30, "factory": _Connection},
        )
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        event.listen(self._engine, "reset", _close_cursors)
        _prepare(self._engine, self.path)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session on one consistent snapshot; changes in it are not committed."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is the only writer; committed at the end, rolled back on any exception.

        Raises StorageFull when the disk is full.
        """
        with self._write_lock, Session(self._engine, expire_on_commit=False) as session:
            try:
                session.connection(execution_options={"immediate": True})
                yield session
                session.commit()
                self.commits += 1
                for function in session.info.get(_COMMITTED, ()):
                    function()
            except OperationalError as error:
                session.rollback()
                if "full" in str(error.orig) or "disk I/O" in str(error.orig):
                    raise StorageFull(str(error.orig)) from error
                raise

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Make other writers wait, for work that takes more than one transaction."""
        with self._write_lock:
            yield

    def check(self) -> None:
        """Raises when the database cannot be read."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM project").scalar()

    def clear(self) -> None:
        """Delete every row of every table, in one transaction."""
        with self.write() as session:
            connection = session.connection()
            for table in reversed(SQLModel.metadata.sorted_tables):
                connection.execute(table.delete())

    def close(self) -> None:
        self._engine.dispose()


def when_committed(session: Session, function: Callable[[], None]) -> None:
    """Call `function` after the commit of the writing `session`, before another transaction writes."""
    session.info.setdefault(_COMMITTED, []).append(function)


class _Connection(sqlite3.Connection):
    """A connection that keeps track of its cursors."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursors = weakref.WeakSet[sqlite3.Cursor]()

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        made = super().cursor(*arguments, **options)
        self.cursors.add(made)
        return made


def _close_cursors(connection: _Connection, _record: Any, _state: Any) -> None:
    """Close the cursors of a session at its end.

    A result that was not read to its end would keep its snapshot: the next session of the connection would
    read old data and could not write, and the write-ahead log could not be truncated.
    """
    for cursor in tuple(connection.cursors):
        cursor.close()


def _configure(connection: Any, _record: Any) -> None:
    # Transactions begin by `_begin`, not by the driver.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-8000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _prepare(engine: Engine, path: Path) -> None:
    """Bring the schema up to SCHEMA_REVISION.

    A new database gets all tables and the number of the newest migration without loading Alembic, which takes
    milliseconds. A test verifies that both ways result in the same schema.
    """
    with engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
        ).first()
        current = (
            connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if row else None
        )
    if current == SCHEMA_REVISION:
        return
    if current is None:
        with engine.connect() as connection:
            connection = connection.execution_options(immediate=True)
            with connection.begin():
                SQLModel.metadata.create_all(connection)
                connection.exec_driver_sql(
                    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
                )
                connection.exec_driver_sql(
                    "INSERT INTO alembic_version (version_num) VALUES (?)", (SCHEMA_REVISION,)
                )
        return
    if current > SCHEMA_REVISION:
        raise SchemaTooNew(
            f"{path} was written by a newer version of this program (schema {current}, "
            f"this version knows {SCHEMA_REVISION}); start that version, or another data folder."
        )
    from emulator.store.migrations import upgrade  # only when needed: Alembic takes 0.1 s

    upgrade(engine)
