"""Choreography in the control API: what it shows, and what it refuses."""

from typing import Any

import pytest

from emulator.contract.error_codes import FAILURE_CODES
from tests.support.choreographing import begin_training, held, plan, start_runners
from tests.support.harness import NOWHERE, Service, expect, refusal, wait_until

PATH = "/_emulator/choreography"
NOTHING = {"training": None, "export": None, "import": None, "held": []}


def test_plans_are_shown_as_they_are_in_effect(service: Service) -> None:
    assert expect(service.request("GET", PATH)) == NOTHING
    failure = {"code": "BadRequest", "message": "No."}
    sent = {
        "training": {"polls": 2},
        "export": {"seconds": 2.5, "states": ["Exporting"], "failure": failure},
        "import": {"failure": {"code": "ErrorUnknown"}},
    }
    shown = {
        "training": {"complete": "afterPolls", "polls": 2, "states": ["Training"]},
        "export": {
            "complete": "afterSeconds",
            "seconds": 2.5,
            "states": ["Exporting"],
            "failure": failure,
        },
        "import": {"complete": "atOnce", "failure": {"code": "ErrorUnknown", "message": ""}},
    }
    assert expect(service.request("PUT", PATH, json=sent)) == {**shown, "held": []}
    assert expect(service.request("PUT", PATH, json=shown)) == {**shown, "held": []}
    project = f"/_emulator{service.project()}/choreography"
    assert expect(service.request("GET", project)) == NOTHING
    assert expect(service.request("PUT", project, json={"training": {"polls": 9}}))["export"] is None
    assert expect(service.request("GET", PATH)) == {**shown, "held": []}
    assert service.request("DELETE", project).status_code == 204
    assert expect(service.request("GET", project)) == NOTHING
    assert expect(service.request("PUT", PATH, json={"training": None})) == NOTHING


def test_held_jobs_are_listed(service: Service) -> None:
    start_runners(service)
    project, _, _ = service.trainable()
    other, _, _ = service.trainable()
    plan(service, training={"seconds": 60, "failure": {"code": "ErrorUnknown"}})
    plan(service, other, training={"polls": 4, "states": ["Queued", "Training"]})
    first, second = begin_training(service, project), begin_training(service, other)
    wait_until(lambda: held(service, other)[0]["executed"], "the training")
    service.get(second)
    assert held(service, other) == [
        {
            "kind": "training",
            "projectId": other[-36:],
            "iterationId": second[-36:],
            "status": "Queued",
            "polls": 1,
            "pollsLeft": 3,
            "due": None,
            "executed": True,
        }
    ]
    assert [job["iterationId"] for job in held(service)] == [first[-36:], second[-36:]]
    assert (held(service)[0]["due"], held(service)[0]["pollsLeft"]) == ("2026-03-04T05:07:07.123Z", None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"trainings": {}}, "unknown property 'trainings'"),
        ({"training": {"polls": 2, "poll": 2}}, "unknown property 'training.poll'"),
        (
            {"export": {"failure": {"code": "BadRequest", "text": "x"}}},
            "unknown property 'export.failure.text'",
        ),
        ({"training": {"failure": {"message": "No."}}}, "training.failure.code is "),
        ({"training": {"polls": 2.5}}, "training.polls is "),
        ({"training": {"polls": "2"}}, "training.polls is "),
        ({"training": {"polls": True}}, "training.polls is "),
        ({"training": {"seconds": "soon"}}, "training.seconds is "),
        ({"training": {"states": "Queued"}}, "training.states is "),
        ({"training": 3}, "training is "),
        ({"import": {"failure": {"code": "BadRequestTrainingFailed"}}}, "did you mean 'BadRequestTraining"),
        ({"import": {"failure": {"code": "NoError"}}}, "'NoError' is no error code of the service."),
        ({"import": {"failure": {"code": "x" * 500}}}, "xxxx' is no error code of the service."),
        ({"training": {"polls": -1}}, "polls is a number from 1 to 10000"),
        ({"training": {"polls": 2, "seconds": 2}}, "both polls and seconds"),
        ({"training": {"polls": 2}, "export": {"states": ["Done"], "polls": 3}}, "of export is not valid"),
        ([], "JSON object"),
    ],
)
def test_bad_plans_are_refused_and_change_nothing(service: Service, body: Any, words: str) -> None:
    project = service.project()
    for path in (PATH, f"/_emulator{project}/choreography"):
        expect(service.request("PUT", path, json={"training": {"polls": 7}}))
        before = expect(service.request("GET", path))
        status, code, message = refusal(service.request("PUT", path, json=body))
        assert (status, code) == (400, "BadRequest")
        assert words in message
        assert len(message) < 400
        assert expect(service.request("GET", path)) == before


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"training": {"seconds": NaN}}', b'{"training": {"seconds": 1e99}}']
)
def test_bodies_that_are_no_json_are_refused(service: Service, content: bytes) -> None:
    assert refusal(service.request("PUT", PATH, content=content))[0] == 400
    assert expect(service.request("GET", PATH)) == NOTHING


def test_every_error_code_of_the_contract_can_be_the_reason(service: Service) -> None:
    for code in sorted(FAILURE_CODES):
        shown = plan(service, training={"failure": {"code": code}})
        assert shown["training"]["failure"]["code"] == code


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_project_is_not_found(service: Service, method: str) -> None:
    path = f"/_emulator/projects/{NOWHERE}/choreography"
    more: dict[str, Any] = {"json": {"training": {"polls": 2}}} if method == "PUT" else {}
    assert refusal(service.request(method, path, **more)) == (404, "NotFoundProject", "Project not found")
    assert service.context.choreography.in_use is False


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_training_key_is_needed(service: Service, method: str) -> None:
    assert service.request(method, PATH, key=None).status_code == 401


def test_a_body_beyond_all_measure_is_not_read(service: Service) -> None:
    assert service.request("PUT", PATH, content=b" " * (16 * 2**20 + 1)).status_code == 413
