"""Which operations programs use: counts, clients, evidence, and what is only inferred."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.contract.test_kit import evidence
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
from tests.support.images import pictures

USAGE = "/_emulator/usage"
ONE, TWO = {"X-Emulator-Client": "one", "User-Agent": "sdk/1"}, {"User-Agent": "sdk/2"}


def usage(service: Service, **parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = expect(service.request("GET", USAGE, params=parameters))
    return found


def text(service: Service, **parameters: str) -> str:
    response = service.request("GET", USAGE, params={"format": "text", **parameters})
    assert response.status_code == 200
    return response.text


@pytest.fixture
def used(service: Service) -> Service:
    """A service that two programs have used."""
    project = service.post("/projects", params={"name": "a"}, headers=ONE)["id"]
    tag = service.post(f"/projects/{project}/tags", params={"name": "b", "Type": "Regular"}, headers=ONE)
    path = f"/projects/{project}/tags/{tag['id']}"
    service.send("PATCH", path, version="v3.0", json={"name": "c", "description": "d"}, headers=ONE)
    service.send("GET", f"/projects/{NOWHERE}", version="v3.9", headers=TWO)
    service.send("GET", "/nothing", headers=TWO)
    service.send("PUT", "/projects", headers=TWO)
    service.request("GET", "/projects/nothing", headers=TWO)
    service.send("GET", "/projects", key="wrong", headers=TWO)
    return service


def test_operations_are_counted_by_version(used: Service) -> None:
    found = usage(used)
    assert [
        (one["operation"], one["version"], one["requests"], one["failed"]) for one in found["operations"]
    ] == [
        ("CreateProject", "3.4-preview", 1, 0),
        ("GetProject", "3.4-preview", 1, 1),
        ("CreateTag", "3.4-preview", 1, 0),
        ("UpdateTag", "3.0", 1, 0),
    ]
    assert (found["requests"], found["failed"], found["departed"]) == (4, 1, 0)


def test_parameters_and_properties_are_named(used: Service) -> None:
    operations = {one["operation"]: one for one in usage(used)["operations"]}
    assert operations["CreateTag"]["parameters"] == ["Type", "name"]
    assert operations["UpdateTag"]["properties"] == ["description", "name"]
    assert operations["GetProject"]["parameters"] == operations["GetProject"]["properties"] == []


def test_properties_have_the_names_of_the_contract(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(1), service.tag(project, "red"))
    operations = {one["operation"]: one for one in usage(service)["operations"]}
    assert operations["CreateImagesFromFiles"]["properties"] == ["images", "tagIds"]


def test_clients_are_counted_and_selected(used: Service) -> None:
    assert usage(used)["clients"] == [
        {"client": "one", "userAgent": "sdk/1", "requests": 3},
        {"client": None, "userAgent": "sdk/2", "requests": 1},
    ]
    assert [one["operation"] for one in usage(used, client="SDK/2")["operations"]] == ["GetProject"]
    assert [one["operation"] for one in usage(used, client="nobody")["operations"]] == []


def test_operations_have_the_evidence_of_the_coverage_page(used: Service) -> None:
    found = usage(used)
    for one in found["operations"]:
        expected = evidence.coverage()[one["api"], one["version"], one["operation"]]
        assert one["evidence"] == expected._asdict()
        assert one["evidence"]["validated"]
    page = used.request("GET", found["coverage"].removeprefix("http://emulator.localhost"), key=None)
    assert (page.status_code, page.text) == (200, evidence.page("coverage"))
    assert used.request("GET", "/_emulator/facts", key=None).text == evidence.page("facts")


def test_inferred_behavior_of_the_used_operations_is_listed(used: Service) -> None:
    found = {one["fact"][:24]: one["operations"] for one in usage(used)["inferred"]}
    assert found["Tag names are unique in "] == ["CreateTag", "UpdateTag"]
    assert found["Blanks and tabs around t"] == []
    assert "Iteration names are uniq" not in found


def test_nothing_is_inferred_for_a_program_that_does_nothing(service: Service) -> None:
    found = usage(service)
    assert (found["operations"], found["inferred"], found["clients"]) == ([], [], [])
    assert "0 requests of 0 operations" in text(service)


def test_the_report(used: Service) -> None:
    lines = text(used).splitlines()
    assert lines[0] == "# Operations used"
    assert lines[2].endswith(": 4 requests of 4 operations, 1 failed.")
    assert "| CreateTag | Training 3.4-preview | 1 | 0 | Type, name |  | 2 SDKs, validated |" in lines
    assert "- one, sdk/1: 3 requests" in lines
    assert "### Projects and tags" in lines
    assert any("Tag names are unique" in line and line.endswith(": CreateTag, UpdateTag") for line in lines)
    assert any(line.endswith("/_emulator/coverage") for line in lines)


def test_counts_go_on_when_the_log_drops_requests(tmp_path: Path) -> None:
    for service in running_service(tmp_path / "data", request_log=1):
        for name in ("a", "b", "c"):
            service.project(name)
        assert usage(service)["requests"] == 3


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/_emulator/requests"), ("POST", "/_emulator/reset")]
)
def test_clearing_begins_anew(used: Service, method: str, path: str) -> None:
    since = usage(used)["since"]
    used.request(method, path)
    found = usage(used)
    assert found["operations"] == []
    assert found["since"] >= since


def test_names_of_clients_are_bounded_and_without_keys(service: Service) -> None:
    for number in range(2050):
        headers = {"User-Agent": f"{number} {PREDICTION_KEY}" + "x" * 300, "X-Emulator-Client": TRAINING_KEY}
        service.send("GET", "/projects", headers=headers, params={f"{'n' * 300}{number}": "1"})
    found = usage(service)
    assert found["requests"] == 2050
    assert len(found["clients"]) <= 2001
    assert len(found["operations"][0]["parameters"]) <= 200
    response = service.request("GET", USAGE)
    assert TRAINING_KEY not in response.text
    assert PREDICTION_KEY not in response.text


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"format": "xml"}, "json or text"), ({"clients": "x"}, "; did you mean 'client'?")],
)
def test_bad_parameters_are_refused(service: Service, parameters: dict[str, str], message: str) -> None:
    status, _, text = refusal(service.request("GET", USAGE, params=parameters))
    assert status == 400
    assert message in text


@pytest.fixture
def without(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", request_log=0)


def test_usage_needs_the_request_log(without: Service) -> None:
    without.request("GET", training_path("/projects"))
    assert refusal(without.request("GET", USAGE))[1] == "BadRequestNotSupported"


def test_usage_needs_a_key(service: Service) -> None:
    assert service.request("GET", USAGE, key=None).status_code == 401
