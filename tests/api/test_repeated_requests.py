"""Requests that are repeated with their id are carried out once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.api import repeated_requests
from emulator.api.repeated_requests import (
    MAX_BYTES,
    MAX_BYTES_TOGETHER,
    MAX_RESPONSES,
    RepeatedRequests,
    RepeatedResponses,
    SharedRepeatedResponses,
)
from emulator.core.rules.access import FULL_ACCESS, Access
from emulator.store import shared_responses
from emulator.store.database import StoreUnreachable
from emulator.store.shared_responses import SharedResponses
from tests.support.faults import set_faults
from tests.support.harness import Service, expect, training_path
from tests.support.postgresql import execute
from tests.support.resources import PATH as RESOURCES
from tests.support.resources import add_resource
from tests.support.several import Servers, running_servers
from tests.support.waiting import PATIENCE_SECONDS, wait_until

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
    """An application that counts its requests, and responds when it may. Its response is the count.

    has_begun: set at its first request.
    """

    def __init__(self, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
        self.count = 0
        self.status = status
        self.headers = headers
        self.has_begun = asyncio.Event()
        self.may_respond = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count += 1
        self.has_begun.set()
        body = str(self.count).encode()
        await self.may_respond.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": body})


async def request(
    app: Any, request_id: bytes = b"one", method: str = "POST", access: Access | None = FULL_ACCESS
) -> bytes:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-emulator-request-id", request_id)]
    scope = {"type": "http", "method": method, "path": "/", "headers": headers}
    await app(scope if access is None else scope | {"access": access}, receive, send)
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


@pytest.mark.parametrize(
    "header", [(b"Set-Cookie", b"session=token"), (b"cache-control", b"private, No-Store")]
)
def test_responses_with_a_cookie_and_those_that_nobody_may_store_are_not_kept(
    header: tuple[bytes, bytes],
) -> None:
    async def run() -> None:
        app = App(200, header)
        app.may_respond.set()
        responses = RepeatedResponses()
        middleware = RepeatedRequests(app, responses)
        assert [await request(middleware) for _ in range(2)] == [b"1", b"2"]
        assert not responses.responses

    asyncio.run(run())


def test_responses_to_requests_without_access_are_not_kept() -> None:
    async def run() -> None:
        app = App()
        app.may_respond.set()
        middleware = RepeatedRequests(app, RepeatedResponses())
        assert [await request(middleware, access=None) for _ in range(2)] == [b"1", b"2"]

    asyncio.run(run())


def test_a_repeated_rotation_of_a_key_makes_another_key(service: Service) -> None:
    add_resource(service, "line")
    path = f"{RESOURCES}/line/keys/training/1/rotate"
    assert len({service.request("POST", path, headers=FIRST).text for _ in range(2)}) == 2


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
            await responses.keep(("POST", "/", b"", str(number).encode(), FULL_ACCESS), [body])
        kept = [int(request_id) for _, _, _, request_id, _ in responses.responses]
        assert kept == list(range(2, fitting + 2))
        responses.clear()
        await responses.keep(("POST", "/", b"", b"new", FULL_ACCESS), [body])
        assert len(responses.responses) == 1

    asyncio.run(run())


# --- several servers ----------------------------------------------------------------------------------------


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    yield from running_servers(tmp_path)


EXPIRE = "UPDATE emulator_response SET expires = now() - interval '1 s'"
COUNT = "SELECT count(*) FROM emulator_response"


def rows(servers: Servers, statement: str) -> list[tuple[Any, ...]]:
    return execute(str(servers.first.settings.database), statement)


def middleware_of(service: Service, app: App) -> RepeatedRequests:
    """The middleware of a server, before another application."""
    shared = service.context.database.shared
    assert shared is not None
    return RepeatedRequests(app, SharedRepeatedResponses(shared))


def responses_of(service: Service) -> SharedResponses:
    shared = service.context.database.shared
    assert shared is not None
    return shared.responses


async def begun(app: App) -> None:
    """Wait until the application carries out a request."""
    await asyncio.wait_for(app.has_begun.wait(), PATIENCE_SECONDS)


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


def test_a_request_waits_for_the_earlier_one_at_another_server(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        app, other = App(), App()
        first = asyncio.create_task(request(middleware_of(servers.first, app)))
        await begun(app)
        shared = responses_of(servers.second)
        looked, loop, find = asyncio.Event(), asyncio.get_running_loop(), shared.find

        def noted(target: str) -> Any:
            found = find(target)
            loop.call_soon_threadsafe(looked.set)
            return found

        monkeypatch.setattr(shared, "find", noted)
        second = asyncio.create_task(request(middleware_of(servers.second, other)))
        await asyncio.wait_for(looked.wait(), PATIENCE_SECONDS)
        assert not second.done()
        app.may_respond.set()
        assert await asyncio.gather(first, second) == [b"1", b"1"]
        assert other.count == 0

    asyncio.run(run())


def test_a_request_of_a_server_that_was_killed_is_carried_out_by_another_one(servers: Servers) -> None:
    async def run() -> None:
        app, other = App(), App()
        other.may_respond.set()
        first = asyncio.create_task(request(middleware_of(servers.first, app)))
        await begun(app)
        # As after the time in which a server renews its claim.
        rows(servers, EXPIRE)
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


def is_away(*_given: Any, **_more: Any) -> None:
    raise StoreUnreachable("away")


def test_a_response_is_sent_although_it_cannot_be_kept(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(responses_of(servers.first), "keep", is_away)
    assert expect(create(servers.first, **FIRST))["name"] == "new"
    assert "could not be kept" in caplog.text
    assert rows(servers, COUNT) == [(0,)]


def test_a_response_is_sent_although_the_claim_cannot_be_released(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("keep", "release"):
        monkeypatch.setattr(responses_of(servers.first), name, is_away)
    assert expect(create(servers.first, **FIRST))["name"] == "new"
    assert "could not be kept" in caplog.text
    assert "could not be released" in caplog.text


def test_the_responses_of_all_servers_have_a_limit(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        app = App()
        app.may_respond.set()
        middleware = middleware_of(servers.first, app)
        monkeypatch.setattr(repeated_requests, "MAX_RESPONSES", 2)
        assert [await request(middleware, b"%d" % n) for n in (1, 2, 3)] == [b"1", b"2", b"3"]
        assert rows(servers, COUNT) == [(2,)]
        assert [await request(middleware, b"%d" % n) for n in (3, 2)] == [b"3", b"2"]
        assert await request(middleware, b"1") == b"4"
        monkeypatch.setattr(repeated_requests, "MAX_BYTES_TOGETHER", 1)
        assert await request(middleware, b"5") == b"5"
        assert rows(servers, "SELECT convert_from(body, 'UTF8') FROM emulator_response") == [("5",)]

    asyncio.run(run())


def test_old_responses_are_deleted_without_a_further_request(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(servers.first, **FIRST)
    assert rows(servers, COUNT) == [(1,)]
    rows(servers, EXPIRE)
    monkeypatch.setattr(shared_responses, "_FORGET_SECONDS", 0)
    wait_until(lambda: rows(servers, COUNT) == [(0,)], "the deletion of old responses")


def test_no_change_waits_for_the_disk_for_the_sake_of_its_response(servers: Servers) -> None:
    kinds = rows(servers, "SELECT relpersistence::text FROM pg_class WHERE relname = 'emulator_response'")
    assert kinds == [("u",)]
