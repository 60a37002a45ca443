"""What faults do to a call within the process; tests of the server have connections that end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import httpx
import pytest

from emulator.gateway.connection import ConnectionFault
from tests.support.faults import FAULTS, all_used, set_faults
from tests.support.harness import (
    PATIENCE_SECONDS,
    TRAINING_KEY,
    Service,
    expect,
    files_body,
    refusal,
    training_path,
)
from tests.support.images import pictures

DONE = {"afterDone": True}


def project_names(service: Service) -> list[str]:
    return [one["name"] for one in service.get("/projects")]


def create(service: Service, name: str = "new", **more: Any) -> httpx.Response:
    return service.send("POST", "/projects", params={"name": name}, **more)


def logged_faults(service: Service) -> list[str | None]:
    found = expect(service.request("GET", "/_emulator/requests", params={"order": "oldest"}))
    return [one["fault"] for one in found["requests"]]


# --- statuses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        ({"status": 500}, 500, "ErrorUnknown"),
        ({"status": 503}, 503, "ErrorUnknown"),
        ({"status": 404}, 404, "NotFound"),
        ({"code": "BadRequestTagNameNotUnique"}, 400, "BadRequestTagNameNotUnique"),
        (
            {"code": "ErrorProjectTrainingRequestFailed", "status": 502},
            502,
            "ErrorProjectTrainingRequestFailed",
        ),
    ],
)
def test_a_status_has_an_error_of_the_service(
    service: Service, step: dict[str, Any], status: int, code: str
) -> None:
    set_faults(service, {"kind": "status", "message": "Overloaded.", **step})
    response = service.send_unvalidated("GET", training_path("/projects"))
    assert refusal(response) == (status, code, "Overloaded.")
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["apim-request-id"]


def test_an_older_version_has_the_code_that_it_knows(service: Service) -> None:
    set_faults(service, {"kind": "status", "code": "BadRequestImageAspectRatio", "times": 2})
    assert service.refused("GET", "/projects")[1] == "BadRequestImageAspectRatio"
    assert service.refused("GET", "/projects", version="v3.0")[1] == "BadRequestImageFormat"


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "Access denied due to invalid"), (404, "Resource not found"), (503, "A fault scenario")],
)
def test_a_status_can_have_the_body_of_the_gateway(service: Service, status: int, message: str) -> None:
    set_faults(service, {"kind": "status", "status": status, "body": "gateway", "retryAfter": 7})
    response = service.send_unvalidated("GET", training_path("/projects"))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, str(status))
    assert error["message"].startswith(message)
    assert response.headers["retry-after"] == "7"


def test_a_status_can_have_any_content(service: Service) -> None:
    page = "<html>Bad gateway</html>"
    step = {"kind": "status", "status": 502, "body": "raw", "content": page, "contentType": "text/html"}
    set_faults(service, step)
    response = service.send_unvalidated("GET", training_path("/projects"))
    assert (response.status_code, response.text) == (502, page)
    assert response.headers["content-type"].startswith("text/html")


def test_a_raw_status_may_be_one_of_success(service: Service) -> None:
    set_faults(service, {"kind": "status", "status": 200, "body": "raw", "content": "not JSON"})
    assert service.send_unvalidated("GET", training_path("/projects")).text == "not JSON"


def test_the_throttle_has_the_text_of_the_service(service: Service) -> None:
    set_faults(service, {"kind": "throttle"}, {"kind": "throttle", "retryAfter": 30})
    response = service.send("POST", "/projects", params={"name": "new"}, version="v3.3")
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    assert response.json() == {
        "error": {
            "code": "429",
            "message": "Requests to the CreateProject Operation under Custom_Vision_Training_3.3 have "
            "exceeded rate limit of your current Custom_Vision.Training F0 pricing tier. Please retry after "
            "1 second. To increase your rate limit switch to a paid tier.",
        }
    }
    response = service.send("GET", "/projects")
    assert "Please retry after 30 seconds." in response.json()["error"]["message"]
    assert project_names(service) == []


def test_pages_can_read_faulted_responses(service: Service) -> None:
    set_faults(service, {"kind": "throttle"})
    response = service.send("GET", "/projects", headers={"Origin": "http://localhost:3000"})
    assert response.status_code == 429
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "Retry-After" in response.headers["access-control-expose-headers"]


def test_a_fault_of_head_has_no_body(service: Service) -> None:
    set_faults(service, {"kind": "status", "status": 503}, operation="GetProjects")
    response = service.send("HEAD", "/projects")
    assert response.status_code == 503


# --- before and after the request is carried out ------------------------------------------------------------

FAILING = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 200, "body": "raw"},
    {"kind": "throttle"},
    {"kind": "close"},
    {"kind": "reset"},
]


def create_despite(service: Service) -> None:
    with contextlib.suppress(ConnectionFault):
        service.send_unvalidated("POST", training_path("/projects"), params={"name": "new"})


@pytest.mark.parametrize("step", FAILING, ids=lambda step: step["kind"])
def test_a_failing_request_is_not_carried_out(service: Service, step: dict[str, Any]) -> None:
    set_faults(service, step)
    create_despite(service)
    assert all_used(service)
    assert project_names(service) == []


@pytest.mark.parametrize(
    "step",
    [*({**step, **DONE} for step in FAILING), {"kind": "truncate"}, {"kind": "reset", "bytes": 3}],
    ids=lambda step: step["kind"],
)
def test_a_request_can_fail_after_it_was_carried_out(service: Service, step: dict[str, Any]) -> None:
    set_faults(service, step)
    create_despite(service)
    assert all_used(service)
    assert project_names(service) == ["new"]


def test_images_of_a_request_that_fails_afterwards_are_all_there(service: Service) -> None:
    project = service.project()
    set_faults(service, {"kind": "status", "status": 503, **DONE}, operation="CreateImagesFromFiles")
    body = files_body(pictures(5, "red"))
    assert service.send("POST", f"{project}/images/files", json=body).status_code == 503
    assert service.get(f"{project}/images/count") == 5


def test_a_call_that_is_not_carried_out_counts_in_no_quota(tmp_path: Any) -> None:
    from tests.support.harness import running_service

    for service in running_service(tmp_path / "data", tier="f0"):
        set_faults(service, {"kind": "status", "status": 503, "times": 20}, operation="GetProjects")
        assert {service.send("GET", "/projects").status_code for _ in range(20)} == {503}
        assert service.send("GET", "/projects").status_code == 200


@pytest.mark.parametrize("step", [{"kind": "close"}, {"kind": "reset"}, {"kind": "truncate"}])
def test_without_a_connection_its_end_is_an_exception(service: Service, step: dict[str, Any]) -> None:
    set_faults(service, step)
    with pytest.raises(ConnectionFault, match="A fault scenario ended the connection"):
        service.send("GET", "/projects")
    assert service.send("GET", "/projects").status_code == 200


# --- delays and slow bodies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("after_done", [False, True])
def test_a_delayed_call_goes_on(service: Service, after_done: bool) -> None:
    set_faults(service, {"kind": "delay", "milliseconds": 60, "afterDone": after_done})
    begin = time.perf_counter()
    assert create(service).status_code == 200
    assert time.perf_counter() - begin >= 0.06
    assert project_names(service) == ["new"]


def test_a_delay_does_not_hold_up_other_calls(service: Service) -> None:
    set_faults(service, {"kind": "delay", "milliseconds": 300_000}, operation="CreateProject")
    headers = {"Training-Key": TRAINING_KEY}
    base = "http://emulator.localhost"

    async def both() -> None:
        url = f"{base}{training_path('/projects')}"
        delayed = asyncio.create_task(service.client.post(f"{url}?name=new", headers=headers))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await service.client.get(f"{base}{FAULTS}", headers=headers)).json()["allUsed"]:
                pass
        assert (await service.client.get(url, headers=headers)).status_code == 200
        assert not delayed.done()
        await service.client.delete(f"{base}{FAULTS}", headers=headers)
        with pytest.raises(ConnectionFault):
            await delayed

    service._loop.run(both())


@pytest.mark.parametrize("after_done", [False, True])
@pytest.mark.parametrize("end", [("DELETE", FAULTS), ("POST", "/_emulator/reset")])
def test_the_end_of_a_scenario_ends_its_delays(
    service: Service, after_done: bool, end: tuple[str, str]
) -> None:
    set_faults(service, {"kind": "delay", "milliseconds": 300_000, "afterDone": after_done})
    headers = {"Training-Key": TRAINING_KEY}
    base = "http://emulator.localhost"

    async def delayed() -> None:
        url = f"{base}{training_path('/projects?name=new')}"
        waiting = asyncio.create_task(service.client.post(url, headers=headers))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (
                "fault" in (await service.client.get(f"{base}{FAULTS}", headers=headers)).text
                and not (await service.client.get(f"{base}{FAULTS}", headers=headers)).json()["allUsed"]
            ):
                pass
        assert not waiting.done()
        await service.client.request(end[0], base + end[1], headers=headers)
        with pytest.raises(ConnectionFault):
            await waiting

    service._loop.run(delayed())
    made = end[0] == "DELETE" and after_done
    assert project_names(service) == (["new"] if made else [])


def test_a_slow_body_is_complete(service: Service) -> None:
    expected = service.get("/domains")
    size = len(service.send("GET", "/domains").content)
    set_faults(service, {"kind": "slow", "bytesPerSecond": size * 10})
    begin = time.perf_counter()
    assert service.get("/domains") == expected
    assert time.perf_counter() - begin >= 0.1


# --- stale responses ----------------------------------------------------------------------------------------


def test_a_stale_response_is_that_of_the_last_call_before(service: Service) -> None:
    set_faults(service, {"kind": "stale", "times": 2}, operation="GetProjects")
    service.project("first")
    first = service.send("GET", "/projects")
    service.project("second")
    stale = service.send("GET", "/projects")
    assert stale.json() == first.json()
    assert stale.headers["apim-request-id"] != first.headers["apim-request-id"]
    service.project("third")
    assert service.get("/projects") == first.json()
    assert len(service.get("/projects")) == 3


def test_a_stale_step_waits_for_a_call_that_was_made_before(service: Service) -> None:
    made = set_faults(service, {"kind": "stale"})
    assert service.get("/projects") == []
    assert service.get("/domains")
    assert create(service).status_code == 200
    assert not all_used(service)
    assert len(service.get("/projects", params={"x": "1"})) == 1
    assert service.get("/projects", version="v3.3") != []
    assert service.get("/projects") == []
    assert all_used(service)
    assert len(service.get("/projects")) == 1
    assert made


def test_an_iteration_can_still_be_in_training(service: Service) -> None:
    project, *_ = service.trainable()
    set_faults(service, {"kind": "stale"}, operation="GetIteration")
    iteration = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    assert service.get(iteration)["status"] == "Training"
    service.finish_trainings()
    assert [service.get(iteration)["status"] for _ in range(2)] == ["Training", "Completed"]


def test_errors_and_responses_of_an_ended_scenario_are_not_repeated(service: Service) -> None:
    set_faults(service, {"kind": "stale"})
    project = service.project()
    service.get("/projects")
    service.request("DELETE", FAULTS)
    set_faults(service, {"kind": "stale"})
    service.delete(project)
    assert service.get("/projects") == []
    assert service.send("GET", project).status_code == 404
    assert service.send("GET", project).status_code == 404
    assert not all_used(service)


# --- logs ---------------------------------------------------------------------------------------------------


def test_the_request_log_shows_faults(service: Service) -> None:
    set_faults(
        service,
        {"kind": "pass"},
        {"kind": "status", "code": "NotFoundProject"},
        {"kind": "throttle", "afterDone": True},
        {"kind": "close"},
        {"kind": "slow", "bytesPerSecond": 100_000},
    )
    for _ in range(2):
        service.send("GET", "/projects")
    service.send("GET", "/projects")
    with pytest.raises(ConnectionFault):
        service.send("GET", "/projects")
    service.send("GET", "/projects")
    assert logged_faults(service) == [
        None,
        "status 404 NotFoundProject",
        "throttled, retry after 1 s, after the request was carried out",
        "closed without a response",
        "slowed to 100000 bytes per second",
    ]


def test_each_fault_is_in_the_log(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    made = set_faults(service, {"kind": "pass"}, {"kind": "throttle"})
    with caplog.at_level("INFO", "emulator.faults"):
        service.send("GET", "/projects")
        service.send("GET", "/projects")
    path = training_path("/projects")
    assert caplog.messages == [f"GET {path}: throttled, retry after 1 s (step 2 of {made})"]
