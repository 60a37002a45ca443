"""Clients with little overhead, since they share the processors with the server that they measure.

A client is a process with one persistent connection. It sends prepared requests and parses of each response
only what it needs to find its end. `echo_server` responds to such requests without processing them, which
measures the cost of the client and the loopback interface.
"""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_CONTEXT = multiprocessing.get_context("spawn")
_PATIENCE_SECONDS = 60


class UnexpectedResponse(Exception):
    """A response without success, which would make a figure meaningless."""


class Client:
    """One connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        """Send a request; returns the body of a success. Raises UnexpectedResponse otherwise."""
        self._connection.sendall(request)
        answer = self._connection.recv(65536)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        status = head[9:12]
        if not status.startswith(b"2"):
            raise UnexpectedResponse(answer[:600].decode("utf-8", "replace"))
        body = [answer[end + 4 :]]
        if request.startswith(b"HEAD ") or status == b"204":
            return b""
        if b"transfer-encoding: chunked" in head:
            while not body[-1].endswith(b"0\r\n\r\n"):
                body.append(self._more())
            return b"".join(body)
        missing = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]) - len(body[0])
        while missing > 0:
            body.append(self._more())
            missing -= len(body[-1])
        return b"".join(body)

    def timed(self, requests: Sequence[bytes]) -> list[float]:
        """The duration of each request, in milliseconds."""
        taken = []
        for request in requests:
            started = time.perf_counter()
            self.ask(request)
            taken.append((time.perf_counter() - started) * 1000)
        return taken

    def close(self) -> None:
        self._connection.close()

    def _more(self) -> bytes:
        data = self._connection.recv(65536)
        if not data:
            raise UnexpectedResponse("the connection ended")
        return data


def throughput(port: int, requests: Sequence[bytes], seconds: float, clients: int = 8) -> float:
    """Responses per second of `clients` processes together; each sends `requests` repeatedly."""

    def work_of(number: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _ask_until, (port, list(requests[number::clients] or requests))

    return rate([work_of(number) for number in range(clients)], seconds)


def latencies(port: int, requests: Sequence[bytes], seconds: float, clients: int) -> list[float]:
    """The duration of each request of `clients` processes together, in milliseconds."""
    work = [(_time_until, (port, list(requests[number::clients] or requests))) for number in range(clients)]
    return [taken for outcome in _outcomes(work, seconds) for taken in outcome]


def rate(work: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]], seconds: float) -> float:
    """Units per second of several processes together; each runs ``function(ready, seconds, *arguments)``.

    A function prepares, calls ``ready()``, which returns when all are ready, works for `seconds`, and returns
    the number of units and the seconds that they took.
    """
    return float(sum(done / taken for done, taken in _outcomes(work, seconds)))


def _outcomes(work: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]], seconds: float) -> list[Any]:
    """What the functions return, which begin at the same time."""
    barrier = _CONTEXT.Barrier(len(work))
    results = _CONTEXT.Queue()
    processes = [
        _CONTEXT.Process(
            target=_carry_out, args=(barrier, results, seconds, function, arguments), daemon=True
        )
        for function, arguments in work
    ]
    for process in processes:
        process.start()
    try:
        outcomes = [results.get(timeout=_PATIENCE_SECONDS + 4 * seconds) for _ in processes]
    finally:
        for process in processes:
            process.terminate()
            process.join()
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return outcomes


def _carry_out(
    barrier: Any, results: Any, seconds: float, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    try:
        results.put(function(lambda: barrier.wait(_PATIENCE_SECONDS), seconds, *arguments))
    except Exception as error:  # noqa: BLE001  (every failure is reported to the parent)
        results.put(UnexpectedResponse(f"{type(error).__name__}: {error}"))


def _ask_until(
    ready: Callable[[], Any], seconds: float, port: int, requests: list[bytes]
) -> tuple[int, float]:
    client = Client(port)
    client.ask(requests[0])
    ready()
    done, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        client.ask(requests[done % len(requests)])
        done += 1
    return done, passed


def _time_until(ready: Callable[[], Any], seconds: float, port: int, requests: list[bytes]) -> list[float]:
    client = Client(port)
    client.ask(requests[0])
    ready()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        taken += client.timed([requests[len(taken) % len(requests)]])
    return taken


@contextmanager
def echo_server(answer: bytes = b"x" * 500) -> Iterator[int]:
    """The port of a server process that reads requests to their end and sends each the same response."""
    parent, child = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_echo, args=(child, answer), daemon=True)
    process.start()
    try:
        if not parent.poll(_PATIENCE_SECONDS):
            raise UnexpectedResponse("the echo server did not start")
        yield parent.recv()
    finally:
        process.terminate()
        process.join()


def _echo(pipe: Any, body: bytes) -> None:
    import threading

    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def serve(connection: socket.socket) -> None:
        buffer = bytearray(1 << 20)
        while received := connection.recv_into(buffer):
            head = bytes(buffer[:received]).partition(b"\r\n\r\n")[0]
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            missing = len(head) + 4 + int(length or 0) - received
            while missing > 0:
                missing -= connection.recv_into(buffer)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
