"""Responses to requests that clients may repeat at another server of the database.

A request is claimed before it is carried out, for a time that its server renews, so that it is free when that
server was killed. Times are those of the database.
"""

import time

from sqlalchemy import Engine, text

TABLE = "emulator_response"
# A crash of PostgreSQL removes all, which saves to wait for the disk at each change that a client makes.
TABLES = (
    """CREATE UNLOGGED TABLE emulator_response (
    target VARCHAR PRIMARY KEY, token VARCHAR NOT NULL, expires TIMESTAMPTZ NOT NULL,
    status INTEGER, headers VARCHAR, body BYTEA)""",
    "CREATE INDEX emulator_response_expires ON emulator_response (expires)",
)
CLAIM_SECONDS = 20
KEPT_SECONDS = 600
_FORGET_SECONDS = 60
# Several servers delete at once: each leaves out rows that another one has locked.
_FORGET_OLD = text(
    """DELETE FROM emulator_response WHERE target IN (SELECT target FROM emulator_response
    WHERE expires < clock_timestamp() FOR UPDATE SKIP LOCKED)"""
)
_FORGET_MOST = text(
    """DELETE FROM emulator_response WHERE target IN (SELECT target FROM emulator_response
    WHERE status > 0 AND target IN (SELECT target FROM (
    SELECT target, row_number() OVER latest AS number, sum(length(body)) OVER latest AS bytes
    FROM emulator_response WHERE status > 0 WINDOW latest AS (ORDER BY expires DESC, target)) AS kept
    WHERE number > :most OR bytes > :most_bytes) FOR UPDATE SKIP LOCKED)"""
)
_CLAIM = text(
    """INSERT INTO emulator_response (target, token, expires)
    VALUES (:target, :token, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (target) DO UPDATE SET token = excluded.token, expires = excluded.expires,
    status = NULL, headers = NULL, body = NULL
    WHERE emulator_response.expires < clock_timestamp() RETURNING token"""
)
_FIND = text("SELECT status, headers, body FROM emulator_response WHERE target = :target AND status > 0")
_RENEW = text(
    """UPDATE emulator_response SET expires = clock_timestamp() + make_interval(secs => :seconds)
    WHERE target = :target AND token = :token AND status IS NULL"""
)
_KEEP = text(
    """UPDATE emulator_response SET status = :status, headers = :headers, body = :body,
    expires = clock_timestamp() + make_interval(secs => :seconds)
    WHERE target = :target AND token = :token"""
)
_RELEASE = text("DELETE FROM emulator_response WHERE target = :target AND token = :token AND status IS NULL")


class SharedResponses:
    """The responses of all servers of a database. All methods may be called from any thread.

    Each raises StoreUnreachable. target: identifies a request. token: of the server that carries it out.

    Args:
        engine: connections that commit each statement.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._forgotten = float("-inf")

    def claim(self, target: str, token: str) -> bool:
        """Claim a request for `CLAIM_SECONDS`; False if it is claimed, or has its response."""
        with self._engine.connect() as connection:
            found = connection.execute(
                _CLAIM, {"target": target, "token": token, "seconds": CLAIM_SECONDS}
            ).scalar()
        return found is not None

    def find(self, target: str) -> tuple[int, str, bytes] | None:
        """The status, the headers and the body of the response to a request; None while there is none."""
        with self._engine.connect() as connection:
            found = connection.execute(_FIND, {"target": target}).one_or_none()
        return None if found is None else (found[0], found[1], bytes(found[2]))

    def renew(self, target: str, token: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(_RENEW, {"target": target, "token": token, "seconds": CLAIM_SECONDS})

    def keep(
        self,
        target: str,
        token: str,
        *,
        status: int,
        headers: str,
        body: bytes,
        most: int,
        most_bytes: int,
    ) -> None:
        """Keep the response for `KEPT_SECONDS`.

        headers: a JSON list of pairs. most, most_bytes: how many responses of all servers are kept, and how
        many bytes their bodies may have together; the oldest ones beyond that are deleted.
        """
        with self._engine.connect() as connection:
            values = {"target": target, "token": token, "seconds": KEPT_SECONDS}
            connection.execute(_KEEP, {**values, "status": status, "headers": headers, "body": body})
            connection.execute(_FORGET_MOST, {"most": most, "most_bytes": most_bytes})

    def release(self, target: str, token: str) -> None:
        """Let a request without a response be carried out again."""
        with self._engine.connect() as connection:
            connection.execute(_RELEASE, {"target": target, "token": token})

    def forget_old(self) -> None:
        """Delete what has expired; does nothing for a minute after the last time."""
        if time.monotonic() - self._forgotten >= _FORGET_SECONDS:
            with self._engine.connect() as connection:
                connection.execute(_FORGET_OLD)
            self._forgotten = time.monotonic()

    def clear(self) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql("DELETE FROM emulator_response")
