"""The request log: entries, filters, counts that can be waited for, clearing, and what is never in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import (
    NOWHERE,
    PREDICTION_KEY,
    TRAINING_KEY,
    Service,
    expect,
    refusal,
    running_service,
    training_path,
)
from tests.support.images import picture, pictures

LOG = "/_emulator/requests"
UNKNOWN = "/customvision/v3.3/training/projectz"


def logged(service: Service, **filters: Any) -> list[dict[str, Any]]:
    """The logged requests for which the filters hold, oldest first."""
    found = expect(service.request("GET", LOG, params={"order": "oldest", **filters}))
    requests: list[dict[str, Any]] = found["requests"]
    return requests


def count(service: Service, **filters: Any) -> int:
    return int(expect(service.request("GET", f"{LOG}/count", params=filters))["count"])


def operations(service: Service, **filters: Any) -> list[str | None]:
    return [one["operation"] for one in logged(service, **filters)]


# --- entries ------------------------------------------------------------------------------------------------


def test_an_entry_has_all_that_is_known_of_a_request(service: Service) -> None:
    project = service.project()
    before = datetime.now(UTC) - timedelta(seconds=1)
    response = service.send(
        "PATCH",
        project,
        version="v3.9",
        json={"name": "other"},
        params={"x": "1"},
        headers={"User-Agent": "tests/1.0", "X-Emulator-Client": "one"},
    )
    entry = logged(service)[-1]
    assert before < datetime.fromisoformat(entry.pop("time")) < datetime.now(UTC)
    assert 0 < entry.pop("durationMs") < 60_000
    assert entry == {
        "number": 2,
        "requestId": response.headers["apim-request-id"],
        "operation": "UpdateProject",
        "api": "training",
        "version": "3.4-preview",
        "versionSent": "v3.9",
        "method": "PATCH",
        "path": f"/customvision/v3.9/training{project}",
        "query": "x=1",
        "projectId": project.removeprefix("/projects/"),
        "status": 200,
        "bytesIn": len(b'{"name":"other"}'),
        "bytesOut": len(response.content),
        "userAgent": "tests/1.0",
        "client": "one",
        "errorCode": None,
        "reason": None,
        "fault": None,
        "departures": [],
        "nearMisses": [],
    }


def test_a_refused_request_has_the_code_and_the_reason(service: Service) -> None:
    service.send("GET", f"/projects/{NOWHERE}")
    (entry,) = logged(service)
    assert (entry["status"], entry["errorCode"], entry["reason"]) == (
        404,
        "NotFoundProject",
        "Project not found",
    )


def test_refused_items_of_a_batch_are_in_the_reason(service: Service) -> None:
    project = service.project()
    service.upload(project, [b"no image", *pictures(1)])
    entry = logged(service)[-1]
    assert (entry["status"], entry["errorCode"]) == (207, None)
    assert entry["reason"].startswith("images[0] 'image0': ErrorImageFormat")


def test_an_operation_is_named_although_the_key_was_wrong(service: Service) -> None:
    service.send("POST", f"/projects/{NOWHERE}/tags", key="abcdefgh", params={"name": "x"})
    (entry,) = logged(service)
    assert (entry["status"], entry["operation"], entry["errorCode"]) == (401, "CreateTag", None)


def test_unknown_paths_have_near_misses(service: Service) -> None:
    service.request("GET", UNKNOWN)
    service.request("POST", "/nothing")
    service.request("GET", "/projects/x")  # two segments, as the paths of images have
    first, second, third = logged(service)
    assert first["operation"] is None
    assert first["nearMisses"] == [
        {
            "operation": "GetProjects",
            "api": "training",
            "method": "GET",
            "path": "/customvision/v3.3/training/projects",
            "differences": ["'projectz' instead of 'projects'"],
        }
    ]
    assert second["nearMisses"] == []
    assert third["nearMisses"][0]["operation"] == "GetProject"


def test_a_missing_project_is_no_near_miss(service: Service) -> None:
    service.send("GET", f"/projects/{NOWHERE}")
    assert logged(service)[0]["nearMisses"] == []


def test_a_prediction_has_its_project_and_published_name(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    expect(service.predict(address, picture("red")))
    (entry,) = logged(service, operation="ClassifyImage")
    assert entry["projectId"] == project.removeprefix("/projects/")
    assert (entry["api"], entry["version"], entry["path"]) == ("prediction", "3.1", f"{address}/image")


def test_downloads_are_logged_without_an_operation(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(1))
    uri = service.get(f"{project}/images")[0]["originalImageUri"]
    service.follow(uri)
    entry = logged(service)[-1]
    assert (entry["operation"], entry["api"], entry["status"]) == (None, None, 200)
    assert "sig=***" in entry["query"]
    assert entry["bytesOut"] > 0


def test_requests_of_the_control_api_are_not_logged(service: Service) -> None:
    service.request("GET", "/_emulator/health/ready")
    service.request("GET", LOG)
    assert logged(service) == []


def test_keys_and_signatures_are_left_out(service: Service) -> None:
    secret = "abcdefgh12345678"
    service.send_unvalidated(
        "GET",
        f"/customvision/v3.3/training/{TRAINING_KEY}/{secret}",
        key=secret,
        params={
            "Training-Key": secret,
            "token": "https://host.example/prjexp?sig=signed1&se=1",
            "url": "https://user:password1@host.example/a?sv=1&sig=signed2",
            "x": f"{PREDICTION_KEY} {secret}",
            "sig": "signed3",
            f"{PREDICTION_KEY}{secret}": "",
        },
        headers={"User-Agent": f"tests {PREDICTION_KEY}", "X-Emulator-Client": TRAINING_KEY},
    )
    text = json.dumps(logged(service))
    for hidden in (TRAINING_KEY, PREDICTION_KEY, secret, "signed1", "signed2", "signed3", "password1"):
        assert hidden not in text


def test_texts_of_clients_are_shortened_and_printable(service: Service) -> None:
    service.send_unvalidated(
        "GET",
        "/customvision/v3.3/training/" + "x" * 20_000,
        params={"y": "z" * 50_000},
        headers={"User-Agent": "a" * 5000, "X-Emulator-Client": "b\x1b" * 5000},
    )
    (entry,) = logged(service)
    assert len(json.dumps(entry)) < 10_000
    assert entry["client"].isprintable()


# --- filters ------------------------------------------------------------------------------------------------


@pytest.fixture
def used(service: Service) -> Service:
    """A service after six requests."""
    project = service.project("first")
    service.tag(project, "red")
    service.send("GET", f"{project}/tags", version="v3.0", headers={"X-Emulator-Client": "two"})
    service.send("GET", f"/projects/{NOWHERE}", headers={"User-Agent": "azsdk-js-custom/1.0"})
    service.request("GET", UNKNOWN)
    service.request(
        "POST", f"/customvision/v3.1/prediction/{NOWHERE}/classify/iterations/x/image", content=b"x"
    )
    return service


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"operation": "createtag"}, [2]),
        ({"operation": "CreateTag, GetTags"}, [2, 3]),
        ({"operation": "none"}, [5]),
        ({"api": "prediction"}, [6]),
        ({"version": "3.0"}, [3]),
        ({"version": "v3.4-preview"}, [1, 2, 4]),
        ({"status": "404"}, [4, 5, 6]),
        ({"status": "4xx,500"}, [4, 5, 6]),
        ({"status": "2XX"}, [1, 2, 3]),
        ({"status": "none"}, []),
        ({"method": "post"}, [1, 2, 6]),
        ({"client": "two"}, [3]),
        ({"client": "AzSDK"}, [4]),
        ({"project": NOWHERE}, [4, 6]),
        ({"path": "/TAGS"}, [2, 3]),
        ({"since": "4"}, [5, 6]),
        ({"since": "99"}, []),
        ({"since": "2001-02-03T04:05:06Z"}, [1, 2, 3, 4, 5, 6]),
        ({"since": "2001-02-03T04:05:06+02:00"}, [1, 2, 3, 4, 5, 6]),
        ({"since": "2999-02-03"}, []),
        ({"departed": "true"}, []),
        ({"departed": "false", "method": "GET", "status": "404"}, [4, 5]),
        ({"limit": "2"}, [1, 2]),
        ({"limit": "0"}, []),
        ({"order": "newest", "limit": "2"}, [6, 5]),
    ],
)
def test_filters(used: Service, filters: dict[str, str], numbers: list[int]) -> None:
    assert [one["number"] for one in logged(used, **filters)] == numbers


def test_the_newest_come_first_by_default(used: Service) -> None:
    page = expect(used.request("GET", LOG, params={"limit": "1", "method": "GET"}))
    assert [one["number"] for one in page["requests"]] == [5]
    assert (page["matching"], page["lastNumber"], page["dropped"]) == (3, 6, 0)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"statuz": "404"}, "There is no parameter 'statuz'; did you mean 'status'?"),
        ({"zzz": "1"}, "There is no parameter 'zzz'; known are operation, api"),
        ({"status": "abc"}, "expected a status such as 404, a class such as 4xx, or none"),
        ({"status": "999"}, "expected a status"),
        ({"api": "both"}, "expected training, prediction or none"),
        ({"since": "yesterday"}, "expected the number of a request or a time"),
        ({"since": "9" * 30}, "expected the number of a request or a time"),
        ({"project": "abc"}, "is not a GUID"),
        ({"departed": "maybe"}, "true or false"),
        ({"limit": "-1"}, "between 0 and"),
        ({"order": "random"}, "newest or oldest"),
    ],
)
def test_bad_filters_are_refused(service: Service, parameters: dict[str, str], text: str) -> None:
    response = service.request("GET", LOG, params=parameters)
    status, _, message = refusal(response)
    assert status == 400
    assert text in message


# --- counts -------------------------------------------------------------------------------------------------


def test_counts(used: Service) -> None:
    assert count(used) == 6
    assert count(used, method="GET", status="404") == 2
    assert count(used, operation="DeleteTag") == 0


def test_a_count_says_whether_there_are_enough(used: Service) -> None:
    assert expect(used.request("GET", f"{LOG}/count", params={"atLeast": "6"}))["reached"] is True
    found = expect(used.request("GET", f"{LOG}/count", params={"atLeast": "7", "timeoutSeconds": "0.01"}))
    assert found == {"count": 6, "lastNumber": 6, "dropped": 0, "reached": False}


def test_a_count_waits_for_requests(used: Service) -> None:
    project = training_path(f"/projects/{NOWHERE}")
    waiting = {"params": {"operation": "GetProject", "atLeast": "3", "timeoutSeconds": "60"}}
    responses = used.together(("GET", f"{LOG}/count", waiting), ("GET", project, {}), ("GET", project, {}))
    assert expect(responses[0]) == {"count": 3, "lastNumber": 8, "dropped": 0, "reached": True}


@pytest.mark.parametrize(
    "parameters",
    [
        {"timeoutSeconds": "1"},
        {"atLeast": "1", "timeoutSeconds": "-1"},
        {"atLeast": "1", "timeoutSeconds": "301"},
        {"atLeast": "1", "timeoutSeconds": "nan"},
        {"atLeast": "-1"},
        {"atLeast": "x"},
        {"limit": "1"},
    ],
)
def test_bad_counts_are_refused(service: Service, parameters: dict[str, str]) -> None:
    assert refusal(service.request("GET", f"{LOG}/count", params=parameters))[0] == 400


# --- the size of the log, and clearing it -------------------------------------------------------------------


def test_clearing_forgets_requests_and_numbers_go_on(used: Service) -> None:
    assert used.request("DELETE", LOG).status_code == 204
    assert (logged(used), count(used)) == ([], 0)
    used.project("second")
    assert [one["number"] for one in logged(used)] == [7]
    assert expect(used.request("GET", LOG))["dropped"] == 0


def test_a_reset_clears_the_log(used: Service) -> None:
    used.request("POST", "/_emulator/reset")
    assert logged(used) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", request_log=2)


def test_the_log_keeps_the_last_requests(small: Service) -> None:
    for name in ("a", "b", "c"):
        small.project(name)
    page = expect(small.request("GET", LOG))
    assert [one["query"] for one in page["requests"]] == ["name=c", "name=b"]
    assert (page["lastNumber"], page["dropped"]) == (3, 1)
    assert count(small, since="2") == 1


@pytest.fixture
def without(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", request_log=0)


@pytest.mark.parametrize(("method", "path"), [("GET", LOG), ("GET", f"{LOG}/count"), ("DELETE", LOG)])
def test_a_log_that_is_off_says_so(without: Service, method: str, path: str) -> None:
    without.project()
    status, code, message = refusal(without.request(method, path))
    assert (status, code) == (400, "BadRequestNotSupported")
    assert "--request-log" in message


def test_a_key_is_required(service: Service) -> None:
    for method, path in (("GET", LOG), ("GET", f"{LOG}/count"), ("DELETE", LOG)):
        assert service.request(method, path, key=None).status_code == 401


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CreateTags", "; did you mean 'CreateTag'?"),
        ("create_tag", "; did you mean 'CreateTag'?"),
        ("x", "."),
    ],
)
def test_an_unknown_operation_is_refused(service: Service, name: str, hint: str) -> None:
    """A count of 0 for a name that no operation has would satisfy an assertion by mistake."""
    for path in ("requests", "requests/count"):
        response = service.request("GET", f"/_emulator/{path}", params={"operation": name})
        assert refusal(response) == (400, "BadRequest", f"'{name}' is no operation of the service{hint}")
