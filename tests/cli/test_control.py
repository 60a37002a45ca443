"""The control commands: env, health, reset, version."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import replace

import pytest

from emulator import __version__
from emulator.cli import control
from emulator.cli.errors import CommandFailed
from emulator.settings import Settings
from emulator.settings.client_variables import quickstart_variables
from emulator.settings.option_fields import options
from tests.support.program import (
    PATIENCE_SECONDS,
    PROGRAM,
    Start,
    clean_environment,
    posix_only,
    run,
)


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
    names = list(quickstart_variables(Settings()))
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
    assert ran.stdout.splitlines() == list(quickstart_variables(settings).values())
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


def test_a_mistyped_command_names_the_similar_one() -> None:
    refused = run("serv")
    assert refused.returncode == 2
    assert "No such command 'serv'. Did you mean 'serve'?" in refused.stderr
