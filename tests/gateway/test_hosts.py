"""The check of the Host header, against pages that let their name resolve to this machine."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest

from emulator.gateway.hosts import AllowedHosts
from tests.serving.harness import classifier_server
from tests.support.harness import TRAINING_KEY, Service, running_service, training_path

EVIL = "evil.example"
HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:10010",
        "localhost.",
        "app.localhost:81",
        "127.0.0.1",
        "127.0.0.1:10010",
        "10.1.2.3",
        "[::1]",
        "[::1]:10010",
        "[fe80::1]",
        "x",
        "emulator:10010",
        "my_service",
        "host.docker.internal",
        "host.containers.internal:10010",
        "",
    ],
)
def test_names_that_cannot_be_a_pages(host: str) -> None:
    assert AllowedHosts().allows(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        EVIL,
        "evil.example:10010",
        "EVIL.EXAMPLE.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil-localhost.example",
        "internal.example",
        "xn--nxasmq6b.example",
        "1.2.3.4a",
        "localhost@evil.example",
        "localhost evil.example",
        "localhost, evil.example",
        "evil.example/localhost",
        "[::1].evil.example",
        "\xe9.example",
    ],
)
def test_names_that_can_be_a_pages(host: str) -> None:
    assert not AllowedHosts(["vision.example"]).allows(host.encode("latin-1"))


def test_names_of_the_option() -> None:
    hosts = AllowedHosts(["Vision.example", "*.tunnel.example"])
    for name in ("vision.example", "VISION.example:443", "a.tunnel.example", "a.b.tunnel.example:1"):
        assert hosts.allows(name.encode())
    for name in ("a.vision.example", "tunnel.example", "atunnel.example"):
        assert not hosts.allows(name.encode())
    assert AllowedHosts(["*"]).allows(EVIL.encode())


def get(service: Service, host: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return service.request("GET", training_path("/projects"), headers={"Host": host, **(headers or {})})


def test_a_foreign_name_is_refused(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        response = get(service, f"{EVIL}:10010", {"Origin": f"http://{EVIL}:10010"})
    assert response.status_code == 421
    assert response.json()["error"]["code"] == "421"
    assert f"--allowed-host {EVIL}," in response.json()["error"]["message"]
    assert response.headers["apim-request-id"]
    (line,) = (record.message for record in caplog.records if "evil" in record.message)
    assert " 421 (" in line
    assert f"--allowed-host {EVIL}," in line


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("path", ["/_emulator/reset", "/_emulator/health/live", "/nothing", "/i-1/i-2"])
def test_all_paths_and_methods_are_refused(service: Service, method: str, path: str) -> None:
    headers = {"Host": EVIL, "Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    response = service.send_unvalidated(method, path, headers=headers)
    assert response.status_code == 421
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_two_names(service: Service) -> None:
    headers = [("Host", "localhost"), ("Host", EVIL), ("Training-Key", TRAINING_KEY)]
    response = service.send_unvalidated("GET", training_path("/projects"), key=None, headers=headers)
    assert response.status_code == 421


@pytest.mark.parametrize("host", ["x", "localhost:99", "127.0.0.1", "host.docker.internal:10010"])
def test_names_of_this_machine_are_served(service: Service, host: str) -> None:
    assert get(service, host).status_code == 200


def test_a_name_for_which_a_proxy_says_https(service: Service) -> None:
    assert get(service, "vision.example", HTTPS).status_code == 200
    assert get(service, "vision.example", {"Forwarded": "proto=https"}).status_code == 200
    assert get(service, "vision.example", {"X-Forwarded-Proto": "http"}).status_code == 421
    # A page cannot add Sec-Fetch-Mode; browsers do over https, and always add Accept-Language.
    browser = {**HTTPS, "Accept-Language": "de"}
    assert get(service, "vision.example", {**browser, "Sec-Fetch-Mode": "cors"}).status_code == 200
    assert get(service, "vision.example", browser).status_code == 421
    assert get(service, EVIL, {**HTTPS, "Origin": f"http://{EVIL}"}).status_code == 421
    assert get(service, EVIL, {**HTTPS, "Origin": f"https://{EVIL}"}).status_code == 200


def test_a_proxy_that_is_not_trusted(service: Service) -> None:
    service.client = httpx.AsyncClient(transport=httpx.ASGITransport(service.app, client=("10.1.2.3", 5)))
    assert get(service, "vision.example", HTTPS).status_code == 421


@pytest.mark.parametrize(
    "changes",
    [
        {"training_keys": ("a", "b"), "prediction_keys": ("c", "d")},
        {"host": "0.0.0.0"},
        {"allowed_hosts": (EVIL,)},
        {"public_url": f"http://{EVIL}:99/path"},
    ],
    ids=["own keys", "other machines", "option", "public URL"],
)
def test_when_foreign_names_are_served(tmp_path: Path, changes: dict[str, object]) -> None:
    for service in running_service(tmp_path, **changes):
        key = service.settings.training_keys[0]
        headers = {"Host": EVIL, "Training-Key": key}
        response = service.request("GET", training_path("/projects"), key=None, headers=headers)
        assert response.status_code == 200


def test_one_well_known_key_suffices_for_the_check(tmp_path: Path) -> None:
    for service in running_service(tmp_path, training_keys=("a", "b")):
        assert get(service, EVIL).status_code == 421


def test_serve_model() -> None:
    serving = classifier_server(allowed_hosts=("vision.example",))
    for host, status in ((EVIL, 421), ("vision.example", 200), ("x", 200)):
        assert serving.request("GET", "/health", headers={"Host": host}).status_code == status
    assert classifier_server().request("GET", "/health", headers={"Host": EVIL}).status_code == 200
