"""Requests that are repeated with their id are carried out once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from emulator.api.repeated_requests import (
    MAX_BYTES,
    MAX_BYTES_TOGETHER,
    MAX_RESPONSES,
    RepeatedRequests,
    RepeatedResponses,
)
from tests.support.faults import set_faults
from tests.support.harness import Service, expect, training_path

FIRST = {"X-Emulator-Request-Id": "first"}


def create(service: Service, name: str = "new", **headers: str) -> Any:
    return service.send("POST", "/projects", params={"name": name}, headers=headers)


def test_a_repeated_request_has_the_response_of_the_first(service: Service) -> None:
    first = create(service, **FIRST)
    again = create(service, **FIRST)
    assert expect(again) == expect(first)
    assert again.headers["apim-request-id"] != first.headers["apim-request-id"]
    assert len(service.get("/projects")) == 1
    create(service, **{"X-Emulator-Request-Id": "second"})
    create(service)
    create(service)
    create(service, name="other", **FIRST)
    assert len(service.get("/projects")) == 5


def test_a_deletion_is_repeated_without_an_error(service: Service) -> None:
    project = expect(create(service))["id"]
    for _ in range(2):
        assert service.send("DELETE", f"/projects/{project}", headers=FIRST).status_code == 204
    assert service.send("DELETE", f"/projects/{project}").status_code == 404


def test_a_reset_forgets_responses(service: Service) -> None:
    create(service, **FIRST)
    assert service.request("POST", "/_emulator/reset").is_success
    create(service, **FIRST)
    assert len(service.get("/projects")) == 1


def test_a_request_whose_response_was_lost_is_carried_out_once(service: Service) -> None:
    set_faults(service, {"kind": "status", "status": 500, "afterDone": True})
    lost = service.send_unvalidated("POST", training_path("/projects"), params={"name": "new"}, headers=FIRST)
    assert lost.status_code == 500
    assert expect(create(service, **FIRST))["id"] == service.get("/projects")[0]["id"]
    assert len(service.get("/projects")) == 1


class App:
    """An application that counts its requests, and responds when it may. Its response is the count."""

    def __init__(self, status: int = 200) -> None:
        self.count = 0
        self.status = status
        self.may_respond = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count += 1
        body = str(self.count).encode()
        await self.may_respond.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": body})


async def request(app: Any, request_id: bytes = b"one", method: str = "POST") -> bytes:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-emulator-request-id", request_id)]
    await app({"type": "http", "method": method, "path": "/", "headers": headers}, receive, send)
    body: bytes = sent[-1]["body"]
    return body


def test_a_request_waits_for_the_earlier_one_with_its_id() -> None:
    async def run() -> None:
        app = App()
        middleware = RepeatedRequests(app, RepeatedResponses())
        both = [asyncio.create_task(request(middleware)) for _ in range(3)]
        await asyncio.sleep(0)
        app.may_respond.set()
        assert await asyncio.gather(*both) == [b"1", b"1", b"1"]

    asyncio.run(run())


@pytest.mark.parametrize(("status", "method"), [(500, "POST"), (404, "DELETE"), (200, "GET")])
def test_failures_and_reads_are_not_kept(status: int, method: str) -> None:
    async def run() -> None:
        app = App(status)
        app.may_respond.set()
        middleware = RepeatedRequests(app, RepeatedResponses())
        assert [await request(middleware, method=method) for _ in range(2)] == [b"1", b"2"]

    asyncio.run(run())


def test_the_latest_responses_are_kept() -> None:
    async def run() -> None:
        app = App()
        app.may_respond.set()
        responses = RepeatedResponses()
        middleware = RepeatedRequests(app, responses)
        for number in range(MAX_RESPONSES + 1):
            await request(middleware, str(number).encode())
        assert len(responses.responses) == MAX_RESPONSES
        assert not responses.running
        last = app.count
        assert await request(middleware, str(MAX_RESPONSES).encode()) == str(last).encode()
        await request(middleware, b"0")
        assert app.count == last + 1

    asyncio.run(run())


def test_the_kept_responses_have_a_limit_of_memory() -> None:
    responses = RepeatedResponses()
    fitting = MAX_BYTES_TOGETHER // MAX_BYTES
    for number in range(fitting + 2):
        body = {"type": "http.response.body", "body": bytes(MAX_BYTES)}
        responses.keep(("POST", "/", b"", str(number).encode()), [body])
    kept = [int(request_id) for *_, request_id in responses.responses]
    assert kept == list(range(2, fitting + 2))
    responses.clear()
    responses.keep(("POST", "/", b"", b"new"), [body])
    assert len(responses.responses) == 1
