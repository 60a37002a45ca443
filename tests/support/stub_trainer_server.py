"""``custom-vision-emulator serve`` with trainings and exports of `stub_trainer`, which take milliseconds.

Run as ``python -m tests.support.stub_trainer_server serve ...``. All other jobs run in the
worker process.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import emulator.app
from emulator.__main__ import main
from emulator.vision.exports.formats import write_export
from emulator.worker.executor import WorkerExecutor
from tests.support import stub_trainer


class StubWorker(WorkerExecutor):
    """Trains and exports in this process; the worker process starts with the first job of another kind."""

    def warm_up(self) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, on_progress: Any = None, **kwargs: Any) -> Any:
        training = stub_trainer.training_of(fn, args)
        if training is None and fn is not write_export:
            return super().submit(fn, *args, on_progress=on_progress, **kwargs)
        future: Future[Any] = Future()
        try:
            if training is None:
                future.set_result(stub_trainer.write_export(*args))
            else:
                future.set_result(training.stub(training.arguments[0], kwargs["output"], on_progress))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


if __name__ == "__main__":
    emulator.app.WorkerExecutor = StubWorker  # type: ignore[misc]
    main()
