"""The job that a thread of the server executes for a runner: its end and progress."""

from collections.abc import Collection

from emulator.core.jobs import traces
from emulator.core.jobs.changes import Changes
from emulator.core.jobs.job_runner import JobStopped
from emulator.core.jobs.progress import JobProgress, Progress
from emulator.store.database import Database
from emulator.store.tables import Job


class ServerJob:
    """A `Control` for jobs that a thread of the server executes. changes: is notified of progress.

    The work calls `check` after each of its steps. Deletions and cancellations delete the row of the job.
    """

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._interrupted = False
        self._progress: dict[str, JobProgress] = {}

    def interrupt(self) -> None:
        self._interrupted = True

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        """Nothing to do: `check` looks for the row of the job."""

    def cancel_job(self, job_id: str) -> None:
        """Nothing to do: `check` looks for the row of the job."""

    def progress(self, id: str) -> Progress | None:
        progress = self._progress.get(id)
        return None if progress is None else progress.reading

    def note(self, progress_id: str, fraction: float, step: str) -> None:
        """Note the progress of the job, which `progress` returns for `progress_id` until `end`."""
        traces.current().step(step)
        if self._progress.setdefault(progress_id, JobProgress()).note(fraction, step):
            self._changes.note()

    def end(self, progress_id: str) -> None:
        """The job has ended."""
        self._progress.pop(progress_id, None)

    def check(self, job_id: str) -> None:
        """Raises JobStopped when the process ends, or the job was cancelled or deleted."""
        if self._interrupted:
            raise JobStopped(f"The job {job_id} was interrupted")
        with self._database.read() as session:
            if session.get(Job, job_id) is None:
                raise JobStopped(f"The job {job_id} was cancelled or deleted")
