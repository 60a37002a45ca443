"""``python -m tests.fuzz.server serve ...``: the emulator, but most trainings take milliseconds.

    FUZZ_SEED            ids are made from it, so that a run can be repeated
    FUZZ_REAL_TRAININGS  of so many trainings one is real, in the emulator's own child process; 0: none is

The rest of the program is as it is.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from emulator import app
from emulator.core.training_runs import TrainingRuns
from emulator.jobs.worker import WorkerExecutor
from emulator.settings import Settings
from tests import standin
from tests.harness import seeded_ids

_STANDINS = {"train_classifier": standin.train_classifier, "train_detector": standin.train_detector}
_REAL = int(os.environ.get("FUZZ_REAL_TRAININGS", "0"))


class MostlyStandIn(WorkerExecutor):
    """The worker, but `tests.standin` carries out all trainings, or all but a few."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._numbers = itertools.count(1)

    def warm_up(self) -> None:
        if _REAL:
            super().warm_up()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> "Future[Any]":
        if fn.__name__ not in _STANDINS or (_REAL and next(self._numbers) % _REAL == 0):
            return super().submit(fn, *args, **options)
        future: Future[Any] = Future()
        try:
            future.set_result(_STANDINS[fn.__name__](args[0], options["output"], options["on_progress"]))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


def _application(settings: Settings) -> app.Application:
    return app.Application(settings, ids=seeded_ids(int(os.environ.get("FUZZ_SEED", "0"))))


def _train_at_once(runs: TrainingRuns) -> None:
    """In place of telling the thread: a training has ended when the answer says that it begins."""
    runs.run_waiting()


if __name__ == "__main__":
    if not _REAL:
        TrainingRuns.notify = _train_at_once  # type: ignore[method-assign]
    app.WorkerExecutor = MostlyStandIn  # type: ignore[misc]
    app.create_app = _application
    from emulator.__main__ import main

    main()
