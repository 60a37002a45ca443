"""The commands `resources add`, `list`, `rotate` and others, against a running emulator."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.support.program import Start, run


def test_resources_from_the_command_line(start: Start) -> None:
    port = str(start("--ephemeral").port)

    def resources(*arguments: str) -> str:
        ran = run("resources", *arguments, "--port", port)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout

    def projects(key: str) -> int:
        address = f"http://127.0.0.1:{port}/customvision/v3.3/training/projects"
        return httpx.get(address, headers={"Training-Key": key}, trust_env=False).status_code

    added = resources("add", "line-1", "--resource-tier", "F0")
    assert added.startswith("line-1  tier f0\n")
    assert added.endswith("/accounts/line-1-Prediction\n")
    keys = dict(re.findall(r"^(\w+ key \w+) +(\w{32})$", added, re.MULTILINE))
    assert list(keys) == ["training key 1", "training key 2", "prediction key 1", "prediction key 2"]
    assert projects(keys["training key 1"]) == 200

    new = resources("rotate", "line-1", "training", "1").split()[-1]
    assert [projects(keys[f"training key {number}"]) for number in "12"] == [401, 200]
    anna = resources("add-key", "anna", "labeler")
    assert re.fullmatch(r"Labeler key anna +\w{32}\n", anna)
    assert [projects(key) for key in (new, anna.split()[-1])] == [200, 200]

    lines = resources("list").splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [
        "default  tier unlimited, 0 projects",
        "line-1  tier f0, 0 projects",
    ]
    assert sum("key" in line for line in lines) == 5
    assert resources("remove-key", "anna") == "anna is removed\n"
    assert resources("remove", "line-1", "--yes") == "line-1 is removed\n"
    assert [projects(key) for key in (new, anna.split()[-1])] == [401, 401]
    assert resources("list") == "default  tier unlimited, 0 projects\n"


def test_keys_in_files_are_not_printed(start: Start, tmp_path: Path) -> None:
    port = str(start("--ephemeral").port)
    keys, key = tmp_path / "keys", tmp_path / "key"
    keys.write_text("# of the line\ntraining-key=given-training-key-1,given-training-key-2\n")
    key.write_text("given-key-of-anna\n")
    added = run("resources", "add", "line", "--new-keys", str(keys), "--port", port)
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout.count("as given") == 2
    assert "given-training" not in added.stdout
    role = run("resources", "add-key", "anna", "Reader", "--new-key", str(key), "--port", port)
    assert (role.returncode, role.stderr) == (0, "")
    assert re.fullmatch(r"Reader key anna +as given\n", role.stdout)
    address = f"http://127.0.0.1:{port}/customvision/v3.3/training/projects"
    for one in ("given-training-key-2", "given-key-of-anna"):
        assert httpx.get(address, headers={"Training-Key": one}, trust_env=False).status_code == 200
    missing = run("resources", "add", "line-2", "--new-keys", str(tmp_path / "none"), "--port", port)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "--new-keys: cannot read" in missing.stderr


@pytest.mark.parametrize(
    ("command", "text", "reason"),
    [
        ("--new-keys", "", "has no key"),
        ("--new-keys", "training-key=secret-number-one-1\ntraining-key=secret-number-two-2\n", "line 2"),
        ("--new-key", " \n", "has no key"),
        ("--new-key", "training-key=secret-number-one-1\n", "nothing but the key"),
        ("--new-key", "a" * 5000, "more than 4096 bytes"),
    ],
)
def test_files_without_the_keys_are_refused(tmp_path: Path, command: str, text: str, reason: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    arguments = ("add", "line") if command == "--new-keys" else ("add-key", "anna", "Reader")
    # No emulator is asked: port 9 has none.
    ran = run("resources", *arguments, command, str(file), "--port", "9")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert reason in ran.stderr
    assert "secret" not in ran.stderr


def test_a_refusal_is_one_line(start: Start) -> None:
    port = str(start("--ephemeral").port)
    ran = run("resources", "add", "Line", "--port", port)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("custom-vision-emulator: The name of a resource has 2 to 64")
    assert len(ran.stderr.splitlines()) == 1
