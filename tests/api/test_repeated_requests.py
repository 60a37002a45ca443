"""Requests that are repeated with their id are carried out once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.api.repeated_requests import (
    MAX_BYTES,
    MAX_BYTES_TOGETHER,
    MAX_RESPONSES,
    RepeatedRequests,
    RepeatedResponses,
    SharedRepeatedResponses,
)
from emulator.store.database import StoreUnreachable
from tests.support.faults import set_faults
from tests.support.harness import Service, expect, training_path
from tests.support.postgresql import execute
from tests.support.several import Servers, running_servers

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
    async def run() -> None:
        responses = RepeatedResponses()
        fitting = MAX_BYTES_TOGETHER // MAX_BYTES
        for number in range(fitting + 2):
            body = {"type": "http.response.body", "body": bytes(MAX_BYTES)}
            await responses.keep(("POST", "/", b"", str(number).encode(), None), [body])
        kept = [int(request_id) for _, _, _, request_id, _ in responses.responses]
        assert kept == list(range(2, fitting + 2))
        responses.clear()
        await responses.keep(("POST", "/", b"", b"new", None), [body])
        assert len(responses.responses) == 1

    asyncio.run(run())


# --- several servers ----------------------------------------------------------------------------------------


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    yield from running_servers(tmp_path)


def middleware_of(service: Service, app: App) -> RepeatedRequests:
    """The middleware of a server, before another application."""
    shared = service.context.database.shared
    assert shared is not None
    return RepeatedRequests(app, SharedRepeatedResponses(shared))


def test_a_request_that_is_repeated_at_another_server_has_the_response_of_the_first(servers: Servers) -> None:
    first, second = servers
    made = create(first, **FIRST)
    again = create(second, **FIRST)
    assert (again.json(), again.headers["content-type"]) == (made.json(), made.headers["content-type"])
    assert len(second.get("/projects")) == 1
    create(second, **{"X-Emulator-Request-Id": "second"})
    assert len(first.get("/projects")) == 2
    assert first.request("POST", "/_emulator/reset").is_success
    create(second, **FIRST)
    assert len(first.get("/projects")) == 1


def test_a_request_waits_for_the_earlier_one_at_another_server(servers: Servers) -> None:
    async def run() -> None:
        app, other = App(), App()
        first = asyncio.create_task(request(middleware_of(servers.first, app)))
        while not app.count:
            await asyncio.sleep(0)
        second = asyncio.create_task(request(middleware_of(servers.second, other)))
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
        app.may_respond.set()
        assert await asyncio.gather(first, second) == [b"1", b"1"]
        assert other.count == 0

    asyncio.run(run())


def test_a_request_of_a_server_that_was_killed_is_carried_out_by_another_one(servers: Servers) -> None:
    async def run() -> None:
        app, other = App(), App()
        other.may_respond.set()
        first = asyncio.create_task(request(middleware_of(servers.first, app)))
        while not app.count:
            await asyncio.sleep(0)
        # As after the time in which a server renews its claim.
        url = str(servers.first.settings.database)
        execute(url, "UPDATE emulator_response SET expires = now() - interval '1 s'")
        assert await request(middleware_of(servers.second, other)) == b"1"
        app.may_respond.set()
        await first
        assert await request(middleware_of(servers.first, app)) == b"1"
        assert (app.count, other.count) == (1, 1)

    asyncio.run(run())


def test_a_request_that_failed_is_carried_out_again_by_any_server(servers: Servers) -> None:
    async def run() -> None:
        failing, other = App(500), App()
        for one in (failing, other):
            one.may_respond.set()
        await request(middleware_of(servers.first, failing))
        await request(middleware_of(servers.second, other))
        assert (failing.count, other.count) == (1, 1)

    asyncio.run(run())


def test_a_response_is_sent_although_it_cannot_be_kept(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def is_away(*_given: Any, **_more: Any) -> None:
        raise StoreUnreachable("away")

    shared = servers.first.context.database.shared
    assert shared is not None
    monkeypatch.setattr(shared.responses, "keep", is_away)
    assert expect(create(servers.first, **FIRST))["name"] == "new"
    assert "could not be kept" in caplog.text
