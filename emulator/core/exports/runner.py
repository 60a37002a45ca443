"""Executing exports, one after the other in a separate worker process, or on a cluster.

An export takes seconds and a training minutes, so exports do not wait for trainings. The file is stored as a
blob, and the status of the export becomes ``Done``, or ``Failed`` with the reason.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlmodel import Session

from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.exports.request import download_uri
from emulator.core.jobs.job_runner import Interrupted, JobFailed, JobRunner, TryAgain
from emulator.core.jobs.worker_job import WorkerJob
from emulator.core.notifications import outbox
from emulator.core.rules import domains
from emulator.durable_files import is_disk_full
from emulator.store.database import StorageFull
from emulator.store.references import raise_if_missing
from emulator.store.tables import Export, ExportStatus, Iteration, Job, JobKind

if TYPE_CHECKING:
    from emulator.vision.exports.formats import ExportOrder

# Not the name of a blob.
_DELETED = "deleted"
_FULL = "The disk is full: the export could not be stored."
_log = logging.getLogger(__name__)


def export_runner(context: Context) -> JobRunner["ExportTask"]:
    worker_job = WorkerJob(context.database, context.jobs.changes)
    return JobRunner(
        context.database,
        JobKind.EXPORT,
        ExportWork(context, worker_job),
        worker_job,
        name="exports",
        folder=context.folder / "exports",
        seconds_to_stop=5,
        holds=context.choreography,
        history=context.job_history,
        job_traces=context.job_traces,
        leases=context.leases,
        at_once=1 if context.cluster is None else context.cluster.jobs,
    )


class ExportTask(NamedTuple):
    """The inputs of an export. base: scheme and host of the request. suffix: of the file's name."""

    job_id: str
    export_id: str
    attempt: int
    base: str
    order: "ExportOrder"
    suffix: str


class ExportWork:
    """The `Work` of exports (`emulator.core.jobs.job_runner`)."""

    def __init__(self, context: Context, worker_job: WorkerJob) -> None:
        self._context = context
        self._worker_job = worker_job

    def begin(self, session: Session, job: Job) -> None:
        """Nothing changes when an export begins."""

    def prepare(self, session: Session, job: Job) -> ExportTask | None:
        from emulator.core.exports.formats import FORMATS
        from emulator.vision.exports.formats import ExportOrder

        assert job.details is not None
        export = session.get(Export, job.details["export"])
        iteration = session.get(Iteration, job.iteration_id)
        if export is None or iteration is None:
            return None
        blob = iteration.model_blob or _DELETED
        try:
            model = self._context.blobs.verified_path(blob)
        except FileNotFoundError:
            raise_if_missing(self._context.database, blob)
            raise JobFailed("The model of the iteration is gone.") from None
        flavor = export.flavor or None
        domain = domains.get(iteration.domain_id or "")
        order = ExportOrder(
            model=str(model),
            platform=export.platform,
            flavor=flavor,
            domain=domain.name,
            domain_type=domain.type,
            classification_type=iteration.classification_type if domain.type == "Classification" else None,
            labels=tuple(tag["name"] for tag in iteration.model_tags or ()),
            project_id=iteration.project_id,
            iteration_id=iteration.id,
            created=export.created,
        )
        chosen = FORMATS.get((export.platform, flavor))
        return ExportTask(
            job_id=job.id,
            export_id=export.id,
            attempt=job.attempts,
            base=job.details["base"],
            order=order,
            # A format that only another version of the program has fails in `write_export`.
            suffix=chosen.suffix if chosen else ".zip",
        )

    def execute(self, task: ExportTask, folder: Path) -> Path:
        from emulator.cluster.messages import ClusterFailed
        from emulator.core.exports.formats import FORMATS
        from emulator.vision.exports.formats import ExportFailed, write_export
        from emulator.worker.executor import WorkerDied

        note = self._worker_job.progress_callback(task.export_id)
        output = folder / f"export{task.suffix}"
        try:
            future = (self._context.cluster or self._context.export_worker).submit(
                write_export, task.order, output, formats=FORMATS, on_progress=note
            )
            file: Path = self._worker_job.result(
                future,
                job_id=task.job_id,
                iteration_id=task.order.iteration_id,
                progress_id=task.export_id,
            )
            return file
        except (ExportFailed, ClusterFailed) as failure:
            raise JobFailed(str(failure)) from None
        except WorkerDied as death:
            raise TryAgain(f"The exporting process ended {task.attempt} times: {death}") from None
        except OSError as error:
            if is_disk_full(error):
                raise StorageFull(str(error)) from error
            raise

    def complete(self, task: ExportTask, file: Path) -> None:
        """Store the file, unless the iteration was deleted meanwhile."""
        stored: set[str] = set()
        replaced: set[str] = set()
        try:
            with self._context.database.write() as session:
                export, job = session.get(Export, task.export_id), session.get(Job, task.job_id)
                if export is None or job is None:
                    return
                replaced = {export.blob} if export.blob else set()
                export.size = file.stat().st_size
                # Within the transaction, so that no sweep deletes the blob before its row is committed.
                export.blob = self._context.blobs.put_file(file)
                stored.add(export.blob)
                export.status, export.suffix = ExportStatus.DONE, task.suffix
                session.add(export)
                session.delete(job)
                uri = download_uri(self._context, task.base, task.order.project_id, export)
                outbox.note_export(self._context, session, export, uri)
        except StorageFull:
            sweep_blobs(self._context, stored)
            raise
        sweep_blobs(self._context, replaced)

    def explain(self, error: Exception) -> str:
        if isinstance(error, Interrupted):
            return f"The export was {error}."
        if isinstance(error, StorageFull):
            return _FULL
        return f"The emulator could not export: {error}"

    def fail(self, session: Session, job: Job, reason: str) -> None:
        assert job.details is not None
        export = session.get_one(Export, job.details["export"])
        _log.warning(
            "Export of iteration %s to %s failed: %s",
            export.iteration_id,
            f"{export.platform} {export.flavor}".rstrip(),
            reason,
        )
        export.status, export.failure = ExportStatus.FAILED, reason
        session.add(export)
        session.delete(job)
        outbox.note_export(self._context, session, export, None)
