"""--strict: departures from the documents are reported, and change neither requests nor responses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.app import create_app
from emulator.contract.validation.responses import ResponseValidator
from emulator.settings import StartRefused
from tests.support.fakes import hide_package
from tests.support.harness import (
    NOWHERE,
    TRAINING_KEY,
    Service,
    expect,
    running_service,
    test_settings,
    training_path,
)
from tests.support.images import picture, pictures

LOG = "/_emulator/requests"


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", strict=True)


def departures(service: Service) -> list[list[str]]:
    """The departures of each request that has some, oldest first."""
    page = expect(service.request("GET", LOG, params={"departed": "true", "order": "oldest"}))
    return [one["departures"] for one in page["requests"]]


def test_documented_requests_and_their_errors_have_no_departures(strict: Service) -> None:
    project, red, _ = strict.trainable()
    address = strict.publish(strict.train(project))
    expect(strict.predict(address, picture("red")))
    assert strict.send("GET", f"/projects/{NOWHERE}").status_code == 404
    assert strict.send("PATCH", f"{project}/tags/{red}", json={"name": "blue"}).status_code == 400
    assert strict.send("GET", "/projects", key="wrong").status_code == 401
    strict.delete(f"{project}/images", params={"imageIds": strict.images(project, pictures(1))[0]})
    strict.upload(project, [b"no image", *pictures(1, "red")])
    assert departures(strict) == []


def test_departures_of_a_request_are_reported_and_the_response_stays_the_same(
    strict: Service, caplog: pytest.LogCaptureFixture
) -> None:
    project = strict.project()
    with caplog.at_level(logging.WARNING, logger="emulator.departures"):
        response = strict.send("PATCH", f"{project}?x=1", version="v3.9", content=b"{name: 'other', y: 1}")
    assert expect(response)["name"] == "other"
    expected = [
        "request: version 3.9 has no document; the request is compared with that of 3.4-preview",
        "request: query parameter 'x' is not documented",
        "request: Content-Type is missing; documented: application/json",
    ]
    (found,) = departures(strict)
    assert found[:3] == expected
    assert found[3].startswith("request: the body is not JSON: ")
    (record,) = caplog.records
    assert record.getMessage() == (
        f"PATCH /customvision/v3.9/training{project} 200 ({response.headers['apim-request-id']}): "
        + "; ".join(found)
    )


def test_departures_are_counted(strict: Service) -> None:
    project = strict.project()
    for number in range(3):
        strict.get(project, params={f"x{number}": "1"})
    strict.get(project)
    count = expect(strict.request("GET", f"{LOG}/count", params={"departed": "true"}))["count"]
    usage = expect(strict.request("GET", "/_emulator/usage"))
    assert (count, usage["departed"]) == (3, 3)
    assert [one["departed"] for one in usage["operations"]] == [0, 3]
    report = strict.request("GET", "/_emulator/usage", params={"format": "text"}).text
    assert "3 departed from the documents." in report


def test_departures_of_a_response_are_reported(strict: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from emulator.contract import wire

    render = wire.render
    monkeypatch.setattr(wire, "render", lambda *arguments: render(*arguments).replace(b'"name"', b'"nom"'))
    response = strict.send_unvalidated("POST", training_path("/projects"), params={"name": "a"})
    assert response.json()["nom"] == "a"
    assert departures(strict) == [
        ["response: $: 'name' is a required property", "response: $.nom is not documented"]
    ]


def test_the_response_to_an_unknown_operation_is_compared_too(strict: Service) -> None:
    strict.send("GET", "/nothing")
    assert departures(strict) == [
        ["request: Training 3.4-preview has no operation with this path and the method GET"]
    ]


def test_other_paths_are_left_alone(strict: Service) -> None:
    strict.request("GET", "/nothing")
    strict.request("GET", "/_emulator/health/ready")
    assert departures(strict) == []


def test_responses_of_faults_are_not_compared(strict: Service) -> None:
    steps = [{"kind": "status", "status": 418, "body": "gateway"}]
    expect(strict.request("POST", "/_emulator/faults", json={"operation": "*", "steps": steps}), 201)
    assert strict.send_unvalidated("GET", training_path("/projects")).status_code == 418
    assert departures(strict) == []


def test_many_departures_are_shortened_in_the_log(strict: Service, caplog: pytest.LogCaptureFixture) -> None:
    project = strict.project()
    names = {f"{TRAINING_KEY}{number}{'x' * 500}": "1" for number in range(100)}
    with caplog.at_level(logging.WARNING, logger="emulator.departures"):
        strict.get(project, params=names)
    (found,) = departures(strict)
    assert len(found) == 50
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith("; and 40 more")
    assert len(line) < 10_000
    assert TRAINING_KEY not in line + "".join(found)


def test_a_body_that_is_too_large_is_said_so(
    strict: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("emulator.api.strict._MOST_JSON_BYTES", 10)
    project = strict.project()
    with caplog.at_level(logging.WARNING, logger="emulator.departures"):
        strict.send("PATCH", project, json={"name": "a longer name", "zzz": 1})
    assert departures(strict) == []
    assert "is too large to be compared" in caplog.text


def test_an_error_of_the_comparison_does_not_change_the_response(
    strict: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(ResponseValidator, "problems", fail)
    with caplog.at_level(logging.ERROR, logger="emulator.departures"):
        response = strict.send_unvalidated("GET", training_path("/projects"))
    assert response.status_code == 200
    assert "could not be compared" in caplog.text


def test_without_the_option_nothing_is_reported(service: Service) -> None:
    service.get("/projects", params={"x": "1"})
    assert departures(service) == []


def test_a_missing_package_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_package(monkeypatch, "jsonschema")
    with pytest.raises(
        StartRefused, match=r"^--strict needs the package jsonschema: pip install .*\[testing\]"
    ):
        create_app(test_settings(tmp_path / "data", strict=True))
    assert not (tmp_path / "data").exists()
