"""Accepting connections: not more than the process has file descriptors for.

asyncio's own server logs a traceback for each connection that it cannot accept, thousands of times a second,
and by then no descriptor is left for the files that requests need.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import socket
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from emulator.server.connections.http_protocol import Protocol, error_response
from emulator.server.connections.throttle import Throttle

if TYPE_CHECKING:
    import ssl

# Each connection takes memory, too.
MOST_CONNECTIONS = 2048
# The limit that the process sets itself; a larger one is kept.
_MOST_DESCRIPTORS = 16_384
# Descriptors for everything else: the database, files, workers, requests to other servers.
_OTHER_DESCRIPTORS = 256
_RETRY_SECONDS = 1.0
_WAIT_SECONDS = 0.05
_HANDSHAKE_SECONDS = 15
# Connections that are closed at once when there is no room: finding them takes a millisecond.
_SHARE_CLOSED = 1 / 128
_log = logging.getLogger("emulator.http")


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files as far as it is useful; returns the limit."""
    try:
        import resource
    except ImportError:  # Windows, where sockets do not count as files
        return _MOST_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS has another limit besides
            return soft
        return wanted
    return _MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def most_connections(descriptors: int) -> int:
    """The number of connections that a process with this many file descriptors may have."""
    return max(1, min(MOST_CONNECTIONS, max(descriptors // 4, descriptors - _OTHER_DESCRIPTORS)))


class Acceptor:
    """Accepts the connections of one listening socket, as `asyncio.Server` does.

    When there are `limit` connections, a new one takes the place of the one that is least useful: one without
    a request so far, then the one that has been idle longest, then the request that has the least time left
    to arrive, then a connection that is new. While all are being responded to, new connections wait.
    """

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        connections: Collection[Any],
        limit: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._listener = listener
        self._make_protocol = make_protocol
        self._connections = connections
        self._limit = limit
        self._opening: set[asyncio.Task[None]] = set()
        self._full = Throttle()
        self._plain_hint = Throttle()
        self._task = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Accept no more connections."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.wait([self._task])

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except ConnectionError:
                continue
            except OSError as error:
                self._log_shortage(f"none can be accepted: {error.strerror}")
                self._make_room()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                while not self._has_room():
                    # Connections that were closed end while other tasks run.
                    await asyncio.sleep(0 if self._make_room() else _WAIT_SECONDS)
            except asyncio.CancelledError:
                accepted.close()
                raise
            opening = loop.create_task(self._open(accepted))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)
            await asyncio.sleep(0)  # many connections at once do not hold up other tasks

    async def _open(self, accepted: socket.socket) -> None:
        spare = None
        try:
            # asyncio closes the socket when a handshake fails, before a response to plain HTTP can be sent.
            spare = None if self._tls is None else accepted.dup()
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol,
                accepted,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else _HANDSHAKE_SECONDS,
            )
        except OSError as error:
            accepted.close()
            _log.info("A connection was not opened: %s", error or "the client closed it")
            if spare is not None and getattr(error, "reason", None) == "HTTP_REQUEST":
                self._refuse_plain_http(spare)
        finally:
            if spare is not None:
                spare.close()

    def _refuse_plain_http(self, connection: socket.socket) -> None:
        reason = "This port speaks https. Use https:// in the endpoint."
        with contextlib.suppress(OSError):
            connection.send(error_response(400, {"code": "BadRequest", "message": reason}, []))
        if self._plain_hint.allows(asyncio.get_running_loop().time()):
            _log.warning("A client spoke plain HTTP to a port for https. Use https:// in its endpoint.")

    def _has_room(self) -> bool:
        return len(self._connections) + len(self._opening) < self._limit

    def _make_room(self) -> bool:
        """Close the least useful connections; returns whether there were any."""
        protocols = (one for one in self._connections if isinstance(one, Protocol))
        ranked = [(rank, one) for one in protocols if (rank := one.usefulness()) is not None]
        if not ranked:
            self._log_shortage("new ones wait until a response has ended")
            return False
        self._log_shortage("idle ones are closed for new ones")
        number = 1 + int(self._limit * _SHARE_CLOSED)
        for _, one in heapq.nsmallest(number, ranked, key=lambda pair: pair[0]):
            one.transport.abort()
        return True

    def _log_shortage(self, consequence: str) -> None:
        if self._full.allows(asyncio.get_running_loop().time()):
            _log.warning(
                "%d connections are open, at most %d are possible; %s",
                len(self._connections),
                self._limit,
                consequence,
            )
