"""PostgreSQL as the database of several servers, which take turns to write.

Each writing transaction begins with an advisory lock, which ends with it. So it sees all earlier commits, as
the rules of core assume it, whichever server made them. Commits are counted in the database, in their own
transactions: a server that finds another number than its own has to read again what it keeps in memory. It
looks at the start of each writing transaction, when `follow` is called, at each notification of a commit, and
once in a second.

An exclusive server (`PostgresqlDatabase`) and these exclude each other by a second lock, which these share.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlmodel import Session

from emulator.store import (
    postgresql_rows,
    shared_data_sets,
    shared_responses,
    shared_servers,
    shared_sessions,
    shared_state,
)
from emulator.store.commit_listener import CommitListener
from emulator.store.database import (
    PUBLISHED_KEPT,
    RESOURCES_CHANGED,
    SCHEMA_REVISION,
    SCORES,
    CommitUnknown,
    DatabaseRefused,
    LeaseLost,
    SchemaTooNew,
    StoreUnreachable,
    note_resources,
    note_scores,
)
from emulator.store.postgresql import (
    LOCK_NOT_AVAILABLE,
    SERVERS_LOCK,
    WRITER_LOCK,
    PostgresqlDatabase,
    new_engine,
)
from emulator.store.shared_state import CHANNEL, RESOURCES, SharedState

# A writer that waits longer for those of other servers gives up.
_TURN_SECONDS = 300
# A server that stops within a transaction, or whose machine is cut off, loses its lock after these times.
_IDLE_SECONDS, _SILENCE_SECONDS = 120, 30
_STARTING_SECONDS = 60
_CONNECTIONS = 4
_SETTINGS = (
    f"SET lock_timeout = '{_TURN_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 4",
    f"SET tcp_user_timeout = '{_SILENCE_SECONDS}s'",
)
# Earlier versions had fewer.
_PARTS = (shared_state, shared_sessions, shared_responses, shared_servers, shared_data_sets)
_TURN = f"SELECT pg_advisory_xact_lock({WRITER_LOCK}, hashtext(current_schema()))"
_SESSION_TURN, _END_TURN = _TURN.replace("_xact", ""), _TURN.replace("_xact_lock", "_unlock")
_STATE = (
    "SELECT commits, scores, pg_backend_pid(), (SELECT token FROM emulator_lease WHERE job_id = %s) "
    "FROM emulator_store"
)
# A transaction without a number has changed nothing.
_COUNT = (
    "WITH counted AS (UPDATE emulator_store SET commits = commits + %s, scores = scores + %s "
    "WHERE pg_current_xact_id_if_assigned() IS NOT NULL RETURNING commits, scores) "
    "SELECT commits, scores, pg_notify(%s, 'commit ' || commits || ' ' || scores) FROM counted"
)


class SharedPostgresqlDatabase(PostgresqlDatabase):
    """The database at a URL, together with other servers. Exceptions as those of `PostgresqlDatabase`.

    DatabaseRefused also when an exclusive server uses it, or servers of an earlier version that would have
    to be stopped for a migration.
    """

    shared: SharedState

    def __init__(self, address: str) -> None:
        # Identifies this process among the servers.
        self.server = uuid.uuid4().hex
        self._is_prepared = False
        # Within `exclusively`: the process of the server that has the lock.
        self._exclusive: int | None = None
        self._is_writing = False
        # The number that a transaction of this process has when it commits; 0 for none.
        self._pending = 0
        self._scores = self._own_scores = 0
        self._state_lock = threading.Lock()
        self._fence = threading.local()
        self._channel = ""
        super().__init__(address)
        self._writing.dispose()  # the next connection shares the lock of servers
        self._is_prepared = True
        self._direct = new_engine(self._url, _CONNECTIONS, isolation_level="AUTOCOMMIT")
        event.listen(self._direct, "handle_error", self._explain, retval=True)
        self.shared = SharedState(self._direct, self.server, self._channel)
        self.listener = CommitListener(self._url, self._heard, self.server, self._channel)
        try:
            with self._writing.connect():  # refused while an exclusive server uses the database
                pass
            self._know(*self.shared.commits())
        except BaseException:
            self.close()
            raise
        self.listener.start()

    @contextmanager
    def write(self) -> Iterator[Session]:
        with self._write_lock, Session(self._writing, expire_on_commit=False) as session:
            connection = session.connection()
            self._take_turn(connection)
            self._is_writing = True
            try:
                yield session
                session.flush()  # an error until here leaves nothing
                if RESOURCES_CHANGED in session.info:
                    self.shared.announce_by(session.connection(), RESOURCES)
                counted = self._count(session)
                try:
                    session.commit()
                except StoreUnreachable as error:
                    raise CommitUnknown(str(error)) from error
                if counted is not None:
                    self._know(*counted, own_scores=SCORES in session.info)
                self._call_committed(session)
            except BaseException:
                self._forget_pending()
                raise
            finally:
                self._is_writing = False

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        with self._write_lock:
            if self._is_writing or self._exclusive is not None:
                yield
                return
            with self._writing.connect() as connection:
                connection.exec_driver_sql(_SESSION_TURN)
                commits, scores, self._exclusive, _ = connection.exec_driver_sql(_STATE, ("",)).one()
                connection.rollback()
            try:
                self._know(commits, scores)
                yield
            finally:
                self._exclusive = None
                with suppress(StoreUnreachable), self._writing.connect() as connection:
                    connection.exec_driver_sql(_END_TURN)  # without effect on a new connection
                    connection.rollback()

    @contextmanager
    def fenced(self, job_id: str, token: str) -> Iterator[None]:
        """Within its context, transactions of the calling thread raise LeaseLost once another server has
        the lease of a job (`SharedState.claim`)."""
        before = getattr(self._fence, "lease", None)
        self._fence.lease = job_id, token
        try:
            yield
        finally:
            self._fence.lease = before

    def follow(self) -> None:
        if not self.listener.is_listening:  # it tells when the database is back
            return
        with suppress(StoreUnreachable):
            self._know(*self.shared.commits())

    def replace_rows(self, source: Path, secret: bytes | None = None) -> None:
        with self.write() as session:
            note_scores(session)
            note_resources(session)
            postgresql_rows.replace_rows(session.connection(), source, secret)

    def close(self) -> None:
        super().close()
        if self._is_prepared:
            self.listener.stop(self.shared.announce)
            with suppress(StoreUnreachable):
                self.shared.servers.remove()
            self._direct.dispose()

    def _take_turn(self, connection: Connection) -> None:
        """Wait for other writers, and notice what they have committed."""
        connection.exec_driver_sql(_TURN)
        job_id, token = getattr(self._fence, "lease", None) or ("", "")
        commits, scores, process, found = connection.exec_driver_sql(_STATE, (job_id,)).one()
        if self._exclusive not in (None, process):
            raise StoreUnreachable(f"{self.name}: the connection broke, and other servers may have written")
        self._know(commits, scores)
        if found not in (None, token):
            raise LeaseLost(f"The job {job_id} is executed by another server.")

    def _count(self, session: Session) -> tuple[int, int] | None:
        """Count the commit that follows: the number of all, and of those that changed scores; None when the
        transaction changes nothing."""
        info = session.info
        values = (int(PUBLISHED_KEPT not in info), int(SCORES in info), self.shared.channel)
        row = session.connection().exec_driver_sql(_COUNT, values).first()
        if row is None:
            return None
        with self._state_lock:
            self._pending = int(row[0])
        return self._pending, int(row[1])

    def _know(self, commits: int, scores: int, *, own_scores: bool = False) -> None:
        """There are this many commits, and commits that changed scores."""
        with self._state_lock:
            self._own_scores += own_scores
            is_foreign = commits > self.commits and not commits == self._pending == self.commits + 1
            self.commits = max(self.commits, commits)
            self._scores = max(self._scores, scores)
            foreign_scores = self._scores - self._own_scores
            is_foreign = is_foreign or foreign_scores != self.foreign_scores
            self.foreign_scores = foreign_scores
        if is_foreign:
            for function in tuple(self.on_foreign):
                function()

    def _forget_pending(self) -> None:
        """A transaction failed: its number may be that of a commit of another server."""
        with self._state_lock:
            is_unknown, self._pending = self._pending > 0, 0
        if is_unknown:
            for function in tuple(self.on_foreign):
                function()

    def _heard(self, topic: str, text: str) -> None:
        """A notification of this or another server; without a topic, the time for a look."""
        if topic == "commit":
            self._know(*map(int, text.split()))
        elif not topic:
            self._know(*self.shared.commits())
            self.shared.servers.renew()
            self.shared.responses.forget_old()
        else:
            self.shared.heard(topic, text)

    def _prepare(self, connection: Connection) -> None:
        """Bring the schema up to SCHEMA_REVISION, while no other server does, and none uses an older one."""
        self._take(connection.connection.driver_connection, "pg_advisory_xact_lock_shared", (SERVERS_LOCK,))
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_STARTING_SECONDS}s'")
        connection.exec_driver_sql(_TURN)
        if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is not None:
            marks = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
            if list(marks) != [SCHEMA_REVISION]:
                self._exclude_others(connection)
        super()._prepare(connection)
        connection.exec_driver_sql(_TURN)  # which ended if there was a migration
        self._channel = str(connection.exec_driver_sql(CHANNEL).scalar_one())
        for part in _PARTS:
            if connection.exec_driver_sql(f"SELECT to_regclass('{part.TABLE}')").scalar() is None:
                for statement in part.TABLES:
                    connection.exec_driver_sql(statement)
        connection.commit()

    def _exclude_others(self, connection: Connection) -> None:
        """Raise DatabaseRefused if servers are running, which do not know the tables after a migration."""
        is_free = f"SELECT pg_try_advisory_xact_lock({SERVERS_LOCK}, hashtext(current_schema()))"
        if not connection.exec_driver_sql(is_free).scalar():
            raise DatabaseRefused(f"{self.name} has to be migrated; stop all servers of the other version")

    def _lock(self, connection: Any, _record: Any) -> None:
        """Share the lock of servers for as long as the connection lives. Raises DatabaseRefused."""
        if not self._is_prepared:
            return
        self._take(connection, "pg_advisory_lock_shared", (SERVERS_LOCK,))
        with connection.cursor() as cursor:
            for statement in _SETTINGS:
                cursor.execute(statement)
            cursor.execute("SELECT version_num FROM alembic_version")
            marks = [mark for (mark,) in cursor.fetchall()]
        connection.commit()
        if marks != [SCHEMA_REVISION]:
            raise SchemaTooNew(f"{self.name} was migrated by a newer version of this program; start that one")

    def _explain(self, context: ExceptionContext) -> Exception | None:
        if getattr(context.original_exception, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            return StoreUnreachable(f"{self.name}: other servers are writing for a long time")
        return super()._explain(context)
