"""What importing `emulator.testing` and its plugin loads."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import emulator.testing

ROOT = Path(__file__).parents[2]


def loaded(code: str) -> set[str]:
    program = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return {*ran.stdout.split()}


def test_all_names_are_found() -> None:
    for name in emulator.testing.__all__:
        assert getattr(emulator.testing, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = emulator.testing.nothing  # type: ignore[attr-defined]


def test_pytest_is_not_needed() -> None:
    names = ", ".join(emulator.testing.__all__)
    loaded(f"sys.modules['pytest'] = sys.modules['_pytest'] = None\nfrom emulator.testing import {names}")


def test_the_plugin_loads_nothing_but_itself() -> None:
    found = loaded("import pytest; before = set(sys.modules); import emulator.testing.pytest_plugin")
    assert found == {"emulator", "emulator.testing", "emulator.testing.pytest_plugin"}


def test_the_plugin_is_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"custom_vision_emulator": "emulator.testing.pytest_plugin"}
