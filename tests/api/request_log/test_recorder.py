"""The recorder: requests without a response, streamed responses, and the memory of the log."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from emulator.api.request_log.recorder import RecordRequests, RequestLog, Row


def scope_of(**more: Any) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "headers": [],
        **more,
    }


async def receive() -> Message:
    return {"type": "http.request", "body": b""}


def send(log: RequestLog, app: Any, scope: Scope | None = None) -> list[tuple[str, int]]:
    """The types of the messages that were sent, each with the number of requests logged at that moment."""
    sent = []

    async def note(message: Message) -> None:
        sent.append((message["type"], len(log.rows())))

    asyncio.run(RecordRequests(app, log)(scope or scope_of(), receive, note))
    return sent


def test_a_request_is_logged_before_the_end_of_its_response_is_sent() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"de"})

    log = RequestLog(10)
    assert [number for _, number in send(log, app)] == [0, 0, 1]
    (row,) = log.rows()
    assert (row.status, row.bytes_out, row.refusal) == (200, 5, None)


def test_a_request_without_a_response_has_no_status() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConnectionResetError

    log = RequestLog(10)
    with pytest.raises(ConnectionResetError):
        send(log, app)
    (row,) = log.rows()
    assert row.status is None


def test_a_response_that_ends_too_early_is_logged_once() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["fault"] = "truncate"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})

    log = RequestLog(10)
    send(log, app)
    assert [(row.status, row.bytes_out, row.fault) for row in log.rows()] == [(200, 3, "truncate")]


def test_the_log_is_bounded_in_bytes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["refusal"] = ["r" * 100_000] * 100
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b'{"code":"A","message":"%s"}' % (b"m" * 100_000)})

    long = b"q" * 500_000
    headers = [(name, long) for name in (b"user-agent", b"x-emulator-client", b"training-key", b"accept")]
    scope = scope_of(raw_path=long, path=long.decode(), query_string=long, headers=headers)
    for capacity, most in ((1, 64_000), (100_000, 16_000)):
        log = RequestLog(capacity)
        send(log, app, scope)
        assert size(log.rows()[0]) < most


def size(row: Row) -> int:
    """Bytes of all texts of a row."""
    refusal = row.refusal
    assert refusal is not None
    texts = [value for value in row if isinstance(value, str | bytes)]
    return sum(map(sys.getsizeof, [*texts, refusal.message, *refusal.reasons, *refusal.keys]))
