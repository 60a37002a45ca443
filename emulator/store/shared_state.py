"""What several servers of a database share besides the rows of the tables.

Leases of jobs with their progress, the last jobs that have ended, the secret of signatures, sessions of the
portal, responses to requests that are repeated, imports of data sets, servers, and messages. In tables of
PostgreSQL that no snapshot has. Times are those of the database, so that the clocks of the servers do not
matter. Nothing here is a commit that counts, or waits for writers.
"""

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, TextClause, text
from sqlmodel import Session

# The name of the channel of messages; the schemas of a database have one each.
CHANNEL = "SELECT 'custom_vision_emulator_' || to_hex(hashtext(current_schema()))"
# A job whose server did not renew the lease for this time is executed by another one.
LEASE_SECONDS = 20
_ENDS_KEPT = 100
# Topics of messages: a job was added (its kind), a list of jobs has changed (the server), resources
# or keys have changed; and, from no server, that messages are received from now on.
ADDED, CHANGED, RESOURCES, CONNECTED = "job", "jobs", "resources", "connected"
TABLE, ENDS_TABLE = "emulator_lease", "emulator_job_end"
# For the secret of signatures.
SIGNATURES_COLUMN = "ALTER TABLE emulator_store ADD COLUMN IF NOT EXISTS secret VARCHAR"
TABLES = (
    "ALTER TABLE emulator_store ADD COLUMN IF NOT EXISTS commits BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE emulator_store ADD COLUMN IF NOT EXISTS scores BIGINT NOT NULL DEFAULT 0",
    SIGNATURES_COLUMN,
    """CREATE TABLE emulator_lease (
    job_id VARCHAR PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    token VARCHAR NOT NULL, server VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    expires TIMESTAMPTZ NOT NULL, begun BIGINT NOT NULL, progress VARCHAR)""",
    # After a start of the database, servers have the time to connect again and to renew their leases.
    """CREATE VIEW emulator_leased AS SELECT job_id, subject, begun, progress FROM emulator_lease
    WHERE token != '' AND clock_timestamp() <
    greatest(expires, pg_postmaster_start_time() + interval '10 s')""",
    """CREATE TABLE emulator_job_end (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job_id VARCHAR NOT NULL UNIQUE,
    content VARCHAR NOT NULL)""",
)
_CLAIM = text(
    """INSERT INTO emulator_lease (job_id, token, server, subject, expires, begun)
    VALUES (:job_id, :token, :server, :subject, clock_timestamp() + make_interval(secs => :seconds), :begun)
    ON CONFLICT (job_id) DO UPDATE SET token = excluded.token, server = excluded.server,
    subject = excluded.subject, expires = excluded.expires, begun = excluded.begun, progress = NULL"""
)
_RELEASE = text("UPDATE emulator_lease SET token = '' WHERE job_id = :job_id AND token = :token")
# A transaction that completes the job may hold its row for long.
_RENEW = text(
    """UPDATE emulator_lease SET expires = clock_timestamp() + make_interval(secs => :seconds),
    progress = :progress WHERE job_id = (SELECT job_id FROM emulator_lease
    WHERE job_id = :job_id AND token = :token FOR UPDATE SKIP LOCKED)"""
)
_HELD = text("SELECT job_id, token FROM emulator_lease WHERE server = :server")
_PROGRESS = text("SELECT progress FROM emulator_leased WHERE subject = :subject")
_BEGUN = text("SELECT begun FROM emulator_leased WHERE job_id = :job_id")
_FREE_KINDS = text("SELECT DISTINCT kind FROM job WHERE id NOT IN (SELECT job_id FROM emulator_leased)")
_END = text(
    "INSERT INTO emulator_job_end (job_id, content) VALUES (:job_id, :content) "
    "ON CONFLICT (job_id) DO NOTHING RETURNING number"
)
# The resource is the last value of the list that describes a job.
_FORGET_ENDS = text(
    "DELETE FROM emulator_job_end WHERE number IN (SELECT number FROM emulator_job_end "
    "WHERE CAST(content AS json) -> 'job' ->> -1 = :resource ORDER BY number DESC OFFSET :kept)"
)
_FORGET_END = text("DELETE FROM emulator_job_end WHERE job_id = :job_id")
_ENDS = text("SELECT content FROM emulator_job_end ORDER BY number DESC")
_SECRET = text("UPDATE emulator_store SET secret = coalesce(secret, :proposed) RETURNING secret")
_log = logging.getLogger(__name__)


class SharedProgress(NamedTuple):
    """The progress of a job, as its server reported it: fraction (0 to 1), step, seconds left."""

    fraction: float
    step: str
    seconds_left: float | None


class SharedState:
    """The state of the servers of one database. All methods may be called from any thread.

    Each raises StoreUnreachable.

    Args:
        engine: connections that commit each statement.
        server: the id of this process.
        channel: of the messages.
    """

    def __init__(self, engine: Engine, server: str, channel: str) -> None:
        self.server = server
        self.channel = channel
        # Functions by topic of a message; called with its text, in the thread that listens.
        self.on_message: dict[str, list[Callable[[str], None]]] = {}
        self._engine = engine
        from emulator.store.shared_data_sets import SharedDataSets  # here, for a fast start
        from emulator.store.shared_responses import SharedResponses
        from emulator.store.shared_servers import SharedServers
        from emulator.store.shared_sessions import SharedSessions

        self.data_sets = SharedDataSets(engine)
        self.servers = SharedServers(engine, server)
        self.sessions = SharedSessions(engine)
        self.responses = SharedResponses(engine)

    def commits(self) -> tuple[int, int]:
        """The number of commits, and of those that changed scores."""
        with self._engine.connect() as connection:
            commits, scores = connection.exec_driver_sql("SELECT commits, scores FROM emulator_store").one()
        return commits, scores

    # --- leases ---------------------------------------------------------------------------------------------

    @staticmethod
    def is_free() -> TextClause:
        """The condition that no server executes a row of the table of jobs."""
        return text("job.id NOT IN (SELECT job_id FROM emulator_leased)")

    def free_kinds(self) -> set[str]:
        """The kinds of the jobs that no server executes."""
        with self._engine.connect() as connection:
            return set(connection.execute(_FREE_KINDS).scalars())

    def claim(self, session: Session, job_id: str, *, subject: str, begun: int) -> str:
        """Take the lease of a job in a writing transaction, in which it is free; returns the token.

        Args:
            subject: under which others find the progress.
            begun: the time in microseconds since 1970, of the clock of the emulator.
        """
        token = secrets.token_hex(16)
        values = {
            "job_id": job_id,
            "token": token,
            "server": self.server,
            "subject": subject,
            "begun": begun,
            "seconds": LEASE_SECONDS,
        }
        session.connection().execute(_CLAIM, values)
        return token

    def release(self, job_id: str, token: str) -> None:
        """Let others execute a job."""
        with self._engine.connect() as connection:
            connection.execute(_RELEASE, {"job_id": job_id, "token": token})

    def renew(self, leases: Mapping[str, tuple[str, SharedProgress | None]]) -> set[str]:
        """Renew leases: token and progress by job. Returns the jobs that are over, or have another server."""
        if not leases:
            return set()
        values = [
            {
                "job_id": job_id,
                "token": token,
                "progress": progress and orjson.dumps([*progress]).decode(),
                "seconds": LEASE_SECONDS,
            }
            for job_id, (token, progress) in leases.items()
        ]
        with self._engine.connect() as connection:
            for one in values:
                connection.execute(_RENEW, one)
            held: dict[str, str] = dict(connection.execute(_HELD, {"server": self.server}).tuples().all())
        return {job_id for job_id, (token, _) in leases.items() if held.get(job_id) != token}

    def progress(self, subject: str) -> SharedProgress | None:
        """The progress of a job that a server executes; None if there is none, or before its first report."""
        with self._engine.connect() as connection:
            found = connection.execute(_PROGRESS, {"subject": subject}).scalar()
        return None if found is None else SharedProgress(*orjson.loads(found))

    def begun(self, job_id: str) -> int | None:
        """When the execution of a job was begun; None if no server executes it."""
        with self._engine.connect() as connection:
            found = connection.execute(_BEGUN, {"job_id": job_id}).scalar()
        return None if found is None else int(found)

    # --- ended jobs -----------------------------------------------------------------------------------------

    def add_end(self, job_id: str, resource: str, content: Mapping[str, Any]) -> bool:
        """Record how a job has ended; False if its end is recorded already. The last 100 of each resource are
        kept.
        """
        values = {"job_id": job_id, "content": orjson.dumps(content).decode()}
        with self._engine.connect() as connection:
            is_new = connection.execute(_END, values).scalar() is not None
            if is_new:
                connection.execute(_FORGET_ENDS, {"resource": resource, "kept": _ENDS_KEPT})
        return is_new

    def ends(self) -> Sequence[dict[str, Any]]:
        """What was recorded, the latest first."""
        with self._engine.connect() as connection:
            return [orjson.loads(content) for content in connection.execute(_ENDS).scalars()]

    def forget_ends(self) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql("DELETE FROM emulator_job_end")

    def forget_end(self, job_id: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(_FORGET_END, {"job_id": job_id})

    # --- secret and messages --------------------------------------------------------------------------------

    def secret(self, proposed: bytes) -> bytes:
        """The secret of all servers: that of the first one."""
        with self._engine.connect() as connection:
            return bytes.fromhex(connection.execute(_SECRET, {"proposed": proposed.hex()}).scalar_one())

    def announce(self, topic: str, message: str = "") -> None:
        """Send a message to all servers, also this one. It may be lost. Less than 8000 bytes."""
        with self._engine.connect() as connection:
            self.announce_by(connection, topic, message)

    def announce_by(self, connection: Connection, topic: str, message: str = "") -> None:
        """Send a message with the commit of a transaction: all servers that are connected then receive it."""
        connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (self.channel, f"{topic} {message}"))

    def announce_job(self, kind: str) -> None:
        """Tell all servers that there is a job of a kind."""
        self.announce(ADDED, kind)

    def heard(self, topic: str, message: str) -> None:
        """A message has arrived."""
        for function in self.on_message.get(topic, ()):
            try:
                function(message)
            except Exception:  # noqa: BLE001  (the thread that listens goes on)
                _log.exception("A message of another server could not be processed")

    def listen(self, topic: str, function: Callable[[str], None]) -> None:
        """Call a function for each message of a topic."""
        self.on_message.setdefault(topic, []).append(function)
