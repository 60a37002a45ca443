"""Where the tests write their temporary files."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.support import memory_folder


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "")  # so that the former value returns, also none
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_files_are_in_memory_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_folder, "_MEMORY_FILES", tmp_path)
    monkeypatch.setattr(memory_folder, "_free_bytes", lambda: memory_folder._ROOM)
    folder = memory_folder.use_memory_folder()
    assert folder is not None
    assert folder.parent == tmp_path
    assert tempfile.gettempdir() == str(folder)


def test_nothing_changes_where_memory_is_scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_folder, "_free_bytes", lambda: memory_folder._ROOM - 1)
    assert memory_folder.use_memory_folder() is None


def test_a_system_without_files_in_memory_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_folder, "_MEMORY_FILES", tmp_path / "missing")
    assert memory_folder.use_memory_folder() is None


def test_a_folder_that_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert memory_folder.use_memory_folder() is None


def test_folders_of_ended_processes_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_folder, "_MEMORY_FILES", tmp_path)
    monkeypatch.setattr(memory_folder, "_PROCESSES", tmp_path / "processes")
    monkeypatch.setattr(memory_folder, "_free_bytes", lambda: memory_folder._ROOM)
    (tmp_path / "processes" / "17").mkdir(parents=True)
    for number in (16, 17):
        (tmp_path / f"tests-{number}" / "failed").mkdir(parents=True)
    folder = memory_folder.use_memory_folder()
    assert [found.name for found in tmp_path.glob("tests-1?")] == ["tests-17"]
    assert folder is not None
    assert folder.name == f"tests-{os.getpid()}"
