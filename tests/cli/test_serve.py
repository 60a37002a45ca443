"""The program from its command line: start, refusal to start, stop."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from emulator.server import start_block, uvicorn_server
from emulator.settings import Settings, StartRefused
from tests.support.harness import PATIENCE_SECONDS
from tests.support.program import Running, Start, posix_only, run

# --- start --------------------------------------------------------------------------------------------------


@posix_only
def test_the_start_block_has_everything_that_a_client_needs(start: Start, tmp_path: Path) -> None:
    settings = Settings()
    running = start("--data", str(tmp_path / "state"))
    status, output, errors = running.stop(signal.SIGINT)
    assert (status, errors) == (0, "")
    for needed in (
        f"  {running.endpoint}\n",
        *settings.training_keys,
        *settings.prediction_keys,
        settings.prediction_resource_id,
        str(tmp_path / "state"),
    ):
        assert needed in output


def test_the_database_and_the_object_store_are_printed_without_a_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    database = "postgresql://user:secret@host:5432/name?password=secret"
    start_block.print_start_block(Settings(database=database, blobs="s3://bucket/prefix"), 80)
    output = capsys.readouterr().out
    assert "\n  Database                postgresql://user@host:5432/name\n" in output
    assert "\n  Object store            s3://bucket/prefix\n" in output
    assert "secret" not in output


def test_a_single_key_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    start_block.print_start_block(Settings(training_keys=("one", "one"), prediction_keys=("a", "b")), 80)
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("  Training keys           one")
    assert lines[at + 1 : at + 3] == ["  Prediction keys         a", " " * 26 + "b"]


def test_the_python_of_the_start_block_reaches_the_emulator(start: Start, tmp_path: Path) -> None:
    block = printed_block(running := start("--data", str(tmp_path)))
    lines = block.split("\nPython")[1].split("\nJavaScript")[0].splitlines()[1:]
    code = "\n".join(line.removeprefix("  ") for line in lines) + "\nprint(trainer.get_projects())"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")
    assert running.process.poll() is None


@posix_only
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing: install curl to run this")
def test_the_curl_of_the_start_block_reaches_the_emulator(start: Start, tmp_path: Path) -> None:
    block = printed_block(running := start("--data", str(tmp_path)))
    command = block.split("\ncurl\n")[1].split("\n\n")[0]
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert (ran.returncode, ran.stdout) == (0, "[]")
    assert running.process.poll() is None


@pytest.mark.skipif(shutil.which("node") is None, reason="node is missing: install Node 20 to run this")
def test_the_javascript_of_the_start_block_is_javascript(capsys: pytest.CaptureFixture[str]) -> None:
    start_block.print_start_block(Settings(), 10010)
    code = capsys.readouterr().out.split("\nJavaScript")[1].split("\n\n", 1)[1].split("\ncurl\n")[0]
    ran = subprocess.run(
        ["node", "--check", "-"], input=code, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert ran.returncode == 0, ran.stderr


def printed_block(running: Running) -> str:
    assert running.process.stdout is not None
    return "".join(iter(running.process.stdout.readline, "Stop with Ctrl-C.\n"))


@posix_only
def test_quiet_prints_one_line(start: Start) -> None:
    assert start("--ephemeral", "--quiet").stop() == (0, "", "")


@posix_only
def test_a_closed_standard_output_does_not_stop_the_emulator(start: Start) -> None:
    running = start("--ephemeral")
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert status_of(running, "/_emulator/health/live") == 200
    running.process.stdout = None
    assert running.stop()[0] == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_default_keys_on_an_open_address_are_warned_about(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    start_block.warn_about_exposure(Settings(host=host))
    warning = capsys.readouterr().err
    assert "WARNING" in warning
    assert host in warning
    assert "--training-key" in warning


def test_access_tokens_on_an_open_address_are_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"training_keys": ("a", "b"), "prediction_keys": ("c", "d")}
    start_block.warn_about_exposure(Settings(host="0.0.0.0", entra="basic", **keys))
    warning = capsys.readouterr().err
    assert "anybody can create access tokens" in warning
    assert "--training-key" not in warning


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(entra="basic"),
        Settings(host="::1"),
        Settings(host="127.0.0.2"),
        Settings(host="0.0.0.0", training_keys=("a", "b"), prediction_keys=("c", "d")),
    ],
)
def test_without_exposure_there_is_no_warning(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    start_block.warn_about_exposure(settings)
    assert capsys.readouterr().err == ""


# --- refusal to start ---------------------------------------------------------------------------------------


def test_a_second_emulator_on_one_folder_is_refused(start: Start, tmp_path: Path) -> None:
    first = start("--data", str(tmp_path))
    second = run("serve", "--port", "0", "--data", str(tmp_path))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert str(tmp_path) in second.stderr
    assert f"process {first.process.pid}" in second.stderr
    assert status_of(first, "/_emulator/health/ready") == 200


@posix_only
def test_a_killed_emulator_does_not_keep_its_folder(start: Start, tmp_path: Path) -> None:
    assert start("--data", str(tmp_path)).stop(signal.SIGKILL)[0] == -signal.SIGKILL
    assert status_of(start("--data", str(tmp_path)), "/_emulator/health/ready") == 200


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--port", str(port), "--data", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"port {port}" in refused.stderr


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = run("serve", "--port", "0", "--data", str(tmp_path / "file"))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "--data" in refused.stderr


@pytest.mark.parametrize("name", ["emulator.sqlite", "blobs"])
def test_a_folder_whose_content_is_something_else_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"This is neither a database nor a folder. " * 100)
    refused = run("serve", "--port", "0", "--data", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert str(tmp_path) in refused.stderr


def test_an_unknown_host_is_one_line() -> None:
    refused = run("serve", "--ephemeral", "--host", "nowhere.invalid")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "--host" in refused.stderr


@pytest.mark.parametrize("command", ["serve", "env", "health", "reset"])
def test_a_value_that_is_not_allowed_ends_every_command(command: str) -> None:
    refused = run(command, "--port", "http")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "custom-vision-emulator: --port: 'http' is not a whole number from 0 to 65535\n"


def test_a_variable_that_is_not_allowed_is_named() -> None:
    refused = run("serve", CUSTOM_VISION_EMULATOR_URL_FETCH="all")
    assert refused.returncode == 2
    assert "CUSTOM_VISION_EMULATOR_URL_FETCH" in refused.stderr
    assert "public, any, off" in refused.stderr


@pytest.mark.parametrize("arguments", [["serve", "--no-such-option"], ["no-such-command"]])
def test_unknown_flags_and_commands_have_no_traceback(arguments: list[str]) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert "No such" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_application_that_refuses_to_start_is_reported_without_a_traceback() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "Traceback ..."})
        raise StartRefused("the store is of a newer version")

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError

    guarded = uvicorn_server.GuardedLifespan(application)
    asyncio.run(guarded({"type": "lifespan"}, receive, send))
    assert str(guarded.refused) == "the store is of a newer version"
    assert sent == [{"type": "lifespan.startup.failed", "message": ""}]


# --- on the wire --------------------------------------------------------------------------------------------


def status_of(running: Running, path: str) -> int:
    with urllib.request.urlopen(running.endpoint + path, timeout=PATIENCE_SECONDS) as response:
        return int(response.status)


def test_a_wrong_key_gets_the_reason_phrase_of_the_gateway(start: Start) -> None:
    running = start("--ephemeral")
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(
            b"GET /customvision/v3.3/training/projects HTTP/1.1\r\nHost: x\r\nTraining-Key: wrong\r\n\r\n"
        )
        head = connection.makefile("rb")
        assert head.readline() == b"HTTP/1.1 401 Access Denied\r\n"
        names = {line.partition(b":")[0].lower() for line in iter(head.readline, b"\r\n")}
    assert b"server" not in names
    assert b"date" in names


@posix_only
def test_the_access_log_has_every_request_and_no_key(start: Start) -> None:
    keys = {"training": "first-secret", "prediction": "second-secret", "wrong": "third-secret"}
    running = start(
        "--ephemeral",
        "--access-log",
        *("--training-key", keys["training"], "--prediction-key", keys["prediction"]),
    )
    path = "/customvision/v3.3/training/projects"
    for key in keys.values():
        query = f"?Training-Key={key}&Prediction-Key={key}&subscription-key={key}&token={key}"
        for headers in ({}, {"Training-Key": key, "Prediction-Key": key, "Authorization": f"Bearer {key}"}):
            request = urllib.request.Request(running.endpoint + path + query, headers=headers)
            with suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):
                pass
    status, _, errors = running.stop()
    assert status == 0
    line = r"\S+ \S+ INFO emulator\.access: GET (\S+) (\d+) \d+\.\d ms \d+ bytes [0-9a-f-]{36}"
    found = [re.fullmatch(line, text) for text in errors.splitlines()]
    assert [match and (match[1], match[2]) for match in found] == [
        (path, status) for status in ("401", "200", "401", "401", "401", "401")
    ]
    assert "secret" not in errors


@posix_only
@pytest.mark.parametrize("level", ["info", "warning"])
def test_refused_requests_are_logged_at_the_level_info(start: Start, level: str) -> None:
    running = start("--ephemeral", "--log-level", level)
    request = urllib.request.Request(running.endpoint + "/customvision/v3.3/training/projects")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)
    status, _, errors = running.stop()
    assert status == 0
    what = r"GET /customvision/v3\.3/training/projects 401 \([0-9a-f-]{36}\): no key.*"
    found = re.findall(rf"^\S+ \S+ INFO emulator\.refusals: {what}$", errors, re.MULTILINE)
    assert len(found) == (1 if level == "info" else 0)


@posix_only
def test_without_the_option_requests_are_not_logged(start: Start) -> None:
    running = start("--ephemeral", "--quiet")
    assert status_of(running, "/_emulator/health/live") == 200
    assert running.stop() == (0, "", "")


# --- stop ---------------------------------------------------------------------------------------------------


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_with_open_connections_leaves_nothing(start: Start, tmp_path: Path, number: int) -> None:
    running = start("--data", str(tmp_path))
    with (
        socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_SECONDS) as idle,
        socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_SECONDS) as sending,
    ):
        idle.sendall(b"GET /_emulator/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        sending.sendall(
            b"POST /customvision/v3.3/training/projects?name=x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
            b"Training-Key: " + Settings().training_keys[0].encode() + b"\r\n\r\n{"
        )
        status, _, errors = running.stop(number)
    assert status == 0
    assert "Traceback" not in errors
    assert not (tmp_path / "emulator.pid").exists()


@posix_only
def test_an_ephemeral_emulator_removes_its_folder(start: Start, tmp_path: Path) -> None:
    os_temporary = tmp_path / "temporary"
    os_temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(os_temporary))
        running = start("--ephemeral")
    assert [folder.name.startswith("custom-vision-emulator-") for folder in os_temporary.iterdir()] == [True]
    assert running.stop()[0] == 0
    assert list(os_temporary.iterdir()) == []
