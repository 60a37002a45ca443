"""The trainer in the control API."""

from typing import Any

import pytest

from tests.support.harness import NOWHERE, Service, refusal
from tests.support.images import pictures

NO_INSTANT: dict[str, Any] = {"instantIterations": []}


def test_the_default_is_that_of_the_option_until_it_is_set(service: Service) -> None:
    assert service.request("GET", "/_emulator/trainer").json() == {"trainer": "real"}
    response = service.request("PUT", "/_emulator/trainer", json={"trainer": "instant"})
    assert response.json() == {"trainer": "instant"}
    assert service.request("GET", "/_emulator/trainer").json() == {"trainer": "instant"}
    service.request("POST", "/_emulator/reset")
    assert service.request("GET", "/_emulator/trainer").json() == {"trainer": "real"}


def test_a_project_can_have_its_own(service: Service) -> None:
    path = f"/_emulator{service.project()}/trainer"
    assert service.request("GET", path).json() == {
        "trainer": "real",
        "isDefault": True,
        "instantIterations": [],
    }
    response = service.request("PUT", path, json={"trainer": "instant"})
    assert response.json() == {"trainer": "instant", "isDefault": False} | NO_INSTANT
    service.request("PUT", "/_emulator/trainer", json={"trainer": "real"})
    assert service.request("GET", path).json() == {
        "trainer": "instant",
        "isDefault": False,
        "instantIterations": [],
    }
    assert service.request("DELETE", path).status_code == 204
    assert service.request("GET", path).json() == {
        "trainer": "real",
        "isDefault": True,
        "instantIterations": [],
    }


def test_iterations_of_the_instant_trainer_are_listed(service: Service) -> None:
    project, red, _ = service.trainable()
    path = f"/_emulator{project}/trainer"
    service.request("PUT", path, json={"trainer": "instant"})
    instant = service.train(project)
    service.request("PUT", path, json={"trainer": "real"})
    service.images(project, pictures(1, "green"), red)
    assert service.get(service.train(project))["status"] == "Completed"
    service.post(f"{project}/train", params={"trainingType": "Advanced", "reservedBudgetInHours": "1"})
    assert service.request("GET", path).json()["instantIterations"] == [instant.rsplit("/", 1)[1]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"instant"', "not a JSON object"),
        (b"{}", "trainer is missing."),
        (b'{"train": "instant"}', "unknown property 'train'; trainer is missing."),
        (b'{"trainer": "Instant"}', "trainer is 'Instant'; it must be 'real' or 'instant'."),
        (b'{"trainer": 1}', "trainer is 1; it must be 'real' or 'instant'."),
        (b'{"trainer": null}', "trainer is null; it must be 'real' or 'instant'."),
        (b'{"trainer": "instant", "project": 1}', "unknown property 'project'"),
    ],
)
def test_other_bodies_are_refused(service: Service, body: bytes, words: str) -> None:
    for path in ("/_emulator/trainer", f"/_emulator{service.project()}/trainer"):
        status, code, message = refusal(service.request("PUT", path, content=body))
        assert (status, code) == (400, "BadRequest")
        assert words in message
    assert service.request("GET", "/_emulator/trainer").json() == {"trainer": "real"}


@pytest.mark.parametrize(
    ("method", "more"), [("GET", {}), ("PUT", {"json": {"trainer": "real"}}), ("DELETE", {})]
)
def test_unknown_projects_are_not_found(service: Service, method: str, more: dict[str, Any]) -> None:
    path = f"/_emulator/projects/{NOWHERE}/trainer"
    assert refusal(service.request(method, path, **more))[:2] == (404, "NotFoundProject")
    assert service.request(method, path, key=None, **more).status_code == 401
