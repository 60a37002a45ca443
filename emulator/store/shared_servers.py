"""The servers of a database, with the options that all of them should have."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import orjson
from sqlalchemy import Engine, text

TABLE = "emulator_server"
# Times are those of the database. What a crash of PostgreSQL removes, its server adds again.
TABLES = (
    """CREATE UNLOGGED TABLE emulator_server (
    server VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, options VARCHAR NOT NULL,
    started TIMESTAMPTZ NOT NULL, seen TIMESTAMPTZ NOT NULL)""",
)
# A server that was not seen for this time has ended.
SEEN_SECONDS = 20
_RENEW_SECONDS = 5
_ADD = text(
    """INSERT INTO emulator_server VALUES (:server, :name, :options, clock_timestamp(), clock_timestamp())
    ON CONFLICT (server) DO UPDATE SET seen = excluded.seen"""
)
_FORGET = text("DELETE FROM emulator_server WHERE seen < clock_timestamp() - make_interval(secs => :seconds)")
_OTHERS = text(
    """SELECT name, options FROM emulator_server WHERE server != :server
    AND seen >= clock_timestamp() - make_interval(secs => :seconds) ORDER BY started, server"""
)
_REMOVE = text("DELETE FROM emulator_server WHERE server = :server")


class OtherServer(NamedTuple):
    """A running server. name: for people. options: texts by the names of options."""

    name: str
    options: dict[str, str]


class SharedServers:
    """The servers of a database. All methods may be called from any thread.

    Args:
        engine: connections that commit each statement.
        server: the id of this process.
    """

    def __init__(self, engine: Engine, server: str) -> None:
        self._engine = engine
        self._server = server
        self._own: OtherServer | None = None
        self._renewed = 0.0

    @property
    def own_options(self) -> Mapping[str, str]:
        """What `add` was given; empty before."""
        return {} if self._own is None else self._own.options

    def add(self, name: str, options: Mapping[str, str]) -> None:
        """Add this server, which `renew` keeps. Raises StoreUnreachable."""
        self._own = OtherServer(name, dict(options))
        self._renew(self._own)

    def renew(self) -> None:
        """Show that this server is running; does nothing for some seconds after the last time.

        Raises StoreUnreachable.
        """
        if self._own is not None and time.monotonic() - self._renewed >= _RENEW_SECONDS:
            self._renew(self._own)

    def _renew(self, own: OtherServer) -> None:
        values = {"server": self._server, "name": own.name, "options": orjson.dumps(own.options).decode()}
        with self._engine.connect() as connection:
            connection.execute(_ADD, values)
            connection.execute(_FORGET, {"seconds": SEEN_SECONDS})
        self._renewed = time.monotonic()

    def others(self) -> list[OtherServer]:
        """The other running servers, the earliest first. Raises StoreUnreachable."""
        values = {"server": self._server, "seconds": SEEN_SECONDS}
        with self._engine.connect() as connection:
            rows = connection.execute(_OTHERS, values).all()
        return [OtherServer(name, orjson.loads(options)) for name, options in rows]

    def remove(self) -> None:
        """This server ends. Raises StoreUnreachable."""
        self._own = None
        with self._engine.connect() as connection:
            connection.execute(_REMOVE, {"server": self._server})
