"""What keys of other resources, and keys with roles, may call: every operation of all APIs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.contract.control.permissions import _ACTIONS, permission_of
from emulator.contract.operations import BY_NAME
from emulator.core.rules.roles import ROLES, Role
from tests.support.harness import (
    NOWHERE,
    PREDICTION_KEY,
    TRAINING_KEY,
    Service,
    expect,
    refusal,
    running_service,
)
from tests.support.images import picture
from tests.support.refusals import logged_refusals
from tests.support.resources import Keys, add_resource, calls, first_keys, own_calls, role_key, send, state

DEFAULT_KEYS = Keys(TRAINING_KEY, PREDICTION_KEY)
# Operations of the emulator's own API without a project in the path that concern the resource of the key, or
# tell what its projects tell.
OF_THE_RESOURCE = {
    "GET /_emulator/info",
    "GET /_emulator/jobs",
    "GET /_emulator/imports",
    "GET /_emulator/dataSets",
    "GET /_emulator/trainer",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data")


@pytest.fixture
def ids(service: Service) -> dict[str, str]:
    """The ids of a project of the default resource, by the names of parameters in paths."""
    project, red, _ = service.trainable()
    iteration = service.train(project)
    address = service.publish(iteration)
    service.predict(address, picture())
    image = service.get(f"{project}/images")[0]["id"]
    project_id = project.split("/")[2]
    test_sets = f"/_emulator/projects/{project_id}/testSets"
    test_set = expect(service.request("POST", test_sets, json={"name": "parts"}), 201)["id"]
    return {
        "projectId": project_id,
        "iterationId": iteration.split("/")[4],
        "tagId": red,
        "imageId": image,
        "testSetId": test_set,
        "publishedName": "published",
        "domainId": service.get(project)["settings"]["domainId"],
    }


def test_keys_of_another_resource_reach_nothing_of_a_project(service: Service, ids: dict[str, str]) -> None:
    keys = first_keys(service, "other")
    before = state(service)
    missing = {call.name: call for call in [*calls({}), *own_calls(service, {})]}
    for call in [*calls(ids), *own_calls(service, ids)]:
        if not call.needs_project:
            continue
        response = send(service, call, keys.of(call.path))
        assert response.status_code == 404, (call, response.text)
        # As a project that does not exist.
        same = send(service, missing[call.name], keys.of(call.path))
        assert response.json() == same.json(), call
        assert refusal(response)[1] == "NotFoundProject", call
    assert state(service) == before


def test_the_default_keys_reach_nothing_of_a_project_of_another_resource(service: Service) -> None:
    keys = first_keys(service, "other")
    made = service.post("/projects", params={"name": "theirs"}, key=keys.training)
    before = state(service)
    for call in [*calls({"projectId": made["id"]}), *own_calls(service, {"projectId": made["id"]})]:
        if call.needs_project:
            response = send(service, call, DEFAULT_KEYS.of(call.path))
            assert response.status_code == 404, (call, response.text)
    assert state(service) == before
    assert service.get("/projects") == []
    assert [one["id"] for one in service.get("/projects", key=keys.training)] == [made["id"]]


def test_what_concerns_the_whole_emulator_is_for_administrators(
    service: Service, ids: dict[str, str]
) -> None:
    other = first_keys(service, "other")
    reader, contributor = (role_key(service, "default", role) for role in ("Reader", "Contributor"))
    before = state(service)
    for call in own_calls(service, ids):
        if call.needs_project:
            continue
        for keys in (other, reader, contributor):
            if permission_of(*call.name.split(" ")) is None:
                response = send(service, call, keys.training)
                assert response.status_code == 403, (call, response.text)
                assert refusal(response)[1] == "ForbiddenUserInsufficientCapability"
    assert state(service) == before


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_refuses_what_it_does_not_permit(service: Service, ids: dict[str, str], role: Role) -> None:
    keys = role_key(service, "default", role.name)
    before = state(service)
    actions = {call: BY_NAME[call.name].data_action for call in calls(ids)}
    actions |= {call: permission_of(*call.name.split(" ")) or "" for call in own_calls(service, ids)}
    refused = {call for call, action in actions.items() if not action or not role.permits(action)}
    for call in refused:
        response = send(service, call, keys.of(call.path))
        assert response.status_code == 403, (call, response.text)
        assert refusal(response)[1] == "ForbiddenUserInsufficientCapability"
    assert state(service) == before
    for call in calls(ids):
        # Others would end the objects that the next ones need, or have no body.
        if call.method == "GET" and call not in refused:
            assert send(service, call, keys.of(call.path)).status_code in (200, 400), call


def test_every_operation_below_a_project_has_a_permission(service: Service) -> None:
    names = {call.name for call in own_calls(service, {})}
    below = {name for name in names if "/projects/{projectId}" in name}
    assert [name for name in sorted(below) if permission_of(*name.split(" ")) is None] == []
    assert {f"{method} {path}" for method, path in _ACTIONS} <= names
    assert names >= OF_THE_RESOURCE


def test_lists_are_those_of_the_resource_of_the_key(service: Service, ids: dict[str, str]) -> None:
    keys = first_keys(service, "other")
    for name in ("jobs", "imports", "dataSets"):
        listed = expect(service.request("GET", f"/_emulator/{name}", key=keys.training))
        assert (listed["jobs"] if name == "jobs" else listed) == []
    assert expect(service.request("GET", "/_emulator/jobs"))["jobs"]
    shown = expect(service.request("GET", "/_emulator/info", key=keys.training))
    assert (shown["resource"], shown["role"], set(shown["counts"].values())) == ("other", None, {0})
    assert shown["predictionResourceId"].endswith("/accounts/other-Prediction")
    assert (shown["dataFolder"], shown["dataBytes"]) == ("", 0)
    whole = expect(service.request("GET", "/_emulator/info"))
    assert (whole["counts"]["projects"], whole["resource"]) == (1, "default")


def test_a_key_is_valid_for_its_api_alone(service: Service, ids: dict[str, str]) -> None:
    keys = add_resource(service, "other")
    training = "/customvision/v3.3/training/projects"
    for (kind, _), key in keys.items():
        assert service.request("GET", training, key=key).status_code == (200 if kind == "Training" else 401)
        predicted = service.request("POST", _address(ids), key=key)
        assert predicted.status_code == (404 if kind == "Prediction" else 401)


def test_every_key_of_a_multi_service_resource_is_valid_for_both_apis(tmp_path: Path) -> None:
    for service in running_service(tmp_path / "multi", multi_service=True):
        for key in add_resource(service, "other").values():
            assert service.request("GET", "/customvision/v3.3/training/projects", key=key).status_code == 200
            predicted = service.request("POST", _address({"projectId": NOWHERE}), key=key)
            assert refusal(predicted)[1] == "NotFoundProject"


def _address(ids: dict[str, str]) -> str:
    return f"/customvision/v3.1/prediction/{ids['projectId']}/classify/iterations/published/image"


def test_a_repeated_request_with_another_key_gets_no_kept_response(service: Service) -> None:
    keys = first_keys(service, "other")
    headers = {"X-Emulator-Request-Id": "same"}
    path = "/customvision/v3.3/training/projects?name=x"
    mine, theirs = (
        expect(service.request("POST", path, key=key, headers=headers))["id"]
        for key in (TRAINING_KEY, keys.training)
    )
    assert mine != theirs


def test_a_base_model_of_another_resource_does_not_exist(service: Service, ids: dict[str, str]) -> None:
    keys = first_keys(service, "other")
    made = service.post("/projects", params={"name": "theirs"}, key=keys.training)
    base = {"projectId": ids["projectId"], "iterationId": ids["iterationId"]}
    path = f"/projects/{made['id']}"
    for name, color in (("a", "red"), ("b", "blue")):
        tag = service.post(f"{path}/tags", params={"name": name}, key=keys.training)["id"]
        for number in range(5):
            service.request(
                "POST",
                f"/customvision/v3.3/training{path}/images?tagIds={tag}",
                key=keys.training,
                content=picture(number, color),
                headers={"Content-Type": "application/octet-stream"},
            )
    response = service.send("POST", f"{path}/train", key=keys.training, json={"customBaseModelInfo": base})
    assert refusal(response)[:2] == (404, "NotFoundProject")


def test_the_log_shows_ids_of_the_form_of_keys_and_no_key(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    key = first_keys(service, "line").training
    expect(service.request("GET", "/_emulator/resources"))  # which reads the keys
    part = "0123456789abcdef" * 2
    with logged_refusals(caplog) as lines:
        service.request("GET", f"/i-{part}/i-{part}", key=None)
        service.request("GET", f"/i-{key}/i-{part}", key=None)
        (first, second) = lines()
    assert f"GET /i-{part}/i-{part} " in first
    assert f"GET /i-***/i-{part} " in second
