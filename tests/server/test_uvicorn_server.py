"""The listening socket."""

import socket

from emulator.server.uvicorn_server import listening_socket


def test_accepted_connections_say_that_they_are_tcp() -> None:
    """Only then does asyncio disable Nagle's algorithm; otherwise each response takes 40 ms."""
    with (
        listening_socket("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.proto == socket.IPPROTO_TCP
