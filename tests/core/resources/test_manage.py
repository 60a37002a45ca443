"""Resources and keys: adding, replacing and removing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.core.projects import manage as projects
from emulator.core.resources import manage
from emulator.core.rules.tiers import TIERS
from emulator.store.tables import JobKind
from tests.support.data_sets import zip_of
from tests.support.harness import (
    NOWHERE,
    PREDICTION_KEY,
    RESOURCE_ID,
    TRAINING_KEY,
    Service,
    expect,
    files_body,
    refusal,
    running_service,
)
from tests.support.images import picture, pictures
from tests.support.resources import PATH, add_resource, first_keys, role_key

PROJECTS = "/customvision/v3.3/training/projects"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data")


def is_accepted(service: Service, key: str) -> bool:
    return service.request("GET", PROJECTS, key=key).status_code == 200


def rotated(service: Service, path: str) -> str:
    return str(expect(service.request("POST", f"{PATH}/{path}/rotate"))["key"])


def listed(service: Service) -> dict[str, Any]:
    return {one["name"]: one for one in expect(service.request("GET", PATH))["resources"]}


def test_without_resources_there_is_the_default_one(service: Service) -> None:
    service.project()
    assert expect(service.request("GET", PATH))["resources"] == [
        {
            "name": "default",
            "tier": "unlimited",
            "predictionResourceId": RESOURCE_ID,
            "created": None,
            "projectCount": 1,
            "keys": [],
        }
    ]


def test_a_resource_has_two_keys_for_each_api_that_are_shown_once(service: Service) -> None:
    keys = add_resource(service, "line-1", tier="S0")
    assert list(keys) == [(kind, name) for kind in ("Training", "Prediction") for name in ("1", "2")]
    assert len(set(keys.values())) == 4
    assert {len(key) for key in keys.values()} == {32}
    shown = listed(service)["line-1"]
    assert (shown["tier"], shown["projectCount"], len(shown["keys"])) == ("s0", 0, 4)
    stored = str(service.rows("SELECT * FROM access_key"))
    assert not any(key in stored or key in str(shown) for key in keys.values())


def test_one_key_is_replaced_while_the_other_is_in_use(service: Service) -> None:
    keys = add_resource(service, "line")
    new = rotated(service, "line/keys/training/1")
    assert not is_accepted(service, keys["Training", "1"])
    assert is_accepted(service, keys["Training", "2"])
    assert is_accepted(service, new)


def test_keys_outlive_a_restart(service: Service) -> None:
    keys = first_keys(service, "line")
    service.post("/projects", params={"name": "x"}, key=keys.training)
    service.restart()
    assert len(service.get("/projects", key=keys.training)) == 1
    assert service.get("/projects") == []


def test_a_resource_with_projects_is_not_removed(service: Service) -> None:
    keys = first_keys(service, "line")
    project = service.post("/projects", params={"name": "x"}, key=keys.training)["id"]
    refused = refusal(service.request("DELETE", f"{PATH}/line"))
    assert refused == (
        409,
        "Conflict",
        "The resource 'line' has 1 project; delete them first, with a key of it.",
    )
    service.delete(f"/projects/{project}", key=keys.training)
    assert service.request("DELETE", f"{PATH}/line").status_code == 204
    assert not is_accepted(service, keys.training)
    assert list(listed(service)) == ["default"]
    assert service.rows("SELECT * FROM access_key") == []


def test_keys_with_roles_are_added_replaced_and_removed(service: Service) -> None:
    add_resource(service, "line")
    for resource in ("default", "line"):
        key = role_key(service, resource, "cognitive services custom vision labeler", "anna").training
        shown = [one for one in listed(service)[resource]["keys"] if one["kind"] == "Role"]
        assert [(one["name"], one["role"]) for one in shown] == [("anna", "Labeler")]
        new = rotated(service, f"{resource}/keys/Role/anna")
        assert [is_accepted(service, one) for one in (key, new)] == [False, True]
        assert service.request("DELETE", f"{PATH}/{resource}/keys/anna").status_code == 204
        assert not is_accepted(service, new)


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "message"),
    [
        ("POST", "", {"name": "default"}, "BadRequest", "The name of a resource has 2 to 64"),
        ("POST", "", {"name": "Line"}, "BadRequest", "The name of a resource has 2 to 64"),
        ("POST", "", {"name": "x" * 65}, "BadRequest", "The name of a resource has 2 to 64"),
        ("POST", "", {"name": "a/b"}, "BadRequest", "The name of a resource has 2 to 64"),
        ("POST", "", {"name": "new", "tier": "S9"}, "BadRequest", "Unknown tier 'S9'; known are unlimited"),
        ("POST", "", {"name": "line"}, "Conflict", "There is a resource 'line' already."),
        ("POST", "", {}, "BadRequest", ""),
        ("DELETE", "/default", None, "BadRequestNotSupported", "The default resource cannot be removed."),
        ("DELETE", "/none", None, "NotFound", "There is no resource 'none'."),
        ("POST", "/none/keys", {"name": "x", "role": "Reader"}, "NotFound", "There is no resource 'none'."),
        ("POST", "/line/keys", {"name": "x", "role": "Owner"}, "BadRequest", "The role 'Owner' is not one"),
        ("POST", "/line/keys", {"name": "", "role": "Reader"}, "BadRequest", "The name of a key has 1 to 64"),
        (
            "POST",
            "/line/keys",
            {"name": "..", "role": "Reader"},
            "BadRequest",
            "The name of a key has 1 to 64",
        ),
        (
            "POST",
            "/line/keys",
            {"name": "anna", "role": "Reader"},
            "Conflict",
            "The resource 'line' has a key",
        ),
        ("DELETE", "/line/keys/ben", None, "NotFound", "The resource 'line' has no role key 'ben'."),
        ("POST", "/line/keys/training/3/rotate", None, "NotFound", "The resource 'line' has no training key"),
        ("POST", "/line/keys/other/1/rotate", None, "BadRequest", "Unknown kind of keys 'other'; known are"),
        (
            "POST",
            "/default/keys/training/1/rotate",
            None,
            "BadRequestNotSupported",
            "The keys of the default",
        ),
    ],
)
def test_refusals(service: Service, method: str, path: str, body: Any, code: str, message: str) -> None:
    add_resource(service, "line")
    role_key(service, "line", "Reader", "anna")
    more = {} if body is None else {"json": body}
    refused = refusal(service.request(method, PATH + path, **more))
    assert refused[1] == code
    assert refused[2].startswith(message)


def test_limits_and_rates_are_those_of_each_resource(service: Service) -> None:
    keys = first_keys(service, "small", tier="f0")
    for number in range(2):
        service.post("/projects", params={"name": str(number)}, key=keys.training)
        service.project()
    third = service.send("POST", "/projects", params={"name": "x"}, key=keys.training)
    assert refusal(third)[:2] == (400, "BadRequestExceedProjectLimit")
    service.project()
    answers = {
        key: [service.request("GET", PROJECTS, key=key).status_code for _ in range(11)]
        for key in (keys.training, TRAINING_KEY)
    }
    assert 429 in answers[keys.training]
    assert 429 not in answers[TRAINING_KEY]


def test_predictions_of_a_month_are_counted_for_each_resource(service: Service) -> None:
    keys = first_keys(service, "small", tier="f0")
    project = service.post(
        "/projects", params={"name": "x", "classificationType": "Multiclass"}, key=keys.training
    )["id"]
    for name in ("red", "blue"):
        tag = service.post(f"/projects/{project}/tags", params={"name": name}, key=keys.training)["id"]
        service.clock.advance(seconds=2)
        path = f"/projects/{project}/images/files"
        body = files_body(pictures(5, name), [tag])
        assert service.send("POST", path, json=body, key=keys.training).status_code == 200
    service.clock.advance(seconds=2)
    iteration = service.post(f"/projects/{project}/train", key=keys.training)["id"]
    service.finish_trainings()
    target = {
        "publishName": "p",
        "predictionId": RESOURCE_ID.replace("/prediction", "/small-Prediction"),
    }
    path = f"/projects/{project}/iterations/{iteration}/publish"
    foreign = service.send("POST", path, params={**target, "predictionId": RESOURCE_ID}, key=keys.training)
    assert refusal(foreign)[:2] == (400, "BadRequestInvalidPublishTarget")
    assert service.post(path, params=target, key=keys.training) is True
    address = f"/customvision/v3.1/prediction/{project}/classify/iterations/p/image"
    for key, status in ((keys.prediction, 200), (PREDICTION_KEY, 404), (keys.training, 401)):
        headers = {"Content-Type": "application/octet-stream"}
        predicted = service.request("POST", address, key=key, content=picture(), headers=headers)
        assert predicted.status_code == status
    assert service.rows("SELECT resource, predictions FROM usage") == [("small", 1)]
    used = expect(service.request("GET", "/_emulator/info", key=keys.training))["tier"]
    assert (used["name"], used["use"]["predictionsPerMonth"]) == (TIERS["f0"].name, 1)


def test_an_iteration_of_the_default_resource_is_not_published_to_another(service: Service) -> None:
    add_resource(service, "line")
    add_resource(service, "prediction")  # as the account of the default resource
    project, _, _ = service.trainable()
    iteration = service.train(project)
    target = {"publishName": "p", "predictionId": RESOURCE_ID.replace("/prediction", "/LINE-Prediction")}
    refused = service.refused("POST", f"{iteration}/publish", params=target)
    assert refused[:2] == (400, "BadRequestInvalidPublishTarget")
    assert service.post(f"{iteration}/publish", params={**target, "predictionId": RESOURCE_ID}) is True


def test_a_project_is_copied_to_another_resource_by_its_token(service: Service) -> None:
    keys = first_keys(service, "line")
    project, _, _ = service.trainable()
    token = service.get(f"{project}/export")["token"]
    copy = service.post("/projects/import", params={"token": token}, key=keys.training)["id"]
    service.runner(JobKind.IMPORT).run_waiting()
    assert service.get(f"/projects/{copy}", key=keys.training)["status"] == "Succeeded"
    assert len(service.get(f"/projects/{copy}/images", key=keys.training)) == 10
    assert service.refused("GET", f"/projects/{copy}")[:2] == (404, "NotFoundProject")


def test_a_reset_removes_resources_and_a_snapshot_brings_them_back(service: Service) -> None:
    keys = first_keys(service, "line")
    service.post("/projects", params={"name": "x"}, key=keys.training)
    assert service.request("PUT", "/_emulator/snapshots/before").status_code == 201
    service.request("POST", "/_emulator/reset")
    assert not is_accepted(service, keys.training)
    expect(service.request("POST", "/_emulator/snapshots/before/restore"))
    assert len(service.get("/projects", key=keys.training)) == 1
    assert service.get("/projects") == []


def test_a_project_that_does_not_exist_is_the_same_for_every_resource(service: Service) -> None:
    keys = first_keys(service, "line")
    for key in (TRAINING_KEY, keys.training):
        missing = service.send("GET", f"/projects/{NOWHERE}", key=key)
        assert refusal(missing)[:2] == (404, "NotFoundProject")
        assert service.send("GET", "/projects/x", key=key).status_code == 404


def data_set(service: Service, key: str, **parameters: str) -> dict[str, Any]:
    """An import of a data set with one image into the project "sorted", which has ended."""
    archive = zip_of({"good/1.png": picture(1)})
    path = "/_emulator/dataSets"
    more = {"params": {"project": "sorted", **parameters}, "content": archive}
    begun = expect(service.request("POST", path, key=key, **more), 202)
    service.runner(JobKind.DATA_SET).run_waiting()
    ended: dict[str, Any] = expect(service.request("GET", f"{path}/{begun['id']}", key=key))
    return ended


def test_a_data_set_makes_a_project_of_the_resource_of_the_key(service: Service) -> None:
    keys = first_keys(service, "line")
    imported = data_set(service, keys.training)
    assert imported["status"] == "Completed"
    (project,) = service.get("/projects", key=keys.training)
    assert project["id"] == imported["projectId"]
    assert len(service.get(f"/projects/{project['id']}/images", key=keys.training)) == 1
    assert service.get("/projects") == []
    assert service.refused("GET", f"/projects/{project['id']}/images")[:2] == (404, "NotFoundProject")


def test_nothing_of_a_removed_resource_is_left_to_a_later_one_with_its_name(service: Service) -> None:
    keys = first_keys(service, "line")
    mine = data_set(service, TRAINING_KEY, dryRun="true")
    checked = data_set(service, keys.training, dryRun="true")
    assert checked["status"] == "Checked"
    waiting = {"params": {"project": "x"}, "content": zip_of({"good/1.png": picture(1)})}
    expect(service.request("POST", "/_emulator/dataSets", key=keys.training, **waiting), 202)
    assert len(expect(service.request("GET", "/_emulator/jobs", key=keys.training))["jobs"]) == 2
    assert service.request("DELETE", f"{PATH}/line").status_code == 204
    later = first_keys(service, "line")
    assert expect(service.request("GET", "/_emulator/dataSets", key=later.training)) == []
    assert expect(service.request("GET", "/_emulator/jobs", key=later.training))["jobs"] == []
    path = f"/_emulator/dataSets/{checked['id']}"
    assert service.request("POST", f"{path}/import", key=later.training).status_code == 404
    (job,) = expect(service.request("GET", "/_emulator/jobs"))["jobs"]
    assert job["id"] == mine["jobId"]
    assert service.rows("SELECT id FROM job") == []


def test_a_key_whose_resource_is_removed_during_a_request_reaches_no_other(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = first_keys(service, "line")
    project = service.project()

    def removed(*_arguments: Any) -> bool:
        manage.remove(service.context, "line")
        return False

    monkeypatch.setattr("emulator.api.dependencies.permits_all", removed)
    refused = service.send("GET", project, key=keys.training)
    assert refusal(refused)[:2] == (404, "NotFoundProject")
    assert not service.context.resources.has_several


def test_images_of_projects_are_looked_up_for_the_resource_alone(service: Service) -> None:
    keys = first_keys(service, "line")
    service.images(service.project(), pictures(1))
    assert projects.thumbnails(service.context, "line") == {}
    assert len(projects.thumbnails(service.context, "default")) == 1
    assert service.get("/projects", key=keys.training) == []


# --- keys that are given ------------------------------------------------------------------------------------


def test_a_resource_has_the_keys_that_are_given(service: Service) -> None:
    given = {"trainingKeys": ["the-first-training-key", "the-second-training-key"]}
    added = expect(service.request("POST", PATH, json={"name": "line", **given}))
    keys = {(key["kind"], key["name"]): key["key"] for key in added["keys"]}
    assert [keys["Training", number] for number in "12"] == given["trainingKeys"]
    assert len({*keys.values()}) == 4
    assert all(is_accepted(service, key) for key in given["trainingKeys"])
    role = {"name": "anna", "role": "Reader", "key": "the-key-of-anna-1"}
    assert expect(service.request("POST", f"{PATH}/line/keys", json=role))["key"] == role["key"]
    assert is_accepted(service, role["key"])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["short"], "has 16 to 512 visible ASCII"),
        (["x" * 513], "has 16 to 512 visible ASCII"),
        (["a key with a space"], "without commas and spaces"),
        (["a,key,with,commas"], "without commas and spaces"),
        (["schlüssel-der-linie"], "has 16 to 512 visible ASCII"),
        (["the-same-key-twice", "the-same-key-twice"], "or is given twice"),
        (["the-key-of-another"], "exists already"),
        ([TRAINING_KEY], "is one of the options"),
        ([PREDICTION_KEY], "is one of the options"),
        (["key-number-1-of-3", "key-number-2-of-3", "key-number-3-of-3"], "has 2 keys of each kind"),
    ],
)
def test_keys_that_cannot_be_given_are_refused(service: Service, keys: list[str], message: str) -> None:
    expect(service.request("POST", PATH, json={"name": "other", "trainingKeys": ["the-key-of-another"]}))
    response = service.request("POST", PATH, json={"name": "line", "predictionKeys": keys})
    assert response.status_code in (400, 409)
    assert message in response.json()["message"]
    assert keys[0] not in response.text
    assert [*listed(service)] == ["default", "other"]
