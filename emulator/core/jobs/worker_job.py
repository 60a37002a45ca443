"""The job that a worker process executes for a runner: its cancellation and progress."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError, Future
from typing import Any

from emulator.core.jobs.board import Progress
from emulator.core.jobs.job_runner import JobStopped
from emulator.store.database import Database
from emulator.store.tables import Iteration


class WorkerJob:
    """A `Control` for jobs of iterations that a worker process executes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._interrupted = False
        self._current: tuple[str, Future[Any]] | None = None
        self._progress: dict[str, Progress] = {}
        self._lock = threading.Lock()

    def interrupt(self) -> None:
        self._interrupted = True
        with self._lock:
            if self._current:
                self._current[1].cancel()

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        with self._lock:
            if self._current and self._current[0] in iteration_ids:
                self._current[1].cancel()

    def progress(self, id: str) -> Progress | None:
        return self._progress.get(id)

    def progress_callback(self, id: str) -> Callable[[float, str], None]:
        """A function that the worker calls with its progress, which `progress` returns for `id`."""

        def note(fraction: float, step: str) -> None:
            self._progress[id] = (fraction, step)

        return note

    def result(self, future: "Future[Any]", iteration_id: str, id: str) -> Any:
        """The result of the worker, or its exception; `cancel` and `interrupt` stop the job until then.

        id: of the progress. Raises JobStopped when the job was cancelled.
        """
        with self._lock:
            self._current = (iteration_id, future)
        try:
            # A deletion or `interrupt` before this point found nothing to cancel.
            if self._interrupted or not self._exists(iteration_id):
                future.cancel()
            return future.result()
        except CancelledError:
            raise JobStopped(f"The job of iteration {iteration_id} was stopped") from None
        except BaseException:
            future.cancel()  # nothing waits for its result any more
            raise
        finally:
            with self._lock:
                self._current = None
            self._progress.pop(id, None)

    def _exists(self, iteration_id: str) -> bool:
        with self._database.read() as session:
            return session.get(Iteration, iteration_id) is not None
