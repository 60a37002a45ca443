"""The objects that the server and a worker exchange."""

import os
import time
from pathlib import Path

import pytest

from emulator.cluster.exchange import Exchange, address_of
from emulator.cluster.executor import ClusterExecutor

pytest.importorskip("obstore")


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    (tmp_path / "store").mkdir()
    return Exchange(address_of(None, tmp_path / "store"))


def test_a_wish_is_renewed_and_withdrawn(exchange: Exchange, tmp_path: Path) -> None:
    assert exchange.wish("one") is None
    exchange.want("one")
    first = exchange.wish("one")
    exchange.want("one")
    assert first is not None
    assert exchange.wish("one") != first
    exchange.want("two")
    exchange.delete("one")
    assert exchange.wish("one") is None
    assert exchange.wish("two") is not None
    assert [path.name for path in (tmp_path / "store/jobs").iterdir()] == ["two"]


def test_runs_that_did_not_end_are_counted(exchange: Exchange) -> None:
    assert exchange.begin_run("one", "a") == 0
    assert exchange.begin_run("one", "b") == 1
    exchange.end_run("one", "a")
    exchange.end_run("one", "a")
    assert exchange.begin_run("one", "c") == 1
    assert exchange.begin_run("two", "a") == 0


def test_files_arrive_with_their_paths(exchange: Exchange, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    names = ["a/with space.txt", "b%20ü#?.bin"]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(name.encode() * 100_000)
    exchange.send("one", "out", source, names)
    exchange.receive("one", "out", target.joinpath)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == {*names}
    assert all((target / name).read_bytes() == (source / name).read_bytes() for name in names)
    exchange.receive("one", "in", target.joinpath)


def test_what_a_killed_server_left_is_deleted_at_its_start_or_after_a_week(
    exchange: Exchange, tmp_path: Path
) -> None:
    for token in ("other-old-1", "other-new-1", "own-killed-1", "own-running-1"):
        exchange.want(token)
    eight_days_ago = time.time() - 8 * 24 * 3600
    os.utime(tmp_path / "store/jobs/other-old-1/wanted", (eight_days_ago, eight_days_ago))
    exchange.delete_left("own-", "own-running")
    assert {path.name for path in (tmp_path / "store/jobs").iterdir()} == {"other-new-1", "own-running-1"}


def test_a_folder_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    assert Exchange(address_of(None, tmp_path / "missing")).wish("one") is None
    assert not (tmp_path / "missing").exists()


def test_the_store_of_the_option_has_precedence(tmp_path: Path) -> None:
    assert address_of("s3://bucket/prefix", tmp_path) == "s3://bucket/prefix"
    assert address_of(None, tmp_path / "a b") == f"file://{tmp_path}/a%20b"


@pytest.mark.parametrize("content", [b"", b"\xff", b"\0" * 33, b"a-"])
def test_a_damaged_name_of_the_server_is_not_the_beginning_of_those_of_others(
    tmp_path: Path, content: bytes
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "cluster-id").write_bytes(content)

    def owner() -> str:
        executor = ClusterExecutor("tcp://nowhere:1", address_of(None, folder), folder, sent=(), jobs=1)
        return executor._owner

    made = owner()
    assert len(made) == 33
    assert owner() == made
