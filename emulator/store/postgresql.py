"""PostgreSQL by psycopg: the rows of one server process, in a database of their own. Several servers:
`emulator.store.shared_postgresql`.

The rules of core assume one writer that sees all earlier commits, and readers with one snapshot each, as
SQLite has them. Writers are transactions of one connection, which holds an advisory lock of the database as
long as it lives. So another server process is refused, a process that was cut off cannot commit, and
migrations have the lock, too. Readers have transactions of the isolation level REPEATABLE READ.

Texts are ordered and compared by their code points, as in SQLite: the database must have such a collation.
"""

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlmodel import Session, SQLModel

from emulator.store import postgresql_rows
from emulator.store.database import (
    POOL_SIZE,
    SCHEMA_REVISION,
    CommitUnknown,
    Database,
    DatabaseRefused,
    StorageFull,
    StoreUnreachable,
    TextRefused,
    create_schema,
    schema_mark,
)

SCHEMES = ("postgresql", "postgres")
_DRIVER = "postgresql+psycopg"
_OLDEST = (13,)
# The first of two numbers of the advisory locks; the second follows from the schema. WRITER_LOCK belongs to
# who writes; SERVERS_LOCK is shared by servers that take turns, and exclusive for one that does not.
WRITER_LOCK = 0x43564D45
SERVERS_LOCK = WRITER_LOCK + 1
_CONNECT_SECONDS = "10"
LOCK_SECONDS = 2
_HOLDER = (
    "SELECT DISTINCT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE locktype = 'advisory' AND granted AND pid != pg_backend_pid() AND classid IN (%s, %s) "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_DISK_FULL, _NO_CHARACTER, LOCK_NOT_AVAILABLE = "53100", "22021", "55P03"
_NO_PERMISSION = "42501"
_SESSION = "SELECT pg_backend_pid()"
_CREATE = "CREATE DATABASE name OWNER user TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"


class PostgresqlDatabase(Database):
    """The database at a URL.

    Args:
        address: ``postgresql://user@host/name``, with parameters of libpq in the query.

    Raises:
        DatabaseRefused: another process uses it, it is not a database of this program or one of a newer
            version, or it has another encoding or collation.
        StoreUnreachable: the server does not respond, or refuses the connection.
    """

    def __init__(self, address: str) -> None:
        url = parsed(address)
        super().__init__(shown(url), new_engine(url, POOL_SIZE, isolation_level="REPEATABLE READ"))
        self._url = url
        self._writing = new_engine(url, 1, isolation_level="READ COMMITTED")
        event.listen(self._writing, "connect", self._lock)
        # Why the lock could not be taken at the last attempt.
        self._refused: DatabaseRefused | None = None
        # Identifies the database: a data folder has the number, too, see `emulator.store.server_mark`.
        self.id = ""
        for engine in (self._engine, self._writing):
            event.listen(engine, "connect", _refuse_lists)
            event.listen(engine, "handle_error", self._explain, retval=True)
        try:
            self._check_sessions()
            with self._writing.connect() as connection:
                _check_server(connection, self.name)
                self._prepare(connection)
                (self.id,) = connection.exec_driver_sql("SELECT id FROM emulator_store").scalars()
                connection.rollback()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Session]:
        with self._write_lock, Session(self._writing, expire_on_commit=False) as session:
            yield session
            session.flush()  # an error until here leaves nothing
            try:
                session.commit()
            except StoreUnreachable as error:
                raise CommitUnknown(str(error)) from error
            self._note_commit(session)

    def check(self) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM project").scalar()
        if self._write_lock.acquire(blocking=False):
            try:
                with self._writing.connect():  # connects again and takes the lock where it was lost
                    pass
            finally:
                self._write_lock.release()
        elif (refused := self._refused) is not None:  # a writer is at work, and finds out the same
            raise refused

    def look_for_damage(self) -> None:
        """Nothing is done: PostgreSQL has checksums and tools of its own."""

    def copy_to(self, target: Path) -> None:
        with self._engine.connect() as connection:
            postgresql_rows.write_copy(connection, target)

    def replace_rows(self, source: Path, secret: bytes | None = None) -> None:
        assert self._writing.dialect.loaded_dbapi is not None
        with self._write_lock, self._writing.connect() as connection:
            try:
                with connection.begin():
                    postgresql_rows.replace_rows(connection, source, secret)
            except self._writing.dialect.loaded_dbapi.Error as error:  # rows are not copied by SQLAlchemy
                raise _known(error) or error from error
            self.commits += 1

    def close(self) -> None:
        super().close()
        self._writing.dispose()

    def _check_sessions(self) -> None:
        """Raise DatabaseRefused behind a pooler of connections that does not keep sessions.

        It would give the session that has the locks to other clients, and no notifications. Before a lock is
        taken, which would stay with a session of the pooler.
        """
        with self._engine.connect() as first, self._engine.connect() as second:

            def session_of(connection: Connection) -> Any:
                return connection.exec_driver_sql(_SESSION).scalar()

            of_first = session_of(first)
            first.rollback()
            of_second = session_of(second)  # it would be the one that has just become free
            is_kept = of_second != of_first
            if is_kept:
                second.rollback()
                # In turns, it would be the one that became free first.
                is_kept = session_of(second) == of_second and session_of(first) == of_first
            if not is_kept:
                raise DatabaseRefused(
                    f"{self.name} is behind a pooler that gives connections another session for each "
                    "transaction; let it keep sessions (PgBouncer: pool_mode = session), or leave it out"
                )

    def _schema(self, connection: Connection) -> str | None:
        """The revision of the schema; None where the database has no tables. Raises DatabaseRefused."""
        names = set(inspect(connection).get_table_names())
        marks: list[Any] = []
        if "alembic_version" in names:
            marks = list(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())
        return schema_mark(self.name, names, marks)

    def _prepare(self, connection: Connection) -> None:
        """Bring the schema up to SCHEMA_REVISION."""
        current = self._schema(connection)
        if current is None:
            _declare_partial_indexes()
            create_schema(connection)
            connection.exec_driver_sql("CREATE TABLE emulator_store (id VARCHAR NOT NULL PRIMARY KEY)")
            connection.execute(text("INSERT INTO emulator_store VALUES (:id)"), {"id": uuid.uuid4().hex})
            connection.commit()
        elif current != SCHEMA_REVISION:
            from emulator.store.migrations import upgrade_on  # only when needed: Alembic takes 0.1 s

            upgrade_on(connection)
            connection.commit()

    def _lock(self, connection: Any, _record: Any) -> None:
        """Take the locks of the database for as long as the connection lives. Raises DatabaseRefused."""
        self._take(connection, "pg_advisory_lock", (WRITER_LOCK, SERVERS_LOCK))

    def _take(self, connection: Any, function: str, locks: tuple[int, ...]) -> None:
        """Take advisory locks by a connection of the driver. Raises DatabaseRefused.

        The server may need a moment to notice that an earlier process ended.
        """
        assert self._writing.dialect.loaded_dbapi is not None
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            try:
                for lock in locks:
                    cursor.execute(f"SELECT {function}(%s, hashtext(current_schema()))", (lock,))
            except self._writing.dialect.loaded_dbapi.OperationalError as error:
                if getattr(error, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                connection.rollback()
                cursor.execute("SELECT pg_advisory_unlock_all()")
                cursor.execute(_HOLDER, (WRITER_LOCK, SERVERS_LOCK))
                who = ", ".join(name for (name,) in cursor.fetchall()) or "another process"
                self._refused = DatabaseRefused(
                    f"{self.name} is in use by {who}; stop it or give another database (several "
                    "servers of one database need --blobs)"
                )
                raise self._refused from None
        connection.commit()
        self._refused = None

    def _explain(self, context: ExceptionContext) -> Exception | None:
        """The exception for an error of the driver that callers distinguish."""
        error = context.original_exception
        if context.is_pre_ping:  # the pool connects again
            return None
        if known := _known(error):
            return known
        if getattr(error, "sqlstate", None) == _NO_PERMISSION:
            reason = str(error).partition("\n")[0]  # the statement follows
            return DatabaseRefused(f"{self.name}: {reason}; let the user be the owner of the database")
        if context.is_disconnect or context.connection is None:
            reason = " ".join(str(error).split())
            return StoreUnreachable(f"{self.name} cannot be reached: {reason}")
        return None


def _refuse_lists(connection: Any, _record: Any) -> None:
    """Let a list as a value be an error, as on SQLite; psycopg would store it as the text of an array."""
    from psycopg import ProgrammingError
    from psycopg.adapt import Dumper

    class Refuse(Dumper):
        def dump(self, obj: Any) -> bytes:
            raise ProgrammingError(f"a value of the type {type(obj).__name__} cannot be stored")

    connection.adapters.register_dumper(list, Refuse)


def _declare_partial_indexes() -> None:
    """Let indexes have the same rows as on SQLite.

    Not where they are declared: the arguments would load the dialect of PostgreSQL, 2 MB, in every process.
    """
    for table in SQLModel.metadata.tables.values():
        for index in table.indexes:
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


def _known(error: BaseException) -> Exception | None:
    """The exception for an error of the driver because of what was to be stored."""
    state = getattr(error, "sqlstate", None)
    if state == _DISK_FULL:
        return StorageFull(str(error))
    if state == _NO_CHARACTER or "cannot contain NUL" in str(error):
        return TextRefused("A text has the character NUL, which the database cannot store.")
    return None


def parsed(address: str) -> URL:
    """The URL of a database for SQLAlchemy. Raises ValueError: its message follows the name of an option."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ValueError("must be a URL such as postgresql://user@host/name") from None
    if url.drivername not in SCHEMES:
        raise ValueError(f"must begin with postgresql://, not with {url.drivername}://")
    if not url.database:
        raise ValueError("must have the name of a database: postgresql://user@host/name")
    return url.set(drivername=_DRIVER)


def shown(url: URL) -> str:
    """A URL for people, without its password and parameters."""
    return URL.create(SCHEMES[0], url.username, None, url.host, url.port, url.database).render_as_string()


def new_engine(url: URL, size: int, *, isolation_level: Any) -> Engine:
    """Connections to a server. Raises DatabaseRefused."""
    try:
        return create_engine(
            url,
            pool_size=size,
            max_overflow=size if size > 1 else 0,
            # A server that was started again is noticed before a transaction begins.
            pool_pre_ping=True,
            isolation_level=isolation_level,
            connect_args={
                "client_encoding": "utf8",
                "application_name": f"custom-vision-emulator {socket.gethostname()}:{os.getpid()}",
                **({} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}),
            },
        )
    except (ArgumentError, ValueError):
        raise DatabaseRefused(f"{shown(url)} has hosts or ports that cannot be used") from None
    except ModuleNotFoundError:
        raise DatabaseRefused(
            "PostgreSQL needs the package psycopg: pip install 'custom-vision-emulator[team]'"
        ) from None


def _check_server(connection: Connection, name: str) -> None:
    """Raise DatabaseRefused if the server or the database does not have what the program relies on."""
    version = connection.dialect.server_version_info or ()
    if version < _OLDEST:
        raise DatabaseRefused(
            f"{name} is on PostgreSQL {version[0]}; the oldest that can be used is {_OLDEST[0]}"
        )
    encoding, by_code_point = connection.exec_driver_sql(
        "SELECT current_setting('server_encoding'), 'B' < 'a' AND 'z' < chr(233)"
    ).one()
    if encoding != "UTF8" or not by_code_point:
        raise DatabaseRefused(
            f"{name} does not have the encoding UTF8 and the order of code points; make one with: {_CREATE}"
        )
