"""SQLite in the data folder: WAL, one writer at a time, many readers, durable commits."""

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import Session

from emulator.store import row_copy
from emulator.store.commit_counter import CommitCounter, following
from emulator.store.damage_check import find_damage, is_damage
from emulator.store.database import (
    FILE_NAME,
    POOL_SIZE,
    SCHEMA_REVISION,
    Database,
    DatabaseDamaged,
    DatabaseRefused,
    StorageFull,
    create_schema,
    full_disk_noticed,
    schema_mark,
    shows_full_disk,
)
from emulator.store.row_queries import DriverForm, Row, RowQuery


class SqliteDatabase(Database):
    """The database of one data folder.

    Only one process uses a data folder, so the lock of writers keeps SQLite from ever reporting "database is
    locked". WAL with ``synchronous=FULL``: a commit survives a power cut.

    Args:
        durable: False leaves out the synchronisation with the disk, for data that is removed at the end.

    Raises:
        DatabaseRefused: the file is not a database of this program, or one of a newer version.
        DatabaseDamaged: the file cannot be read as a database.
    """

    is_local = True

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.path = folder / FILE_NAME
        self._durable = durable
        engine = create_engine(
            f"sqlite:///{self.path}",
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            connect_args={"check_same_thread": False, "timeout": 30, "factory": _Connection},
            json_deserializer=self._from_json,
        )
        super().__init__(str(self.path), engine)
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
        # Of `rows`, and of nothing else: it need not wait until another connection is free.
        self._reading: sqlite3.Connection | None = None
        self._reading_lock = threading.Lock()
        self._forms: dict[RowQuery[Any], DriverForm] = {}

    def rows(self, query: RowQuery[Row], **values: str | int) -> list[Row]:
        # By the driver: a session takes ten times as long.
        form = self._forms.get(query)
        if form is None:
            form = self._forms[query] = DriverForm(query.statement, self._engine.dialect)
        try:
            with self._reading_lock:
                if self._reading is None:
                    self._reading = _connect_to_read(self.path)
                found = self._reading.execute(form.text, form.parameters(values)).fetchall()
        except sqlite3.Error:
            return super().rows(query, **values)  # so that the error is one of SQLAlchemy's
        return [query.make(form.values(row)) for row in found]

    @contextmanager
    def write(self) -> Iterator[Session]:
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
                self._note_commit(session)
            except OperationalError as error:
                session.rollback()
                if shows_full_disk(error.orig):
                    raise StorageFull(str(error.orig)) from error
                raise

    def check(self) -> None:
        if self.damage is not None:
            raise DatabaseDamaged(self.damage)
        if _file_id(self.path) != self._file:
            raise FileNotFoundError(f"{self.path} was deleted or replaced while the emulator runs")
        with self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM project").scalar()

    def look_for_damage(self) -> None:
        try:
            damage = find_damage(self.path)
        except sqlite3.Error:
            return  # `check` reports why the file cannot be read
        if damage is not None:
            self.note_damage(damage)

    def count_commits(self) -> None:
        """Store the number of the newest commit beside the database, as each commit does."""
        with self._write_lock:
            self._counter.write(self._number)

    def copy_to(self, target: Path) -> None:
        with full_disk_noticed():
            row_copy.write_copy(self.path, target)

    def replace_rows(self, source: Path, secret: bytes | None = None) -> None:
        with self._write_lock, full_disk_noticed():
            number = following(self._number)
            row_copy.replace_rows(self.path, source, number, durable=self._durable)
            self._number = number
            self._counter.write(number)
            self.commits += 1

    def close(self) -> None:
        with self._reading_lock:
            if self._reading is not None:
                self._reading.close()
                self._reading = None
        super().close()

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


def _connect_to_read(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA query_only=ON")
    return connection


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
        marks = []
        if "alembic_version" in names:
            marks = list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())
    return schema_mark(str(path), names, marks)


def _prepare(engine: Engine, path: Path) -> None:
    """Bring the schema up to SCHEMA_REVISION."""
    current = _schema_mark(engine, path)
    if current == SCHEMA_REVISION:
        return
    if current is None:
        with engine.connect() as connection:
            connection = connection.execution_options(immediate=True)
            with connection.begin():
                create_schema(connection)
        return
    from emulator.store.migrations import upgrade  # only when needed: Alembic takes 0.1 s

    upgrade(engine)
