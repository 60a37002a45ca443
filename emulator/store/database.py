"""The database as core uses it: one writer at a time, many readers, durable commits.

`emulator.store.sqlite` keeps the rows in the data folder, `emulator.store.postgresql` on a server.
"""

import logging
import re
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Connection, Engine, Integer, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as AnySession
from sqlmodel import Session, SQLModel

from emulator.durable_files import is_disk_full
from emulator.store import (  # noqa: F401  (they declare the tables)
    resource_tables,
    rollout_tables,
    tables,
    test_set_tables,
)
from emulator.store.row_queries import Row, RowQuery

if TYPE_CHECKING:
    from emulator.store.shared_state import SharedState

# The newest migration in `migrations/versions`; a test checks that they agree.
SCHEMA_REVISION = "0013"
# The database in a data folder.
FILE_NAME = "emulator.sqlite"
POOL_SIZE = 16
_COMMITTED = "functions to call when committed"
PUBLISHED_KEPT = "what is published stays as it is"
SCORES = "scores of predictions have changed"
RESOURCES_CHANGED = "resources or keys have changed"
_NULL_REFUSED = {"SQLITE_CONSTRAINT_NOTNULL", "23502"}
_LARGE_INTEGER = Integer().with_variant(BigInteger(), "postgresql")
_log = logging.getLogger(__name__)


class StorageFull(Exception):
    """The disk of the data folder is full; nothing of the transaction or blob is stored."""


class DatabaseDamaged(Exception):
    """A page or a value of the database cannot be read because it is damaged."""


class DatabaseRefused(Exception):
    """The database cannot be used as it is. str() is one line with the reason and what to do."""


class SchemaTooNew(DatabaseRefused):
    """The data folder was written by a newer version of the program."""


class StoreUnreachable(Exception):
    """A server of rows or blobs does not respond, or refuses access; nothing of the transaction is stored."""


class CommitUnknown(StoreUnreachable):
    """The connection broke during a commit: the transaction may be stored."""


class BlobsRefused(DatabaseRefused):
    """The object store cannot be used as it is."""


class BlobsUnreachable(StoreUnreachable):
    """The object store does not respond, refuses access, or is not where it was."""


class LeaseLost(Exception):
    """Another server executes the job: nothing of the transaction is stored. str() is a sentence."""


class TextRefused(Exception):
    """The database cannot store a text of the transaction; nothing is stored. str() is a sentence."""


class Database(ABC):
    """The database of one server process.

    Writers wait for a lock of this process; no other process writes meanwhile. A commit is durable.
    """

    # Whether `rows` waits neither for a network nor for writers.
    is_local = False

    def __init__(self, name: str, engine: Engine) -> None:
        # For people: a path, or the address of a server.
        self.name = name
        # The first damage that was found; None when there is none, as far as is known.
        self.damage: str | None = None
        # Number of commits, except of `keep_published`. What is published is current as long as this has the
        # same value as before it was read; where there are several servers, after `follow`.
        self.commits = 0
        # Number of commits of other servers that changed scores of predictions (`note_scores`).
        self.foreign_scores = 0
        # Called when commits of other servers are noticed, in any thread; must be short.
        self.on_foreign: list[Callable[[], None]] = []
        # What several servers of one database share; None when there is one server.
        self.shared: SharedState | None = None
        self._engine = engine
        self._write_lock = threading.RLock()
        self._damage_lock = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session on one consistent snapshot; changes in it are not committed."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    def rows(self, query: RowQuery[Row], **values: str | int) -> list[Row]:
        """The rows of a query, without a session. values: of the parameters, by name."""
        with self._engine.connect() as connection:
            return query.on(connection, **values)

    @abstractmethod
    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is the only writer; committed at the end, rolled back on any exception.

        Raises:
            StorageFull: the disk is full.
            StoreUnreachable: the server does not respond. CommitUnknown: this was noticed at the commit.
            TextRefused: a text has a character that the database has not.
        """
        yield Session()  # pragma: no cover  (for the type)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Make other writers wait, for work that takes more than one transaction."""
        with self._write_lock:
            yield

    def follow(self) -> None:  # noqa: B027  (nothing to do for one server)
        """Notice what other servers have committed until now; `commits` and `foreign_scores` change then.

        When the database cannot be reached, they stay as they are.
        """

    @abstractmethod
    def check(self) -> None:
        """Raises when the database cannot be read, is damaged, or is no longer the one that was opened."""

    @abstractmethod
    def look_for_damage(self) -> None:
        """Search the whole database for damage, which `check` then reports. Takes a second for 100 MB."""

    def note_damage(self, damage: str) -> None:
        """Record that the database is damaged; the first time also in the log."""
        with self._damage_lock:
            is_new, self.damage = self.damage is None, self.damage or damage
        if is_new:
            _log.error("%s is damaged: %s; stop the emulator and restore a copy of it", self.name, damage)

    def clear(self) -> None:
        """Delete every row of every table, in one transaction."""
        with self.write() as session:
            note_scores(session)
            note_resources(session)
            connection = session.connection()
            for table in reversed(SQLModel.metadata.sorted_tables):
                connection.execute(table.delete())

    @abstractmethod
    def copy_to(self, target: Path) -> None:
        """Write the rows to a new SQLite file, without what was deleted. Raises StorageFull."""

    @abstractmethod
    def replace_rows(self, source: Path, secret: bytes | None = None) -> None:
        """Replace all rows by those of an SQLite file with the same tables, in one transaction.

        The number of commits goes on, and so do the numbers of changes of each project, see
        `row_copy.replace_rows`.

        secret: of signatures, which replaces that of the database; None to leave it. A database in a data
        folder has none.

        Raises:
            StorageFull: the disk is full; nothing has changed.
            TextRefused: a text has a character that the database has not; nothing has changed.
            sqlite3.DatabaseError: the rows cannot be read, or violate a constraint; nothing has changed.
        """

    def close(self) -> None:
        self._engine.dispose()

    def _note_commit(self, session: Session) -> None:
        self.commits += PUBLISHED_KEPT not in session.info
        self._call_committed(session)

    def _call_committed(self, session: Session) -> None:
        for function in session.info.get(_COMMITTED, ()):
            function()


def when_committed(session: AnySession, function: Callable[[], None]) -> None:
    """Call `function` after the commit of the writing `session`, before another transaction writes."""
    session.info.setdefault(_COMMITTED, []).append(function)


def keep_published(session: Session) -> None:
    """The writing `session` changes nothing that `core.caches.published` keeps, so that it stays valid."""
    session.info[PUBLISHED_KEPT] = True


def note_scores(session: AnySession) -> None:
    """The writing `session` changes scores of stored predictions or suggestions."""
    session.info[SCORES] = True


def note_resources(session: AnySession) -> None:
    """The writing `session` changes resources, keys or the resources of projects."""
    session.info[RESOURCES_CHANGED] = True


def _use_large_integers() -> None:
    """Let integers have 64 bits on PostgreSQL, as they have on SQLite."""
    for table in SQLModel.metadata.tables.values():
        for column in table.columns:
            if type(column.type) is Integer:
                column.type = _LARGE_INTEGER


_use_large_integers()


@contextmanager
def full_disk_noticed() -> Iterator[None]:
    """Within its context, errors of SQLite and of files because the disk is full become StorageFull."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        if is_disk_full(error) or (isinstance(error, sqlite3.Error) and shows_full_disk(error)):
            raise StorageFull(str(error)) from error
        raise


def is_null_refused(error: IntegrityError) -> bool:
    """Whether a row lacks a value that its column must have."""
    names = (getattr(error.orig, name, None) for name in ("sqlite_errorname", "sqlstate"))
    return not _NULL_REFUSED.isdisjoint(names)


def shows_full_disk(error: BaseException | None) -> bool:
    """Whether an error of SQLite is one of a full disk."""
    return "full" in str(error) or "disk I/O" in str(error)


def schema_mark(name: str, tables_found: set[str], marks: Sequence[Any]) -> str | None:
    """The number of the schema in a database; None in a new one.

    Args:
        name: of the database, for people.
        tables_found: the names of its tables.
        marks: what Alembic's table has.

    Raises:
        DatabaseRefused: the database was not created by this program.
        SchemaTooNew: it is of a newer version.
    """
    if not tables_found:
        return None
    if len(marks) != 1 or not re.fullmatch("[0-9]{4}", str(marks[0])) or str(marks[0]) == "0000":
        found = ", ".join(repr(mark)[:40] for mark in marks[:3]) or "missing"
        raise DatabaseRefused(
            f"{name} is not a database of this program (the number of its schema is {found}); restore a copy "
            "of it, or give another data folder"
        )
    mark = str(marks[0])
    if mark > SCHEMA_REVISION:
        raise SchemaTooNew(
            f"{name} was written by a newer version of this program (schema {mark}, "
            f"this version knows {SCHEMA_REVISION}); start that version, or another data folder."
        )
    return mark


def create_schema(connection: Connection) -> None:
    """Create all tables, with the number of the newest migration.

    Without Alembic, which takes milliseconds to load. A test verifies that migrations lead to these tables.
    """
    SQLModel.metadata.create_all(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(text("INSERT INTO alembic_version VALUES (:mark)"), {"mark": SCHEMA_REVISION})
