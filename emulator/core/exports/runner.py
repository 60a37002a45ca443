"""Writing the files of exports, one after the other, in a worker process of their own.

A worker of their own, since an export takes seconds and a training minutes: nobody waits for one behind the
other. As with trainings, the row survives the death of the worker and of the server; it is taken up again,
a few times, and then has failed with its reason.
"""

import errno
import logging
import shutil
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmodel import Session

from emulator.core import domains
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.exports import request as exports
from emulator.core.jobs.runner import ATTEMPTS
from emulator.core.jobs.worker_runner import WorkerJobThread
from emulator.core.notifications import outbox
from emulator.store.database import StorageFull
from emulator.store.tables import Export, Iteration, Job

if TYPE_CHECKING:
    from emulator.vision.exports.formats import ExportOrder

_FULL = "The disk is full: the export could not be stored."
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Run:
    """base: scheme and host that the client who asked had used."""

    job_id: str
    export_id: str
    attempt: int
    base: str
    order: "ExportOrder"
    suffix: str

    @property
    def label(self) -> str:
        order = self.order
        return f"Export of iteration {order.iteration_id} to {order.platform} {order.flavor or ''}".rstrip()


class ExportRunner(WorkerJobThread):
    """The thread that carries out exports."""

    kind = exports.JOB_KIND
    name = "exports"
    folder_name = "exports"

    def _carry_out_or_fail(self, run: _Run) -> None:
        from emulator.vision.exports.formats import ExportFailed
        from emulator.worker.executor import WorkerDied

        folder = self._work_folder / run.job_id
        try:
            self._store(run, self._written(run, folder / f"export{run.suffix}"))
        except CancelledError:
            _log.info("%s was stopped", run.label)
        except ExportFailed as failure:
            self._fail(run, str(failure))
        except StorageFull:
            self._fail(run, _FULL)
        except WorkerDied as death:
            if self._stopping:
                return
            if run.attempt >= ATTEMPTS:
                self._fail(run, f"The exporting process ended {run.attempt} times: {death}")
            else:
                _log.warning("%s: the exporting process ended (%s); trying again", run.label, death)
        except Exception as error:  # noqa: BLE001  (whatever a writer of files may raise)
            if self._stopping:
                return
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                self._fail(run, _FULL)
                return
            _log.exception("%s failed", run.label)
            self._fail(run, f"The emulator could not export: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _written(self, run: _Run, output: Path) -> Path:
        """The file, from the worker process."""
        from emulator.vision.exports.formats import write_export

        note = self._noting(run.export_id)
        future = self._context.export_worker.submit(write_export, run.order, output, on_progress=note)
        written: Path = self._result(future, run.order.iteration_id, run.export_id)
        return written

    def _begin(self, session: Session, job: Job) -> _Run:
        assert job.details is not None
        export = session.get_one(Export, job.details["export"])
        iteration = session.get_one(Iteration, export.iteration_id)
        return self._run_of(export, iteration, job, job.details["base"])

    def _give_up(self, session: Session, job: Job, why: str) -> None:
        assert job.details is not None
        export = session.get_one(Export, job.details["export"])
        self._note_failure(session, export, job, f"The export was {why}.")

    def _run_of(self, export: Export, iteration: Iteration, job: Job, base: str) -> _Run:
        from emulator.vision.exports.formats import FORMATS, ExportOrder

        flavor = export.flavor or None
        domain = domains.get(iteration.domain_id or "")
        order = ExportOrder(
            model=str(self._context.blobs.path(iteration.model_blob or "")),
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
        suffix = chosen.suffix if chosen else ".zip"  # unknown after a change of program; then it fails
        return _Run(job.id, export.id, job.attempts, base, order, suffix)

    def _store(self, run: _Run, file: Path) -> None:
        """Keep the file. Nothing is kept when the iteration was deleted meanwhile."""
        stored: set[str] = set()
        replaced: set[str] = set()
        try:
            with self._context.database.write() as session:
                export, job = session.get(Export, run.export_id), session.get(Job, run.job_id)
                if export is None or job is None:
                    return
                replaced = {export.blob} if export.blob else set()
                export.size = file.stat().st_size
                # Inside the transaction: until it ends, nobody sweeps.
                export.blob = self._context.blobs.put_file(file)
                stored.add(export.blob)
                export.status, export.suffix = exports.DONE, run.suffix
                session.add(export)
                session.delete(job)
                outbox.note_export(self._context, session, export, run.base)
        except StorageFull:
            sweep_blobs(self._context, stored)
            raise
        sweep_blobs(self._context, replaced)

    def _fail(self, run: _Run, reason: str) -> None:
        with self._context.database.write() as session:
            export, job = session.get(Export, run.export_id), session.get(Job, run.job_id)
            if export is not None and job is not None:
                self._note_failure(session, export, job, reason)

    def _note_failure(self, session: Session, export: Export, job: Job, reason: str) -> None:
        _log.warning(
            "Export of iteration %s to %s failed: %s",
            export.iteration_id,
            f"{export.platform} {export.flavor}".rstrip(),
            reason,
        )
        export.status, export.failure = exports.FAILED, reason
        session.add(export)
        session.delete(job)
        outbox.note_export(self._context, session, export, "")
