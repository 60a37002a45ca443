"""Ending a connection amid a response or without one, for `emulator.gateway.connection`."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

# Closing a socket with this linger time of 0 s resets the connection (RST) instead of ending it (FIN).
_RESET_AT_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_DELIVERY_SECONDS = 2.0
_POLL_SECONDS = 0.002
# Where the system does not tell what the client has acknowledged.
_BLIND_SECONDS = 0.05


class OpenConnection(Protocol):
    """What is needed of a connection of uvicorn.

    running: the request whose response is in progress; pipelined requests wait behind it.
    """

    transport: asyncio.Transport
    running: RequestResponseCycle | None


class ConnectionEnd:
    """Implements `emulator.gateway.connection.Connection`."""

    def __init__(self, connection: OpenConnection) -> None:
        # Weak, since the connection has the scope of a request, which has this object.
        self._connection = weakref.ref(connection)
        self._closed_by_client = asyncio.Event()

    def note_closed_by_client(self) -> None:
        self._closed_by_client.set()

    async def closed_by_client(self) -> None:
        await self._closed_by_client.wait()

    async def close(self) -> None:
        connection = self._connection()
        if connection is not None:
            _disconnect(connection.running)
            connection.transport.close()

    async def reset(self) -> None:
        connection = self._connection()
        if connection is None or connection.transport.is_closing():
            return
        transport, running = connection.transport, connection.running
        _disconnect(running)
        if running is not None and running.response_started:
            await _delivered(transport)
        opened = transport.get_extra_info("socket")
        if opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        transport.abort()


def _disconnect(running: RequestResponseCycle | None) -> None:
    """Let the request in progress count as one whose client has gone: what it sends is dropped, unlogged."""
    if running is not None:
        running.disconnected = True
        running.message_event.set()


async def _delivered(transport: asyncio.Transport) -> None:
    """Wait until the client's system has received what was written, which a reset would discard."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DELIVERY_SECONDS
    while transport.get_write_buffer_size() and loop.time() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
    connection = transport.get_extra_info("socket")
    while (unacknowledged := _unacknowledged_bytes(connection)) and loop.time() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
    if unacknowledged is None:
        await asyncio.sleep(_BLIND_SECONDS)


def _unacknowledged_bytes(connection: Any) -> int | None:
    """The bytes in the send buffer of a socket; None where the system does not tell."""
    if sys.platform != "linux" or connection is None:
        return None
    import fcntl
    import termios

    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return None
    return int.from_bytes(answer, sys.byteorder)
