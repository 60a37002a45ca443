"""Requests of web pages to both servers: preflight requests and headers of responses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.gateway.origins import Origins
from tests.serving.harness import classifier_server
from tests.support.harness import NOWHERE, TRAINING_KEY, Service, running_service, training_path

PAGE = "http://localhost:3000"
FOREIGN = "https://elsewhere.example"
PREDICTION = f"/customvision/v3.0/Prediction/{NOWHERE}/classify/iterations/m/url"


def preflight(method: str, headers: str | None = None, origin: str = PAGE, **more: str) -> dict[str, str]:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, **more}
    return asked if headers is None else {**asked, "Access-Control-Request-Headers": headers}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost", True),
        ("https://localhost:8443", True),
        ("http://app.localhost:5173", True),
        ("http://127.0.0.1:3000", True),
        ("http://127.8.9.10", True),
        ("http://[::1]:80", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://evil-localhost", False),
        ("http://localhost@evil.example", False),
        ("ftp://localhost", False),
        ("null", False),
        ("", False),
        (FOREIGN, False),
    ],
)
def test_default_origins(origin: str, allowed: bool) -> None:
    assert Origins().allows(origin.encode()) is allowed


def test_more_origins() -> None:
    origins = Origins(["https://app.example", "null"])
    assert [origins.allows(one) for one in (b"https://app.example", b"null", b"http://app.example")] == [
        True,
        True,
        False,
    ]
    assert Origins(["*"]).allows(b"https://anything.example")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PREDICTION),
        ("PATCH", training_path(f"/projects/{NOWHERE}")),
        ("DELETE", training_path(f"/projects/{NOWHERE}")),
        ("POST", "/_emulator/reset"),
        ("HEAD", f"/i-{NOWHERE.replace('-', '')}/i-{NOWHERE.replace('-', '')}"),
        ("PUT", "/anything"),
    ],
)
def test_a_preflight_needs_no_key(service: Service, method: str, path: str) -> None:
    asked = "prediction-key,content-type,postman-token,cache-control"
    response = sent(service, "OPTIONS", path, preflight(method, asked))
    headers = response.headers
    assert (response.status_code, response.content) == (204, b"")
    assert headers["access-control-allow-origin"] == PAGE
    assert method in headers["access-control-allow-methods"].split(", ")
    assert headers["access-control-allow-headers"] == asked
    assert headers["vary"] == "Origin"
    assert "access-control-allow-private-network" not in headers


def test_a_preflight_for_a_private_network(service: Service) -> None:
    asked = preflight("GET", **{"Access-Control-Request-Private-Network": "true"})
    headers = sent(service, "OPTIONS", PREDICTION, asked).headers
    assert headers["access-control-allow-private-network"] == "true"


def test_a_preflight_of_another_origin(service: Service) -> None:
    response = sent(service, "OPTIONS", PREDICTION, preflight("POST", origin=FOREIGN))
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "403"
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_options_without_a_preflight_needs_a_key(service: Service) -> None:
    assert sent(service, "OPTIONS", PREDICTION, {"Origin": PAGE}).status_code == 401


def get(service: Service, path: str, origin: str = PAGE, key: str | None = TRAINING_KEY) -> httpx.Response:
    return sent(service, "GET", path, {"Origin": origin} | ({"Training-Key": key} if key else {}))


def sent(service: Service, method: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
    return service.send_unvalidated(method, path, key=None, headers=headers, **more)


ANSWERS: dict[int, Callable[[Service], httpx.Response]] = {
    200: lambda service: get(service, training_path("/projects")),
    400: lambda service: get(service, training_path("/projects", "v1.0")),
    401: lambda service: get(service, training_path("/projects"), key="wrong"),
    404: lambda service: get(service, training_path("/nothing")),
    413: lambda service: sent(
        service,
        "POST",
        training_path(f"/projects/{NOWHERE}/images"),
        {"Origin": PAGE, "Training-Key": TRAINING_KEY, "Content-Length": "9" * 12},
        content=b"x",
    ),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_every_response_can_be_read(service: Service, status: int) -> None:
    response = ANSWERS[status](service)
    assert response.status_code == status
    check_readable(response)


def check_readable(response: httpx.Response) -> None:
    assert response.headers.get_list("access-control-allow-origin") == [PAGE]
    assert "Origin" in response.headers["vary"]
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"apim-request-id", "Request-Id", "Retry-After"} <= {*exposed}


def test_a_failure_can_be_read(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.context.database, "read", None)
    response = get(service, training_path("/projects"))
    assert response.status_code == 500
    check_readable(response)


def test_a_refused_call_of_the_tier_can_be_read(tmp_path: Path) -> None:
    for service in running_service(tmp_path, tier="f0"):
        responses = [get(service, training_path("/projects")) for _ in range(11)]
        assert responses[-1].status_code == 429
        check_readable(responses[-1])


def test_downloads_and_the_control_api_can_be_read(service: Service) -> None:
    project, _, _ = service.trainable()
    uri = service.get(f"{project}/images")[0]["originalImageUri"]
    path = uri.partition("//")[2].partition("/")[2]
    check_readable(get(service, f"/{path}", key=None))
    check_readable(get(service, f"/{path}x".replace("sig=", "sig=x"), key=None))
    check_readable(get(service, "/_emulator/health/live", key=None))
    check_readable(get(service, "/_emulator/openapi/emulator.json", key=None))


def test_another_origin_gets_no_header(service: Service) -> None:
    response = get(service, training_path("/projects"), FOREIGN)
    assert response.headers["vary"] == "Origin"
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_no_key_in_the_query(service: Service) -> None:
    path = training_path(f"/projects?subscription-key={TRAINING_KEY}&training-key={TRAINING_KEY}")
    assert get(service, path, key=None).status_code == 401


def test_serve_model() -> None:
    serving = classifier_server(keys=("secret",), cors_origins=("https://app.example",))
    path = f"/CustomVision{PREDICTION.removeprefix('/customvision')}"  # the harness would validate the other
    response = serving.request("OPTIONS", path, headers=preflight("POST", "prediction-key"))
    assert response.status_code == 204
    assert response.headers["access-control-allow-headers"] == "prediction-key"
    for refused in (path, "/image", "/nothing", "/health"):
        check_readable(serving.request("POST", refused, headers={"Origin": PAGE}))
    headers = serving.request("GET", "/", headers={"Origin": "https://app.example"}).headers
    assert headers["access-control-allow-origin"] == "https://app.example"
