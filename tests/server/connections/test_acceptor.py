"""More connections than the process has file descriptors for."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from emulator.server.connections.acceptor import Acceptor, most_connections
from emulator.server.connections.http_protocol import Protocol, Shared
from emulator.server.uvicorn_server import listening_socket
from tests.support.connections import echo
from tests.support.harness import files_body
from tests.support.images import picture
from tests.support.live_server import LiveServer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(1, 1), (64, 16), (256, 64), (1024, 768), (16_384, 2048), (10**9, 2048)],
)
def test_the_number_of_connections(descriptors: int, connections: int) -> None:
    assert most_connections(descriptors) == connections


class Server:
    """A server of `echo` on loopback with few connections."""

    def __init__(self, listener: socket.socket, limit: int, application: Any = echo) -> None:
        config = uvicorn.Config(application, http=Protocol, ws="none", lifespan="off", log_config=None)
        self.state = ServerState()
        self.now = 0.0
        shared = Shared(clock=lambda: self.now)
        self.address = listener.getsockname()
        self.acceptor = Acceptor(
            listener,
            lambda: Protocol(config=config, server_state=self.state, app_state={}, shared=shared),
            self.state.connections,
            limit,
        )

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)

    async def get(self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
        """The first bytes of the response; empty when the server has closed the connection."""
        reader, writer = client
        try:
            writer.write(GET)
            return (await reader.read(65536))[:12]
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.acceptor.close()
        await self.acceptor.wait_closed()
        for connection in list(self.state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def with_server(limit: int, steps: Any, application: Any = echo) -> None:
    async def run() -> None:
        with listening_socket("127.0.0.1", 0) as listener:
            server = Server(listener, limit, application)
            async with asyncio.timeout(60):
                await steps(server)
            await server.close()

    asyncio.run(run())


def test_connections_without_a_request_are_closed_first() -> None:
    async def steps(server: Server) -> None:
        used = [await server.connect() for _ in range(3)]
        assert [await server.get(one) for one in used] == [b"HTTP/1.1 200"] * 3
        unused = []
        for _ in range(20):
            unused.append(await server.connect())
            await asyncio.sleep(0)
            server.now += 2
        late = await server.connect()
        assert await server.get(late) == b"HTTP/1.1 200"
        assert [await server.get(one) for one in used] == [b"HTTP/1.1 200"] * 3
        assert len(server.state.connections) <= 5
        for _, writer in [*used, *unused, late]:
            writer.close()

    with_server(5, steps)


def test_then_the_one_that_was_idle_longest() -> None:
    async def steps(server: Server) -> None:
        clients = [await server.connect() for _ in range(4)]
        for client in (*clients, clients[0], clients[2], clients[3]):
            assert await server.get(client) == b"HTTP/1.1 200"
        late = await server.connect()
        assert await server.get(late) == b"HTTP/1.1 200"
        found = [await server.get(client) for client in clients]
        assert found == [b"HTTP/1.1 200", b"", b"HTTP/1.1 200", b"HTTP/1.1 200"]
        for _, writer in [*clients, late]:
            writer.close()

    with_server(4, steps)


def test_then_requests_that_arrive_slowly() -> None:
    async def steps(server: Server) -> None:
        slow = [await server.connect() for _ in range(4)]
        for _, writer in slow:
            writer.write(GET[:-2])
            await writer.drain()
        late = await server.connect()
        assert await server.get(late) == b"HTTP/1.1 200"
        for _, writer in [*slow, late]:
            writer.close()

    with_server(4, steps)


def test_requests_in_progress_are_never_closed() -> None:
    release = asyncio.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await echo(scope, receive, send)

    async def steps(server: Server) -> None:
        clients, requests = [], []
        for number in range(8):
            clients.append(await server.connect())
            requests.append(asyncio.create_task(server.get(clients[-1])))
            while len(server.state.tasks) < min(number + 1, 4):
                await asyncio.sleep(0)
        assert not any(request.done() for request in requests)
        release.set()
        assert await asyncio.gather(*requests) == [b"HTTP/1.1 200"] * 8
        for _, writer in clients:
            writer.close()

    with_server(4, steps, waits)


# --- a live server ------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    if os.name != "posix":
        pytest.skip("limits of open files exist on POSIX systems only")
    live = LiveServer(tmp_path / "data", program="tests.support.few_descriptors_server")
    yield live
    live.kill()


def test_more_connections_than_descriptors(server: LiveServer) -> None:
    """42 MB of tracebacks in 15 s, and good images refused as no images."""
    project = server.project()
    with ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        summary = server.post(f"{project}/images/files", json=files_body([picture(1)]))
        assert [image["status"] for image in summary["images"]] == ["OK"]
        with server.new_client() as late:
            assert late.get("/projects").status_code == 200
        log = server.log()
        assert "Traceback" not in log
        assert log.count("connections are open") == 1
    assert server.get("/projects")


def test_the_limit_of_open_files_is_raised() -> None:
    if os.name != "posix":
        pytest.skip("limits of open files exist on POSIX systems only")
    program = (
        "import resource; from emulator.server.connections.acceptor import raise_descriptor_limit;"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "wanted = min(hard, 900) if hard != resource.RLIM_INFINITY else 900;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, wanted));"
        "print(raise_descriptor_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == wanted)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "True\n", ran.stderr
