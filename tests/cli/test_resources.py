"""The commands `resources add`, `list`, `rotate` and others, against a running emulator."""

from __future__ import annotations

import re

import httpx

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


def test_a_refusal_is_one_line(start: Start) -> None:
    port = str(start("--ephemeral").port)
    ran = run("resources", "add", "Line", "--port", port)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("custom-vision-emulator: The name of a resource has 2 to 64")
    assert len(ran.stderr.splitlines()) == 1
