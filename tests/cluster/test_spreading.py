"""Pieces and workers that stand still, without Dask."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from emulator import __version__
from emulator.cluster.messages import Order, job_resource
from emulator.cluster.run import run_job
from emulator.cluster.setting import Setting
from emulator.cluster.spreading import Helpers, Spread
from emulator.vision.training.pieces import Outside, Work
from tests.support.harness import wait_until

pytest.importorskip("obstore")

SILENT_SECONDS = 60.0


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """That of a job on the worker "own"."""
    for name in ("store", "job", "kept"):
        (tmp_path / name).mkdir()
    store = (tmp_path / "store").as_uri()
    return Setting(
        scheduler="tcp://nowhere:1",
        worker="own",
        order=Order(__version__, "token", store, "topic", b"", []),
        store=store,
        blobs=tmp_path / "store",
        folder=tmp_path / "job",
        kept=tmp_path / "kept",
        run=run_job,
    )


def test_a_worker_that_stands_still_is_no_helper_and_its_piece_is_lost(setting: Setting) -> None:
    """Ages are differences of times of the scheduler's clock; its offset has no effect."""
    seen = {"own": 1000.0, "alive": 999.0, "frozen": 1001.0 - SILENT_SECONDS}

    def scheduler_info(n_workers: int) -> dict[str, Any]:
        return {
            "workers": {
                name: {"resources": {job_resource(): 1}, "last_seen": last} for name, last in seen.items()
            }
        }

    helpers = Helpers(setting)
    helpers._client = SimpleNamespace(scheduler_info=scheduler_info, processing=dict)
    assert helpers.look() == ({"own", "alive", "frozen"}, ["alive", "frozen"])
    seen["own"] += 1
    assert helpers.look() == ({"own", "alive"}, ["alive"])
    seen["frozen"] = 1002
    assert helpers.look() == ({"own", "alive", "frozen"}, ["alive", "frozen"])
    seen.clear()
    assert helpers.look() == (set(), [])


class StandingStill:
    """Helpers of which one begins a piece, and never ends it."""

    def __init__(self) -> None:
        self.workers = {"own", "helper"}
        self.idle = ["helper"]
        self.cancelled: list[str] = []

    def look(self) -> tuple[set[str], list[str]]:
        return self.workers, self.idle

    def submit(self, order: Order, address: str) -> Any:
        self.idle = []
        run = Path(order.store.removeprefix("file://")) / "jobs" / order.token / "runs" / "id"
        run.parent.mkdir(parents=True)
        run.touch()
        return SimpleNamespace(status="pending", cancel=lambda: self.cancelled.append(address))


def outside(shared: None, item: int, outside: Outside) -> int:
    raise AssertionError("nobody carries it out")


def test_a_piece_is_taken_from_a_worker_that_stands_still(setting: Setting) -> None:
    helpers = StandingStill()
    here: list[int] = []

    def carry_out(item: int) -> int:
        if item == 0:
            wait_until(lambda: not helpers.idle, "the piece to be given away")
        here.append(item)
        return 10 * item

    def waiting() -> None:
        helpers.workers = {"own"}

    work = Work(
        here=carry_out, outside=outside, shared=lambda: None, seconds=lambda item: 100.0, waiting=waiting
    )
    spread = Spread(setting, cast(Helpers, helpers), work, [0, 1, 2], 3)
    try:
        assert [spread.next() for _ in range(3)] == [0, 10, 20]
    finally:
        spread.close()
    assert sorted(here) == [0, 1, 2]
    assert helpers.cancelled == ["helper"]
