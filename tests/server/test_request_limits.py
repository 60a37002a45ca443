"""Sizes of header sections, URLs, trailers and chunk extensions, before a request reaches the application."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import tracemalloc
from typing import Any

import pytest

from emulator.gateway.origins import Origins
from emulator.server.connections.http_protocol import Shared
from tests.support.connections import Connection, exchange, responses

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 65536


def pieces(data: bytes, size: int = PIECE) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def refusal(written: bytes) -> tuple[int, str]:
    (status, body), *others = responses(written)
    assert not others
    return status, json.loads(body)["error"]["code"]


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"x" * 70_000 + b"\r\n",
        b"X: " + b"x" * 250_000 + b"\r\n",
        b"".join(b"X-%d: x\r\n" % number for number in range(900)),
        b"".join(b"X: " + b"x" * 8000 + b"\r\n" for _ in range(30)),
    ],
    ids=["70 KB", "250 KB", "900", "30 of 8 KB"],
)
@pytest.mark.parametrize("size", [700, PIECE, 10**9])
def test_large_header_sections_are_read(headers: bytes, size: int) -> None:
    raw = GET + headers + b"\r\n"
    written, is_ended = exchange(pieces(raw * 3, size))
    assert ([status for status, _ in responses(written)], is_ended) == ([200] * 3, False)


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"X-%d: x\r\n" % number for number in range(1001)),
        b"X: " + b"x" * 300_000 + b"\r\n",
        b"x" * 600_000,
        b"X: " + b"x" * 600_000,
        b"".join(b"X: " + b"x" * 8000 + b"\r\n" for _ in range(40)),
        b"X:" + b" " * 600_000,
        b"X: a\r\n" + b"Cookie: " + b"x" * 600_000,
    ],
    ids=["1001", "300 KB", "name", "value", "40 of 8 KB", "blanks", "second"],
)
@pytest.mark.parametrize("size", [700, PIECE, 262_144])
def test_header_sections_that_are_too_large(headers: bytes, size: int) -> None:
    end = b"\r\n" if headers.endswith(b"\r\n") else b""
    written, is_ended = exchange(pieces(GET + headers + end, size))
    assert (refusal(written), is_ended) == ((431, "431"), True)


def test_a_header_without_end_is_cut_off_in_linear_time_and_memory() -> None:
    """120 MB took 41 s and stayed in memory."""

    async def run() -> tuple[int, bytes]:
        connection = Connection()
        connection.receive(GET + b"X: ")
        piece = b"x" * PIECE
        for _ in range(120 * 2**20 // PIECE):
            connection.receive(piece)
        return tracemalloc.get_traced_memory()[1], await connection.respond()

    tracemalloc.start()
    started = time.process_time()
    peak, written = asyncio.run(run())
    tracemalloc.stop()
    assert refusal(written) == (431, "431")
    assert peak < 4 * 2**20
    assert time.process_time() - started < 10


def test_bytes_after_a_refusal_are_dropped() -> None:
    raw = b"".join(b"X-%d: x\r\n" % number for number in range(1001))
    written, is_ended = exchange([GET + raw + b"\r\n", GET + b"\r\n", GET + b"\r\n"])
    assert (refusal(written), is_ended) == ((431, "431"), True)


@pytest.mark.parametrize("size", [1, 1000, PIECE, 10**9])
def test_long_urls(size: int) -> None:
    allowed = b"GET /a?" + b"x" * (100_000 if size == 1 else 1_000_000) + b"&y=z HTTP/1.1\r\nHost: x\r\n\r\n"
    written, _ = exchange(pieces(allowed, size))
    assert json.loads(responses(written)[0][1])["target"].endswith("x&y=z")


def test_a_url_that_is_too_long() -> None:
    written, is_ended = exchange(pieces(b"GET /?" + b"x" * 2_000_000))
    (status, body), *_ = responses(written)
    assert (status, json.loads(body)["code"], is_ended) == (400, "BadRequest", True)
    assert "URL is too long" in json.loads(body)["message"]


def test_trailers_are_no_headers() -> None:
    trailer = b"Training-Key: secret\r\nX: y\r\n"
    written, is_ended = exchange([CHUNKED, b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n", GET + b"\r\n"])
    (first, echoed), (second, _) = responses(written)
    assert (first, second, is_ended) == (200, 200, False)
    names = {name for name, _ in json.loads(echoed)["headers"]}
    assert names == {"host", "transfer-encoding"}


@pytest.mark.parametrize(
    "rest",
    [
        b"0\r\nX: " + b"x" * 2_000_000,
        b"0\r\n" + b"X: y\r\n" * 300_000,
        b"5;name=" + b"x" * 2_000_000,
        b"1;a=" + b"x" * 300_000 + b"\r\na\r\n1;a=" + b"x" * 300_000 + b"\r\na\r\n1;a=" + b"x" * 300_000,
    ],
    ids=["trailer", "trailers", "extension", "extensions"],
)
def test_trailers_and_chunk_extensions_without_end(rest: bytes) -> None:
    written, is_ended = exchange(pieces(CHUNKED + rest))
    assert (refusal(written), is_ended) == ((431, "431"), True)


def test_chunks_of_one_byte_are_read() -> None:
    raw = CHUNKED + b"1;a=b\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
    written, is_ended = exchange(pieces(raw))
    assert (json.loads(responses(written)[0][1])["body"], is_ended) == ("x" * 50_000, False)


def test_all_header_sections_together() -> None:
    """The largest one is refused when all that are arriving need more than 64 MB."""

    async def run() -> list[bytes]:
        shared = Shared()
        connections = [Connection(shared=shared) for _ in range(400)]
        # One state, as in a server.
        for connection in connections:
            connection.protocol.connections = connections[0].protocol.connections
            connection.protocol.connections.add(connection.protocol)
        for number, connection in enumerate(connections):
            connection.receive(GET + b"X: " + b"x" * (200_000 if number < 399 else 250_000))
        assert shared.header_budget.held_bytes <= 64 * 2**20
        for connection in connections:
            connection.transport.close()
            connection.protocol.connection_lost(None)
        assert shared.header_budget.held_bytes == 0
        return [connection.transport.written for connection in connections]

    refused = [written for written in asyncio.run(run()) if written]
    assert {refusal(written) for written in refused} == {(503, "503")}
    assert 50 < len(refused) < 100


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nOrigin: http://localhost:3000\r\nBad\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nOrigin: http://localhost:3000\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nOrigin: http://localhost:3000\r\n" + b"X: y\r\n" * 1001, 431),
        (CHUNKED[:-2] + b"Origin: http://localhost:3000\r\n\r\nno number\r\n", 400),
    ],
)
def test_pages_can_read_the_refusal(raw: bytes, status: int) -> None:
    written, _ = exchange([raw])
    assert [one for one, _ in responses(written)] == [status]
    head = written.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert b"access-control-allow-origin: http://localhost:3000" in head
    assert b"vary: origin" in head


def test_other_pages_cannot() -> None:
    raw = b"GET / HTTP/1.1\r\nOrigin: https://app.example\r\nBad\r\n\r\n"
    assert b"access-control" not in exchange([raw])[0].lower()

    async def run() -> bytes:
        connection = Connection(shared=Shared(Origins(["https://app.example"])))
        connection.receive(raw)
        return await connection.respond()

    assert b"access-control-allow-origin: https://app.example" in asyncio.run(run())


def test_earlier_requests_are_answered_before_a_refusal() -> None:
    written, is_ended = exchange([(GET + b"\r\n") * 3 + GET + b"Bad\r\n\r\n"])
    assert ([status for status, _ in responses(written)], is_ended) == ([200, 200, 200, 400], True)
    broken = CHUNKED + b"no number\r\n"
    written, is_ended = exchange([(GET + b"\r\n") * 2 + broken])
    assert ([status for status, _ in responses(written)], is_ended) == ([200, 200, 400], True)


def test_a_response_that_has_begun_is_cut_off() -> None:
    async def early(_scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    async def run() -> bytes:
        connection = Connection(early)
        connection.receive(CHUNKED)
        await asyncio.sleep(0)
        connection.receive(b"no number\r\n")
        assert connection.transport.is_closing()
        return await connection.respond()

    assert asyncio.run(run()).count(b"HTTP/1.1") == 1


def test_tls_to_a_plain_port_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        shared = Shared()
        for _ in range(5):
            connection = Connection(shared=shared)
            connection.receive(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100)
            assert connection.transport.ended.is_set()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    hints = [record.message for record in caplog.records if "TLS" in record.message]
    assert len(hints) == 1
    assert "http://" in hints[0]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"FOO / HTTP/1.1\r\n\r\n", "Invalid method encountered"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", "Invalid header token"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "Invalid character in Content-Length"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "this server is no proxy"),
    ],
)
def test_reasons_of_invalid_requests_are_logged(
    sent: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        written, _ = exchange([sent])
    assert [status for status, _ in responses(written)] == [400]
    (line,) = caplog.messages
    assert line == f"Invalid HTTP request received: {reason}"
