"""The check of free disk space."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from emulator.core.disk_space import DiskGuard


def test_a_part_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=100 * 2**20))
    assert DiskGuard(tmp_path).shortage(36 * 2**20) is None
    assert DiskGuard(tmp_path).shortage(37 * 2**20) == ("The disk has 100 MB left, and 101 MB are needed.")


def test_copies_leave_as_much_free_as_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=100 * 2**20))
    assert DiskGuard(tmp_path, 90 * 2**20).shortage(10 * 2**20) is None
    assert DiskGuard(tmp_path, 90 * 2**20).shortage(36 * 2**20) == (
        "The disk has 100 MB left, and 126 MB are needed."
    )
