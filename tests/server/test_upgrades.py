"""Requests that offer an upgrade to another protocol are answered as without the offer."""

import json
import logging
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.connections import exchange, responses
from tests.support.harness import TRAINING_KEY
from tests.support.images import picture
from tests.support.live_server import LiveServer

H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
CHUNKED = "5;name=value\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n"


def _post(offer: str, body: str = "hello world", length: str | None = None, version: str = "1.1") -> bytes:
    length = length or f"Content-Length: {len(body)}\r\n"
    return f"POST /a%20b?c=d HTTP/{version}\r\nHost: x\r\n{offer}{length}\r\n{body}".encode()


def _echoed(written: bytes) -> list[dict[str, object]]:
    return [json.loads(body) for _, body in responses(written)]


@pytest.mark.parametrize(
    "offer",
    [
        H2C,
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "connection: upgrade\r\nupgrade: TLS/1.0, HTTP/2.0\r\n",
        "UPGRADE: something-new\r\nCONNECTION: keep-alive, UPGRADE\r\n",
        "Upgrade: a\r\nUpgrade: b\r\nConnection: x\r\nConnection: upgrade\r\n",
        "Upgrade:\t h2c \t\r\nConnection:upgrade\r\n",
    ],
)
@pytest.mark.parametrize(
    ("body", "length"), [("hello world", None), (CHUNKED, "Transfer-Encoding: chunked\r\n"), ("", None)]
)
def test_body_and_connection_are_kept(
    offer: str, body: str, length: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        raw = _post(offer, body, length)
        written, is_closed = exchange([raw + raw + _post("", body, length)])
    first, second, plain = _echoed(written)
    assert not is_closed
    assert plain["body"] == ("hello world" if body else "")
    for echoed in (first, second):
        assert {name: echoed[name] for name in ("method", "target", "body")} == {
            name: plain[name] for name in ("method", "target", "body")
        }
        assert "upgrade" not in dict(echoed["headers"])  # type: ignore[call-overload]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "raw",
    [
        _post(H2C) + b"GET / HTTP/1.1\r\nHost: x\r\n" + H2C.encode() + b"\r\n",
        _post(H2C, CHUNKED, "Transfer-Encoding: chunked\r\n") + _post(""),
        b"\r\n" + _post(H2C, "") + _post(H2C, "x"),
    ],
    ids=["length", "chunked", "empty"],
)
def test_arrival_in_pieces_makes_no_difference(raw: bytes) -> None:
    whole, _ = exchange([raw])
    assert len(responses(whole)) == 2
    expected = _echoed(whole)
    for split in range(1, len(raw)):
        assert _echoed(exchange([raw[:split], raw[split:]])[0]) == expected
    for size in (1, 2, 3, 7):
        edges = [*range(0, len(raw), size), len(raw)]
        assert _echoed(exchange(raw[start:end] for start, end in pairwise(edges))[0]) == expected


def test_the_version_and_the_end_of_the_connection_are_kept() -> None:
    written, is_closed = exchange([_post(H2C, version="1.0")])
    assert (_echoed(written)[0]["version"], is_closed) == ("1.0", True)
    written, is_closed = exchange([_post("Connection: close, Upgrade\r\nUpgrade: h2c\r\n")])
    assert (_echoed(written)[0]["body"], is_closed) == ("hello world", True)


def test_an_upgrade_that_connection_does_not_name_is_no_offer() -> None:
    written, is_closed = exchange([_post("Upgrade: h2c\r\n")])
    assert (_echoed(written)[0]["body"], is_closed) == ("hello world", False)


@pytest.mark.parametrize("target", ["example.com:443", "/path", "*"])
def test_connect_is_refused(target: str) -> None:
    written, is_closed = exchange(
        [f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode()]
    )
    assert [status for status, _ in responses(written)] == [400]
    assert is_closed


def test_a_long_url_with_an_offer() -> None:
    raw = f"GET /a?{'x' * 70_000}&y=z HTTP/1.1\r\nHost: x\r\n{H2C}\r\n".encode()
    assert str(_echoed(exchange([raw])[0])[0]["target"]).endswith("x&y=z")


# --- programs that offer an upgrade -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path_factory.mktemp("upgrades"))
    yield live
    live.kill()
    assert "Upgrade" not in live.log()
    assert "upgrade" not in live.log()


def test_curl_that_offers_http2(server: LiveServer, tmp_path: Path) -> None:
    program = shutil.which("curl")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program else ""
    if program is None or "HTTP2" not in version:
        pytest.skip("curl with HTTP/2 is missing (on Debian: apt-get install curl)")
    image = tmp_path / "image.png"
    image.write_bytes(picture(3))
    url = f"{server.endpoint}/customvision/v3.3/training{server.project()}/images"
    headers = [f"Training-Key: {TRAINING_KEY}", "Content-Type: application/octet-stream"]
    for more in ([], ["Transfer-Encoding: chunked"]):
        options = [option for header in [*headers, *more] for option in ("-H", header)]
        sent = subprocess.run(
            [program, "-sS", "--http2", *options, "--data-binary", f"@{image}", url],
            capture_output=True,
            text=True,
        )
        assert _statuses(sent.stdout) <= {"OK", "OKDuplicate"}, sent


def _statuses(summary: str) -> set[str]:
    """The statuses of the images of an upload."""
    return {image["status"] for image in json.loads(summary)["images"]}


JAVA = """
import java.net.URI;
import java.net.http.*;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;

public class Requests {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], key = arguments[1], image = arguments[2], body = arguments[3];
        HttpClient client = HttpClient.newHttpClient();
        for (int number = 0; number < 3; number++) {
            HttpRequest upload = HttpRequest.newBuilder(URI.create(url + "/images"))
                .header("Training-Key", key).header("Content-Type", "application/octet-stream")
                .POST(BodyPublishers.ofFile(Path.of(image))).build();
            HttpResponse<String> response = client.send(upload, BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.version() + " " + response.body());
        }
        HttpRequest train = HttpRequest.newBuilder(URI.create(url + "/train?forceTrain=true"))
            .header("Training-Key", key).header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(body)).build();
        HttpResponse<String> response = client.send(train, BodyHandlers.ofString());
        System.out.println(response.statusCode() + " " + response.version() + " " + response.body());
    }
}
"""


def test_the_http_client_of_java(server: LiveServer, tmp_path: Path) -> None:
    program = shutil.which("java")
    if program is None or shutil.which("javac") is None:
        pytest.skip("A Java development kit, 11 or newer, is missing (on Debian: default-jdk-headless)")
    project = server.trainable()
    url = f"{server.endpoint}/customvision/v3.3/training{project}"
    (tmp_path / "Requests.java").write_text(JAVA, encoding="utf-8")
    (tmp_path / "image.png").write_bytes(picture(4))
    # One tag is too few; without the body all tags are selected, which can be trained.
    selected = json.dumps({"selectedTags": [server.get(f"{project}/tags")[0]["id"]]})
    expected = server.client.post(f"{url}/train", params={"forceTrain": "true"}, content=selected)
    ran = subprocess.run(
        [program, "Requests.java", url, TRAINING_KEY, "image.png", selected],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    *uploads, trained = [line.split(" ", 2) for line in ran.stdout.splitlines()]
    assert [version for _, version, _ in uploads] == ["HTTP_1_1"] * 3
    assert all(_statuses(body) <= {"OK", "OKDuplicate"} for _, _, body in uploads)
    assert expected.status_code == 400
    assert (trained[0], json.loads(trained[2])) == ("400", expected.json())
