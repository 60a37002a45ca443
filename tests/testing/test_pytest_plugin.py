"""The pytest plugin, in sessions of pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.testing import EmulatorServer

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120
# The same with and without an installed plugin: no plugin is loaded but these.
PLUGINS = ["-p", "emulator.testing.pytest_plugin", "-p", "no:cacheprovider"]
Ran = subprocess.CompletedProcess[str]
Session = Callable[..., Ran]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Runs pytest on a file of tests, with warnings as errors."""

    def run(
        tests: str, *arguments: str, conftest: str = "", ini: str = ""
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_suite.py").write_text(tests)
        (tmp_path / "conftest.py").write_text(conftest)
        (tmp_path / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{ini}")
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-m", "pytest", *PLUGINS, "-rA", *arguments, str(tmp_path)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path},
            timeout=PATIENCE_SECONDS,
        )

    return run


def outcomes(ran: Ran) -> dict[str, int]:
    """The numbers in the last line of pytest's output."""
    found = re.findall(r"(\d+) (passed|failed|errors?|skipped)", ran.stdout.strip().splitlines()[-1])
    return {name.rstrip("s"): int(number) for number, name in found}


FLOW = """
import pytest

@pytest.mark.parametrize("number", range(4))
def test_one_is_empty(custom_vision, custom_vision_trainer, custom_vision_predictor, number):
    assert custom_vision_trainer.get_projects() == []
    custom_vision_trainer.create_project(f"project {number}")
    assert custom_vision_trainer.config.endpoint == custom_vision.endpoint
    assert custom_vision_predictor.config.endpoint == custom_vision.endpoint

def test_builders(custom_vision_project, custom_vision_trainer):
    project = custom_vision_project(tags={"red": 3, "blue": 2}, name="mine")
    assert custom_vision_trainer.get_project(project.id).name == "mine"
    assert {tag: len(ids) for tag, ids in project.images.items()} == {"red": 3, "blue": 2}
    found = custom_vision_project(tags=["circle"], detection=True, name="boxes")
    images = custom_vision_trainer.get_tagged_images(found.id, tag_ids=[found.tags["circle"]])
    assert [len(image.regions) for image in images] == [1] * 15
    assert project.image("red") != project.image("red", 1)

def test_controls(
    custom_vision, custom_vision_scripts, custom_vision_choreography, custom_vision_faults,
    custom_vision_clock, custom_vision_requests,
):
    control = custom_vision.control
    assert custom_vision_scripts is control.scripts
    assert custom_vision_choreography is control.choreography
    assert custom_vision_faults is control.faults
    assert custom_vision_clock is control.clock
    assert custom_vision_requests is control.requests
"""


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_each_test_starts_with_an_empty_emulator(session: Session, mode: str) -> None:
    ran = session(FLOW, "--custom-vision-mode", mode)
    assert outcomes(ran) == {"passed": 6}, ran.stdout


def test_each_worker_of_xdist_has_an_emulator(session: Session) -> None:
    one = """
def test_{number}(custom_vision, custom_vision_project, record_property):
    custom_vision_project(name="{number}")
    print("endpoint", custom_vision.endpoint)
"""
    tests = "".join(one.replace("{number}", str(number)) for number in range(6))
    ran = session(tests, "-p", "xdist.plugin", "-n", "2")
    assert outcomes(ran) == {"passed": 6}, ran.stdout
    assert len({*re.findall(r"^endpoint (\S+)", ran.stdout, re.MULTILINE)}) == 2


def test_nothing_starts_unless_a_fixture_is_used(session: Session) -> None:
    tests = "import sys\ndef test_nothing():\n    assert 'emulator.testing.server' not in sys.modules\n"
    assert outcomes(session(tests)) == {"passed": 1}


def test_settings_come_from_a_fixture_and_the_ini_file(session: Session) -> None:
    conftest = """
import pytest

@pytest.fixture(scope="session")
def custom_vision_settings():
    return {"training_key": "mine", "tier": "f0"}
"""
    tests = """
def test_settings(custom_vision):
    assert custom_vision.training_key == "mine"
    assert custom_vision.settings.tier == "f0"
    assert custom_vision.mode == "process"
"""
    ran = session(tests, conftest=conftest, ini="custom_vision_mode = process\n")
    assert outcomes(ran) == {"passed": 1}, ran.stdout


USES = "def test_uses(custom_vision):\n    pass\n"


def test_a_wrong_option_is_one_sentence(session: Session) -> None:
    ran = session(USES, "--custom-vision-mode", "fork")
    assert outcomes(ran) == {"error": 1}
    assert "the emulator did not start: mode: 'fork' must be one of thread, process" in ran.stdout
    assert "Traceback" not in ran.stdout
    assert "another exception" not in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--custom-vision-port", "abc"], "the emulator did not start: --port: 'abc' is not a whole number"),
        (
            ["--custom-vision-endpoint", "localhost:1"],
            "--custom-vision-endpoint: the endpoint 'localhost:1' must",
        ),
        (
            ["--custom-vision-endpoint", "http://127.0.0.1:1"],
            "the emulator cannot be used: no emulator answers at http://127.0.0.1:1: ",
        ),
    ],
)
def test_a_wrong_address_is_one_sentence(session: Session, arguments: list[str], message: str) -> None:
    ran = session(USES, *arguments)
    assert outcomes(ran) == {"error": 1}
    # The summary at the end repeats the message; with the variable CI, the whole of it.
    line = next(line for line in ran.stdout.splitlines() if message in line)
    assert line.startswith(message)
    assert "another" not in ran.stdout


def test_a_second_session_on_one_port_is_one_sentence(session: Session) -> None:
    with EmulatorServer() as server:
        port = server.port
        ran = session(USES, "--custom-vision-port", str(port))
    assert outcomes(ran) == {"error": 1}
    assert f"cannot listen on 127.0.0.1 port {port}" in ran.stdout
    assert "another session of pytest may use it" in ran.stdout
    assert "Traceback" not in ran.stdout
    assert "another exception" not in ran.stdout


def test_workers_cannot_share_a_port(session: Session) -> None:
    ran = session(USES, "--custom-vision-port", "1", "-p", "xdist.plugin", "-n", "2")
    assert outcomes(ran) == {"error": 1}
    assert "each of which has an emulator of its own" in ran.stdout


def test_an_emulator_that_runs_is_used_by_one_session_at_a_time(session: Session) -> None:
    with EmulatorServer(training_key="mine", prediction_key="theirs") as server:
        endpoint = server.endpoint
        running = ["--custom-vision-endpoint", endpoint, "--custom-vision-training-key", "mine"]
        running += ["--custom-vision-prediction-key", "theirs"]
        server.create_project(name="before")
        ran = session(FLOW, *running)
        assert outcomes(ran) == {"passed": 6}, ran.stdout
        ran = session(FLOW, *running, "-p", "xdist.plugin", "-n", "2")
        assert outcomes(ran)["passed"] + outcomes(ran)["error"] == 6
        assert "another session or worker of pytest uses the emulator" in ran.stdout
        server.control.reset()
    ran = session(USES, *running)
    assert outcomes(ran) == {"error": 1}
    assert f"no emulator answers at {endpoint}" in ran.stdout


def test_a_missing_sdk_is_a_failure_that_says_how_to_install_it(session: Session) -> None:
    conftest = "import sys\nsys.modules['azure.cognitiveservices.vision.customvision.training'] = None\n"
    ran = session("def test_uses(custom_vision_trainer):\n    pass\n", conftest=conftest)
    assert outcomes(ran) == {"error": 1}
    assert "pip install 'custom-vision-emulator[testing]'" in ran.stdout


CLOUD = """
import socket, pytest

def test_connects():
    socket.getaddrinfo("mine.cognitiveservices.azure.com", 443)

def test_hides_it():
    try:
        socket.getaddrinfo("www.customvision.ai", 443)
    except Exception:
        pass

def test_uses_the_emulator(custom_vision):
    pass
"""


@pytest.mark.parametrize(
    ("arguments", "ini"),
    [(["--forbid-azure"], ""), ([], "forbid_azure = true\n"), (["--forbid-azure", "-n2"], "")],
)
def test_connections_to_the_cloud_are_refused(session: Session, arguments: list[str], ini: str) -> None:
    more = ["-p", "xdist.plugin"] if "-n2" in arguments else []
    ran = session(CLOUD, *more, *arguments, ini=ini)
    assert outcomes(ran) == {"failed": 1, "passed": 2}, ran.stdout
    assert "AzureForbidden: a connection to the real Custom Vision service" in ran.stdout
    if not more:
        assert "test_suite.py::test_hides_it: www.customvision.ai" in ran.stdout


def test_without_the_option_nothing_is_guarded(session: Session) -> None:
    tests = "import socket\ndef test_it():\n    assert not hasattr(socket.getaddrinfo, '__wrapped__')\n"
    assert outcomes(session(tests)) == {"passed": 1}
