"""As `stub_trainer_server`, with trainings that wait, and leases of a few seconds.

A training writes the file ``begun-<process>`` to the folder HELD_TRAININGS, and reports that half of it is
done. It ends when the file ``go-<process>`` is there, or when it is cancelled: it then writes
``cancelled-<process>``.
"""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import emulator.app
from emulator.__main__ import main
from emulator.core.jobs import shared_leases
from emulator.store import shared_state
from tests.support import stub_trainer
from tests.support.stub_trainer_server import StubWorker

FOLDER = "HELD_TRAININGS"
# Much longer than a busy machine needs to renew it.
LEASE_SECONDS, RENEWED_EVERY_SECONDS = 8, 0.2


class HeldWorker(StubWorker):
    """Trains in a thread of this process, when it may."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, on_progress: Any = None, **kwargs: Any) -> Any:
        if stub_trainer.training_of(fn, args) is None:
            return super().submit(fn, *args, on_progress=on_progress, **kwargs)
        future = _Cancellable()

        def run() -> None:
            folder = Path(os.environ[FOLDER])
            on_progress(0.5, "Waiting")
            (folder / f"begun-{os.getpid()}").touch()
            while not (folder / f"go-{os.getpid()}").exists():
                if future.is_cancelled:
                    (folder / f"cancelled-{os.getpid()}").touch()
                    future.set_exception(CancelledError())
                    return
                time.sleep(0.02)
            trained = super(HeldWorker, self).submit(fn, *args, on_progress=on_progress, **kwargs)
            future.set_result(trained.result())

        threading.Thread(target=run, daemon=True).start()
        return future


class _Cancellable(Future[Any]):
    is_cancelled = False

    def cancel(self) -> bool:
        self.is_cancelled = True
        return True


if __name__ == "__main__":
    emulator.app.WorkerExecutor = HeldWorker  # type: ignore[misc]
    shared_state.LEASE_SECONDS = LEASE_SECONDS
    shared_leases.RENEWED_EVERY_SECONDS = RENEWED_EVERY_SECONDS
    main()
