"""Limits of connections to a live server."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.connections import responses
from tests.support.live_server import LiveServer

GET = b"GET /_emulator/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path_factory.mktemp("limits"), program="tests.support.impatient_server")
    yield live
    live.kill()
    assert "Traceback" not in live.log()


def connect(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def received(connection: socket.socket) -> bytes:
    """All bytes until the server closes its side."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "begun",
    [
        GET[:-2],
        b"POST /customvision/v3.3/training/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    ],
)
def test_a_request_that_does_not_arrive(server: LiveServer, begun: bytes) -> None:
    with connect(server) as idle, connect(server) as connection:
        connection.sendall(begun)
        assert [status for status, _ in responses(received(connection))] == [408]
        idle.sendall(GET)
        assert idle.recv(12) == b"HTTP/1.1 200"


def test_a_client_that_closes_its_side(server: LiveServer) -> None:
    with connect(server) as connection:
        connection.sendall(GET)
        connection.shutdown(socket.SHUT_WR)
        assert [status for status, _ in responses(received(connection))] == [200]


def test_a_header_without_end(server: LiveServer) -> None:
    """The client can read the response although it goes on sending."""
    with connect(server) as connection:
        connection.sendall(GET[:-2] + b"X: ")
        for _ in range(100):
            connection.sendall(b"x" * 2**16)
        assert [status for status, _ in responses(received(connection))] == [431]


def test_tls(server: LiveServer) -> None:
    with connect(server) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 506)
        assert [status for status, _ in responses(received(connection))] == [400]
    assert "tried to speak TLS" in server.log()
