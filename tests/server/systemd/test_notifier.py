"""The service of systemd: messages of the server, unit files, and the command that writes them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.server.systemd.notifier import Notifier
from emulator.server.systemd.unit_files import Service, environment_file, unit_files
from tests.conftest import Serve
from tests.support.program import posix_only, run

PATIENCE_SECONDS = 300


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket to which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(str(tmp_path / "notify"))
        opened.settimeout(PATIENCE_SECONDS)
        yield opened


def received(manager: socket.socket) -> list[bytes]:
    """The messages that have arrived."""
    found = []
    manager.setblocking(False)
    try:
        while True:
            found.append(manager.recv(100))
    except BlockingIOError:
        return found
    finally:
        manager.settimeout(PATIENCE_SECONDS)


@posix_only
def test_a_server_reports_that_it_is_ready_alive_and_stopping(
    serve: Serve, manager: socket.socket, tmp_path: Path
) -> None:
    variables = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    server = serve(environment=variables)
    assert [manager.recv(100) for _ in range(4)] == [b"READY=1", *[b"WATCHDOG=1"] * 3]
    # A server that does not work any more sends nothing, so that systemd ends it.
    os.kill(server.pid, signal.SIGSTOP)
    received(manager)
    manager.settimeout(1.0)
    with pytest.raises(TimeoutError):
        manager.recv(100)
    os.kill(server.pid, signal.SIGCONT)
    manager.settimeout(PATIENCE_SECONDS)
    assert manager.recv(100) == b"WATCHDOG=1"
    assert server.terminate() == 0
    assert received(manager)[-1] == b"STOPPING=1"


@posix_only
def test_messages_are_sent_in_half_of_the_time_and_variables_are_taken(
    manager: socket.socket, tmp_path: Path
) -> None:
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000", "HOME": "/"}
    notifier = Notifier(environment)
    assert environment == {"HOME": "/"}
    for now in (0.0, 14.9, 15.0, 15.1, 30.0):
        notifier.alive(now)
    assert received(manager) == [b"WATCHDOG=1"] * 3


@posix_only
def test_an_abstract_socket_and_a_missing_one(tmp_path: Path) -> None:
    name = f"emulator-test-{os.getpid()}"
    if os.uname().sysname == "Linux":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
            opened.bind(f"\0{name}")
            Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
            opened.settimeout(PATIENCE_SECONDS)
            assert opened.recv(100) == b"READY=1"
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "absent")}).ready()
    Notifier({}).ready()


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_nothing_is_sent(environment: dict[str, str]) -> None:
    assert Notifier(environment).watchdog_seconds is None


# --- unit files -------------------------------------------------------------------------------------------


def service_of(folder: Path) -> Service:
    program = folder / "a program of 100%"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return Service(
        program=[str(program), "$HOME"],
        user="root",
        data=folder / "data of 50%",
        environment=folder / "options.conf",
        writable=[folder / "logs"],
        backups=folder / "backups",
        keep=14,
        gpu=False,
    )


def test_systemd_accepts_the_unit_files(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is missing: it is in the package systemd")
    names = []
    for name, text in unit_files(service_of(tmp_path)).items():
        (tmp_path / name).write_text(text)
        names.append(str(tmp_path / name))
    verified = subprocess.run(
        [program, "verify", "--man=no", *names], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    ours = [line for line in verified.stderr.splitlines() if "custom-vision-emulator" in line]
    assert (ours, verified.returncode) == ([], 0), verified.stderr


def test_systemd_calls_the_exposure_of_the_service_low(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    path = tmp_path / "custom-vision-emulator.service"
    path.write_text(unit_files(service_of(tmp_path))[path.name])
    command = [program or "", "security", "--offline=yes", "--no-pager", "--threshold=25", str(path)]
    if program is None or b"--offline" not in subprocess.run([program, "--help"], capture_output=True).stdout:
        pytest.skip("systemd-analyze of systemd 250 or newer is missing: it is in the package systemd")
    rated = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert rated.returncode == 0, rated.stdout.splitlines()[-1]


def test_the_units_have_what_a_service_for_months_needs(tmp_path: Path) -> None:
    files = unit_files(service_of(tmp_path))
    assert [name.partition("emulator")[2] for name in files] == [
        ".service",
        "-backup.service",
        "-backup.timer",
    ]
    text = files["custom-vision-emulator.service"]
    for line in (
        "Type=notify",
        "WatchdogSec=30",
        "Restart=always",
        "MemoryMax=80%",
        "OOMPolicy=continue",
        "LimitNOFILE=65536",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateDevices=yes",
        f'ReadWritePaths="{tmp_path}/data of 50%%"',
    ):
        assert f"\n{line}\n" in text
    gpu = unit_files(service_of(tmp_path)._replace(gpu=True, backups=None))
    assert list(gpu) == ["custom-vision-emulator.service"]
    assert "PrivateDevices" not in gpu["custom-vision-emulator.service"]


def test_values_of_the_environment_file_are_quoted() -> None:
    assert environment_file({"B": 'a "b" \\c', "A": "1"}).splitlines()[1:] == ['A="1"', 'B="a \\"b\\" \\\\c"']


def test_install_writes_units_and_options_with_the_profile_factory(tmp_path: Path) -> None:
    units, environment = tmp_path / "units", tmp_path / "etc" / "emulator.conf"
    arguments = ["--units", str(units), "--environment", str(environment), "--user", "someone"]
    data, logs = tmp_path / "data", tmp_path / "the logs"
    (tmp_path / "images").mkdir()
    installed = run(
        "service", "install", *arguments, "--backups", str(tmp_path / "backups"),
        "--data", os.path.relpath(data), "--log-file", os.path.relpath(logs / "emulator.log"),
        "--url-map", f"http://c={os.path.relpath(tmp_path / 'images')}",
        "--training-key", "secret-key", "--most-predictions", "5", "--cors-origin", "http://a",
        "--cors-origin", "http://b",
    )  # fmt: skip
    assert (installed.returncode, installed.stderr) == (0, "")
    assert "secret-key" not in installed.stdout
    assert "useradd" in installed.stdout
    assert f"-o someone {data} '{logs}' {tmp_path / 'backups'}" in installed.stdout
    lines = environment.read_text().splitlines()
    for line in ("PROFILE=\"factory\"", f"DATA=\"{data}\"", "TRAINING_KEY=\"secret-key\"", "QUIET=\"on\"",
                 "CORS_ORIGIN=\"http://a,http://b\"", "MOST_PREDICTIONS=\"5\"",
                 f"LOG_FILE=\"{logs / 'emulator.log'}\"",
                 f"URL_MAP=\"http://c={tmp_path / 'images'}\""):  # fmt: skip
        assert f"CUSTOM_VISION_EMULATOR_{line}" in lines
    if os.name != "nt":
        assert stat.S_IMODE(environment.stat().st_mode) == 0o600
    unit = (units / "custom-vision-emulator.service").read_text()
    assert "User=someone" in unit
    assert f'ReadWritePaths="{data}"\nReadWritePaths="{logs}"\n' in unit
    printed = run("service", "install", *arguments, "--print", "--profile", "factory")
    assert printed.stdout.startswith(f"# {units}/custom-vision-emulator.service\n")
    # The log of the profile is in the data folder of the service, which is writable already.
    assert printed.stdout.count("ReadWritePaths=") == 1
    assert 'ReadWritePaths="/var/lib/custom-vision-emulator"' in printed.stdout
    refused = run("service", "install", *arguments[2:], "--units", str(environment))
    assert (refused.returncode, "cannot write" in refused.stderr) == (1, True)
