"""Requests that arrive too slowly are refused; large ones on slow lines are not. A clock of the tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.connections import Connection, responses

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def with_connection(steps: Callable[[Connection], Awaitable[None]], application: Any = None) -> None:
    async def run() -> None:
        connection = Connection(application) if application else Connection()
        await steps(connection)
        connection.transport.close()
        await asyncio.sleep(0)

    asyncio.run(run())


async def seconds_until_refused(connection: Connection, each_second: bytes = b"", most: int = 1000) -> int:
    """The seconds after which the connection is ended while the same bytes arrive in each second."""
    for second in range(most):
        if connection.transport.ended.is_set():
            return second
        if each_second:
            connection.receive(each_second)
        connection.protocol.check_speed(1)
        await asyncio.sleep(0)
    return most


@pytest.mark.parametrize(
    ("begun", "each_second", "seconds"),
    [
        (b"G", b"", 30),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"", 30),
        (b"GET / HTTP/1.1\r\nX: ", b"x", 31),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n", 31),
        (b"GET /?", b"x" * 1000, 1000),
        (POST, b"", 60),
        (POST, b"x", 61),
        (POST, b"x" * 100, 75),
        (POST, b"x" * 1000, 1000),
        (CHUNKED, b"", 60),
        (CHUNKED, b"1\r\nx\r\n", 61),
        (CHUNKED + b"0\r\n", b"X: y\r\n", 61),
    ],
)
def test_time_for_a_request(begun: bytes, each_second: bytes, seconds: int) -> None:
    async def steps(connection: Connection) -> None:
        connection.receive(begun)
        connection.protocol.check_speed(0)
        waited = await seconds_until_refused(connection, each_second)
        assert waited == pytest.approx(seconds, abs=2)
        if seconds < 1000:
            ((status, body),) = responses(await connection.respond())
            assert (status, json.loads(body)["error"]["code"]) == (408, "408")

    with_connection(steps)


def test_a_fast_beginning_buys_no_more_time() -> None:
    async def steps(connection: Connection) -> None:
        connection.receive(POST)
        for _ in range(30):
            connection.receive(b"x" * 65_536)
            await asyncio.sleep(0)
        connection.protocol.check_speed(1)
        assert await seconds_until_refused(connection) == pytest.approx(60, abs=2)

    with_connection(steps)


def test_idle_connections_are_not_checked() -> None:
    async def steps(connection: Connection) -> None:
        assert await seconds_until_refused(connection) == 1000
        connection.receive(GET)
        await connection.respond()
        assert await seconds_until_refused(connection) == 1000

    with_connection(steps)


def test_time_in_which_the_server_works_does_not_count() -> None:
    async def slow(_scope: Any, receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    async def steps(connection: Connection) -> None:
        connection.receive(GET)  # a complete request
        assert await seconds_until_refused(connection) == 1000
        connection.protocol.tasks.pop().cancel()

    with_connection(steps, slow)

    async def reading_is_paused(connection: Connection) -> None:
        connection.receive(POST + b"x" * 100_000)  # more than the server reads ahead
        assert connection.protocol.flow.read_paused
        assert await seconds_until_refused(connection) == 1000
        connection.protocol.tasks.pop().cancel()

    with_connection(reading_is_paused, slow)

    async def the_client_waits(connection: Connection) -> None:
        connection.receive(POST[:-2] + b"Expect: 100-continue\r\n\r\n")
        assert await seconds_until_refused(connection) == 1000
        connection.protocol.tasks.pop().cancel()

    with_connection(the_client_waits, slow)


def test_each_request_has_its_own_time() -> None:
    async def steps(connection: Connection) -> None:
        for _ in range(20):
            connection.receive(GET[:10])
            for _ in range(20):
                connection.protocol.check_speed(1)
            connection.receive(GET[10:])
            await connection.respond()
        assert not connection.transport.ended.is_set()
        assert [status for status, _ in responses(connection.transport.written)] == [200] * 20

    with_connection(steps)


# --- a client that closes its side --------------------------------------------------------------------------


def test_a_client_that_closes_its_side_gets_its_responses() -> None:
    async def steps(connection: Connection) -> None:
        connection.receive(GET * 3)
        assert connection.protocol.eof_received()
        written = await connection.respond()
        assert [status for status, _ in responses(written)] == [200] * 3
        assert connection.transport.is_closing()

    with_connection(steps)


@pytest.mark.parametrize("sent", [b"", GET[:-2], POST, POST + b"x", CHUNKED + b"5\r\nhel"])
def test_an_incomplete_request_ends_with_the_side_of_the_client(sent: bytes) -> None:
    async def steps(connection: Connection) -> None:
        connection.receive(sent or GET)
        if not sent:
            await connection.respond()
        assert not connection.protocol.eof_received()

    with_connection(steps)
