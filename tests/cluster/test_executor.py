"""Jobs on a scheduler and workers in processes of their own, some of which are killed."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from emulator import __version__
from emulator.cluster.exchange import Exchange, address_of
from emulator.cluster.executor import ClusterExecutor
from emulator.cluster.messages import ClusterFailed
from emulator.store.blobs import FolderBlobStore
from tests.cluster import job_functions as jobs
from tests.support.dask_cluster import DaskCluster, is_running
from tests.support.harness import PATIENCE_SECONDS, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX: run it on Linux or macOS"),
]

Connect = Callable[[DaskCluster], ClusterExecutor]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler without workers."""
    cluster = DaskCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(autouse=True)
def without_workers(cluster: DaskCluster) -> Iterator[None]:
    """Workers live for one test."""
    yield
    cluster.stop_workers()


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Connects the executor of a server whose data folder is "data"."""
    executors: list[ClusterExecutor] = []

    def connected(cluster: DaskCluster) -> ClusterExecutor:
        folder = tmp_path / "data"
        folder.mkdir()
        executor = ClusterExecutor(
            cluster.address, address_of(None, folder), folder, sent=("backbones",), jobs=2
        )
        executors.append(executor)
        executor.start()
        return executor

    yield connected
    for executor in executors:
        executor.shutdown()


def wait_for(executor: ClusterExecutor, problem: str | None) -> None:
    """Wait until the executor says why jobs wait; None: that they do not."""
    wait_until(
        lambda: problem == executor.problem() if problem is None else problem in str(executor.problem()),
        f"the problem {problem}",
    )


def held(executor: ClusterExecutor, folder: Path, **more: Any) -> Any:
    """A job that runs until the file "released" exists."""
    return executor.submit(jobs.hold, folder / "began", folder / "released", **more)


def pids(folder: Path, count: int) -> list[int]:
    """The process ids of the job's attempts, of which there are some."""

    def read() -> list[int]:
        path = folder / "began"
        found = [int(line) for line in path.read_text().split()] if path.exists() else []
        return found if len(found) >= count else []

    return wait_until(read, f"attempt {count}")


def test_a_job_waits_for_workers_of_this_version_and_reports_progress(
    cluster: DaskCluster, connect: Connect, tmp_path: Path
) -> None:
    executor = connect(cluster)
    blobs = FolderBlobStore(tmp_path / "data")
    names = [blobs.put(data) for data in (b"one, ", b"two, ")]
    (tmp_path / "data/backbones").mkdir()
    (tmp_path / "data/backbones/net.txt").write_text("net")
    reports: list[str] = []
    output = tmp_path / "data" / "training" / "all.txt"
    future = executor.submit(
        jobs.join_files,
        tuple(str(blobs.path(name)) for name in names),
        tmp_path / "data/backbones",
        output=output,
        on_progress=lambda fraction, step: reports.append(step),
    )
    wait_for(executor, "has no workers; start them with: custom-vision-emulator cluster-worker")
    wait_until(lambda: any("has no workers" in step for step in reports), "the state of the job")
    cluster.start_worker(version="0.0.9")
    wait_for(executor, f"are of version 0.0.9, and this server is of {__version__}")
    wait_until(lambda: any("0.0.9" in step for step in reports), "the state of the job")
    assert not future.done()
    cluster.start_worker()
    assert future.result(PATIENCE_SECONDS) == {"written": output}
    assert output.read_text() == "one, two, net"
    wait_for(executor, None)
    assert reports[-2:] == ["Fetching images", "joining"]
    wait_until(lambda: not list((tmp_path / "data/jobs").iterdir()), "the objects to be deleted")
    with pytest.raises(jobs.Sad, match="no reason"):
        executor.submit(jobs.be_sad).result(PATIENCE_SECONDS)
    with pytest.raises(TypeError, match="cannot be pickled"):
        executor.submit(lambda progress: None)


def test_a_cancelled_job_ends_and_a_killed_worker_is_replaced_once(
    cluster: DaskCluster, connect: Connect, tmp_path: Path
) -> None:
    executor = connect(cluster)
    workers = [cluster.start_worker()]
    future = held(executor, tmp_path)
    (pid,) = pids(tmp_path, 1)
    assert future.cancel()
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result()
    wait_until(lambda: not is_running(pid), "the end of the process")

    again = held(executor, tmp_path)
    pids(tmp_path, 2)
    workers[0].kill()
    workers.append(cluster.start_worker())
    _, second, third = pids(tmp_path, 3)
    assert second != third
    wait_until(lambda: not is_running(second), "the end of the process of the killed worker")
    (tmp_path / "released").touch()
    assert again.result(PATIENCE_SECONDS) == third

    (tmp_path / "released").unlink()
    lost = held(executor, tmp_path)
    for attempt in (4, 5):
        pids(tmp_path, attempt)
        workers[-1].kill()
        workers.append(cluster.start_worker())
    with pytest.raises(ClusterFailed, match="2 workers of the cluster ended"):
        lost.result(PATIENCE_SECONDS)


def test_jobs_go_on_with_the_next_scheduler_and_worker(
    cluster: DaskCluster, connect: Connect, tmp_path: Path
) -> None:
    executor = connect(cluster)
    worker = cluster.start_worker()
    reports: list[str] = []
    future = held(executor, tmp_path, on_progress=lambda fraction, step: reports.append(step))
    (first,) = pids(tmp_path, 1)
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    wait_for(executor, "cannot be reached")
    wait_until(lambda: any("cannot be reached" in step for step in reports), "the state of the job")
    wait_until(lambda: not is_running(first), "the end of the process")
    cluster.start_scheduler()
    pids(tmp_path, 2)
    # A worker that ends in order is no lost attempt, however often.
    for attempt in (3, 4):
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == 0
        worker = cluster.start_worker()
        pids(tmp_path, attempt)
    (tmp_path / "released").touch()
    assert future.result(PATIENCE_SECONDS) == pids(tmp_path, 4)[-1]


def test_trainings_prefer_a_worker_with_a_gpu_and_the_end_of_the_server_ends_jobs(
    cluster: DaskCluster, connect: Connect, tmp_path: Path
) -> None:
    executor = connect(cluster)
    cluster.start_worker()
    cluster.start_worker("--gpu")
    wait_until(executor.connection.has_gpu, "the GPU")
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
    held(executor, first, uses_gpu=True)
    (pid,) = pids(first, 1)
    reports: list[str] = []
    waiting = held(executor, second, uses_gpu=True, on_progress=lambda fraction, step: reports.append(step))
    wait_until(lambda: "Waiting for a free worker" in reports, "the state of the job")
    assert not (second / "began").exists()
    # The next process of a server that was killed has the same data folder.
    kept = Exchange(address_of(None, tmp_path / "data"))
    (token,) = {path.name for path in (tmp_path / "data/jobs").iterdir() if list(path.glob("runs/*"))}
    assert kept.wish(token) is not None
    next_one = ClusterExecutor(cluster.address, kept.address, tmp_path / "data", sent=(), jobs=2)
    next_one.start()
    wait_until(lambda: not is_running(pid), "the end of the process")
    next_one.shutdown()
    executor.shutdown()
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(jobs.be_sad)
