"""Blobs: durable, content-addressed, and written completely or not at all."""

import errno
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.store.blobs import FolderBlobStore, has_blobs
from emulator.store.database import StorageFull
from tests.support.harness import blobs_in, wait_until


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobStore:
    return FolderBlobStore(tmp_path)


@given(data=st.binary(max_size=200))
def test_a_blob_is_named_by_its_bytes_and_comes_back(tmp_path: Path, data: bytes) -> None:
    blobs = FolderBlobStore(tmp_path)
    name = blobs.put(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert blobs.read(name) == data == blobs.path(name).read_bytes()
    assert blobs.exists(name)


def test_the_same_bytes_are_kept_once(blobs: FolderBlobStore, tmp_path: Path) -> None:
    assert blobs.put(b"x") == blobs.put(b"x")
    assert len(blobs_in(tmp_path)) == 1


def test_files(blobs: FolderBlobStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert blobs.read(blobs.put_file(tmp_path / "file")) == b"content"


def test_deleting(blobs: FolderBlobStore) -> None:
    name = blobs.put(b"x")
    blobs.delete(name)
    blobs.delete(name)
    assert not blobs.exists(name)
    with pytest.raises(FileNotFoundError):
        blobs.read(name)


def test_names(blobs: FolderBlobStore) -> None:
    names = {blobs.put(bytes([number])) for number in range(20)}
    assert set(blobs.names()) == names


@pytest.mark.parametrize("name", [".DS_Store", "notes.txt", "A" * 64, "a" * 63, os.fsdecode(b"\xff")])
def test_files_of_other_programs_are_no_blobs(blobs: FolderBlobStore, tmp_path: Path, name: str) -> None:
    folders = [tmp_path / "blobs" / "aa", tmp_path / "trash" / "20260101T000000Z" / "aa"]
    for folder in folders:
        (folder / ("a" * 64)).mkdir(parents=True)
        (folder / ".new-folder").mkdir()
        os.utime(folder / ".new-folder", (0, 0))
        try:
            (folder / name).touch()
        except OSError:
            pytest.skip("the file system does not allow the name")
    blobs.delete_unfinished()
    assert list(blobs.names()) == list(blobs.trash.files()) == []
    assert not has_blobs(tmp_path)


def test_old_unfinished_files_of_a_killed_process_are_removed(blobs: FolderBlobStore, tmp_path: Path) -> None:
    name = blobs.put(b"x")
    folder = blobs.path(name).parent
    for file, age in ((".new-old", 7200), (".new-young", 10)):
        (folder / file).write_bytes(b"half")
        then = (folder / file).stat().st_mtime - age
        os.utime(folder / file, (then, then))
    assert list(blobs.names()) == [name]
    blobs.delete_unfinished()
    assert blobs_in(tmp_path) == {name, ".new-young"}


def test_clearing(blobs: FolderBlobStore, tmp_path: Path) -> None:
    name = blobs.put(b"x")
    for _ in range(2):
        blobs.clear()
        assert list(blobs.names()) == []
        assert not blobs.exists(name)
    assert blobs.put(b"x") == name
    assert blobs.read(name) == b"x"
    wait_until(
        lambda: [path.name for path in tmp_path.iterdir()] == ["blobs"], "what was cleared to be removed"
    )


def test_cleared_blobs_are_removed_at_the_next_start(
    blobs: FolderBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put(b"x")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        blobs.clear()
    assert len(list(tmp_path.iterdir())) == 2
    FolderBlobStore(tmp_path)
    wait_until(
        lambda: [path.name for path in tmp_path.iterdir()] == ["blobs"], "what was cleared to be removed"
    )


def test_clearing_while_others_put(blobs: FolderBlobStore) -> None:
    begin = threading.Barrier(4)

    def put_many(start: int, clearing: bool = False) -> None:
        begin.wait()
        for number in range(start, start + 150):
            blobs.put(str(number).encode())
            if clearing and number % 10 == 0:
                blobs.clear()

    with ThreadPoolExecutor(4) as threads:
        jobs = [threads.submit(put_many, 1000 * number, number == 0) for number in range(4)]
    for job in jobs:
        job.result()
    for name in blobs.names():
        assert hashlib.sha256(blobs.read(name)).hexdigest() == name


@pytest.mark.parametrize("where", ["fsync", "replace", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_behind(
    blobs: FolderBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(
            {"fsync": "os.fsync", "replace": "pathlib.Path.replace", "open": "os.open"}[where],
            full,
        )
        with pytest.raises(StorageFull):
            blobs.put(b"x")
    assert blobs_in(tmp_path) == set()
    assert blobs.read(blobs.put(b"x")) == b"x"


def test_other_errors_are_raised_unchanged(
    blobs: FolderBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="broken"):
        blobs.put(b"x")
    assert blobs_in(tmp_path) == set()
