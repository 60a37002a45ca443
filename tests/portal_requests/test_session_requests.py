"""The session over HTTP: signing in and out, and the session in place of a key."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from emulator.portal.sessions import FILE_NAME
from tests.support.harness import (
    NOWHERE,
    TRAINING_KEY,
    Service,
    expect,
    refusal,
    running_service,
    training_path,
)
from tests.support.refusals import logged_refusals
from tests.support.resources import PATH as RESOURCES
from tests.support.resources import add_resource, role_key

OWN_KEYS = {"training_keys": ("mine", "mine-too"), "prediction_keys": ("other", "other-too")}
PAGE = {"Sec-Fetch-Site": "same-origin"}
PROJECTS = training_path("/projects")
PREDICTION = f"/customvision/v3.1/prediction/{NOWHERE}/classify/iterations/x/image"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Service]:
    """A server with keys of its own."""
    yield from running_service(tmp_path / "guarded", **OWN_KEYS)


def session(service: Service, method: str = "GET", headers: dict[str, str] = PAGE, **more: Any) -> Any:
    return service.request(method, "/portal/session", key=None, headers=headers, **more)


def status(service: Service, headers: dict[str, str], method: str = "GET", path: str = PROJECTS) -> int:
    return service.request(method, path, key=None, headers=headers).status_code


def sign_in(service: Service, key: str = "mine") -> httpx.Response:
    response: httpx.Response = session(service, "POST", json={"key": key})
    return response


def cookie_of(service: Service) -> dict[str, str]:
    """Headers of a page with the cookies that the client has now."""
    pairs = service.client.cookies.items()
    return {**PAGE, "Cookie": "; ".join(f"{name}={value}" for name, value in pairs)}


# --- resources and roles ------------------------------------------------------------------------------------


def test_a_session_shows_the_projects_of_the_resource_of_its_key(guarded: Service) -> None:
    keys = add_resource(guarded, "line")
    assert sign_in(guarded, keys["Prediction", "1"]).status_code == 401
    expect(sign_in(guarded, keys["Training", "1"]))
    page = cookie_of(guarded)
    made = expect(guarded.request("POST", f"{PROJECTS}?name=x", key=None, headers=page))["id"]
    assert [one["id"] for one in expect(guarded.request("GET", PROJECTS, key=None, headers=page))] == [made]
    assert expect(guarded.request("GET", PROJECTS, key="mine")) == []
    assert status(guarded, page, "POST", "/_emulator/reset") == 403
    guarded.restart()
    assert status(guarded, page, path=f"{PROJECTS}/{made}") == 200
    path = f"{RESOURCES}/line/keys/training/1/rotate"
    expect(guarded.request("POST", path, key="mine"))
    assert status(guarded, page) == 401


def test_a_session_tells_what_the_role_of_its_key_does_not_permit(guarded: Service) -> None:
    begun = expect(sign_in(guarded, role_key(guarded, "default", "Deployment").training))
    assert begun["role"] == "Deployment"
    assert {"TrainProject", "CreateProject", "ExportProject"} <= set(begun["refused"])
    assert not {"PublishIteration", "ExportIteration", "GetProjects"} & set(begun["refused"])
    assert expect(session(guarded, headers=cookie_of(guarded))) == begun


def test_a_session_permits_what_the_role_of_its_key_permits(guarded: Service) -> None:
    expect(sign_in(guarded, role_key(guarded, "default", "Labeler").training))
    page = cookie_of(guarded)
    assert status(guarded, page) == 200
    refused = guarded.request("POST", f"{PROJECTS}?name=x", key=None, headers=page)
    assert refusal(refused) == (
        403,
        "ForbiddenUserInsufficientCapability",
        "The key 'labeler' has the role Labeler, which does not permit projects/action.",
    )


@pytest.mark.files
def test_sessions_in_a_file_of_an_earlier_version_go_on(guarded: Service) -> None:
    expect(sign_in(guarded))
    page = cookie_of(guarded)
    file = guarded.settings.data / FILE_NAME
    content = orjson.loads(file.read_bytes())
    content["sessions"] = {name: used for name, (used, _) in content["sessions"].items()}
    guarded.close()
    file.write_bytes(orjson.dumps(content))
    guarded.open()
    assert status(guarded, page) == 200


# --- beginning ----------------------------------------------------------------------------------------------


def test_pages_of_a_server_with_well_known_keys_are_signed_in(service: Service) -> None:
    first = session(service)
    assert expect(first) == {"signedIn": True, "keyRequired": False}
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["set-cookie"].startswith("custom_vision_session=")
    assert "set-cookie" not in session(service).headers
    assert status(service, PAGE) == 200


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}])
def test_other_pages_are_not(service: Service, headers: dict[str, str]) -> None:
    response = session(service, headers=headers)
    assert expect(response) == {"signedIn": False, "keyRequired": False}
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("changes", [OWN_KEYS, {"host": "0.0.0.0"}, {**OWN_KEYS, "entra": "basic"}])
def test_a_secret_or_an_open_address_needs_the_key(tmp_path: Path, changes: dict[str, Any]) -> None:
    for service in running_service(tmp_path / "x", **changes):
        assert expect(session(service)) == {"signedIn": False, "keyRequired": True}
        assert status(service, PAGE) == 401


def test_the_key_is_sent_once(guarded: Service) -> None:
    assert status(guarded, PAGE) == 401
    response = sign_in(guarded)
    assert expect(response) == {"signedIn": True, "keyRequired": True}
    assert "mine" not in response.headers["set-cookie"]
    assert expect(session(guarded)) == {"signedIn": True, "keyRequired": True}
    assert status(guarded, PAGE) == 200
    assert status(guarded, PAGE, path="/_emulator/imports") == 200
    predicted = guarded.request("POST", PREDICTION, key=None, headers=PAGE, content=b"x")
    assert refusal(predicted)[:2] == (404, "NotFoundProject")


@pytest.mark.parametrize("key", ["", "wrong", "mine ", "other", TRAINING_KEY])
def test_another_key_is_refused(guarded: Service, key: str, caplog: pytest.LogCaptureFixture) -> None:
    with logged_refusals(caplog) as lines:
        response = sign_in(guarded, key)
        (line,) = lines()
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "401"
    assert "set-cookie" not in response.headers
    assert "neither a training key nor a key with a role" in line
    assert status(guarded, PAGE) == 401


def test_every_key_of_a_multi_service_resource_is_accepted(tmp_path: Path) -> None:
    for service in running_service(tmp_path / "x", multi_service=True, **OWN_KEYS):
        assert expect(sign_in(service, "other"))["signedIn"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"mine"', b'{"key": 1}', b"\xff", b'{"Key": "mine"}'])
def test_bodies_without_a_key_are_refused(guarded: Service, body: bytes) -> None:
    response = session(guarded, "POST", content=body)
    assert refusal(response)[:2] == (400, "BadRequest")


def test_long_bodies_are_refused(guarded: Service) -> None:
    assert session(guarded, "POST", content=b"x" * 5000).status_code == 413


def test_many_wrong_keys_are_refused_for_a_while(guarded: Service) -> None:
    statuses = [sign_in(guarded, "wrong").status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    late = sign_in(guarded)
    assert late.status_code == 429
    assert 1 <= int(late.headers["retry-after"]) <= 60


# --- end ----------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_on_the_server(guarded: Service) -> None:
    sign_in(guarded)
    cookie = {
        **PAGE,
        "Cookie": "; ".join(f"{name}={value}" for name, value in guarded.client.cookies.items()),
    }
    ended = session(guarded, "DELETE")
    assert (ended.status_code, ended.content) == (204, b"")
    guarded.client.cookies.clear()
    assert status(guarded, cookie) == 401
    assert session(guarded, "DELETE").status_code == 204


def test_sessions_survive_a_restart_but_not_other_keys(guarded: Service) -> None:
    sign_in(guarded)
    cookie = {
        **PAGE,
        "Cookie": "; ".join(f"{name}={value}" for name, value in guarded.client.cookies.items()),
    }
    guarded.restart()
    assert status(guarded, cookie) == 200
    guarded.settings = guarded.settings.__class__(
        data=guarded.settings.data, training_keys=("changed", "changed"), prediction_keys=("x", "y")
    )
    guarded.restart()
    assert status(guarded, cookie) == 401


# --- which requests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "read", "written"),
    [
        (PAGE, 200, 200),
        ({"Sec-Fetch-Site": "none"}, 200, 401),
        ({"Sec-Fetch-Site": "same-site"}, 401, 401),
        ({"Sec-Fetch-Site": "cross-site"}, 401, 401),
        ({"Origin": "http://emulator.localhost"}, 200, 200),
        ({"Origin": "http://emulator.localhost:1"}, 401, 401),
        ({"Origin": "http://evil.example"}, 401, 401),
        ({"Origin": "null"}, 401, 401),
        ({"Referer": "http://emulator.localhost/portal/projects"}, 200, 200),
        ({"Referer": "http://evil.example/"}, 401, 401),
        ({}, 401, 401),
    ],
)
def test_the_session_is_valid_for_the_pages_of_the_portal(
    guarded: Service, headers: dict[str, str], read: int, written: int
) -> None:
    sign_in(guarded)
    assert status(guarded, headers) == read
    assert status(guarded, headers, "POST", f"{PROJECTS}?name=new") == written


@pytest.mark.parametrize("header", ["Training-Key", "Prediction-Key", "Ocp-Apim-Subscription-Key"])
def test_a_wrong_key_is_not_made_up_for_by_a_session(guarded: Service, header: str) -> None:
    sign_in(guarded)
    assert status(guarded, {**PAGE, header: "wrong"}) == 401


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}])
def test_other_pages_begin_and_end_no_session(guarded: Service, method: str, headers: dict[str, str]) -> None:
    sign_in(guarded)
    response = session(guarded, method, headers=headers, json={"key": "mine"})
    assert response.status_code == 403
    assert "set-cookie" not in response.headers
    assert expect(session(guarded))["signedIn"]


def test_a_name_of_a_page_is_refused_before_anything_else(service: Service) -> None:
    response = session(service, headers={**PAGE, "Host": "evil.example"})
    assert response.status_code == 421
    assert "set-cookie" not in response.headers


def test_the_reason_of_a_refused_session_is_in_the_log_without_it(
    guarded: Service, caplog: pytest.LogCaptureFixture
) -> None:
    sign_in(guarded)
    (token,) = guarded.client.cookies.values()
    with logged_refusals(caplog) as lines:
        status(guarded, {"Sec-Fetch-Site": "same-site"})
        status(guarded, PAGE, path=training_path(f"/projects/{token}/tags"))
        guarded.client.cookies.set("custom_vision_session", "x", "emulator.localhost", "/")
        status(guarded, PAGE)
        other, reflected, ended = lines()
    assert other.endswith("a session is valid for pages of the portal only: Sec-Fetch-Site is same-site")
    assert token not in reflected
    assert ended.endswith("the session of the portal has ended")


def test_requests_of_the_portal_are_those_of_the_client_portal(service: Service) -> None:
    session(service)
    status(service, PAGE)
    status(service, {})
    status(service, {"Training-Key": TRAINING_KEY})
    status(service, {**PAGE, "X-Emulator-Client": "mine"})
    logged = expect(service.request("GET", "/_emulator/requests"))["requests"]
    assert [one["client"] for one in reversed(logged)] == ["portal", None, None, "mine"]
    counted = expect(service.request("GET", "/_emulator/requests/count?client=portal"))
    assert counted["count"] == 1


def test_images_of_the_portal_are_of_its_own_origin(tmp_path: Path) -> None:
    for service in running_service(tmp_path / "x", public_url="https://vision.example/base"):
        project, *_ = service.trainable()
        session(service)
        path = training_path(f"{project}/images/tagged?take=1")
        (portal,) = expect(service.request("GET", path, key=None, headers=PAGE))
        (sdk,) = expect(service.request("GET", path))
        assert portal["originalImageUri"].startswith("http://emulator.localhost/i-")
        assert sdk["originalImageUri"].startswith("https://vision.example/base/i-")


# --- the ticket ---------------------------------------------------------------------------------------------


def test_a_ticket_opens_the_portal_signed_in(guarded: Service) -> None:
    ticket = guarded.app.state.sessions.new_ticket()
    path = f"/portal/open?ticket={ticket}"
    browser = {"Sec-Fetch-Site": "none"}
    assert guarded.request("HEAD", path, key=None, headers=browser).headers.get("set-cookie") is None
    opened = guarded.request("GET", path, key=None, headers=browser)
    assert (opened.status_code, opened.headers["location"]) == (303, "./")
    assert opened.headers["referrer-policy"] == "no-referrer"
    assert ticket not in opened.headers["set-cookie"]
    assert expect(session(guarded))["signedIn"]


def test_a_ticket_is_valid_once(guarded: Service) -> None:
    path = f"/portal/open?ticket={guarded.app.state.sessions.new_ticket()}"
    guarded.request("GET", path, key=None)
    guarded.client.cookies.clear()
    again = guarded.request("GET", path, key=None)
    assert again.status_code == 303
    assert "set-cookie" not in again.headers
    assert again.headers["location"] == "./#used-link"  # the page explains it
    assert not expect(session(guarded))["signedIn"]


def test_tickets_are_not_logged(guarded: Service, caplog: pytest.LogCaptureFixture) -> None:
    ticket = guarded.app.state.sessions.new_ticket()
    with caplog.at_level(logging.DEBUG):
        guarded.request("GET", f"/portal/open?ticket={ticket}", key=None)
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("emulator")]
    assert not [line for line in logged if ticket in line]
