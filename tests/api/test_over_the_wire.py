"""A live server and raw bytes: behaviour that only a real connection shows."""

import http.client
import json
import socket
import struct
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from tests.support.harness import TRAINING_KEY, files_body
from tests.support.images import picture
from tests.support.live_server import LiveServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path_factory.mktemp("wire"), "--max-body-mb", "8")
    yield live
    live.kill()


def exchange(server: LiveServer, request: bytes, close_early: bool = False) -> bytes:
    """All bytes that the server sends back on a new connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        if close_early:
            return b""
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


def request(method: str, path: str, *headers: str, body: bytes = b"", key: str = TRAINING_KEY) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Training-Key: {key}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status_and_body(response: bytes) -> tuple[int, bytes]:
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


PROJECTS = "/customvision/v3.3/training/projects"


def test_the_headers_of_a_response(server: LiveServer) -> None:
    head = exchange(server, request("GET", PROJECTS)).partition(b"\r\n\r\n")[0].decode()
    names = [line.partition(":")[0].lower() for line in head.split("\r\n")[1:]]
    assert sorted(names) == sorted(
        [
            "content-type",
            "content-length",
            "date",
            "apim-request-id",
            "request-id",
            "x-content-type-options",
            "vary",
            "connection",
        ]
    )
    date = next(line for line in head.split("\r\n") if line.lower().startswith("date:"))
    assert parsedate_to_datetime(date.partition(":")[2].strip()).tzinfo is not None


def test_the_reason_of_a_401(server: LiveServer) -> None:
    response = exchange(server, request("GET", PROJECTS, key="wrong"))
    assert response.startswith(b"HTTP/1.1 401 Access Denied\r\n")


def test_two_slashes_at_the_front(server: LiveServer) -> None:
    assert status_and_body(exchange(server, request("GET", f"/{PROJECTS}"))) == (200, b"[]")


@pytest.mark.parametrize(
    "key", [f"{TRAINING_KEY} ", f"{TRAINING_KEY}\t \t", f"\t{TRAINING_KEY}", f"   {TRAINING_KEY} "]
)
def test_whitespace_around_a_key_is_no_part_of_it(server: LiveServer, key: str) -> None:
    assert status_and_body(exchange(server, request("GET", PROJECTS, key=key)))[0] == 200


def test_whitespace_in_a_key_is_part_of_it(server: LiveServer) -> None:
    for key in (TRAINING_KEY[:5] + " " + TRAINING_KEY[5:], f"{TRAINING_KEY} x", f"{TRAINING_KEY}\xa0"):
        assert status_and_body(exchange(server, request("GET", PROJECTS, key=key)))[0] == 401


def test_a_chunked_body(server: LiveServer) -> None:
    project = server.project()
    body = json.dumps(files_body([picture()])).encode()
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    response = exchange(
        server,
        request(
            "POST",
            f"/customvision/v3.3/training{project}/images/files",
            "Transfer-Encoding: chunked",
            "Content-Type: application/json",
            body=chunks,
        ),
    )
    assert status_and_body(response)[0] == 200
    assert server.get(f"{project}/images/count") == 1


def test_a_refusal_reaches_a_client_that_is_still_sending(server: LiveServer) -> None:
    for key, status, size in (
        ("wrong", 401, 6 * 2**20),
        (TRAINING_KEY, 404, 6 * 2**20),
        (TRAINING_KEY, 413, 9 * 2**20),
    ):
        path = f"{PROJECTS}/00000000-0000-4000-8000-000000000000/images"
        response = exchange(
            server, request("POST", path, f"Content-Length: {size}", key=key, body=b"x" * size)
        )
        assert status_and_body(response)[0] == status


def test_a_client_that_goes_away_in_the_midst_of_its_body_leaves_nothing(server: LiveServer) -> None:
    project = server.project()
    body = json.dumps(files_body([picture()])).encode()
    begun = request(
        "POST",
        f"/customvision/v3.3/training{project}/images/files",
        f"Content-Length: {len(body)}",
        body=body[:-10],
    )
    for _ in range(5):
        exchange(server, begun, close_early=True)
    assert server.get(f"{project}/images/count") == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /customvision/v3.3/training/projects?a=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\nConnection: close\r\n\r\nx",
        b"GET http://elsewhere.example/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /%zz%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
def test_bytes_that_are_hardly_a_request(server: LiveServer, raw: bytes) -> None:
    response = exchange(server, raw)
    if response:
        assert status_and_body(response)[0] < 500
    assert "Traceback" not in server.log()
    assert server.get("/projects") is not None


def test_parameters_behind_a_long_one_are_read(server: LiveServer) -> None:
    project = server.project()
    path = f"/customvision/v3.3/training{project}/tags?description={'x' * 70_000}&name="
    status, body = status_and_body(exchange(server, request("POST", path)))
    assert (status, json.loads(body)["code"]) == (400, "BadRequestRequiredParamIsNull")


def test_a_long_path_leads_nowhere(server: LiveServer) -> None:
    for path in (f"/{'x' * 100_000}", f"{PROJECTS}/{'x' * 100_000}", f"/{'%41' * 50_000}?a=b"):
        status, body = status_and_body(exchange(server, request("GET", path)))
        assert (status, json.loads(body)) == (
            404,
            {"error": {"code": "404", "message": "Resource not found"}},
        )


def test_a_url_without_end(server: LiveServer) -> None:
    status, body = status_and_body(exchange(server, request("GET", f"/?{'x' * 2_000_000}")))
    assert (status, json.loads(body)["code"]) == (400, "BadRequest")
    assert "URL is too long" in json.loads(body)["message"]


def test_malformed_http_is_refused_in_the_shape_of_the_service(server: LiveServer) -> None:
    head, _, body = exchange(server, b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json; charset=utf-8\r\n")
    assert json.loads(body) == {"code": "BadRequest", "message": "Invalid HTTP request received."}


def test_head_of_an_image_has_no_body(server: LiveServer) -> None:
    project = server.project()
    server.post(f"{project}/images/files", json=files_body([picture(5)]))
    uri = server.get(f"{project}/images")[0]["originalImageUri"]
    path = uri.removeprefix(server.endpoint)
    head = exchange(server, request("HEAD", path))
    got = exchange(server, request("GET", path))
    assert (status_and_body(head), status_and_body(got)[0]) == ((200, b""), 200)
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    assert length in got
    assert int(length.partition(b":")[2]) == len(status_and_body(got)[1])


def test_damaged_exif_is_not_logged(server: LiveServer) -> None:
    photograph = picture(7, format="JPEG")
    exif = b"Exif\0\0II*\0\xff\xff\xff\xff garbage"
    damaged = photograph[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photograph[2:]
    before = server.log()
    project = server.project()
    summary = server.post(f"{project}/images/files", json=files_body([damaged]))
    assert [image["status"] for image in summary["images"]] == ["OK"]
    assert server.log() == before


def test_connections_are_kept(server: LiveServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    sockets = set()
    for key in (TRAINING_KEY, "wrong", TRAINING_KEY):
        connection.request("GET", PROJECTS, headers={"Training-Key": key})
        sockets.add(connection.sock)
        response = connection.getresponse()
        response.read()
        assert response.getheader("connection") is None
    connection.close()
    assert len(sockets) == 1
