"""Roles of principals, set by the control API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.test_access_tokens import TRAINING
from tests.support.access_tokens import access_token
from tests.support.harness import Service, expect, refusal, running_service

PATH = "/_emulator/roleAssignments"
READER = {
    "principal": "*",
    "role": "Cognitive Services Custom Vision Reader",
    "roleId": "93586559-c37d-4a6b-ba08-b9f0940c2d73",
}


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "entra", entra="basic", role_assignments=(("anna", "Contributor"),))


def creates_projects(service: Service, principal: str) -> bool:
    token = access_token(service.clock.now(), oid=principal)
    headers = {"Authorization": f"Bearer {token}"}
    name = f"{principal}{service.clock.now().isoformat()}"
    return service.request("POST", f"{TRAINING}?name={name}", key=None, headers=headers).status_code == 200


def test_assignments_can_be_replaced_and_restored(entra: Service) -> None:
    initial = expect(entra.request("GET", PATH))
    assert [item["principal"] for item in initial["assignments"]] == ["anna"]
    assert creates_projects(entra, "anna")

    body = {"assignments": [{"principal": "*", "role": "Reader"}]}
    assert expect(entra.request("PUT", PATH, json=body)) == {"assignments": [READER]}
    assert not creates_projects(entra, "anna")

    assert entra.request("DELETE", PATH).status_code == 204
    assert expect(entra.request("GET", PATH)) == initial
    assert creates_projects(entra, "anna")


def test_a_reset_brings_the_assignments_of_the_options_back(entra: Service) -> None:
    expect(entra.request("PUT", PATH, json={"assignments": []}))
    assert creates_projects(entra, "somebody")
    entra.request("POST", "/_emulator/reset")
    assert not creates_projects(entra, "somebody")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"assignments": [{"principal": "*", "role": "Owner"}]},
            "assignments[0]: the role 'Owner' is not one of",
        ),
        (
            {"assignments": [{"principal": " ", "role": "Reader"}]},
            "assignments[0]: the role has no principal",
        ),
        ({"assignments": [{"principal": "*"}]}, "role"),
        ({"assignments": [{"principal": 1, "role": "Reader"}]}, "principal"),
        ({"assignments": [], "scope": "/"}, "scope"),
        ({}, "assignments"),
        ([], ""),
    ],
)
def test_other_bodies_are_refused_and_change_nothing(entra: Service, body: Any, message: str) -> None:
    before = expect(entra.request("GET", PATH))
    status, _, text = refusal(entra.request("PUT", PATH, json=body))
    assert status == 400
    assert message in text
    assert expect(entra.request("GET", PATH)) == before


def test_without_tokens_roles_are_refused(service: Service) -> None:
    response = service.request("PUT", PATH, json={"assignments": []})
    assert refusal(response)[:2] == (400, "BadRequestNotSupported")
    assert "--entra basic" in response.json()["message"]
