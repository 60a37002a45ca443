"""SQLite through SQLModel: one writer at a time, many readers, durable commits."""

import json
import logging
import os
import re
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import Session, SQLModel

from emulator.durable_files import is_disk_full
from emulator.store import (  # noqa: F401  (they declare the tables)
    rollout_tables,
    row_copy,
    tables,
    test_set_tables,
)
from emulator.store.commit_counter import CommitCounter, following
from emulator.store.damage_check import find_damage, is_damage

# The newest migration in `migrations/versions`; a test checks that they agree.
SCHEMA_REVISION = "0012"
FILE_NAME = "emulator.sqlite"
_POOL_SIZE = 16
_COMMITTED = "functions to call when committed"
_log = logging.getLogger(__name__)


class StorageFull(Exception):
    """The disk of the data folder is full; nothing of the transaction or blob is stored."""


class DatabaseDamaged(Exception):
    """A page or a value of the database cannot be read because it is damaged."""


class DatabaseRefused(Exception):
    """The database cannot be used as it is. str() is one line with the reason and what to do."""


class SchemaTooNew(DatabaseRefused):
    """The data folder was written by a newer version of the program."""


class Database:
    """The database of one data folder.

    Writers wait for a lock of this process (only one process uses a data folder), so SQLite never reports
    "database is locked". WAL with ``synchronous=FULL``: a commit survives a power cut.

    Args:
        durable: False leaves out the synchronisation with the disk, for data that is removed at the end.

    Raises:
        DatabaseRefused: the file is not a database of this program, or one of a newer version.
        DatabaseDamaged: the file cannot be read as a database.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.path = folder / FILE_NAME
        self._durable = durable
        # The first damage that was found; None when there is none, as far as is known.
        self.damage: str | None = None
        # Number of commits. Data is current as long as this has the same value as before the data was read.
        self.commits = 0
        self._write_lock = threading.RLock()
        self._damage_lock = threading.Lock()
        self._engine = create_engine(
            f"sqlite:///{self.path}",
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            connect_args={"check_same_thread": False, "timeout": 30, "factory": _Connection},
            json_deserializer=self._from_json,
        )
        event.listen(self._engine, "connect", _configure)
        if not durable:
            event.listen(self._engine, "connect", _do_not_synchronise)
        event.listen(self._engine, "begin", _begin)
        event.listen(self._engine, "reset", _close_cursors)
        try:
            _prepare(self._engine, self.path)
            if not os.access(self.path, os.W_OK):
                raise DatabaseRefused(f"{self.path} cannot be written; change its permissions")
            with self._engine.connect() as connection:
                # A transaction that may write, so that files that cannot be written are noticed at the start.
                connection = connection.execution_options(immediate=True)
                self._number = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        except BaseException as error:
            self._engine.dispose()
            if isinstance(error, DatabaseError) and is_damage(error.orig):
                raise DatabaseDamaged(str(error.orig)) from error
            raise
        event.listen(self._engine, "handle_error", self._check_for_damage, retval=True)
        self._counter = CommitCounter(folder)
        self._file = _file_id(self.path)

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
                connection = session.connection(execution_options={"immediate": True})
                changes = _changes(connection)
                yield session
                session.flush()
                if _changes(connection) == changes:
                    session.commit()
                else:
                    number = following(self._number)
                    _execute(connection, f"PRAGMA user_version = {number}")
                    session.commit()
                    self._number = number
                    self._counter.write(number)
                self.commits += 1
                for function in session.info.get(_COMMITTED, ()):
                    function()
            except OperationalError as error:
                session.rollback()
                if _shows_full_disk(error.orig):
                    raise StorageFull(str(error.orig)) from error
                raise

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Make other writers wait, for work that takes more than one transaction."""
        with self._write_lock:
            yield

    def check(self) -> None:
        """Raises when the database cannot be read, is damaged, or is no longer in the data folder."""
        if self.damage is not None:
            raise DatabaseDamaged(self.damage)
        if _file_id(self.path) != self._file:
            raise FileNotFoundError(f"{self.path} was deleted or replaced while the emulator runs")
        with self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM project").scalar()

    def look_for_damage(self) -> None:
        """Search the whole database for damage, which `check` then reports. Takes a second for 100 MB."""
        try:
            damage = find_damage(self.path)
        except sqlite3.Error:
            return  # `check` reports why the file cannot be read
        if damage is not None:
            self.note_damage(damage)

    def note_damage(self, damage: str) -> None:
        """Record that the database is damaged; the first time also in the log."""
        with self._damage_lock:
            is_new, self.damage = self.damage is None, self.damage or damage
        if is_new:
            _log.error("%s is damaged: %s; stop the emulator and restore a copy of it", self.path, damage)

    def count_commits(self) -> None:
        """Store the number of the newest commit beside the database, as each commit does."""
        with self._write_lock:
            self._counter.write(self._number)

    def clear(self) -> None:
        """Delete every row of every table, in one transaction."""
        with self.write() as session:
            connection = session.connection()
            for table in reversed(SQLModel.metadata.sorted_tables):
                connection.execute(table.delete())

    def copy_to(self, target: Path) -> None:
        """Write the rows to a new database file, without what was deleted. Raises StorageFull."""
        with full_disk_noticed():
            row_copy.write_copy(self.path, target)

    def replace_rows(self, source: Path) -> None:
        """Replace all rows by those of another database file with the same tables, in one transaction.

        The number of commits goes on, and so do the numbers of changes of each project, see
        `row_copy.replace_rows`.

        Raises:
            StorageFull: the disk is full; nothing has changed.
            sqlite3.DatabaseError: the rows cannot be read, or violate a constraint; nothing has changed.
        """
        with self._write_lock, full_disk_noticed():
            number = following(self._number)
            row_copy.replace_rows(self.path, source, number, durable=self._durable)
            self._number = number
            self._counter.write(number)
            self.commits += 1

    def close(self) -> None:
        self._engine.dispose()

    def _check_for_damage(self, context: ExceptionContext) -> DatabaseDamaged | None:
        """The exception for an error of the driver that shows damage."""
        error = context.original_exception
        if not is_damage(error):
            return None
        self.note_damage(str(error))
        return DatabaseDamaged(str(error))

    def _from_json(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            self.note_damage(f"a value is not JSON ({error})")
            raise DatabaseDamaged(str(error)) from error


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


def _do_not_synchronise(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    _execute(connection, "BEGIN IMMEDIATE" if immediate else "BEGIN")


def _execute(connection: Connection, statement: str) -> None:
    """Execute a statement without parameters and results.

    By the driver, which saves 20 microseconds in each transaction; by SQLAlchemy if that fails, so that the
    error is one of SQLAlchemy's.
    """
    try:
        connection.connection.driver_connection.execute(statement)  # type: ignore[union-attr]
    except sqlite3.Error:
        connection.exec_driver_sql(statement)


def _changes(connection: Connection) -> int:
    """The number of rows that a connection has changed since it was opened."""
    return int(connection.connection.driver_connection.total_changes)  # type: ignore[union-attr]


def _shows_full_disk(error: BaseException | None) -> bool:
    return "full" in str(error) or "disk I/O" in str(error)


@contextmanager
def full_disk_noticed() -> Iterator[None]:
    """Within its context, errors of SQLite and of files because the disk is full become StorageFull."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        if is_disk_full(error) or (isinstance(error, sqlite3.Error) and _shows_full_disk(error)):
            raise StorageFull(str(error)) from error
        raise


def _file_id(path: Path) -> tuple[int, int] | None:
    """Identifies a file as long as it exists, whatever its content; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _schema_mark(engine: Engine, path: Path) -> str | None:
    """The number of the schema in a database; None in a new one. Raises DatabaseRefused."""
    with engine.connect() as connection:
        names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())
        if not names:
            return None
        marks = []
        if "alembic_version" in names:
            marks = list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())
    if len(marks) == 1 and re.fullmatch("[0-9]{4}", str(marks[0])) and str(marks[0]) > "0000":
        return str(marks[0])
    found = ", ".join(repr(mark)[:40] for mark in marks[:3]) or "missing"
    raise DatabaseRefused(
        f"{path} is not a database of this program (the number of its schema is {found}); restore a copy of "
        "it, or give another data folder"
    )


def _prepare(engine: Engine, path: Path) -> None:
    """Bring the schema up to SCHEMA_REVISION.

    A new database gets all tables and the number of the newest migration without loading Alembic, which takes
    milliseconds. A test verifies that both ways result in the same schema.
    """
    current = _schema_mark(engine, path)
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
