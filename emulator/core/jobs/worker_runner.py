"""Jobs of iterations that a worker process carries out: what trainings and exports have in common."""

import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.core.jobs.runner import JobThread
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.core.context import Context


class WorkerJobThread(JobThread):
    """A `JobThread` whose jobs run in a worker process. One at a time, it can be watched and stopped.

    folder_name: of the folder of what is half done, below the emulator's own.
    """

    folder_name: str
    seconds_to_stop = 5

    def __init__(self, context: "Context") -> None:
        super().__init__(context)
        self._current: tuple[str, Future[Any]] | None = None
        self._progress: dict[str, tuple[float, str]] = {}

    def clean_up(self) -> None:
        shutil.rmtree(self._work_folder, ignore_errors=True)

    def interrupt(self) -> None:
        with self._lock:
            if self._current:
                self._current[1].cancel()

    def cancel(self, iteration_ids: set[str]) -> None:
        """Stop the job of deleted iterations at once."""
        with self._lock:
            if self._current and self._current[0] in iteration_ids:
                self._current[1].cancel()

    def progress(self, id: str) -> tuple[float, str] | None:
        """How far the job of this iteration or export is (0 to 1) and what it is doing; None when it is not
        running."""
        return self._progress.get(id)

    def ended(self) -> None:
        self._context.notifications.notify()

    @property
    def _work_folder(self) -> Path:
        return self._context.folder / self.folder_name

    def _noting(self, id: str) -> Callable[[float, str], None]:
        """What the worker tells its progress to; `progress` answers it under this id."""

        def note(fraction: float, step: str) -> None:
            self._progress[id] = (fraction, step)

        return note

    def _result(self, future: "Future[Any]", iteration_id: str, id: str) -> Any:
        """What the worker returns, or raises; `cancel` and `interrupt` reach the job until then."""
        with self._lock:
            self._current = (iteration_id, future)
        try:
            # Who deleted the iteration, or told to stop, a moment ago found nothing to cancel.
            if self._stopping or not self._exists(iteration_id):
                future.cancel()
            return future.result()
        except BaseException:
            future.cancel()  # whatever it is, nobody would hear of the job's end
            raise
        finally:
            with self._lock:
                self._current = None
            self._progress.pop(id, None)

    def _exists(self, iteration_id: str) -> bool:
        with self._context.database.read() as session:
            return session.get(Iteration, iteration_id) is not None


def stop_jobs(context: "Context", iteration_ids: set[str]) -> None:
    """Stop the trainings and exports of deleted iterations at once."""
    for runs in (context.training_runs, context.advanced_training_runs, context.export_runs):
        runs.cancel(iteration_ids)
