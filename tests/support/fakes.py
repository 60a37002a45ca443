"""A clock, ids, worker processes and missing packages that a test controls."""

import importlib.util
import random
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator.core.clock import Clock
from emulator.core.ids import Ids
from emulator.vision.exports.formats import write_export
from tests.support import stub_trainer


class TestClock(Clock):
    """A clock that advances by one microsecond at each reading, so that times are distinct."""

    __test__ = False

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
        super().__init__(lambda: self.time)

    def advance(self, **amount: float) -> None:
        self.time = max(self.time, self._last) + timedelta(**amount)


def seeded_ids(seed: int = 0) -> Ids:
    chance = random.Random(seed)
    return Ids(lambda: uuid.UUID(int=chance.getrandbits(128), version=4))


@dataclass
class FakeWorker:
    """Runs the jobs of a worker process in this one; the functions of `stub_trainer` replace training.

    Attributes:
        failures: exceptions that the next jobs raise, one each.
        held: jobs stay in `waiting` until the test calls `release`.
        jobs: the arguments of each training, in the order of submission.
    """

    failures: list[Exception] = field(default_factory=list)
    held: bool = False
    jobs: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[Future[Any]] = field(default_factory=list)
    warm_ups: int = 0

    def warm_up(self) -> None:
        self.warm_ups += 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, on_progress: Any = None, **kwargs: Any) -> Any:
        future: Future[Any] = Future()
        training = stub_trainer.training_of(fn, args)
        if training is None:
            return self._run(future, fn, *args, **kwargs)
        dataset, recipe, *_ = training.arguments
        self.jobs.append(
            {
                "function": training.function.__name__,
                "train": training.stub,
                "dataset": dataset,
                "recipe": recipe,
                "on_progress": on_progress,
                **kwargs,
            }
        )
        if self.held:
            self.waiting.append(future)
        else:
            self.finish(future)
        return future

    def _run(self, future: "Future[Any]", fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a job other than a training; when the worker is held, it never ends."""
        if self.held:
            return future
        try:
            if self.failures:
                raise self.failures.pop(0)
            future.set_result(fn(*args, **kwargs, progress=lambda fraction, text: None))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future

    def release(self) -> None:
        self.finish(self.waiting.pop(0))

    def finish(self, future: "Future[Any]") -> None:
        job = self.jobs[-1]
        try:
            if self.failures:
                raise self.failures.pop(0)
            future.set_result(job["train"](job["dataset"], job["output"], job["on_progress"]))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)


class FakeExporter(FakeWorker):
    """Runs the jobs of the process that writes exports; `stub_trainer.write_export` replaces writing."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, on_progress: Any = None, **kwargs: Any) -> Any:
        if fn is not write_export:
            return self._run(Future(), fn, *args, **kwargs)
        self.jobs.append({"order": args[0], "output": args[1], "on_progress": on_progress})
        future: Future[Any] = Future()
        if self.held:
            self.waiting.append(future)
        else:
            self.finish(future)
        return future

    def finish(self, future: "Future[Any]") -> None:
        job = self.jobs[-1]
        try:
            if self.failures:
                raise self.failures.pop(0)
            future.set_result(stub_trainer.write_export(job["order"], job["output"]))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)


def hide_package(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Make `importlib.util.find_spec` report a package as not installed."""
    find = importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name == package else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
