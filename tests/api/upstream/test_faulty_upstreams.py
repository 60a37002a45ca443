"""Upstreams that redirect, break off, do not answer, compress, or send and receive large bodies."""

import gzip
import hashlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.api.upstream import forwarding
from emulator.settings import SettingError
from emulator.testing import EmulatorServer
from tests.support.certificates import self_signed
from tests.support.web_servers import Server, Visit, answer_with, answer_with_head, redirect_to

KEY = "f" * 32
PROJECTS = "/customvision/v3.3/training/projects"


@contextmanager
def in_front_of(
    answer: Callable[[Visit], object], **settings: Any
) -> Iterator[tuple[Server, EmulatorServer]]:
    """An emulator that forwards calls to a server with these answers."""
    with (
        Server(answer) as server,
        EmulatorServer(upstream=server.url, upstream_mode="shadow", **settings) as front,
    ):
        yield server, front


def ask(front: EmulatorServer, path: str = PROJECTS, method: str = "GET", **more: Any) -> httpx.Response:
    headers = {"Training-Key": KEY, "Prediction-Key": KEY} | more.pop("headers", {})
    return httpx.request(method, front.endpoint + path, headers=headers, trust_env=False, timeout=60, **more)


def message(response: httpx.Response, status: int) -> str:
    """The message of an error of the gateway; fails for any other response."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == str(status)
    return str(error["message"])


def state(front: EmulatorServer, path: str = "") -> Any:
    url = f"{front.endpoint}/_emulator/upstream{path}"
    return httpx.get(url, headers={"Training-Key": front.training_key}, trust_env=False).json()


def test_a_redirect_is_neither_followed_nor_passed_on() -> None:
    with Server(answer_with(b"[]")) as elsewhere:
        target = f"http://localhost:{elsewhere.port}/"
        with in_front_of(redirect_to(target, 307)) as (_, front):
            response = ask(front)
            assert "answered with a redirect (status 307)" in message(response, 502)
            assert "location" not in response.headers
            assert state(front)["failedCount"] == 1
        assert elsewhere.requests == []


def test_only_the_host_of_the_upstream_gets_the_key() -> None:
    with in_front_of(answer_with(b"[]")) as (server, front):
        cookie = {"Cookie": "session=secret", "X-Forwarded-For": "10.0.0.1"}
        assert ask(front, headers=cookie).content == b"[]"
        (visit,) = server.requests
        assert visit.header("training-key") == KEY
        assert visit.header("host") == f"127.0.0.1:{server.port}"
        assert visit.header("cookie") is None
        assert visit.path == PROJECTS


def test_an_upstream_that_is_down_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with EmulatorServer(upstream=f"http://127.0.0.1:{port}", upstream_mode="shadow") as front:
        assert f"The upstream 127.0.0.1:{port} could not be reached" in message(ask(front), 502)


@pytest.mark.parametrize(
    "head",
    ["", "HTTP/1.1 200 OK\nContent-Length: 10", "no HTTP"],
    ids=["no response", "half of a body", "no HTTP"],
)
def test_a_response_that_breaks_off_is_an_error(head: str) -> None:
    with in_front_of(lambda visit: visit.send(head, b"[]") if head else None) as (_, front):
        assert "could not be reached or broke off" in message(ask(front), 502)


@pytest.mark.parametrize("status", [600, 999])
def test_a_status_that_does_not_exist_is_an_error(status: int) -> None:
    with in_front_of(answer_with_head(f"HTTP/1.1 {status} Odd\nContent-Length: 0")) as (_, front):
        assert f"answered with {status}, which is no status" in message(ask(front), 502)
        assert state(front)["failedCount"] == 1


def test_a_large_response_that_breaks_off_ends_the_connection() -> None:
    def answer(visit: Visit) -> None:
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {2**24}", b"x" * 2**23)

    with in_front_of(answer) as (_, front), pytest.raises(httpx.RemoteProtocolError):
        ask(front)


def test_an_upstream_that_does_not_answer_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(forwarding.TIMEOUTS, "read", 0.2)
    with in_front_of(lambda visit: visit.over.wait()) as (_, front):
        assert "did not answer in time" in message(ask(front), 504)


def test_compressed_responses_are_passed_on_and_compared() -> None:
    content = gzip.compress(json.dumps([{"id": "1", "name": "elsewhere"}]).encode())

    def answer(visit: Visit) -> None:
        assert visit.header("accept-encoding") == "gzip"
        visit.send(
            "HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\nContent-Encoding: gzip\n"
            f"Content-Length: {len(content)}",
            content,
        )

    with in_front_of(answer) as (_, front):
        response = ask(front, headers={"Accept-Encoding": "br, gzip"})
        assert response.headers["content-encoding"] == "gzip"
        assert response.json()[0]["name"] == "elsewhere"
        found = state(front, "/differences")
        assert [(one["operation"], one["field"]) for one in found["fields"]] == [("GetProjects", "[]")]


def test_a_compressed_response_that_expands_without_end_is_passed_on_and_not_compared() -> None:
    content = gzip.compress(b" " * (forwarding.MOST_COMPARED + 1))

    def answer(visit: Visit) -> None:
        visit.send(f"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: {len(content)}", content)

    with in_front_of(answer) as (_, front):
        with httpx.stream(
            "GET", front.endpoint + PROJECTS, headers={"Training-Key": KEY}, trust_env=False
        ) as response:
            assert b"".join(response.iter_raw()) == content
        found = state(front, "/differences")
        assert (found["comparedCount"], found["calls"]) == (0, [])


def test_limits_of_the_upstream_are_passed_on() -> None:
    body = b'{"error": {"code": "429", "message": "slowly"}}'

    def answer(visit: Visit) -> None:
        visit.send(f"HTTP/1.1 429 Too Many\nRetry-After: 7\nContent-Length: {len(body)}", body)

    with in_front_of(answer) as (_, front):
        response = ask(front)
        assert (response.status_code, response.headers["retry-after"]) == (429, "7")
        assert response.content == body


@pytest.mark.parametrize(
    ("status", "compared"), [(200, 1), (401, 0), (403, 0), (404, 1), (429, 0), (500, 0), (503, 0)]
)
def test_refused_keys_limits_and_outages_are_no_differences(status: int, compared: int) -> None:
    """They say nothing about the state of the upstream."""
    with in_front_of(answer_with_head(f"HTTP/1.1 {status} x\nContent-Length: 2", b"[]")) as (_, front):
        assert ask(front).status_code == status
        assert state(front, "/differences")["comparedCount"] == compared


def test_not_modified_is_passed_on() -> None:
    with in_front_of(answer_with_head('HTTP/1.1 304 Not Modified\nETag: "1"')) as (_, front):
        response = ask(front, headers={"If-None-Match": '"1"'})
        assert (response.status_code, response.headers["etag"], response.content) == (304, '"1"', b"")
        assert state(front)["failedCount"] == 0


def test_large_bodies_are_passed_on_in_both_directions() -> None:
    sent = hashlib.shake_128(b"sent").digest(6 * 2**20)
    answered = hashlib.shake_128(b"answered").digest(12 * 2**20)
    received: list[bytes] = []

    def answer(visit: Visit) -> None:
        body = visit.request.partition(b"\r\n\r\n")[2]
        while len(body) < int(visit.header("content-length") or 0):
            body += visit.connection.recv(2**16)
        received.append(body)
        visit.send_body(answered)

    path = (
        "/customvision/v3.1/prediction/11111111-1111-4111-8111-111111111111/classify/iterations/a%2Fb/image"
    )
    with in_front_of(answer) as (server, front):
        response = ask(front, path, "POST", content=sent)
        assert response.content == answered
        assert received == [sent]
        assert server.requests[0].path == path
        state(front, "/differences")


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent() -> None:
    with in_front_of(answer_with(b"[]"), max_body_mb=1) as (server, front):
        path = (
            "/customvision/v3.1/prediction/11111111-1111-4111-8111-111111111111/classify/iterations/a/image"
        )
        response = ask(front, path, "POST", content=b"x" * (2**20 + 1))
        assert "too large" in message(response, 413)
        assert server.requests == []


def test_an_emulator_that_is_its_own_upstream_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings: dict[str, Any] = {"upstream": f"http://127.0.0.1:{port}", "upstream_mode": "shadow"}
    with EmulatorServer(port=port, **settings) as front:
        assert "leads back to it" in message(ask(front), 508)


def test_a_certificate_that_is_not_trusted_is_refused(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    with Server(answer_with(b"[]"), context) as server:
        upstream = f"https://127.0.0.1:{server.port}"
        with EmulatorServer(upstream=upstream, upstream_mode="shadow") as front:
            assert "could not be reached or broke off" in message(ask(front), 502)
        assert server.requests == []


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://name.cognitiveservices.azure.com/", "https://name.cognitiveservices.azure.com"),
        ("https://host/prefix/customvision/v3.3/Training/", "https://host/prefix"),
        ("http://127.0.0.1:10010", "http://127.0.0.1:10010"),
    ],
)
def test_the_endpoint_is_read_as_people_copy_it(text: str, url: str) -> None:
    assert EmulatorServer(upstream=text).settings.upstream == url


@pytest.mark.parametrize(
    "text", ["http://name.cognitiveservices.azure.com", "name", "https://user:word@host", "ftp://host"]
)
def test_other_endpoints_are_refused(text: str) -> None:
    with pytest.raises(SettingError, match="upstream"):
        EmulatorServer(upstream=text)
