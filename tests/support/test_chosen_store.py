"""The store of a run can be chosen, and a part of the tests passes with each; ``make test-team`` has more."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import chosen_store

ROOT = Path(__file__).parents[2]
# What is stored, deleted and left behind, in this process and by a server that is killed.
PART = [
    "tests/core/test_blob_sweep.py",
    "tests/core/images/test_delete.py",
    "tests/faults/test_kills.py::test_confirmed_images_survive_a_kill_during_uploads",
]


@pytest.mark.slow
@pytest.mark.parametrize("blobs", ["azurite", "s3"])
def test_a_part_of_the_tests_passes_on_postgresql_with_an_object_store(
    blobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(chosen_store.ROWS, "postgresql")
    monkeypatch.setenv(chosen_store.BLOBS, blobs)
    reason = chosen_store.reason_against()
    if reason is not None:
        pytest.skip(reason)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "t", *PART],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^\d{2,} passed", ran.stdout, re.MULTILINE), ran.stdout


@pytest.mark.parametrize(
    ("rows", "blobs", "reason"),
    [
        ("mysql", "files", "EMULATOR_TEST_STORE must be sqlite or postgresql, not mysql"),
        ("sqlite", "ftp", "EMULATOR_TEST_BLOBS must be files, azurite or s3, not ftp"),
        ("sqlite", "s3", "EMULATOR_TEST_BLOBS=s3 needs EMULATOR_TEST_STORE=postgresql"),
    ],
)
def test_a_run_on_an_unknown_store_is_refused(
    rows: str, blobs: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(chosen_store.ROWS, rows)
    monkeypatch.setenv(chosen_store.BLOBS, blobs)
    assert chosen_store.reason_against() == reason
