"""The program: started from the command line, called by the official client, stopped, refused to start."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials

from emulator.core.exports.container_program import REQUIREMENTS, program_files
from tests.sdk.validating import validated
from tests.support.exported_models import (
    COLOURS,
    classifier_zip,
    colour_classifier,
    detector_zip,
    export_zip,
    plain,
    spot,
)
from tests.support.harness import PATIENCE_SECONDS
from tests.support.live_server import LiveServer

COMMANDS = {
    "command": [sys.executable, "-m", "emulator", "serve-model"],
    "module": [sys.executable, "-m", "emulator.serving"],
}
PROJECT = "11111111-2222-4333-8444-555555555555"
Run = Callable[..., "Running"]


class Running:
    """A server of an export in a process of its own."""

    def __init__(self, *command: str, cwd: Path | None = None, **variables: str) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**variables),
            cwd=cwd,
        )
        assert self.process.stdout is not None
        overdue = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        overdue.start()
        try:
            first_line = self.process.stdout.readline()
        finally:
            overdue.cancel()
        found = re.fullmatch(r"custom-vision-emulator \S+ ready at (http://\S+:(\d+))\n", first_line)
        if found is None:
            self.process.kill()
            raise AssertionError(f"did not start: {first_line!r} {self.process.communicate()[1]!r}")
        self.endpoint, self.port = found[1], int(found[2])

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CUSTOM_VISION_")}
    return {**kept, **more}


@pytest.fixture
def run() -> Iterator[Run]:
    running: list[Running] = []

    def start(*command: str, cwd: Path | None = None, **variables: str) -> Running:
        running.append(Running(*command, cwd=cwd, **variables))
        return running[-1]

    yield start
    for one in running:
        one.end()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "colours.zip"
    path.write_bytes(classifier_zip())
    return path


@pytest.mark.parametrize("how", COMMANDS)
def test_the_official_client_classifies(run: Run, export: Path, picture_url: str, how: str) -> None:
    server = run(*COMMANDS[how], str(export), "--port", "0", "--key", "secret", "--url-allow", "127.0.0.1")
    client = validated(
        CustomVisionPredictionClient(
            server.endpoint, ApiKeyCredentials(in_headers={"Prediction-key": "secret"})
        )
    )
    for found in (
        client.classify_image(PROJECT, "live", plain("red")),
        client.classify_image_with_no_store(PROJECT, "live", plain("red")),
        client.classify_image_url(PROJECT, "live", picture_url),
    ):
        assert [(one.tag_name, one.probability) for one in found.predictions] == [
            ("red", 1),
            ("blue", 0),
            ("green", 0),
        ]
    client.close()


def test_the_official_client_detects_and_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cells.zip"
    path.write_bytes(detector_zip())
    server = run(*COMMANDS["module"], str(path), "--port", "0", "--model-name", "live")
    client = validated(
        CustomVisionPredictionClient(server.endpoint, ApiKeyCredentials(in_headers={"Prediction-key": "any"}))
    )
    (one,) = client.detect_image(PROJECT, "live", spot("red", (64, 128, 96, 160), (512, 512))).predictions
    assert (one.tag_name, round(one.bounding_box.width, 4)) == ("red", round(0.573 / 16, 4))
    with pytest.raises(Exception, match="Invalid iteration"):
        client.detect_image(PROJECT, "dead", plain("red"))
    with pytest.raises(Exception, match="Invalid project type for operation"):
        client.classify_image(PROJECT, "live", plain("red"))
    client.close()


def test_a_wrong_key_has_the_reason_phrase_of_the_gateway(run: Run, export: Path) -> None:
    server = run(*COMMANDS["module"], str(export), "--port", "0", "--key", "secret")
    with pytest.raises(urllib.request.HTTPError) as refused:
        urllib.request.urlopen(f"{server.endpoint}/image", data=plain("red"), timeout=PATIENCE_SECONDS)
    assert (refused.value.code, refused.value.reason) == (401, "Access Denied")
    refused.value.close()


@pytest.mark.skipif(os.name != "posix", reason="there are no signals that request termination")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(run: Run, export: Path, number: int) -> None:
    server = run(*COMMANDS["module"], str(export), "--port", "0")
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{server.endpoint}/health").status_code == 200  # stays connected
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE_SECONDS) == 0
    assert server.process.stderr is not None
    assert server.process.stderr.read() == ""


def test_the_files_of_the_bundle_suffice(run: Run, tmp_path: Path) -> None:
    """Started where neither the rest of the emulator nor the packages that it alone needs can be imported."""
    place = tmp_path / "app"
    for name, content in program_files():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (place / "model.onnx").write_bytes(colour_classifier().SerializeToString())
    (place / "labels.txt").write_text("\n".join(COLOURS), encoding="utf-8")
    needless = [
        *("alembic", "filelock", "onnx", "openvino", "platformdirs", "pydantic", "rich", "sqlalchemy"),
        *("sqlmodel", "torch"),
    ]
    start = (
        f"import sys; sys.modules.update(dict.fromkeys({needless!r})); sys.path[:] = [p for p in sys.path if "
        f"p != {str(Path(__file__).parents[2])!r}]; sys.meta_path[:] = [f for f in sys.meta_path if "
        "'editable' not in type(f).__module__ + str(f)]; sys.path.insert(0, '.'); "
        "sys.argv[1:] = ['.', '--port', '0']; import emulator.serving.__main__ as m; "
        f"assert m.__file__.startswith({str(place)!r}), m.__file__; m.main()"
    )
    server = run(sys.executable, "-c", start, cwd=place)
    response = httpx.post(f"{server.endpoint}/image", content=plain("red"), trust_env=False)
    assert response.json()["predictions"][2]["probability"] == 1


def test_the_requirements_of_the_bundle_are_some_of_the_emulators() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for requirement in REQUIREMENTS:
        assert f'    "{requirement}",\n' in text


# --- what is refused ----------------------------------------------------------------------------------------


def refused(*arguments: str, how: str = "module", **variables: str) -> tuple[int, str]:
    """Exit status and standard error of a start that fails."""
    ended = subprocess.run(
        [*COMMANDS[how], *arguments],
        capture_output=True,
        text=True,
        env=environment(**variables),
        timeout=PATIENCE_SECONDS,
    )
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("how", COMMANDS)
def test_an_export_that_cannot_be_served_is_one_line(tmp_path: Path, how: str) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(export_zip(b"no model", COLOURS))
    status, error = refused(str(path), "--port", "0", how=how)
    assert status == 1
    assert re.fullmatch(r"\S.*: broken.zip: The ONNX model does not load: .*\n", error)


@pytest.mark.parametrize("how", COMMANDS)
def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, how: str) -> None:
    status, error = refused(str(tmp_path / "none.zip"), "--port", "0", how=how)
    assert (status, error.count("\n")) == (1, 1)
    assert "cannot read" in error
    assert "No such file" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "--port: '70000' is not a whole number from 0 to 65535"),
        (["--key", "a b"], "--key: must be one or two keys"),
        (["--url-fetch", "some"], "--url-fetch: 'some' is not one of: public, any, off"),
        (["--url-allow", "a/b/c"], "--url-allow: 'a/b/c' is not a host"),
        (["--model-name", "a\nb"], "--model-name: 'a\\nb' is no name"),
        (["--model-name", ".."], "--model-name: '..' is no name"),
        (
            ["--preprocessing", "channels=x"],
            "--preprocessing: 'channels=x' channels: 'x' is not one of",
        ),
    ],
)
@pytest.mark.parametrize("how", COMMANDS)
def test_a_value_that_is_not_allowed_is_one_line(
    export: Path, arguments: list[str], message: str, how: str
) -> None:
    status, error = refused(str(export), *arguments, how=how)
    assert (status, error.count("\n")) == (2, 1)
    assert message in error


def test_the_preprocessing_can_be_chosen(run: Run, tmp_path: Path) -> None:
    planes = ("first", "second", "third")
    path = tmp_path / "planes.zip"
    path.write_bytes(export_zip(colour_classifier(planes), planes))
    for arguments, variables in (
        (["--preprocessing", "channels=rgb,crop=stretch"], {}),
        ([], {"CUSTOM_VISION_EMULATOR_PREPROCESSING": "channels=rgb, crop=stretch"}),
    ):
        server = run(*COMMANDS["module"], str(path), "--port", "0", *arguments, **variables)
        response = httpx.post(f"{server.endpoint}/image", content=plain("red"), trust_env=False)
        scores = {one["tagName"]: one["probability"] for one in response.json()["predictions"]}
        assert scores == {"first": 1, "second": 0, "third": 0}
        described = httpx.get(f"{server.endpoint}/health", trust_env=False).json()["preprocessing"]
        assert described["channels"] == "rgb (chosen)"
        assert described["crop"] == "stretch (chosen)"


def test_a_variable_that_is_not_allowed_is_named(export: Path) -> None:
    assert refused(str(export), CUSTOM_VISION_EMULATOR_PORT="x")[1] == (
        "python -m emulator.serving: CUSTOM_VISION_EMULATOR_PORT: 'x' is not a whole number from 0 to 65535\n"
    )


def test_a_port_in_use_is_one_line(export: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, error = refused(str(export), "--port", port)
    assert (status, error.count("\n")) == (1, 1)
    assert f"cannot listen on 127.0.0.1 port {port}" in error


# --- import-model -------------------------------------------------------------------------------------------


def emulator(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emulator", *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_SECONDS,
    )


def test_import_model_makes_a_published_iteration_of_a_running_emulator(
    live: LiveServer, export: Path, tmp_path: Path
) -> None:
    there = ["--port", str(live.port), "--project", "my colours"]
    done = emulator("import-model", str(export), *there, "--publish-name", "live 1")
    assert (done.returncode, done.stderr) == (0, "")
    found = re.fullmatch(
        r"project    (\S+)  my colours \(new\)\n"
        r"iteration  (\S+)  Iteration 1\n"
        r"tags       blue, green, red\n"
        rf"published  ({live.endpoint}/customvision/v3.1/prediction/\1/classify/\S+/live%201/image)\n",
        done.stdout,
    )
    assert found is not None, done.stdout
    response = httpx.post(
        found[3],
        content=plain("red"),
        headers={"Prediction-Key": "3" * 32, "Content-Type": "application/octet-stream"},
        trust_env=False,
    )
    assert response.json()["predictions"][0]["tagName"] == "red"
    again = emulator("import-model", str(export), *there, "--publish-name", "live 1")
    assert (again.returncode, again.stdout) == (1, "")
    assert "colours.zip: Another iteration is already published as: live 1" in again.stderr
    reversed_planes = emulator("import-model", str(export), *there, "--preprocessing", "channels=rgb")
    assert (reversed_planes.returncode, reversed_planes.stderr) == (0, "")
    odd = emulator("import-model", str(export), *there, "--preprocessing", "channels")
    assert "colours.zip: The value of 'preprocessing' is not valid." in odd.stderr
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    refused = emulator("import-model", str(broken), *there)
    assert refused.stderr == (
        "custom-vision-emulator: broken.zip: The export cannot be used. It is not a zip.\n"
    )
    missing = emulator("import-model", str(tmp_path / "none.zip"), *there)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    wrong = emulator("import-model", str(export), *there, "--training-key", "wrong")
    assert "does not know this training key" in wrong.stderr


@pytest.mark.parametrize(
    "offer",
    [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "UPGRADE: TLS/1.0\r\nCONNECTION: keep-alive, UPGRADE\r\n",
    ],
)
def test_requests_that_offer_an_upgrade(run: Run, export: Path, offer: str) -> None:
    """Java's HttpClient and ``curl --http2`` offer one with every request."""
    server = run(*COMMANDS["module"], str(export), "--port", "0")
    image = plain("red")
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(image), image)
    framings = ((f"Content-Length: {len(image)}", image), ("Transfer-Encoding: chunked", chunked))
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        for path in ("/image", f"/customvision/v3.0/Prediction/{PROJECT}/classify/iterations/m/image"):
            for framing, body in framings:
                head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{offer}{framing}\r\n"
                connection.sendall(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + body)
                response = http.client.HTTPResponse(connection)
                response.begin()
                assert response.status == 200
                assert b"red" in response.read()


def test_limits_of_connections(run: Run, export: Path) -> None:
    """They are those of the emulator: the same protocol, with the origins of the option."""
    origin = "https://app.example"
    server = run(*COMMANDS["command"], str(export), "--port", "0", "--cors-origin", origin)
    head = f"GET / HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head + b"X: y\r\n" * 1001)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 431
        assert response.getheader("access-control-allow-origin") == origin


def test_host_names_without_a_key(run: Run, export: Path) -> None:
    options = ("--port", "0", "--allowed-host", "vision.example")
    open_server = run(*COMMANDS["command"], str(export), *options)
    with_key = run(*COMMANDS["command"], str(export), *options, "--key", "secret")
    for host, status in (("evil.example", 421), ("vision.example", 200), ("localhost:1", 200)):
        assert httpx.get(f"{open_server.endpoint}/health", headers={"Host": host}).status_code == status
        assert httpx.get(f"{with_key.endpoint}/health", headers={"Host": host}).status_code == 200
