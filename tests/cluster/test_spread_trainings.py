"""The pieces of an advanced training make the same model wherever they are carried out."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.cluster.exchange import address_of
from emulator.cluster.executor import ClusterExecutor
from emulator.store.blobs import FolderBlobStore
from emulator.vision.classification.dataset import ClassificationDataset
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE
from tests.cluster.training_functions import hard_dataset, train_hard
from tests.support.dask_cluster import DaskCluster
from tests.support.harness import PATIENCE_SECONDS, wait_until
from tests.support.long_run import IS_LONG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX: run it on Linux or macOS"),
]
Files = tuple[bytes, bytes]


class Trainings:
    """Trainings by a server whose data folder is "data"."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        blobs = FolderBlobStore(self.data)
        self.dataset: ClassificationDataset = hard_dataset(blobs.put, blobs.path)
        self.cluster = DaskCluster(folder / "cluster")
        self.executor = ClusterExecutor(
            self.cluster.address, address_of(None, self.data), self.data, sent=(), jobs=1
        )
        self.executor.start()
        self.futures: list[Any] = []

    def submit(self, name: str) -> Any:
        future = self.executor.submit(
            train_hard,
            self.dataset,
            self.data / name,
            self.data / "features",
        )
        self.futures.append(future)
        return future

    def files(self, name: str) -> Files:
        folder = self.data / name
        return (folder / MODEL_FILE).read_bytes(), (folder / EVALUATION_FILE).read_bytes()

    def pieces_begun(self) -> list[Path]:
        """The runs of pieces that helpers have begun and whose results are not here yet."""
        return list((self.data / "jobs").glob("*/pieces/*/*/runs/*"))

    def close(self) -> None:
        self.executor.shutdown()
        self.cluster.stop()


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainings]:
    trainings = Trainings(tmp_path_factory.mktemp("spread"))
    yield trainings
    trainings.close()


@pytest.fixture(autouse=True)
def cancelled(trainings: Trainings) -> Iterator[None]:
    """Trainings live for one test, and workers go on."""
    yield
    for future in trainings.futures:
        future.cancel()


@pytest.fixture(scope="module")
def expected(trainings: Trainings) -> Files:
    """The files of the training in this process."""
    trained = train_hard(
        trainings.dataset,
        trainings.data / "here",
        trainings.data / "features-here",
        progress=lambda fraction, step: None,
    )
    assert trained.report is not None
    tried = [attempt.name for attempt in trained.report.attempts]
    assert any(name.startswith("fine-tuned beside") for name in tried)
    assert any("efficientnet-lite2, fine-tuned" in name for name in tried)
    return trainings.files("here")


@pytest.mark.parametrize("workers", [1, 2, 3] if IS_LONG else [2])
def test_the_number_of_workers_changes_no_byte(trainings: Trainings, expected: Files, workers: int) -> None:
    trainings.cluster.have_workers(workers)
    future = trainings.submit(f"{workers} workers")
    helped = set()

    def is_done() -> bool:
        helped.update(path.parent.parent.name for path in trainings.pieces_begun())
        return bool(future.done())

    wait_until(is_done, "the training")
    future.result()
    assert trainings.files(f"{workers} workers") == expected
    assert bool(helped) is (workers > 1)


def test_a_worker_that_is_killed_amid_a_piece_changes_no_byte(trainings: Trainings, expected: Files) -> None:
    cluster = trainings.cluster
    cluster.have_workers(2)
    future = trainings.submit("killed")

    def helpers() -> "list[subprocess.Popen[str]]":
        runs = [run.name for run in trainings.pieces_begun()]
        return [
            worker
            for worker in cluster.workers
            if any((cluster.folders[worker] / "jobs" / run).is_dir() for run in runs)
        ]

    wait_until(helpers, "a piece on the other worker")[0].kill()
    future.result(PATIENCE_SECONDS)
    assert trainings.files("killed") == expected
