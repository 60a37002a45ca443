"""URLs in requests: servers that the emulator fetches images from, and servers that it never contacts."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.support.harness import Service, expect, refusal, test_settings
from tests.support.images import picture
from tests.support.live_server import LiveServer

ERROR_SOURCE = ["ErrorSource"]


class Site(http.server.BaseHTTPRequestHandler):
    """/image is one, /endless never ends, /slow never begins, /again leads back to itself."""

    stop = threading.Event()
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/again":
            self.send_response(302)
            self.send_header("Location", "/again")
            self.end_headers()
            return
        if self.path == "/slow":
            self.stop.wait(60)
            return
        self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()
        try:
            if self.path == "/endless":
                while not self.stop.is_set():
                    self.wfile.write(b"x" * 65536)
            else:
                self.wfile.write(picture(7))
        except OSError:  # the client has disconnected
            pass

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def site() -> Iterator[tuple[str, list[str]]]:
    """The address of a site on this machine, and the paths that were requested."""
    asked: list[str] = []
    handler = type("Handler", (Site,), {"asked": asked, "stop": threading.Event()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        handler.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def upload(client: Service | LiveServer, project: str, *urls: str) -> list[str]:
    body = {"images": [{"url": url} for url in urls]}
    response = (
        client.send("POST", f"{project}/images/urls", json=body)
        if isinstance(client, Service)
        else client.client.post(f"{project}/images/urls", json=body)
    )
    assert response.status_code in (200, 207), response.text
    return [item["status"] for item in response.json()["images"]]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x.png",
        "http://localhost/x.png",
        "http://[::1]/x.png",
        "http://10.0.0.1/x.png",
        "http://192.168.1.1/x.png",
        "http://169.254.169.254/metadata/instance",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "file:///etc/passwd",
        "ftp://example.com/x.png",
        "gopher://127.0.0.1/",
        "//example.com/x.png",
        "http://",
        "http://user:password@example.com/",
        "http://exa\nmple.com/",
        "x" * 10_000,
        "\0",
    ],
)
def test_private_places_and_strange_urls_are_not_fetched(service: Service, url: str) -> None:
    project = service.project()
    assert upload(service, project, url) == ERROR_SOURCE
    assert service.blobs() == set()


def test_the_emulator_does_not_fetch_from_itself(live: LiveServer) -> None:
    project = live.project()
    for url in (f"{live.endpoint}/_emulator/health/live", f"http://localhost:{live.port}/"):
        assert upload(live, project, url) == ERROR_SOURCE


def test_a_private_site_is_not_even_asked(service: Service) -> None:
    with site() as (address, asked):
        assert upload(service, service.project(), f"{address}/image") == ERROR_SOURCE
        assert asked == []


@pytest.fixture
def open_service(service: Service) -> Service:
    """A service that fetches from all addresses with a timeout of two seconds."""
    service.close()
    service.settings = test_settings(service.settings.data, url_fetch="any")
    service.open()
    service.context.fetch_policy = replace(service.context.fetch_policy, timeout_seconds=2)
    return service


def test_sites_that_misbehave_cost_their_item_alone(open_service: Service) -> None:
    project = open_service.project()
    with site() as (address, _):
        paths = ("endless", "image", "slow", "again", "missing")
        statuses = upload(
            open_service, project, *(f"{address}/{path}" for path in paths), "http://127.0.0.1:9/"
        )
    assert statuses == ["ErrorSource", "OK", "ErrorSource", "ErrorSource", "ErrorSource", "ErrorSource"]
    assert open_service.get(f"{project}/images/count") == 1


def test_predicting_by_url_has_the_same_rules(open_service: Service) -> None:
    project, red, _ = open_service.trainable()
    address = open_service.publish(open_service.train(project))
    with site() as (web, _):
        response = open_service.request("POST", f"{address}/url", json={"url": f"{web}/image"})
        assert expect(response)["predictions"][0]["tagId"] == red
        for path in ("endless", "slow", "again", "missing"):
            response = open_service.request("POST", f"{address}/url/nostore", json={"url": f"{web}/{path}"})
            assert refusal(response)[:2] == (400, "BadRequestImageUrl")


def test_fetching_can_be_switched_off(service: Service) -> None:
    service.close()
    service.settings = test_settings(service.settings.data, url_fetch="off")
    service.open()
    with site() as (address, asked):
        assert (
            upload(service, service.project(), f"{address}/image", "http://example.com/") == ERROR_SOURCE * 2
        )
        assert asked == []


def test_single_hosts_can_be_allowed(service: Service) -> None:
    with site() as (address, asked), site() as (other, asked_other):
        service.close()
        allowed = (address.removeprefix("http://"),)
        service.settings = test_settings(service.settings.data, url_allow=allowed)
        service.open()
        assert upload(service, service.project(), f"{address}/image", f"{other}/image") == [
            "OK",
            "ErrorSource",
        ]
        assert (asked, asked_other) == (["/image"], [])
