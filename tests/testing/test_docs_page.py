"""The programs on the page about testing, and the files in docker/ that it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from emulator.settings import Settings
from emulator.settings.client_variables import quickstart_variables

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120
FILES = dict(
    re.findall(
        r"^<!-- run: (\S+) -->\n```\w+\n(.*?)^```$",
        (ROOT / "docs" / "testing.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)


def run(folder: Path, names: list[str], command: list[str]) -> subprocess.CompletedProcess[str]:
    for name in names:
        (folder / name).write_text(FILES[name], encoding="utf-8")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path},
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.parametrize(
    ("names", "passed"),
    [(["test_color.py"], 2), (["conftest.py", "test_pets.py"], 3), (["test_cases.py"], 1)],
)
def test_the_tests_of_the_page_pass(tmp_path: Path, names: list[str], passed: int) -> None:
    pytest_command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "emulator.testing.pytest_plugin"]
    ran = run(tmp_path, names, [*pytest_command, "."])
    assert f"{passed} passed" in ran.stdout, ran.stdout


def test_the_program_of_the_page_finds_the_objects(tmp_path: Path) -> None:
    ran = run(tmp_path, ["program.py"], [sys.executable, "-W", "error", "program.py"])
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert {line.split()[0] for line in lines[:2]} <= {"circle", "square"}
    assert lines[2] == f"1 {Settings().training_keys[0]}"


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is missing: get Node 20 from nodejs.org")
def test_the_tests_for_node_pass(tmp_path: Path) -> None:
    emulator = [sys.executable, "-m", "emulator", "exec", "--trainer", "instant", "--"]
    ran = run(tmp_path, ["emulator.test.mjs"], [*emulator, "node", "--test"])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^. pass 1$", ran.stdout, re.MULTILINE), ran.stdout


def test_every_program_of_the_page_is_run() -> None:
    assert {*FILES} == {
        "test_color.py",
        "conftest.py",
        "test_pets.py",
        "test_cases.py",
        "program.py",
        "emulator.test.mjs",
    }


def test_the_variables_of_the_files_for_containers_are_those_of_the_quickstarts() -> None:
    docker = ROOT / "docker"
    compose = yaml.safe_load((docker / "compose.tests.yaml").read_text(encoding="utf-8"))
    workflow = yaml.safe_load((docker / "github-actions.yaml").read_text(encoding="utf-8"))
    feature = json.loads((docker / "devcontainer-feature" / "devcontainer-feature.json").read_text("utf-8"))
    assert workflow["jobs"]["service"]["env"] == feature["containerEnv"] == quickstart_variables(Settings())
    service = Settings(public_url="http://custom-vision-emulator:10010")
    assert compose["services"]["tests"]["environment"] == quickstart_variables(service)


@pytest.mark.skipif(os.name != "posix", reason="the script is for a POSIX shell")
def test_the_script_of_the_feature_is_valid() -> None:
    script = ROOT / "docker" / "devcontainer-feature" / "install.sh"
    assert subprocess.run(["sh", "-n", str(script)]).returncode == 0
    assert os.access(script, os.X_OK)
