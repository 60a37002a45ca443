"""Servers on the loopback address, a fake name service, and a fetch policy."""

import errno
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Self

import httpcore

from emulator.core.fetching.client import FetchPolicy

PATIENCE = 60.0  # seconds after which a waiting test fails
LIMIT = 10_000

Answer = Callable[["Visit"], object]


class Visit:
    """One connection to a test server: its request, and methods to respond."""

    def __init__(self, connection: socket.socket, request: bytes, over: threading.Event) -> None:
        self.connection = connection
        self.request = request
        self.over = over

    @property
    def path(self) -> str:
        return self.request.split(b" ")[1].decode()

    def header(self, name: str) -> str | None:
        # The body can be any bytes; a part may have been received already.
        for line in self.request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name:
                return value
        return None

    def send(self, head: str, body: bytes = b"") -> None:
        self.connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

    def send_body(self, body: bytes) -> None:
        self.send(f"HTTP/1.1 200 OK\nContent-Length: {len(body)}", body)


class Server:
    """Handles each connection by `answer` in a thread; records the requests."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Visit] = []
        self.connections = 0
        self.over = threading.Event()
        self._answer = answer
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def allow(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.over.set()
        with socket.create_connection(("127.0.0.1", self.port)):  # wakes `accept`
            pass
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self.over.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
                with connection:
                    request = b""
                    while b"\r\n\r\n" not in request and not request.startswith(b"\x16"):  # that is TLS
                        received = connection.recv(65_536)
                        if not received:
                            return
                        request += received
                    visit = Visit(connection, request, self.over)
                    self.requests.append(visit)
                    self._answer(visit)
            except OSError:  # the client disconnected, which many of these tests intend
                pass


def policy(*allow: str, **more: Any) -> FetchPolicy:
    return FetchPolicy(**{"max_bytes": LIMIT, "allow": allow, "timeout_seconds": PATIENCE, **more})


def answer_with(body: bytes) -> Answer:
    return lambda visit: visit.send_body(body)


def answer_with_head(head: str, body: bytes = b"") -> Answer:
    return lambda visit: visit.send(head, body)


def redirect_to(location: str, status: int = 302) -> Answer:
    return lambda visit: visit.send(f"HTTP/1.1 {status} Go\nLocation: {location}\nContent-Length: 0")


def resolve_nothing(host: str, port: int) -> list[str]:
    raise OSError(errno.ENOENT, "unknown host")


def resolve_to(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(addresses)


def connect_nowhere(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
    raise httpcore.ConnectError("this test connects to nothing")


def must_not_connect(address: str, port: int, timeout: float) -> httpcore.NetworkStream:
    raise AssertionError(f"connected to {address}")
