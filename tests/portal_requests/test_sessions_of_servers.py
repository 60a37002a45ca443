"""Sessions of the portal on two servers of one database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.portal.attempts import MOST_WRONG_KEYS, WRONG_KEY_SECONDS
from emulator.portal.sessions import IDLE_SECONDS, SHARED_SECONDS
from tests.support.harness import Service, expect, running_service, training_path
from tests.support.postgresql import execute
from tests.support.resources import PATH as RESOURCES
from tests.support.resources import add_resource
from tests.support.several import Servers, running_servers
from tests.support.waiting import wait_until

PAGE = {"Sec-Fetch-Site": "same-origin"}
PROJECTS = training_path("/projects")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    yield from running_servers(tmp_path, training_keys=("mine",), prediction_keys=("other",))


def sign_in(service: Service, key: str = "mine") -> httpx.Response:
    response: httpx.Response = service.request(
        "POST", "/portal/session", key=None, headers=PAGE, json={"key": key}
    )
    service.client.cookies.clear()
    return response


def page_of(response: httpx.Response) -> dict[str, str]:
    """The headers of a page whose user has signed in."""
    expect(response)
    return {**PAGE, "Cookie": response.headers["set-cookie"].partition(";")[0]}


def status(service: Service, page: dict[str, str], method: str = "GET", path: str = PROJECTS) -> int:
    return service.request(method, path, key=None, headers=page).status_code


def pass_time(service: Service) -> None:
    """Let the time pass within which a server notices that a session has ended at another one."""
    sessions = service.app.state.sessions
    earlier = sessions._now
    sessions._now = lambda: earlier() + SHARED_SECONDS


def test_a_session_of_one_server_is_one_of_the_other(servers: Servers) -> None:
    first, second = servers
    page = page_of(sign_in(first))
    assert [status(one, page) for one in (second, first, second)] == [200, 200, 200]
    state = expect(second.request("GET", "/portal/session", key=None, headers=page))
    assert state == {"signedIn": True, "keyRequired": True}


def test_a_session_that_has_ended_at_one_server_has_ended_at_the_other(servers: Servers) -> None:
    first, second = servers
    page, other = page_of(sign_in(first)), page_of(sign_in(first))
    assert [status(one, page) for one in servers] == [200, 200]
    assert status(second, page, "DELETE", "/portal/session") == 204
    assert status(second, page) == 401
    pass_time(first)
    assert status(first, page) == 401
    assert [status(one, other) for one in servers] == [200, 200]


def test_a_session_ends_with_the_key_of_its_resource(servers: Servers) -> None:
    first, second = servers
    key = add_resource(first, "line")["Training", "1"]
    page = page_of(sign_in(second, key))
    made = expect(first.request("POST", f"{PROJECTS}?name=x", key=None, headers=page))["id"]
    listed = expect(second.request("GET", PROJECTS, key=None, headers=page))
    assert [one["id"] for one in listed] == [made]
    expect(first.request("POST", f"{RESOURCES}/line/keys/training/1/rotate", key="mine"))
    wait_until(lambda: status(second, page) == 401, "the end of the session")


def test_the_idle_time_is_that_of_all_servers(servers: Servers) -> None:
    first, second = servers
    page = page_of(sign_in(first))
    rows(first, f"UPDATE emulator_session SET last_used = now() - interval '{IDLE_SECONDS - 60} s'")
    assert status(second, page) == 200
    ((seconds,),) = rows(first, "SELECT extract(epoch FROM now() - last_used) FROM emulator_session")
    assert seconds < IDLE_SECONDS - 60
    rows(first, f"UPDATE emulator_session SET last_used = now() - interval '{IDLE_SECONDS} s'")
    pass_time(second)
    assert status(second, page) == 401
    sign_in(first)
    assert rows(first, "SELECT count(*) FROM emulator_session") == [(1,)]


def rows(service: Service, statement: str) -> list[tuple[Any, ...]]:
    return execute(str(service.settings.database), statement)


def test_a_session_survives_restarts_of_all_servers(servers: Servers) -> None:
    page = page_of(sign_in(servers.first))
    for one in servers:
        one.restart()
    assert [status(one, page) for one in servers] == [200, 200]


def test_a_session_is_not_valid_on_a_server_with_other_keys(servers: Servers, tmp_path: Path) -> None:
    page = page_of(sign_in(servers.first))
    settings = servers.first.settings
    more = {"database": settings.database, "blobs": settings.blobs, "prediction_keys": ("other",)}
    for third in running_service(tmp_path / "third", training_keys=("new",), **more):
        assert status(third, page) == 401
        assert status(servers.second, page) == 200


def test_the_response_to_a_sign_in_with_an_id_is_not_kept(servers: Servers) -> None:
    page = {**PAGE, "X-Emulator-Request-Id": "one"}
    signed_in = [
        one.request("POST", "/portal/session", key=None, headers=page, json={"key": key})
        for one, key in ((servers.first, "mine"), (servers.second, "wrong"))
    ]
    assert [one.status_code for one in signed_in] == [200, 401]
    assert "set-cookie" not in signed_in[1].headers
    assert rows(servers.first, "SELECT count(*) FROM emulator_response") == [(0,)]


def test_neither_tokens_nor_keys_are_in_the_database(servers: Servers) -> None:
    page = page_of(sign_in(servers.first))
    ((row,),) = rows(servers.first, "SELECT emulator_session::text FROM emulator_session")
    assert page["Cookie"].partition("=")[2] not in row
    assert "mine" not in row


def test_a_ticket_is_redeemed_once_by_any_server(servers: Servers) -> None:
    ticket = servers.first.app.state.sessions.new_ticket()
    answers = [one.request("GET", f"/portal/open?ticket={ticket}", key=None) for one in reversed(servers)]
    assert ["set-cookie" in one.headers for one in answers] == [True, False]


def test_servers_count_wrong_keys_together(servers: Servers) -> None:
    for number in range(MOST_WRONG_KEYS):
        assert sign_in(servers[number % 2]).status_code == 200
        assert sign_in(servers[number % 2], "wrong").status_code == 401
    refused = [sign_in(one, key) for one in servers for key in ("wrong", "mine")]
    assert [one.status_code for one in refused] == [429] * 4
    assert all(0 < int(one.headers["retry-after"]) <= WRONG_KEY_SECONDS for one in refused)
    rows(servers.first, f"UPDATE emulator_attempt SET made = made - interval '{WRONG_KEY_SECONDS} s'")
    assert sign_in(servers.second).status_code == 200
