"""The pieces of a job on a scheduler and workers in processes of their own, some of which are killed.

Connections are encrypted: the server, the workers and the processes of their jobs have a certificate.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.cluster.exchange import FORGOTTEN_SECONDS, address_of
from emulator.cluster.executor import ClusterExecutor
from tests.cluster import job_functions as jobs
from tests.support.dask_cluster import DaskCluster, encrypted, is_running
from tests.support.harness import PATIENCE_SECONDS, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX: run it on Linux or macOS"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler without workers."""
    with encrypted(tmp_path_factory.mktemp("certificate")):
        cluster = DaskCluster(tmp_path_factory.mktemp("cluster"), "tls")
        yield cluster
        cluster.stop()


@pytest.fixture
def executor(cluster: DaskCluster, tmp_path: Path) -> Iterator[ClusterExecutor]:
    """That of a server whose data folder is "data"."""
    folder = tmp_path / "data"
    folder.mkdir()
    executor = ClusterExecutor(cluster.address, address_of(None, folder), folder, sent=(), jobs=2)
    executor.start()
    yield executor
    executor.shutdown()


def begun(folder: Path, count: int) -> list[tuple[int, int]]:
    """The number and the process of each piece that has begun, of which there are some."""

    def read() -> list[tuple[int, int]]:
        path = folder / "pieces"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [(int(number), int(pid)) for number, pid in map(str.split, lines)]
        return found if len(found) >= count else []

    return wait_until(read, f"{count} pieces")


def process_of(folder: Path) -> int:
    """The process of the job, in its latest attempt."""
    return int((folder / "job").read_text().split()[-1])


def processes(future: Any) -> list[int]:
    found: list[int] = future.result(PATIENCE_SECONDS)
    return found


def test_one_worker_carries_out_all_pieces_itself(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    cluster.have_workers(1)
    cluster.start_worker(version="0.0.9")
    (tmp_path / "released").touch()
    future = executor.submit(jobs.divide, 4, tmp_path)
    assert processes(future) == [process_of(tmp_path)] * 4
    assert [number for number, _ in begun(tmp_path, 4)] == [0, 1, 2, 3]


def test_an_idle_worker_helps_and_results_are_in_order(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    cluster.have_workers(3)
    left = set(cluster.folder.glob("worker-*/jobs/*"))  # by workers that were killed
    reports: list[str] = []
    future = executor.submit(
        jobs.divide, 4, tmp_path, on_progress=lambda fraction, step: reports.append(step)
    )
    first = begun(tmp_path, 3)
    own = process_of(tmp_path)
    assert sorted(number for number, _ in first) == [0, 1, 2]
    assert len({pid for _, pid in first}) == 3
    # The worker of the last piece is the first that is free.
    (tmp_path / "released-1").touch()
    last = dict(begun(tmp_path, 4))
    assert last[3] == last[1]
    (tmp_path / "released").touch()
    assert processes(future) == [last[number] for number in range(4)]
    assert last[0] == own
    assert reports[-1] == "dividing"
    wait_until(lambda: not list((tmp_path / "data/jobs").iterdir()), "the objects to be deleted")
    assert not set(cluster.folder.glob("worker-*/jobs/*")) - left


def test_a_piece_of_a_killed_worker_is_carried_out_by_another(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    cluster.have_workers(1)
    future = executor.submit(jobs.divide, 2, tmp_path)
    begun(tmp_path, 1)
    for attempt in (2, 3):
        helper = cluster.start_worker()
        number, pid = begun(tmp_path, attempt)[-1]
        assert number == 1
        helper.kill()
        wait_until(lambda pid=pid: not is_running(pid), "the end of the process of the killed worker")
    # After two losses it is left to the worker of the job.
    cluster.start_worker()
    (tmp_path / "released-0").touch()
    assert begun(tmp_path, 4)[-1] == (1, process_of(tmp_path))
    (tmp_path / "released").touch()
    assert processes(future) == [process_of(tmp_path)] * 2


def test_a_worker_that_ends_in_order_gives_its_piece_back(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    cluster.have_workers(1)
    future = executor.submit(jobs.divide, 2, tmp_path)
    begun(tmp_path, 1)
    helper = cluster.start_worker()
    begun(tmp_path, 2)
    helper.send_signal(signal.SIGTERM)
    assert helper.wait(PATIENCE_SECONDS) == 0
    (tmp_path / "released").touch()
    assert processes(future) == [process_of(tmp_path)] * 2


def test_pieces_end_with_their_job(cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path) -> None:
    cluster.have_workers(2)
    future = executor.submit(jobs.divide, 3, tmp_path)
    pids = [pid for _, pid in begun(tmp_path, 2)]
    assert future.cancel()
    wait_until(lambda: not any(map(is_running, pids)), "the end of the processes")
    wait_until(lambda: not list((tmp_path / "data/jobs").iterdir()), "the objects to be deleted")


def test_a_job_of_a_killed_worker_begins_again_without_the_old_pieces(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    cluster.have_workers(2)
    future = executor.submit(jobs.divide, 2, tmp_path)
    own, other = (
        pid for _, pid in sorted(begun(tmp_path, 2), key=lambda found: found[1] != process_of(tmp_path))
    )
    assert own == process_of(tmp_path)
    from psutil import Process  # which Dask needs

    parents = {worker.pid: worker for worker in cluster.workers}
    parents[Process(own).ppid()].kill()
    # Long before the wish for the piece is forgotten.
    wait_until(lambda: not is_running(other), "the end of the old piece", FORGOTTEN_SECONDS / 2)
    (tmp_path / "released").touch()
    assert set(processes(future)) == {process_of(tmp_path)}


def test_a_piece_that_fails_on_a_helper_is_carried_out_here_whose_error_is_that_of_the_job(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    cluster.have_workers(2)
    (tmp_path / "sad-1").touch()
    future = executor.submit(jobs.divide, 3, tmp_path)
    (first, own), (second, other) = begun(tmp_path, 2)[:2]
    assert (first, second) == (0, 1)
    assert own != other
    (tmp_path / "released").touch()
    with pytest.raises(jobs.Sad, match="piece 1"):
        future.result(PATIENCE_SECONDS)
    assert (1, own) in begun(tmp_path, 3)


def test_a_piece_that_may_not_be_needed_is_for_idle_workers_only(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    cluster.have_workers(1)
    (tmp_path / "released").touch()
    future = executor.submit(jobs.divide, 2, tmp_path, certain=1)
    begun(tmp_path, 1)
    cluster.start_worker()
    own, other = processes(future)
    assert own == process_of(tmp_path) != other


def test_a_job_has_precedence_over_pieces(
    cluster: DaskCluster, executor: ClusterExecutor, tmp_path: Path
) -> None:
    """Two jobs on two workers: each carries out its own pieces."""
    folders = [tmp_path / "1", tmp_path / "2"]
    futures = []
    cluster.have_workers(1)
    for folder in folders:
        folder.mkdir()
        futures.append(executor.submit(jobs.divide, 3, folder))
    wait_until(lambda: any((folder / "pieces").exists() for folder in folders), "the first job")
    cluster.start_worker()
    for folder in folders:
        begun(folder, 1)
        (folder / "released").touch()
    for folder, future in zip(folders, futures, strict=True):
        assert processes(future)[0] == process_of(folder)
