"""The connection of a request as an extension of ASGI: an application can end it without a response."""

from collections.abc import Coroutine
from typing import Any, Protocol, cast

from starlette.types import Scope

EXTENSION = "custom_vision_emulator.connection"


class ConnectionFault(ConnectionError):
    """The end of a connection where there is none: a call within the process, as by `httpx.ASGITransport`."""


class Connection(Protocol):
    """The connection of the request that is in progress. Whatever the application sends later is dropped."""

    def closed_by_client(self) -> Coroutine[Any, Any, None]:
        """Wait until the client has closed its side. If it has closed this side only, it still reads."""

    async def close(self) -> None:
        """End the connection in order, after what was sent so far."""

    async def reset(self) -> None:
        """End the connection with a reset (TCP RST), after the client has received what was sent so far."""


def connection_of(scope: Scope) -> Connection | None:
    """The connection of a request; None where the server has none, as in calls within a process."""
    return cast("Connection | None", (scope.get("extensions") or {}).get(EXTENSION))
