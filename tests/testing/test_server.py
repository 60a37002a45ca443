"""Emulators of test suites."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.settings import Settings
from emulator.settings.client_variables import quickstart_variables
from emulator.testing import EmulatorServer, RunningEmulator, SettingError, StartRefused
from emulator.testing.server import make_settings
from tests.support.harness import PATIENCE_SECONDS, wait_until
from tests.support.program import posix_only

MODES = ("thread", "process")


@pytest.fixture(autouse=True)
def nothing_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test leaves no thread, no temporary file and no open socket."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    before = {*threading.enumerate()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()
    assert {*threading.enumerate()} - before == set()
    assert list(folder.iterdir()) == []


@pytest.fixture(params=MODES)
def server(request: pytest.FixtureRequest) -> Iterator[EmulatorServer]:
    with EmulatorServer(mode=request.param) as server:
        yield server


def test_a_server_has_what_clients_need(server: EmulatorServer) -> None:
    assert server.endpoint == f"http://127.0.0.1:{server.port}"
    settings = Settings(port=server.port)
    assert server.environment().items() >= quickstart_variables(settings).items()
    assert server.training_key == settings.training_keys[0]
    assert server.prediction_key == settings.prediction_keys[0]
    assert server.prediction_resource_id == settings.prediction_resource_id
    server.create_project({"red": 1}, name="one")
    client = server.training_client()
    assert [project.name for project in client.get_projects()] == ["one"]
    client.close()
    server.control.reset()
    assert server.control.client.send("GET", "/customvision/v3.3/training/projects") == []


@pytest.mark.parametrize("mode", MODES)
def test_clients_of_a_server_with_https_trust_it(mode: Any, tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    with EmulatorServer(mode=mode, https="auto", https_authority=str(folder)) as server:
        assert server.endpoint == f"https://127.0.0.1:{server.port}"
        server.create_project({"red": 1}, name="one")
        client = server.training_client()
        assert [project.name for project in client.get_projects()] == ["one"]
        client.close()
        authority = folder / "authority.pem"
        assert server.environment()["NODE_EXTRA_CA_CERTS"] == str(authority)
        idle = httpx.Client(verify=ssl.create_default_context(cafile=authority))
        assert idle.get(server.endpoint).status_code == 200
    idle.close()


def test_several_servers_run_at_once() -> None:
    with EmulatorServer() as first, EmulatorServer(mode="process") as second, EmulatorServer() as third:
        servers = (first, second, third)
        assert len({one.port for one in servers}) == 3
        for number, one in enumerate(servers):
            one.create_project({}, name=f"project {number}")
        for number, one in enumerate(servers):
            projects = one.control.client.send("GET", "/customvision/v3.3/training/projects")
            assert [project["name"] for project in projects] == [f"project {number}"]


def test_it_is_an_asynchronous_context_manager() -> None:
    async def use() -> int:
        async with EmulatorServer() as server, EmulatorServer(mode="process") as other:
            server.control.reset()
            other.control.reset()
            return server.port

    port = asyncio.run(use())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("mode", MODES)
def test_a_port_in_use_is_a_clear_sentence(mode: Any) -> None:
    with EmulatorServer() as first:
        second = EmulatorServer(port=first.port, mode=mode)
        with pytest.raises(StartRefused, match=f"cannot listen on 127.0.0.1 port {first.port}"):
            second.start()
        second.stop()


@pytest.mark.parametrize("mode", MODES)
def test_a_server_starts_again_after_its_stop(mode: Any) -> None:
    server = EmulatorServer(mode=mode)
    for _ in range(2):
        with server:
            server.control.reset()
            with pytest.raises(RuntimeError, match="runs already"):
                server.start()
        with pytest.raises(RuntimeError, match="does not run"):
            _ = server.endpoint
    server.stop()


@pytest.mark.parametrize("mode", MODES)
def test_options_have_the_names_of_their_flags(mode: Any) -> None:
    options: dict[str, Any] = {
        "training_key": "mine,other",
        "prediction_key": "theirs",
        "multi_service": True,
    }
    with EmulatorServer(mode=mode, tier="f0", **options) as server:
        assert (server.training_key, server.prediction_key) == ("mine", "theirs")
        server.control.reset()
        assert server.environment()["VISION_TRAINING_KEY"] == "mine"
        running = RunningEmulator(server.endpoint, training_key="other", prediction_key="theirs")
        running.control.reset()
        assert running.environment() == server.environment() | {
            "VISION_TRAINING_KEY": "other",
            "CUSTOM_VISION_TRAINING_KEY": "other",
            "CUSTOMVISION_TRAINING_KEY": "other",
            "AZURE_CUSTOMVISION_TRAINING_API_KEY": "other",
            "CUSTOM_VISION_EMULATOR_TRAINING_KEY": "other,other",
            "CUSTOM_VISION_EMULATOR_PREDICTION_KEY": "theirs,theirs",
        }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"no_such_option": 1}, "no_such_option: the emulator has no such option"),
        ({"tier": "f9"}, "--tier: 'f9'"),
        ({"port": 70000}, "--port: '70000'"),
        ({"mode": "fork"}, "mode: 'fork' must be one of thread, process"),
        ({"max_body_mb": 1.5}, "--max-body-mb: '1.5' is not a whole number"),
        ({"port": True}, "port: True is not a value of this option"),
        ({"tier": ["f0"]}, r"tier: \['f0'\] is not a value of this option"),
        ({"role_assignment": ["Reader"]}, "--role-assignment: 'Reader'"),
        ({"role_assignment": [1]}, r"role_assignment: \[1\] is not a value of this option"),
    ],
)
def test_an_option_that_is_not_allowed_is_a_clear_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        EmulatorServer(**options)


def test_options_are_read_as_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOM_VISION_EMULATOR_TIER", "s0")
    made = make_settings(max_body_mb=8, url_allow=("10.0.0.1",), quiet=True)
    assert (made.max_body_mb, made.url_allow, made.quiet, made.tier) == (8, ("10.0.0.1",), True, "unlimited")
    assert made.ephemeral
    assert not make_settings(data=tmp_path).ephemeral
    assert make_settings(data=str(tmp_path)).data == tmp_path
    assert make_settings(role_assignment=["me=Reader", "*=Trainer"]).role_assignments == (
        ("me", "Reader"),
        ("*", "Trainer"),
    )
    assert make_settings(tier=None, id_seed=None) == make_settings()


def test_clients_of_the_sdk_are_configured(server: EmulatorServer) -> None:
    client = server.training_client(retry_policy__retries=0)
    assert client.config.retry_policy.retries == 0
    client.close()
    for name in ("retry_policy__retris", "retry_polcy__retries"):
        with pytest.raises(TypeError, match=f"has no {name.replace('__', '.')}"):
            server.prediction_client(**{name: 0})


def test_clients_of_the_sdk_retry_as_they_do_without_the_emulator(server: EmulatorServer) -> None:
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from msrest.authentication import ApiKeyCredentials
    from msrest.universal_http.requests import ClientRetryPolicy

    client = CustomVisionTrainingClient(server.endpoint, ApiKeyCredentials(in_headers={"key": "value"}))
    with server.training_client() as ours, client as theirs:
        expected = theirs.config.retry_policy.policy.status_forcelist
        assert ours.config.retry_policy.policy.status_forcelist == expected
    assert isinstance(ClientRetryPolicy.safe_codes, list)


PROGRAM = (
    "import os, sys, time\n"
    "from emulator.testing import EmulatorServer\n"
    "server = EmulatorServer(mode='process').start()\n"
    "print(server._server._process.pid, flush=True)\n"
    "time.sleep(600)\n"
)


@posix_only
def test_a_server_process_ends_with_the_process_that_started_it() -> None:
    tests = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert tests.stdout is not None
    with tests.stdout:
        pid = int(tests.stdout.readline())
    tests.send_signal(signal.SIGKILL)
    tests.wait(PATIENCE_SECONDS)

    def has_ended() -> bool:
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            return False
        return True

    wait_until(has_ended, "the end of the server's process")


def test_an_emulator_that_does_not_answer_is_a_clear_sentence() -> None:
    from emulator.testing import EmulatorError

    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    with pytest.raises(EmulatorError, match=f"no emulator answers at http://127.0.0.1:{port}"):
        RunningEmulator(f"http://127.0.0.1:{port}").control.reset()


def test_a_refused_request_has_code_and_message(server: EmulatorServer) -> None:
    from emulator.testing import EmulatorError

    with pytest.raises(EmulatorError) as refused:
        server.control.client.send("POST", "/customvision/v3.3/training/projects", name="")
    assert (refused.value.status, refused.value.code) == (400, "BadRequestRequiredParamIsNull")
    assert refused.value.message in str(refused.value)
    with pytest.raises(EmulatorError, match="401"):
        RunningEmulator(server.endpoint, training_key="wrong").control.reset()
