"""The regular check whether requests arrive fast enough, for all connections of a server.

A timer for each connection would have to be set anew with every request; one check a second costs less.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulator.server.connections.http_protocol import Protocol

# A longer time between two checks means that the server was too busy to read.
_LONGEST_SECONDS = 2.0


class SpeedCheck:
    """Checks the connections of a server once a second."""

    def __init__(self) -> None:
        self._checked: float | None = None

    def run(self, connections: Iterable[object], now: float) -> None:
        """Check all connections. now: seconds of a steady clock."""
        seconds = 0.0 if self._checked is None else min(now - self._checked, _LONGEST_SECONDS)
        self._checked = now
        for connection in list(connections):
            if isinstance(connection, Protocol):
                connection.check_speed(seconds)
