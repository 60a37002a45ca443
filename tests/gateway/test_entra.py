"""Access tokens of Microsoft Entra that --entra basic accepts, and the roles of their principals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.app import create_app
from emulator.settings import StartRefused
from tests.gateway.test_access_tokens import PREDICTION, REFUSAL, TRAINING
from tests.support.access_tokens import AUDIENCE, SIGNATURE, access_token, encoded
from tests.support.harness import (
    NOWHERE,
    PREDICTION_KEY,
    Service,
    running_service,
    test_settings,
)
from tests.support.refusals import logged_refusals

DENIED = (
    "The principal `{}` lacks the required data action "
    "`Microsoft.CognitiveServices/accounts/CustomVision/{}` to perform `{}` operation."
)


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[Service]:
    """A service that accepts tokens; all principals have full access."""
    yield from running_service(tmp_path / "entra", entra="basic")


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[Service]:
    """A service with the roles of three principals."""
    assignments = (
        ("anna", "Labeler"),
        ("6c5b", "Cognitive Services Custom Vision Deployment"),
        ("*", "Reader"),
    )
    yield from running_service(tmp_path / "roles", entra="basic", role_assignments=assignments)


def send(service: Service, method: str, path: str, token: str, **more: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    response = service.request(method, path, key=None, headers=headers, **more)
    return response.status_code, response.json()


def token_of(service: Service, **claims: Any) -> str:
    return access_token(service.clock.now(), **claims)


def test_a_token_opens_both_apis(entra: Service) -> None:
    assert send(entra, "GET", TRAINING, token_of(entra)) == (200, [])
    status, body = send(entra, "POST", PREDICTION, token_of(entra), content=b"x")
    assert (status, body["code"]) == (404, "NotFoundProject")


@pytest.mark.parametrize(
    "audience",
    [
        AUDIENCE + "/",
        AUDIENCE.upper(),
        "https://cognitiveservices.azure.us",
        "7d312290-28c8-473c-a0ed-8e53749b6d6d",
        ["https://example.com", AUDIENCE],
    ],
)
def test_every_spelling_of_the_audience_is_accepted(entra: Service, audience: Any) -> None:
    assert send(entra, "GET", TRAINING, token_of(entra, aud=audience)) == (200, [])


def test_neither_algorithm_nor_scheme_matters(entra: Service) -> None:
    token = token_of(entra, header={"alg": "none"}).removesuffix(SIGNATURE)
    response = entra.request("GET", TRAINING, key=None, headers={"Authorization": f"bearer  {token}"})
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://management.azure.com"}, "the audience of the access token is 'https://management"),
        ({"aud": None}, "the audience of the access token is missing"),
        ({"aud": [1, {}]}, "the audience of the access token is missing"),
        ({"exp": 1_700_000_000}, "the access token expired"),
        ({"exp": None}, "the access token has no expiration time"),
        ({"exp": "soon"}, "exp of the access token is not a number"),
        ({"exp": True}, "exp of the access token is not a number"),
        ({"nbf": 4_000_000_000}, "the access token is valid only in"),
    ],
)
def test_other_tokens_are_refused_with_the_reason_in_the_log(
    entra: Service, caplog: pytest.LogCaptureFixture, claims: dict[str, Any], reason: str
) -> None:
    with logged_refusals(caplog) as lines:
        assert send(entra, "GET", TRAINING, token_of(entra, **claims)) == (401, REFUSAL)
    assert reason in lines()[0]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b",
        "a.b.c",
        "..",
        "!.!.!",
        f"{encoded([])}.{encoded([])}.",
        f"{encoded({})}.{encoded(1)}.",
        f"{encoded({})}.{encoded({})}.x.y",
        f"{encoded({})}.bnVsbA.",
        "\u00e9.\u00e9.\u00e9",
    ],
)
def test_malformed_tokens_are_refused(entra: Service, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}".encode()}
    response = entra.request("GET", TRAINING, key=None, headers=headers)
    assert (response.status_code, response.json()) == (401, REFUSAL)


def test_a_token_expires_by_the_clock_of_the_emulator(entra: Service) -> None:
    token = token_of(entra)
    assert send(entra, "GET", TRAINING, token)[0] == 200
    entra.clock.advance(hours=1, seconds=1)
    assert send(entra, "GET", TRAINING, token) == (401, REFUSAL)


def test_keys_go_on_to_work(entra: Service) -> None:
    assert entra.request("GET", TRAINING).status_code == 200
    assert entra.request("GET", TRAINING, key=None).status_code == 401


@pytest.mark.parametrize("key", ["wrong", PREDICTION_KEY])
def test_a_wrong_key_beside_a_token_is_refused(entra: Service, key: str) -> None:
    status, body = send(entra, "GET", TRAINING, token_of(entra), headers={"Training-Key": key})
    assert (status, body["error"]["code"]) == (401, "401")


def test_the_control_api_needs_a_key(entra: Service) -> None:
    assert send(entra, "GET", "/_emulator/imports", token_of(entra)) == (401, REFUSAL)


def test_tokens_are_refused_by_default(service: Service) -> None:
    assert send(service, "GET", TRAINING, token_of(service)) == (401, REFUSAL)


def test_a_labeler_creates_tags_but_does_not_train(roles: Service) -> None:
    project = roles.project()
    path = f"/customvision/v3.3/training{project}"
    assert send(roles, "POST", f"{path}/tags?name=a", token_of(roles))[0] == 200
    status, body = send(roles, "POST", f"{path}/train", token_of(roles))
    assert status == 401
    assert body == {
        "error": {
            "code": "PermissionDenied",
            "message": DENIED.format(
                "anna", "projects/train/action", "POST /customvision/v3.3/training/projects/{projectId}/train"
            ),
        }
    }


def test_a_principal_is_found_by_any_of_its_identifiers(roles: Service) -> None:
    path = PREDICTION.replace("v3.0/Prediction", "v3.1/prediction")
    for claims in ({"appid": "6C5B"}, {"azp": "6c5b"}, {"upn": "6c5B"}):
        status, body = send(roles, "POST", path, token_of(roles, oid="x", **claims), content=b"x")
        assert (status, body["code"]) == (404, "NotFoundProject")
    status, body = send(roles, "POST", path, token_of(roles, oid=None), content=b"x")
    assert status == 401
    assert "`unknown`" in body["error"]["message"]
    assert "/classify/iterations/{publishedName}/image`" in body["error"]["message"]


def test_other_principals_read(roles: Service) -> None:
    token = token_of(roles, oid="somebody")
    assert send(roles, "GET", TRAINING, token) == (200, [])
    status, body = send(roles, "POST", f"{TRAINING}?name=x", token)
    assert (status, body["error"]["code"]) == (401, "PermissionDenied")
    assert roles.send("GET", "/projects").json() == []


def test_a_key_has_every_right(roles: Service) -> None:
    assert (
        roles.request(
            "POST", f"{TRAINING}?name=x", headers={"Authorization": f"Bearer {token_of(roles)}"}
        ).status_code
        == 200
    )


def test_unknown_paths_are_not_found(roles: Service) -> None:
    assert send(roles, "GET", f"{TRAINING}/{NOWHERE}/nothing", token_of(roles))[0] == 404


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entra": "basic", "role_assignments": (("anna", "Owner"),)}, "'Owner' is not one of: Contributor"),
        ({"role_assignments": (("anna", "Reader"),)}, "has an effect with --entra basic only"),
    ],
)
def test_options_that_do_not_fit_refuse_the_start(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(StartRefused, match=message):
        create_app(test_settings(tmp_path / "data", **options))
