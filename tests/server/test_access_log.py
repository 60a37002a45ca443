"""The access log: the fields of a line, and what no line may contain."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest

from emulator.server.access_log import AccessLog


async def _respond(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"apim-request-id", b"the-id")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"123", "more_body": True})
    await send({"type": "http.response.body", "body": b"45"})


def log_of(
    app: Any, caplog: pytest.LogCaptureFixture, secrets: tuple[str, ...] = (), **scope: Any
) -> list[str]:
    """The lines that requests of this scope log."""

    async def send(message: Any) -> None:
        pass

    request = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], **scope}
    with caplog.at_level(logging.INFO, logger="emulator.access"):
        asyncio.run(AccessLog(app, secrets)(request, None, send))  # type: ignore[arg-type]
    return [record.getMessage() for record in caplog.records]


def test_a_line_has_method_path_status_time_size_and_id(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = log_of(_respond, caplog, method="POST", path="/a/b")
    assert re.fullmatch(r"POST /a/b 200 \d+\.\d ms 5 bytes the-id", line)


def test_query_and_headers_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    scope = {
        "path": "/a",
        "raw_path": b"/a?key=secret",
        "query_string": b"Training-Key=secret&sig=secret",
        "headers": [(b"training-key", b"secret"), (b"authorization", b"secret")],
    }
    assert "secret" not in "".join(log_of(_respond, caplog, **scope))


def test_a_key_in_the_path_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = log_of(_respond, caplog, ("the-key", "other-key"), path="/projects/the-key/tags")
    assert line.startswith("GET /projects/***/tags 200")


def test_a_request_that_fails_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        log_of(fail, caplog)
    assert [record.getMessage().split()[:3] for record in caplog.records] == [["GET", "/", "-"]]


def test_the_events_of_the_process_are_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    assert log_of(app, caplog, type="lifespan") == []
    assert seen == ["lifespan"]
