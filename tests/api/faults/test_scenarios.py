"""Which calls use which step: order, times, operation, project, client, precedence, random faults."""

from __future__ import annotations

import pytest

from tests.support.faults import all_used, scenario, set_faults, used
from tests.support.harness import NEWEST, NOWHERE, Service, training_path
from tests.support.images import picture

UNAVAILABLE = {"kind": "status", "status": 503}
PASS = {"kind": "pass"}


def statuses(service: Service, count: int, path: str = "/projects", **more: object) -> list[int]:
    return [service.send("GET", path, **more).status_code for _ in range(count)]


def test_steps_are_used_in_order_each_its_number_of_times(service: Service) -> None:
    throttle = {"kind": "throttle", "times": 2}
    made = set_faults(service, PASS, UNAVAILABLE, throttle, operation="GetProjects")
    assert statuses(service, 6) == [200, 503, 429, 429, 200, 200]
    assert scenario(service, made)["calls"] == 4


def test_what_is_left_is_shown_until_all_is_used(service: Service) -> None:
    made = set_faults(service, UNAVAILABLE, PASS, operation="GetProjects")
    assert not all_used(service)
    statuses(service, 1)
    assert [step["remaining"] for step in scenario(service, made)["steps"]] == [0, 1]
    assert not all_used(service)
    statuses(service, 1)
    assert scenario(service, made)["allUsed"]
    assert all_used(service)


def test_other_operations_use_no_step(service: Service) -> None:
    made = set_faults(service, UNAVAILABLE, operation="GetProjects")
    assert service.send("GET", "/domains").status_code == 200
    assert service.send("POST", "/projects", params={"name": "one"}).status_code == 200
    assert used(service, made) == [0]


@pytest.mark.parametrize("version", ["v3.0", "v3.3", NEWEST, "v9.9"])
def test_the_operation_is_found_in_every_version_and_in_any_case(service: Service, version: str) -> None:
    set_faults(service, {"kind": "throttle"}, operation="GetProjects")
    path = training_path("/PROJECTS/", version)
    assert service.request("GET", path).status_code == 429


def test_a_version_without_the_operation_uses_no_step(service: Service) -> None:
    made = set_faults(service, UNAVAILABLE, operation="GetImages")
    assert service.send("GET", f"/projects/{NOWHERE}/images", version="v3.0").status_code == 404
    assert used(service, made) == [0]


def test_all_operations_are_those_of_both_apis_alone(service: Service) -> None:
    project, *_ = service.trainable()
    address = service.publish(service.train(project))
    uri = service.get(f"{project}/images")[0]["originalImageUri"]
    made = set_faults(service, {**UNAVAILABLE, "times": 9})
    assert service.predict(address, picture("red")).status_code == 503
    assert service.send("GET", "/domains").status_code == 503
    assert service.send("GET", "/nowhere").status_code == 404
    assert service.follow(uri).status_code == 200
    assert service.request("GET", "/_emulator/health/live", key=None).status_code == 200
    assert used(service, made) == [2]


def test_a_call_with_a_wrong_key_uses_no_step(service: Service) -> None:
    made = set_faults(service, UNAVAILABLE)
    assert service.send("GET", "/projects", key="wrong").status_code == 401
    assert used(service, made) == [0]


def test_a_preflight_request_uses_no_step(service: Service) -> None:
    made = set_faults(service, UNAVAILABLE)
    headers = {"Origin": "http://localhost", "Access-Control-Request-Method": "POST"}
    response = service.send_unvalidated("OPTIONS", training_path("/projects"), key=None, headers=headers)
    assert response.status_code == 204
    assert used(service, made) == [0]


def test_a_scenario_can_be_of_one_project(service: Service) -> None:
    first, second = service.project("one"), service.project("two")
    project_id = first.rpartition("/")[2]
    made = set_faults(service, {**UNAVAILABLE, "times": 9}, projectId=project_id.upper().replace("-", ""))
    assert statuses(service, 1, f"{second}/tags") == [200]
    assert statuses(service, 1) == [200]
    assert statuses(service, 1, f"{first}/tags") == [503]
    address = f"/customvision/v3.1/prediction/{project_id.upper()}/classify/iterations/name"
    assert service.predict(address, picture("red")).status_code == 503
    assert used(service, made) == [2]


def test_a_scenario_can_be_of_one_client(service: Service) -> None:
    made = set_faults(service, {**UNAVAILABLE, "times": 9}, client="checkout tests")
    assert statuses(service, 1) == [200]
    assert statuses(service, 1, headers={"X-Emulator-Client": "other"}) == [200]
    assert statuses(service, 1, headers={"x-emulator-client": "checkout tests"}) == [503]
    assert used(service, made) == [1]


def test_the_oldest_scenario_has_precedence(service: Service) -> None:
    set_faults(service, UNAVAILABLE, operation="GetProjects")
    set_faults(service, {"kind": "throttle", "times": 2})
    assert statuses(service, 4) == [503, 429, 429, 200]


def test_concurrent_calls_use_each_step_once(service: Service) -> None:
    made = set_faults(service, {**UNAVAILABLE, "times": 5}, PASS, {"kind": "throttle", "times": 4})
    responses = service.together(*[("GET", training_path("/projects"), {}) for _ in range(12)])
    assert sorted(one.status_code for one in responses) == [200] * 3 + [429] * 4 + [503] * 5
    assert used(service, made) == [5, 1, 4]
    assert all_used(service)


# --- random faults ------------------------------------------------------------------------------------------


def randomly(service: Service, count: int, **values: object) -> list[int]:
    set_faults(service, UNAVAILABLE, {"kind": "throttle"}, random={"probability": 0.4, **values})
    found = statuses(service, count)
    service.request("DELETE", "/_emulator/faults")
    return found


def test_random_faults_are_the_same_for_a_seed(service: Service) -> None:
    first = randomly(service, 200, seed=7)
    assert set(first) == {200, 429, 503}
    assert 50 < 200 - first.count(200) < 110
    assert randomly(service, 200, seed=7) == first
    assert randomly(service, 200, seed=8) != first


def test_random_faults_end_after_a_number_of_calls(service: Service) -> None:
    made = set_faults(service, UNAVAILABLE, random={"probability": 1, "calls": 3})
    assert scenario(service, made)["remainingCalls"] == 3
    assert not all_used(service)
    assert statuses(service, 4) == [503, 503, 503, 200]
    assert scenario(service, made)["remainingCalls"] == 0
    assert all_used(service)


def test_random_faults_without_an_end_leave_nothing_to_use(service: Service) -> None:
    made = set_faults(service, UNAVAILABLE, random={"probability": 0})
    assert statuses(service, 3) == [200] * 3
    assert scenario(service, made)["calls"] == 3
    assert scenario(service, made)["remainingCalls"] is None
    assert all_used(service)


def test_kinds_stand_for_their_usual_steps(service: Service) -> None:
    body = {"operation": "*", "random": {"probability": 1, "kinds": ["close", "throttle"]}}
    steps = service.request("POST", "/_emulator/faults", json=body).json()["steps"]
    assert [(step["kind"], step["afterDone"]) for step in steps] == [
        ("close", False),
        ("close", True),
        ("throttle", False),
    ]


def test_without_kinds_random_faults_have_all_but_the_slow_and_the_stale(service: Service) -> None:
    body = {"operation": "*", "random": {"probability": 1}}
    steps = service.request("POST", "/_emulator/faults", json=body).json()["steps"]
    kinds = {step["kind"] for step in steps}
    assert kinds == {"status", "throttle", "delay", "reset", "close", "truncate"}
