"""``python -m tests.fuzz.server serve ...``: the emulator with trainings and exports of milliseconds.

    FUZZ_SEED            seed of all ids, so that a run can be repeated
    FUZZ_REAL_TRAININGS  one in this number of trainings of classifiers is real; 0: none

Everything else is unchanged.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from emulator import app
from emulator.app import create_app
from emulator.core.jobs.job_runner import JobRunner
from emulator.settings import Settings
from emulator.store.tables import JobKind
from emulator.vision.classification.train import train_classifier
from emulator.vision.exports.formats import write_export
from emulator.worker.executor import WorkerExecutor
from tests.support import stub_trainer
from tests.support.fakes import seeded_ids

_notify = JobRunner.notify
_REAL = int(os.environ.get("FUZZ_REAL_TRAININGS", "0"))


class MostlyStubWorker(WorkerExecutor):
    """The worker with `tests.support.stub_trainer` for all trainings, or all but a few."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._numbers = itertools.count(1)

    def warm_up(self) -> None:
        if _REAL:
            super().warm_up()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> "Future[Any]":
        if fn is write_export:
            return _done(_write_placeholder, args[1])
        training = stub_trainer.training_of(fn, args)
        if training is None or self._is_real(training):
            return super().submit(fn, *args, **options)
        return _done(training.stub, training.arguments[0], options["output"], options["on_progress"])

    def _is_real(self, training: stub_trainer.Training) -> bool:
        return bool(_REAL and training.function is train_classifier and next(self._numbers) % _REAL == 0)


def _done(fn: Callable[..., Any], *args: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    try:
        future.set_result(fn(*args))
    except Exception as error:  # noqa: BLE001 - as an executor does
        future.set_exception(error)
    return future


def _write_placeholder(output: Path) -> Path:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(b"an export")
    return output


def _seeded_app(settings: Settings) -> FastAPI:
    return create_app(settings, ids=seeded_ids(int(os.environ.get("FUZZ_SEED", "0"))))


def _at_once(runner: JobRunner[Any]) -> None:
    """Run jobs of iterations before the response is sent, instead of notifying the thread."""
    if runner.kind == JobKind.IMPORT:
        _notify(runner)
    else:
        runner.run_waiting()


if __name__ == "__main__":
    if not _REAL:
        JobRunner.notify = _at_once  # type: ignore[method-assign]
    app.WorkerExecutor = MostlyStubWorker  # type: ignore[misc]
    app.create_app = _seeded_app  # type: ignore[assignment]
    from emulator.__main__ import main

    main()
