"""Connections in this process: the protocol of the server with a transport that keeps what is written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from emulator.server.connections.http_protocol import Protocol, Shared


class Transport(asyncio.Transport):
    """The server's side of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = asyncio.Event()
        self.ended = asyncio.Event()
        self.protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 5)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self.closed.is_set():
            self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self.ended.set()
            if self.protocol is not None:
                asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An application whose response is what it received, as JSON."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    received = {
        "method": scope["method"],
        "target": (scope["raw_path"] + b"?" + scope["query_string"]).decode("latin-1"),
        "version": scope["http_version"],
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    content = json.dumps(received).encode()
    head = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": content})


class Connection:
    """A connection to a server of `echo` or another application. Needs a running event loop."""

    def __init__(
        self, application: Any = echo, protocol: type[Protocol] = Protocol, shared: Shared | None = None
    ) -> None:
        config = uvicorn.Config(
            application, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False
        )
        self.state = ServerState()
        self.transport = Transport()
        self.protocol = protocol(config=config, server_state=self.state, app_state={}, shared=shared)
        self.transport.protocol = self.protocol
        self.protocol.connection_made(self.transport)

    def receive(self, data: bytes) -> None:
        """What the event loop does when bytes arrive."""
        if not self.transport.is_closing():
            self.protocol.data_received(data)

    async def respond(self) -> bytes:
        """Wait for all requests in progress; returns everything that the server wrote."""
        while self.state.tasks:
            await asyncio.gather(*self.state.tasks)
        return self.transport.written


def exchange(pieces: Iterable[bytes], application: Any = echo) -> tuple[bytes, bool]:
    """What the server writes on a connection on which the pieces arrive, and whether it ends it."""

    async def run() -> tuple[bytes, bool]:
        connection = Connection(application)
        for piece in pieces:
            connection.receive(piece)
        written = await connection.respond()
        is_closed = connection.transport.ended.is_set()
        connection.transport.close()
        await asyncio.sleep(0)
        return written, is_closed

    return asyncio.run(run())


def responses(written: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each response, all with a Content-Length."""
    found = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        found.append((int(head.split(b" ")[1]), rest[:length]))
        written = rest[length:]
    return found
