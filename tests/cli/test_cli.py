"""The program as its users run it: start, refusal to start, stop, and the control commands."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator import __version__
from emulator.cli import control
from emulator.cli.errors import CommandFailed
from emulator.server import start_block, uvicorn_server
from emulator.settings import Settings, StartRefused
from emulator.settings.options import options

PROGRAM = [sys.executable, "-m", "emulator"]
PATIENCE_SECONDS = 60
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals of this kind exist on POSIX systems only")

Start = Callable[..., "Running"]


class Running:
    """An emulator in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        found = re.fullmatch(
            r"custom-vision-emulator \S+ ready at (http://127\.0\.0\.1:(\d+))\n", self.first_line
        )
        if found is None:
            self.process.kill()
            raise AssertionError(f"did not start: {self.first_line!r} {self.process.communicate()[1]!r}")
        self.endpoint, self.port = found[1], int(found[2])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit status, standard output and standard error after a signal."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE_SECONDS)
        # `communicate` would lose what is in the buffer since the first line was read.
        output = self.process.stdout.read() if self.process.stdout else ""
        errors = self.process.stderr.read() if self.process.stderr else ""
        return status, output, errors


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Running] = []

    def start_one(*arguments: str) -> Running:
        running.append(Running("--port", "0", *arguments))
        return running[-1]

    yield start_one
    for one in running:
        with suppress(ProcessLookupError):
            one.process.kill()
        one.process.wait(timeout=PATIENCE_SECONDS)
        for stream in (one.process.stdout, one.process.stderr):
            if stream is not None:
                stream.close()


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without options of the emulator."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CUSTOM_VISION_", "VISION_"))
    }
    return {**kept, **more}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=clean_environment(**environment),
        timeout=PATIENCE_SECONDS,
    )


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
    assert ask(running, "/_emulator/health/live") == 200
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


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
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
    assert ask(first, "/_emulator/health/ready") == 200


@posix_only
def test_a_killed_emulator_does_not_keep_its_folder(start: Start, tmp_path: Path) -> None:
    assert start("--data", str(tmp_path)).stop(signal.SIGKILL)[0] == -signal.SIGKILL
    assert ask(start("--data", str(tmp_path)), "/_emulator/health/ready") == 200


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


def ask(running: Running, path: str) -> int:
    with urllib.request.urlopen(running.endpoint + path, timeout=PATIENCE_SECONDS) as answer:
        return int(answer.status)


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
def test_without_the_option_requests_are_not_logged(start: Start) -> None:
    running = start("--ephemeral", "--quiet")
    assert ask(running, "/_emulator/health/live") == 200
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


# --- control commands
# -----------------------------------------------------------------------------------------


def test_version() -> None:
    ran = run("version")
    assert (ran.returncode, ran.stdout) == (0, f"custom-vision-emulator {__version__}\n")


def test_serve_help_names_every_option() -> None:
    text = run("serve", "--help", COLUMNS="200").stdout
    for one in options(Settings).values():
        assert one.flag in text
        assert one.variable in text


def test_health_and_reset_of_a_running_emulator(start: Start) -> None:
    running = start("--ephemeral", "--training-key", "mine")
    port = str(running.port)
    assert (run("health", "--port", port).stdout, run("health", "--port", port).returncode) == ("ready\n", 0)
    assert run("reset", "--yes", "--port", port, "--training-key", "mine").returncode == 0
    refused = run("reset", "--yes", "--port", port)
    assert refused.returncode == 1
    assert "--training-key" in refused.stderr


def test_health_without_an_emulator_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = str(closed_soon.getsockname()[1])
    ran = run("health", "--port", port)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"custom-vision-emulator: no emulator answers at 127.0.0.1:{port}: ")
    assert ran.stderr.count("\n") == 1


def test_health_says_which_check_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"status": "not ready", "checks": {"store": "ok", "disk": "full"}}).encode()
    monkeypatch.setattr(control, "call_emulator", lambda *_: (503, body))
    with pytest.raises(CommandFailed, match=r"^not ready: disk: full$"):
        control.check_health(Settings())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"checks": 3}', b"\xff"])
def test_a_body_that_is_no_health_response_has_no_failed_checks(body: bytes) -> None:
    assert control.failed_checks_in(body) == ""


def test_reset_does_nothing_without_a_confirmation() -> None:
    ran = run("reset")
    assert ran.returncode == 2
    assert "--yes" in ran.stderr


@pytest.mark.parametrize("command", ["env", "health"])
def test_port_zero_does_not_say_where_the_emulator_is(command: str) -> None:
    ran = run(command, "--port", "0")
    assert ran.returncode == 2
    assert "--port" in ran.stderr


@posix_only
def test_env_sets_the_variables_of_the_quickstarts_in_a_shell() -> None:
    odd = "a'b\"c$d`e\\f;g&h|i*"
    names = list(control.quickstart_variables(Settings()))
    shown = " ".join(f'"${name}"' for name in names)
    command = f'eval "$("$@")"; printf "%s\\n" {shown}'
    arguments = [*PROGRAM, "env", "--training-key", odd, "--port", "8080"]
    ran = subprocess.run(
        ["sh", "-c", command, "sh", *arguments],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=PATIENCE_SECONDS,
    )
    settings = replace(Settings(), training_keys=(odd, odd), port=8080)
    assert ran.stdout.splitlines() == list(control.quickstart_variables(settings).values())
    assert names == [
        "VISION_TRAINING_ENDPOINT",
        "VISION_TRAINING_KEY",
        "VISION_PREDICTION_ENDPOINT",
        "VISION_PREDICTION_KEY",
        "VISION_PREDICTION_RESOURCE_ID",
    ]


@pytest.mark.parametrize(
    ("shell", "line"),
    [("sh", "export N='it'\"'\"'s'"), ("powershell", "$env:N = 'it''s'"), ("cmd", 'set "N=it\'s"')],
)
def test_the_assignment_of_each_shell(shell: str, line: str) -> None:
    assert control.assignment(shell, "N", "it's") == line
