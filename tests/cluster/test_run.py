"""A job on a worker, without Dask: what it reads, when it stops, and what it returns."""

import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emulator import __version__
from emulator.cluster import run
from emulator.cluster.exchange import Exchange, address_of
from emulator.cluster.messages import ClusterFailed, Order
from emulator.cluster.packing import pack, unpack
from emulator.store.blobs import BlobDamaged, FolderBlobStore
from emulator.store.object_blobs import ObjectBlobStore, open_objects
from emulator.worker.executor import rebuilt
from emulator.worker.messages import Raised, Returned
from tests.cluster import job_functions as jobs
from tests.support.harness import wait_until
from tests.support.object_stores import S3Server

pytest.importorskip("obstore")


class Server:
    """A data folder with blobs, and the orders of its jobs."""

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.folder = folder
        if store is None:
            self.blobs = FolderBlobStore(folder)
        else:
            self.blobs = ObjectBlobStore(open_objects(store), store, folder)
        self.exchange = Exchange(address_of(store, folder))

    def order(self, function: Callable[..., object], *arguments: object) -> Order:
        packed = pack((function, arguments, {}), self.folder)
        self.exchange.want("token")
        return Order(__version__, "token", self.exchange.address, "topic", packed.content, packed.blobs)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "data")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[run.Place]:
    place = run.Place(tmp_path / "worker")
    yield place
    place.close()


def running(
    place: run.Place, order: Order, reports: list[tuple[float, str]] | None = None, **more: Any
) -> run.Run:
    kept = [] if reports is None else reports
    return run.Run(place, order, "the worker", lambda fraction, step: kept.append((fraction, step)), **more)


def test_images_are_read_and_files_returned_by_the_object_store(server: Server, place: run.Place) -> None:
    names = [server.blobs.put(data) for data in (b"one, ", b"two, ")]
    (server.folder / "backbones").mkdir()
    (server.folder / "backbones/net.txt").write_text("net")
    server.exchange.send("token", "in", server.folder, ["backbones/net.txt"])
    paths = tuple(str(server.blobs.path(name)) for name in names)
    order = server.order(
        jobs.join_files, paths, server.folder / "backbones", server.folder / "training/job/all.txt"
    )
    reports: list[tuple[float, str]] = []
    returned = running(place, order, reports).result()
    server.exchange.receive("token", "out", server.folder.joinpath)
    result = unpack(returned.result, server.blobs.path, server.folder.joinpath)
    assert result == {"written": server.folder / "training/job/all.txt"}
    assert result["written"].read_text() == "one, two, net"
    assert reports == [(0, "Fetching images"), (0.5, "joining")]
    assert list((place.folder / "jobs").iterdir()) == []


def test_caches_stay_for_later_jobs(server: Server, place: run.Place) -> None:
    output = server.folder / "features" / "cache"
    running(place, server.order(jobs.join_files, (), server.folder / "none", output)).result()
    assert (place.folder / "features" / "cache").exists()


def test_copies_of_an_object_store_are_verified_and_kept(
    server: Server, place: run.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is read as if it were a bucket."""
    monkeypatch.setattr(run, "folder_of", lambda address: None)
    name, missing = server.blobs.put(b"image"), "0" * 64
    paths = (str(server.blobs.path(name)),)
    old = place.folder / "blobs" / "00" / "00old"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    order = server.order(jobs.join_files, paths, server.folder / "none", server.folder / "out")
    running(place, order._replace(blobs=[*order.blobs, missing])).result()
    copy = place.folder / "blobs" / name[:2] / name
    assert copy.read_bytes() == b"image"
    assert not old.exists()
    copy.write_bytes(b"other")
    running(place, order).result()
    assert copy.read_bytes() == b"image"
    copy.unlink()
    server.blobs.path(name).write_bytes(b"damaged")
    with pytest.raises(BlobDamaged):
        running(place, order).result()


@pytest.mark.slow
def test_a_bucket(tmp_path: Path, place: run.Place, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3Server()
    try:
        for name, value in s3.variables.items():
            monkeypatch.setenv(name, value)
        server = Server(tmp_path / "data", s3.address)
        name = server.blobs.put(b"image")
        output = server.folder / "training" / "out.txt"
        order = server.order(jobs.join_files, (str(server.blobs.path(name)),), server.folder / "none", output)
        running(place, order).result()
        assert (place.folder / "blobs" / name[:2] / name).read_bytes() == b"image"
        server.exchange.receive("token", "out", server.folder.joinpath)
        assert output.read_bytes() == b"image"
        server.exchange.delete("token")
        assert server.exchange.wish("token") is None
        assert list(server.blobs.names()) == [name]
    finally:
        s3.stop()


def test_a_worker_that_sees_another_store_says_so(server: Server, tmp_path: Path, place: run.Place) -> None:
    order = server.order(jobs.join_files, (), tmp_path, tmp_path / "out")
    place.store = f"file://{tmp_path}/not-mounted"
    with pytest.raises(ClusterFailed, match=r"does not see the images of the server in file://.*not-mounted"):
        running(place, order).result()
    assert not (tmp_path / "not-mounted").exists()


def test_the_third_attempt_after_two_that_did_not_end_is_refused(server: Server, place: run.Place) -> None:
    order = server.order(jobs.join_files, (), server.folder, server.folder / "out")
    server.exchange.begin_run("token", "killed")
    running(place, order).result()  # ends in order, and does not count
    server.exchange.begin_run("token", "killed, too")
    with pytest.raises(ClusterFailed, match="2 workers of the cluster ended"):
        running(place, order).result()


def test_the_error_of_a_job_is_that_of_the_run(server: Server, place: run.Place) -> None:
    with pytest.raises(jobs.Sad, match="no reason"):
        running(place, server.order(jobs.be_sad)).result()
    with pytest.raises(TimeoutError, match="of the job itself"):
        running(place, server.order(jobs.time_out)).result()


@pytest.mark.parametrize("reason", ["not wanted any more", "cancelled", "forgotten", "the worker ends"])
def test_a_job_is_stopped(
    server: Server, place: run.Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(run, "CHECK_SECONDS", 0.02)
    order = server.order(jobs.hold, tmp_path / "began", tmp_path / "released")
    ended: list[BaseException] = []
    cancelled = threading.Event()

    def carry_out() -> None:
        try:
            running(place, order, is_cancelled=cancelled.is_set).result()
        except CancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=carry_out)
    thread.start()
    wait_until((tmp_path / "began").exists, "the job to begin")
    pid = int((tmp_path / "began").read_text())
    if reason == "forgotten":
        monkeypatch.setattr(run, "FORGOTTEN_SECONDS", 0.1)
    elif reason == "not wanted any more":
        server.exchange.delete("token")
    elif reason == "cancelled":
        cancelled.set()
    elif reason == "the worker ends":
        place.close()
    thread.join()
    assert len(ended) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    # It does not count as an attempt.
    assert server.exchange.begin_run("token", "next") == 0


def test_a_wish_that_is_renewed_keeps_a_job_alive(
    server: Server, place: run.Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(run, "FORGOTTEN_SECONDS", 0.5)
    order = server.order(jobs.hold, tmp_path / "began", tmp_path / "released")
    checks: list[str] = []

    def renewed(self: Exchange, token: str) -> str:
        checks.append(token)
        if len(checks) == 100:  # after a second at least
            (tmp_path / "released").touch()
        return str(len(checks))

    monkeypatch.setattr(Exchange, "wish", renewed)
    running(place, order).result()
    assert len(checks) >= 100


def test_a_worker_of_dask_itself_uses_its_local_folder(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    events: list[object] = []

    class Worker:
        name = "plain"
        local_directory = str(tmp_path / "local")
        address = "tcp://nowhere:1"
        scheduler = SimpleNamespace(address="tcp://nowhere:2")
        state = SimpleNamespace(tasks={})

        def get_current_task(self) -> str:
            return "key"

        def log_event(self, topic: str, message: object) -> None:
            events.append((topic, message))

    monkeypatch.setattr(distributed, "get_worker", Worker)
    monkeypatch.setattr(run, "_place", None)
    order = server.order(jobs.join_files, (), server.folder / "none", server.folder / "features" / "cache")
    returned = run.run_job(tuple(order))
    assert run._place is not None
    run._place.close()
    assert isinstance(returned, Returned)
    assert (tmp_path / "local/custom-vision-emulator/features/cache").exists()
    assert events == [
        ("topic", ("progress", "token", 0, "Fetching images")),
        ("topic", ("progress", "token", 0.5, "joining")),
    ]


def test_an_order_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")

    class Worker:
        name = "left"
        local_directory = str(tmp_path)

    monkeypatch.setattr(distributed, "get_worker", Worker)
    raised = run.run_job(("0.0.9", "token", "file:///data", "topic", "a field that is new"))
    assert isinstance(raised, Raised)
    assert str(rebuilt(raised)) == f"The worker left is of version {__version__}, and the server of 0.0.9."
    assert pickle.loads(pickle.dumps(raised)) == raised
