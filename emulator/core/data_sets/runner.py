"""Executing imports of data sets, one after the other, in a thread of the server.

First the labels are read, then the images are checked and stored; only when nothing is wrong, the rows of all
are added in one transaction. Whatever stops an import before that leaves the project as it was.
"""

import logging
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session

from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.data_sets import kept
from emulator.core.data_sets.kept import ImportState
from emulator.core.errors import ServiceError
from emulator.core.jobs.job_runner import Interrupted, JobFailed, JobRunner, JobStopped
from emulator.core.jobs.server_job import ServerJob
from emulator.store.database import StorageFull
from emulator.store.tables import Job, JobKind
from emulator.vision.imaging.memory import trim_heap

_log = logging.getLogger(__name__)


def data_set_runner(context: Context) -> JobRunner["ImportTask"]:
    server_job = ServerJob(context.database, context.jobs.changes)
    kept.remove_unused(context)
    context.on_reset.append(lambda: kept.clear(context))
    context.resources.on_removed.append(partial(kept.remove_of, context))
    return JobRunner(
        context.database,
        JobKind.DATA_SET,
        ImportWork(context, server_job),
        server_job,
        name="imports of data sets",
        folder=context.folder / "data-set-imports",
        seconds_to_stop=5,
        holds=context.choreography,
        history=context.job_history,
        job_traces=context.job_traces,
        leases=context.leases,
    )


class ImportTask(NamedTuple):
    """The inputs of an import."""

    job_id: str
    state: ImportState


class ImportWork:
    """The `Work` of imports of data sets (`emulator.core.jobs.job_runner`)."""

    def __init__(self, context: Context, server_job: ServerJob) -> None:
        self._context = context
        self._server_job = server_job

    def begin(self, session: Session, job: Job) -> None:
        """Nothing changes when an import begins."""

    def prepare(self, session: Session, job: Job) -> ImportTask:
        state = _state(self._context, job)
        if state is None or not kept.has_archive(self._context, state.id):
            raise JobFailed("The uploaded data set is not there any longer; upload it again.")
        return ImportTask(job.id, state)

    def execute(self, task: ImportTask, folder: Path) -> None:
        from emulator.data_sets.record import DataSetUnreadable, place_text

        stored: set[str] = set()
        try:
            self._import(task, stored)
        except DataSetUnreadable as unreadable:
            place = place_text(unreadable.file, unreadable.line)
            raise JobFailed(f"{place}: {unreadable}" if place else str(unreadable)) from None
        except ServiceError as error:
            raise JobFailed(error.message) from None
        finally:
            trim_heap()  # the labels of 10,000 images take 100 MB
            self._server_job.end(task.job_id)
            # Those that rows refer to now stay.
            sweep_blobs(self._context, stored)

    def complete(self, task: ImportTask, result: None) -> None:
        """Its result is recorded while it is executed, in the transaction that adds the images."""

    def explain(self, error: Exception) -> str:
        if isinstance(error, Interrupted):
            return f"The import was {error}."
        if isinstance(error, StorageFull):
            return f"The disk is full: nothing was imported. {error}"
        return f"The emulator could not import the data set: {error or type(error).__name__}"

    def fail(self, session: Session, job: Job, reason: str) -> None:
        state = _state(self._context, job)
        session.delete(job)
        if state is not None:
            _log.warning("Import of a data set into '%s' failed: %s", state.project_name, reason)
            state.status, state.failure = kept.FAILED, reason
            kept.write(self._context, state)
            kept.remove_archive(self._context, state.id)

    def _import(self, task: ImportTask, stored: set[str]) -> None:
        from emulator.core.data_sets.importing import DataSetImport

        def report(fraction: float, step: str) -> None:
            self._server_job.check(task.job_id)
            self._server_job.note(task.job_id, fraction, step)

        with DataSetImport(self._context, task.state, stored, report) as imported:
            imported.check()
            with self._context.database.write() as session:
                if not task.state.dry_run:
                    imported.add(session)
                self._end(session, task)
        if not task.state.dry_run:
            kept.remove_archive(self._context, task.state.id)

    def _end(self, session: Session, task: ImportTask) -> None:
        """Record the end, in the transaction that deletes the job."""
        job = session.get(Job, task.job_id)
        if job is None:
            raise JobStopped(f"The job {task.job_id} was cancelled or deleted")
        session.delete(job)
        task.state.status = kept.CHECKED if task.state.dry_run else kept.COMPLETED
        kept.write(self._context, task.state)


def _state(context: Context, job: Job) -> ImportState | None:
    assert job.details is not None
    return kept.find(context, job.details["dataSet"])
