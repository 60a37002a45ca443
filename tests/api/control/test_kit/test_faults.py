"""The control API of faults: setting, listing and removing scenarios, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.contract.operations import OPERATIONS
from tests.support.faults import FAULTS, all_used, scenario, set_faults
from tests.support.harness import NOWHERE, Service, expect, refusal


def test_a_scenario_is_shown_with_its_defaults_and_what_is_left(service: Service) -> None:
    body = {
        "operation": "CreateTag",
        "steps": [{"kind": "throttle", "times": 2}, {"kind": "truncate", "bytes": 5}],
    }
    made = expect(service.request("POST", FAULTS, json=body), 201)
    assert made == {
        "id": made["id"],
        "operation": "CreateTag",
        "steps": [
            {"kind": "throttle", "times": 2, "retryAfter": 1, "afterDone": False, "used": 0, "remaining": 2},
            {"kind": "truncate", "times": 1, "bytes": 5, "afterDone": True, "used": 0, "remaining": 1},
        ],
        "calls": 0,
        "remainingCalls": None,
        "allUsed": False,
    }
    assert scenario(service, made["id"]) == made
    assert expect(service.request("GET", FAULTS)) == {"allUsed": False, "scenarios": [made]}


@pytest.mark.parametrize("operation", ["*", *(one.name for one in OPERATIONS)])
def test_every_operation_can_have_faults(service: Service, operation: str) -> None:
    set_faults(service, {"kind": "pass"}, operation=operation)


def test_scenarios_are_removed_one_by_one_or_all(service: Service) -> None:
    first, second, third = (set_faults(service, {"kind": "pass"}) for _ in range(3))
    assert service.request("DELETE", f"{FAULTS}/{second}").status_code == 204
    shown = expect(service.request("GET", FAULTS))["scenarios"]
    assert [one["id"] for one in shown] == [first, third]
    assert service.request("DELETE", FAULTS).status_code == 204
    assert expect(service.request("GET", FAULTS)) == {"allUsed": True, "scenarios": []}


def test_a_reset_removes_all_scenarios(service: Service) -> None:
    set_faults(service, {"kind": "status", "status": 500})
    service.request("POST", "/_emulator/reset")
    assert all_used(service)
    assert service.get("/projects") == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_scenario_that_is_not_there_is_not_found(service: Service, method: str) -> None:
    assert refusal(service.request(method, f"{FAULTS}/{NOWHERE}"))[:2] == (404, "NotFound")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_faults_need_the_training_key(service: Service, method: str) -> None:
    assert service.request(method, FAULTS, key=None).status_code == 401


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "is not a JSON object"),
        ({"steps": [{"kind": "pass"}]}, "operation is missing."),
        ({"operation": "CreateTags"}, "did you mean 'CreateTag'?"),
        ({"operation": "*"}, "needs 'steps' or 'random'"),
        ({"operation": "*", "steps": []}, "steps is an empty array; it must have at least 1 item."),
        ({"operation": "*", "step": [{"kind": "pass"}]}, "unknown property 'step'"),
        ({"operation": "*", "steps": [{"kind": "pass"}], "projectId": "p"}, "at 'projectId': is not a GUID"),
        ({"operation": "*", "steps": [{"kind": "pass"}], "client": ""}, "at 'client'"),
        ({"operation": "GetDomains", "steps": [{"kind": "pass"}], "projectId": NOWHERE}, "has no project"),
        ({"operation": "CreateTag", "steps": [{"kind": "stale"}]}, "a stale response is for GET"),
        (
            {"operation": "*", "steps": [{"kind": "pass"}], "random": {"probability": 2}},
            "random.probability is 2; it must be at most 1.",
        ),
        ({"operation": "*", "random": {"seed": 1}}, "random.probability is missing."),
        (
            {"operation": "*", "random": {"probability": 1, "kinds": ["pass"]}},
            "random.kinds[0] is 'pass'; it must be 'status', 'throttle'",
        ),
        (
            {"operation": "*", "steps": [{"kind": "pass"}], "random": {"probability": 1, "kinds": ["slow"]}},
            "not both",
        ),
        (
            {"operation": "*", "steps": [{"kind": "pass", "times": 2}], "random": {"probability": 1}},
            "'times'",
        ),
    ],
)
def test_an_impossible_scenario_is_refused(service: Service, body: Any, reason: str) -> None:
    status, code, message = refusal(service.request("POST", FAULTS, json=body))
    assert (status, code) == (400, "BadRequest")
    assert reason in message
    assert expect(service.request("GET", FAULTS))["scenarios"] == []


def test_a_scenario_for_an_unknown_project_is_refused(service: Service) -> None:
    """Like scripts and choreography: it would wait for calls that never come."""
    body = {"operation": "CreateTag", "steps": [{"kind": "pass"}], "projectId": NOWHERE}
    assert refusal(service.request("POST", FAULTS, json=body)) == (
        404,
        "NotFoundProject",
        "Project not found",
    )
    assert expect(service.request("GET", FAULTS))["scenarios"] == []


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({}, "at 'steps[1]': 'kind' is missing."),
        ({"kind": "explode"}, "'kind' is 'explode'; possible are 'status', 'throttle'"),
        ({"kind": "pass", "times": 0}, "steps[1].times is 0; it must be at least 1."),
        ({"kind": "pass", "times": True}, "steps[1].times is true; it must be a whole number."),
        ({"kind": "pass", "times": "1"}, "steps[1].times is '1'; it must be a whole number."),
        ({"kind": "pass", "afterDone": True}, "unknown property 'steps[1].afterDone'"),
        ({"kind": "throttle", "retryAfter": -1}, "steps[1].retryAfter is -1; it must be at least 0."),
        ({"kind": "delay"}, "steps[1].milliseconds is missing."),
        ({"kind": "delay", "milliseconds": -1}, "steps[1].milliseconds is -1; it must be at least 0."),
        (
            {"kind": "delay", "milliseconds": 300_001},
            "steps[1].milliseconds is 300001; it must be at most 300000.",
        ),
        ({"kind": "slow", "bytesPerSecond": 0}, "steps[1].bytesPerSecond is 0; it must be at least 1."),
        ({"kind": "truncate", "bytes": -1}, "steps[1].bytes is -1; it must be at least 0."),
        ({"kind": "truncate", "afterDone": False}, "'afterDone' cannot be false"),
        ({"kind": "reset", "bytes": 1, "afterDone": False}, "'afterDone' cannot be false"),
        ({"kind": "status"}, "needs 'status' or 'code'"),
        ({"kind": "status", "status": 99}, "steps[1].status is 99; it must be at least 200."),
        ({"kind": "status", "status": 600}, "steps[1].status is 600; it must be at most 599."),
        ({"kind": "status", "status": 200}, "the status of an error is at least 400"),
        ({"kind": "status", "status": 429}, "the service has no error code of status 429"),
        ({"kind": "status", "code": "NotFoundTags"}, "did you mean 'NotFoundTag'?"),
        ({"kind": "status", "code": "NoError"}, "'NoError' is no error code of the service"),
        ({"kind": "status", "code": "NotFoundTag", "status": 400}, "has status 404, not 400"),
        ({"kind": "status", "code": "NotFoundTag", "status": 500}, "has status 404, not 500"),
        ({"kind": "status", "code": "NotFound", "body": "gateway"}, "'code' is of the body service"),
        ({"kind": "status", "body": "gateway"}, "the body gateway needs 'status'"),
        ({"kind": "status", "status": 500, "content": "x"}, '\'content\' needs "body": "raw"'),
        ({"kind": "status", "status": 500, "body": "raw", "message": "x"}, "'message' is of the bodies"),
        ({"kind": "status", "status": 204, "body": "raw", "content": "x"}, "has no content"),
        (
            {"kind": "status", "status": 200, "body": "raw", "contentType": "a\r\nb: c"},
            "'steps[1].contentType'",
        ),
    ],
)
def test_an_impossible_step_is_refused_and_nothing_is_set(
    service: Service, step: dict[str, Any], reason: str
) -> None:
    body = {"operation": "*", "steps": [{"kind": "status", "status": 500}, step]}
    status, code, message = refusal(service.request("POST", FAULTS, json=body))
    assert (status, code) == (400, "BadRequest")
    assert reason in message
    assert expect(service.request("GET", FAULTS))["scenarios"] == []
    assert service.get("/projects") == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"operation": "*", "operation": NaN}', b"\xff"])
def test_a_body_that_is_not_json_is_refused(service: Service, content: bytes) -> None:
    status, code, message = refusal(service.request("POST", FAULTS, content=content))
    assert (status, code) == (400, "BadRequest")
    assert message.startswith("The request body is not JSON")


def test_scenarios_are_limited(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.api.faults.scenarios.MAX_SCENARIOS", 2)
    for _ in range(2):
        set_faults(service, {"kind": "pass"})
    body = {"operation": "*", "steps": [{"kind": "pass"}]}
    assert "At most 2 scenarios" in refusal(service.request("POST", FAULTS, json=body))[2]
