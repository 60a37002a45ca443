"""The jobs that a worker executes for a runner: their cancellation and progress."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError, Future
from typing import Any

from emulator.core.jobs import traces
from emulator.core.jobs.changes import Changes
from emulator.core.jobs.job_runner import JobStopped
from emulator.core.jobs.progress import JobProgress, Progress
from emulator.store.database import Database
from emulator.store.tables import Job


class WorkerJob:
    """A `Control` for jobs of iterations that a worker executes. changes: is notified of progress."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._interrupted = False
        # The id of the iteration and the future, by the id of the job.
        self._current: dict[str, tuple[str, Future[Any]]] = {}
        self._progress: dict[str, JobProgress] = {}
        self._lock = threading.Lock()

    def interrupt(self) -> None:
        self._interrupted = True
        self._cancel(lambda job_id, iteration_id: True)

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        self._cancel(lambda job_id, iteration_id: iteration_id in iteration_ids)

    def cancel_job(self, job_id: str) -> None:
        self._cancel(lambda running_id, iteration_id: running_id == job_id)

    def _cancel(self, chosen: Callable[[str, str], bool]) -> None:
        """Cancel the jobs for which `chosen` is true of the ids of job and iteration."""
        with self._lock:
            for job_id, (iteration_id, future) in self._current.items():
                if chosen(job_id, iteration_id):
                    future.cancel()

    def progress(self, id: str) -> Progress | None:
        progress = self._progress.get(id)
        return None if progress is None else progress.reading

    def progress_callback(self, id: str) -> Callable[[float, str], None]:
        """A function that the worker calls with its progress, which `progress` returns for `id`.

        It is made in the thread that executes the job.
        """
        progress = self._progress[id] = JobProgress()
        trace = traces.current()

        def note(fraction: float, step: str) -> None:
            trace.step(step)
            if progress.note(fraction, step):
                self._changes.note()

        return note

    def result(self, future: "Future[Any]", *, job_id: str, iteration_id: str, progress_id: str) -> Any:
        """The result of the worker, or its exception; the job can be stopped until then.

        Raises JobStopped when the job was cancelled.
        """
        with self._lock:
            self._current[job_id] = (iteration_id, future)
        try:
            # A deletion, cancellation or `interrupt` before this point found nothing to cancel.
            if self._interrupted or not self._exists(job_id):
                future.cancel()
            return future.result()
        except CancelledError:
            raise JobStopped(f"The job of iteration {iteration_id} was stopped") from None
        except BaseException:
            future.cancel()  # nothing waits for its result any more
            raise
        finally:
            with self._lock:
                self._current.pop(job_id, None)
            self._progress.pop(progress_id, None)

    def _exists(self, job_id: str) -> bool:
        """Whether the job was neither cancelled nor deleted with its iteration."""
        with self._database.read() as session:
            return session.get(Job, job_id) is not None
