"""Sessions of the portal and attempts to sign in, which all servers of a database have.

Texts such as tokens are kept as their hashes. Times are those of the database.
"""

from sqlalchemy import Engine, text

TABLE = "emulator_session"
TABLES = (
    """CREATE TABLE emulator_session (
    token_hash VARCHAR PRIMARY KEY, keys VARCHAR NOT NULL, key_hash VARCHAR NOT NULL,
    last_used TIMESTAMPTZ NOT NULL)""",
    "CREATE TABLE emulator_ticket (hash VARCHAR PRIMARY KEY, expires TIMESTAMPTZ NOT NULL)",
    """CREATE TABLE emulator_attempt (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client VARCHAR NOT NULL,
    made TIMESTAMPTZ NOT NULL)""",
)
# The time of the last request is written at most this often.
_WRITE_SECONDS = 60
_ADD = text(
    "INSERT INTO emulator_session VALUES (:token_hash, :keys, :key_hash, clock_timestamp()) "
    "ON CONFLICT (token_hash) DO UPDATE SET last_used = excluded.last_used"
)
# Those that were idle for too long, and those that were not used for the longest time.
_FORGET = text(
    """DELETE FROM emulator_session WHERE last_used < clock_timestamp() - make_interval(secs => :idle)
    OR token_hash IN (SELECT token_hash FROM emulator_session ORDER BY last_used DESC OFFSET :most)"""
)
_FIND = text(
    """SELECT key_hash, last_used < clock_timestamp() - make_interval(secs => :used)
    FROM emulator_session WHERE token_hash = :token_hash AND keys = :keys
    AND last_used >= clock_timestamp() - make_interval(secs => :idle)"""
)
_USE = text("UPDATE emulator_session SET last_used = clock_timestamp() WHERE token_hash = :token_hash")
_REMOVE = text("DELETE FROM emulator_session WHERE token_hash = :token_hash")
_ADD_TICKET = text(
    "INSERT INTO emulator_ticket VALUES (:hash, clock_timestamp() + make_interval(secs => :seconds))"
)
_REDEEM = text("DELETE FROM emulator_ticket WHERE hash = :hash RETURNING expires > clock_timestamp()")
_FORGET_TICKETS = text("DELETE FROM emulator_ticket WHERE expires <= clock_timestamp()")
# One attempt of all servers at a time. The first number is that after `postgresql.SERVERS_LOCK`.
_ATTEMPTS_LOCK = text("SELECT pg_advisory_xact_lock(1129729351, hashtext(current_schema()))")
_FORGET_ATTEMPTS = text(
    "DELETE FROM emulator_attempt WHERE made <= clock_timestamp() - make_interval(secs => :seconds)"
)
_ATTEMPTS = text(
    "SELECT count(*), ceil(:seconds - extract(epoch FROM clock_timestamp() - min(made))) "
    "FROM emulator_attempt WHERE client = :client"
)
_ADD_ATTEMPT = text("INSERT INTO emulator_attempt (client, made) VALUES (:client, clock_timestamp())")
_FORGET_ATTEMPT = text(
    "DELETE FROM emulator_attempt WHERE number = "
    "(SELECT max(number) FROM emulator_attempt WHERE client = :client)"
)


class SharedSessions:
    """The sessions of all servers of a database. All methods may be called from any thread.

    Each raises StoreUnreachable.

    Args:
        engine: connections that commit each statement.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, token_hash: str, *, keys: str, key_hash: str, idle: int, most: int) -> None:
        """Add a session, and forget those that were idle for `idle` seconds, and those beyond `most`.

        Args:
            keys: identifies the options of the servers for which it is valid.
            key_hash: of the key that it began with.
        """
        with self._engine.connect() as connection:
            connection.execute(_ADD, {"token_hash": token_hash, "keys": keys, "key_hash": key_hash})
            connection.execute(_FORGET, {"idle": idle, "most": most})

    def find(self, token_hash: str, *, keys: str, idle: int) -> str | None:
        """The `key_hash` of a session, whose idle time begins anew; None if there is none."""
        values = {"token_hash": token_hash, "keys": keys, "idle": idle, "used": _WRITE_SECONDS}
        with self._engine.connect() as connection:
            found = connection.execute(_FIND, values).one_or_none()
            if found is None:
                return None
            key_hash, is_old = found
            if is_old:
                connection.execute(_USE, {"token_hash": token_hash})
        return str(key_hash)

    def remove(self, token_hash: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(_REMOVE, {"token_hash": token_hash})

    # --- tickets --------------------------------------------------------------------------------------------

    def add_ticket(self, hash: str, seconds: int) -> None:
        with self._engine.connect() as connection:
            connection.execute(_FORGET_TICKETS)
            connection.execute(_ADD_TICKET, {"hash": hash, "seconds": seconds})

    def redeem(self, hash: str) -> bool:
        """Whether a ticket is valid, which ends with this."""
        with self._engine.connect() as connection:
            return connection.execute(_REDEEM, {"hash": hash}).scalar() is True

    # --- attempts -------------------------------------------------------------------------------------------

    def attempt(self, client: str, *, seconds: int, most: int) -> int:
        """Count an attempt of a client and return 0, or after `most` within the time the seconds to wait."""
        with self._engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
            connection.execute(_ATTEMPTS_LOCK)
            connection.execute(_FORGET_ATTEMPTS, {"seconds": seconds})
            values = {"client": client, "seconds": seconds}
            count, wait = connection.execute(_ATTEMPTS, values).one()
            if count < most:
                wait = 0
                connection.execute(_ADD_ATTEMPT, {"client": client})
            connection.commit()
        return 0 if not wait else max(1, int(wait))

    def forget_attempt(self, client: str) -> None:
        """The last attempt of a client was none with a wrong key."""
        with self._engine.connect() as connection:
            connection.execute(_FORGET_ATTEMPT, {"client": client})
