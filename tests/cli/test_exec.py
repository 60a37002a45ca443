"""`custom-vision-emulator exec -- COMMAND`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from emulator.settings import Settings
from emulator.settings.client_variables import quickstart_variables
from tests.support.harness import PATIENCE_SECONDS, wait_until
from tests.support.program import PROGRAM, clean_environment, posix_only, run

PYTHON = sys.executable


def run_exec(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("exec", *arguments, **environment)


@pytest.fixture
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files of the processes that the test starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("TEMP", str(folder))
    return folder


PRINT_VARIABLES = "import json, os, sys; json.dump(dict(os.environ), sys.stdout)"
SAMPLES = {
    "CUSTOM_VISION_TRAINING_KEY": "VISION_TRAINING_KEY",
    "CUSTOM_VISION_PREDICTION_KEY": "VISION_PREDICTION_KEY",
    "CUSTOMVISION_TRAINING_KEY": "VISION_TRAINING_KEY",
    "CUSTOMVISION_PREDICTION_KEY": "VISION_PREDICTION_KEY",
    "CUSTOMVISION_PREDICTION_ID": "VISION_PREDICTION_RESOURCE_ID",
    "AZURE_CUSTOMVISION_TRAINING_API_KEY": "VISION_TRAINING_KEY",
    "AZURE_CUSTOMVISION_PREDICTION_API_KEY": "VISION_PREDICTION_KEY",
}


def test_the_command_gets_the_variables_of_the_quickstarts_and_samples() -> None:
    ran = run_exec("--training-key", "mine,other", "--", PYTHON, "-c", PRINT_VARIABLES, KEPT="yes")
    assert (ran.returncode, ran.stderr) == (0, "")
    variables = json.loads(ran.stdout)
    assert variables["KEPT"] == "yes"
    expected = quickstart_variables(Settings(training_keys=("mine", "other")))
    endpoint = variables["VISION_TRAINING_ENDPOINT"]
    for name in ("VISION_TRAINING_ENDPOINT", "VISION_PREDICTION_ENDPOINT"):
        expected[name] = endpoint
    assert {name: variables[name] for name in expected} == expected
    assert endpoint == f"http://127.0.0.1:{variables['CUSTOM_VISION_EMULATOR_PORT']}"
    assert {name: variables[name] for name in SAMPLES} == {
        name: variables[same] for name, same in SAMPLES.items()
    }


def test_commands_of_the_emulator_within_reach_it() -> None:
    ran = run_exec("--training-key", "mine", "--", *PROGRAM, "reset", "--yes")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "everything is deleted\n", "")


def test_the_emulator_is_ready_when_the_command_starts_and_gone_afterwards(temporary_files: Path) -> None:
    code = (
        "import os, urllib.request as request; from pathlib import Path\n"
        "address = os.environ['VISION_TRAINING_ENDPOINT'] + '/_emulator/health/ready'\n"
        "print(request.build_opener(request.ProxyHandler({})).open(address).status)\n"
        "print(len(list(Path(os.environ['FOLDER']).iterdir())))\n"
        "print(os.environ['CUSTOM_VISION_EMULATOR_PORT'])"
    )
    ran = run_exec("--", PYTHON, "-c", code, FOLDER=str(temporary_files))
    assert (ran.returncode, ran.stderr) == (0, "")
    status, folders, port = ran.stdout.split()
    assert (status, folders) == ("200", "1")
    assert list(temporary_files.iterdir()) == []
    assert run("health", "--port", port).returncode == 1


def test_variables_of_another_emulator_do_not_apply(tmp_path: Path, live_port: int) -> None:
    data = tmp_path / "data"
    ran = run_exec(
        "--",
        PYTHON,
        "-c",
        PRINT_VARIABLES,
        CUSTOM_VISION_EMULATOR_PORT=str(live_port),
        CUSTOM_VISION_EMULATOR_DATA=str(data),
    )
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["CUSTOM_VISION_EMULATOR_PORT"] != str(live_port)
    assert not data.exists()


@pytest.fixture
def live_port() -> Iterator[int]:
    """A port that is in use."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_in_use_is_one_sentence_and_the_command_does_not_run(live_port: int) -> None:
    ran = run_exec("--port", str(live_port), "--", PYTHON, "-c", "print('ran')")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1 port {live_port}" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_the_exit_status_is_that_of_the_command(status: int) -> None:
    assert run_exec("--", PYTHON, "-c", f"raise SystemExit({status})").returncode == status


def test_standard_streams_are_those_of_the_command() -> None:
    code = "import sys; print(sys.stdin.read()); print('error', file=sys.stderr)"
    ran = subprocess.run(
        [*PROGRAM, "exec", "--", PYTHON, "-c", code],
        input="typed",
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=PATIENCE_SECONDS,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "typed\n", "error\n")


def test_arguments_that_look_like_options_are_those_of_the_command() -> None:
    ran = run_exec("--", PYTHON, "-c", "import sys; print(sys.argv[1:])", "--port", "x", "--", "-h")
    assert ran.stdout == "['--port', 'x', '--', '-h']\n"


def test_a_command_that_is_not_there_is_one_sentence() -> None:
    ran = run_exec("--", "no-such-command")
    assert (ran.returncode, ran.stdout) == (127, "")
    assert ran.stderr == "custom-vision-emulator: exec: the command 'no-such-command' was not found\n"


@posix_only
def test_a_file_that_is_not_executable_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.touch()
    ran = run_exec("--", str(file))
    assert (ran.returncode, ran.stdout) == (126, "")
    assert ran.stderr == f"custom-vision-emulator: exec: the command {str(file)!r} is not executable\n"


@posix_only
def test_a_program_that_the_system_cannot_run_is_one_sentence(tmp_path: Path, temporary_files: Path) -> None:
    file = tmp_path / "program"
    file.write_text("#!/no/such/interpreter\n")
    file.chmod(0o755)
    ran = run_exec("--", str(file))
    assert (ran.returncode, ran.stdout) == (126, "")
    assert ran.stderr.startswith(f"custom-vision-emulator: exec: cannot run {str(file)!r}: ")
    assert ran.stderr.count("\n") == 1
    assert list(temporary_files.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["--"], ["true"], ["--port", "0", "true"]])
def test_without_a_command_after_dashes_the_usage_is_printed(arguments: list[str]) -> None:
    ran = run_exec(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "exec [OPTIONS] -- COMMAND [ARGUMENTS]" in ran.stderr
    assert "give the command after --" in ran.stderr


def test_a_data_folder_is_refused(tmp_path: Path) -> None:
    ran = run_exec("--data", str(tmp_path), "--", PYTHON, "-c", "print('ran')")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--data" in ran.stderr


REQUEST = (
    "import os, sys, urllib.request as request\n"
    "opener = request.build_opener(request.ProxyHandler({}))\n"
    "path = '/customvision/v3.3/training/projects'\n"
    "sent = request.Request(os.environ['VISION_TRAINING_ENDPOINT'] + path)\n"
    "sent.add_header('Training-Key', os.environ['VISION_TRAINING_KEY'])\n"
    "opener.open(sent).read()\n"
    "sys.exit(int(sys.argv[1]))"
)


def test_the_requests_of_a_command_that_failed_are_printed() -> None:
    failed = run_exec("--", PYTHON, "-c", REQUEST, "3")
    assert (failed.returncode, failed.stdout) == (3, "")
    first, second = failed.stderr.splitlines()
    assert first == "custom-vision-emulator: the command failed; requests: 1, shown: 1"
    assert " GET /customvision/v3.3/training/projects 200 " in second
    assert run_exec("--", PYTHON, "-c", REQUEST, "0").stderr == ""


@posix_only
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&- <&-", "2>/dev/full"])
def test_the_exit_status_is_the_commands_whatever_happens_to_the_output(closed: str) -> None:
    if "/dev/full" in closed and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    arguments = shlex.join([*PROGRAM, "exec", "--", PYTHON, "-c", REQUEST, "3"])
    ran = subprocess.run(
        ["/bin/sh", "-c", f"{arguments} {closed}"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (3, "")


def test_without_a_request_log_a_command_that_failed_has_the_last_word() -> None:
    ran = run_exec("--request-log", "0", "--", PYTHON, "-c", REQUEST, "3")
    assert (ran.returncode, ran.stderr) == (3, "")


# --- signals ------------------------------------------------------------------------------------------------

WAIT = (
    "import os, signal, sys, time\n"
    "def note(number, frame):\n"
    "    print(f'received {signal.Signals(number).name}', flush=True)\n"
    "    raise SystemExit(5)\n"
    "for one in (signal.SIGINT, signal.SIGTERM):\n"
    "    signal.signal(one, note)\n"
    "print(os.getpid(), flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture(autouse=True)
def sigint_is_not_ignored() -> Iterator[None]:
    """Programs that a shell starts in the background ignore SIGINT, and their child processes too."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


class Running:
    """`exec` with a command that prints its process id first."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "exec", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        assert self.process.stdout is not None
        self.pid = int(self.process.stdout.readline())

    def end(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, output, errors


def is_running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@posix_only
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_goes_to_the_command_whose_status_is_passed_on(name: str, temporary_files: Path) -> None:
    running = Running(PYTHON, "-c", WAIT)
    running.process.send_signal(getattr(signal, name))
    assert running.end() == (5, f"received {name}\n", "")
    assert not is_running(running.pid)
    assert list(temporary_files.iterdir()) == []


@posix_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_a_signal_ends_has_the_status_of_shells(number: signal.Signals) -> None:
    running = Running(PYTHON, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    os.kill(running.pid, number)
    assert running.end()[0] == 128 + number


@posix_only
def test_processes_that_the_command_started_receive_the_signal_too(temporary_files: Path) -> None:
    running = Running("sh", "-c", "sleep 600 & echo $!; wait; true")
    running.process.send_signal(signal.SIGTERM)
    assert running.end()[0] == 128 + signal.SIGTERM
    wait_until(lambda: not is_running(running.pid), "the end of the process that the command started")
    assert list(temporary_files.iterdir()) == []


@posix_only
def test_in_a_terminal_ctrl_c_reaches_the_command_once(temporary_files: Path) -> None:
    import pty

    # The child is the leader of a session whose terminal is the other end of `terminal`.
    child, terminal = pty.fork()
    if child == 0:
        os.execve(PROGRAM[0], [*PROGRAM, "exec", "--", PYTHON, "-c", WAIT], clean_environment())
    received = b""
    while not received.endswith(b"\n"):  # the process id of the command
        received += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    with suppress(OSError):  # the end of the session
        while data := os.read(terminal, 1024):
            received += data
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 5
    assert received.count(b"received SIGINT") == 1
    assert list(temporary_files.iterdir()) == []
