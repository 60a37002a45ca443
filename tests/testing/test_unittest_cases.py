"""Test cases of `unittest`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = """
import unittest
from emulator.testing import AsyncEmulatorTestCase, EmulatorTestCase

class Plain(EmulatorTestCase):
    emulator_options = {"id_seed": 7}

    def test_one(self):
        self.create_project(name="only one")
        self.assertEqual([one.name for one in self.training_client().get_projects()], ["only one"])

    def test_two(self):
        self.test_one()

class Concurrent(AsyncEmulatorTestCase):
    async def test_one(self):
        self.assertEqual(self.control.client.send("GET", "/customvision/v3.3/training/projects"), [])
        self.emulator.create_project()
        self.prediction_client()

    async def test_two(self):
        await self.test_one()
"""


def test_each_class_has_an_emulator_and_each_test_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-W", "error", "-m", "unittest", "discover", "-s", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 4 tests" in ran.stderr
    assert "Warning" not in ran.stderr
