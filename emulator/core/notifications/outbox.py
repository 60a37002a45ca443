"""What clients are told of trainings and exports through a queue of their own, and the copies of exports.

What is to be told is a row, written with what it tells of in one transaction. A thread sends it, and tries
again as long as it takes (a week at most, as long as messages live in queues): a queue that is out of reach
holds up nothing, and what it has missed reaches it afterwards. A message may arrive twice, if the process
dies between sending it and noting that.
"""

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, col, select

from emulator.core.exports import request as exports
from emulator.core.jobs.runner import JobThread
from emulator.core.notifications.azure_storage import StorageRefused, post_message, put_blob
from emulator.store.tables import Export, Iteration, Job, Project, microseconds

if TYPE_CHECKING:
    from emulator.core.context import Context

_KIND = "notification"
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
_PATIENCE = timedelta(days=7)
_log = logging.getLogger(__name__)


def note_training(context: "Context", session: Session, iteration: Iteration) -> None:
    """Have the end of a training told, if the project wants it."""
    project = session.get_one(Project, iteration.project_id)
    if project.notification_queue_uri is not None:
        status = "TrainingCompleted" if iteration.status == "Completed" else "TrainingFailed"
        _add(context, session, project, {"type": "Training", "iteration": iteration.id, "status": status})


def note_export(context: "Context", session: Session, export: Export, base: str) -> None:
    """Have an export that is done copied, and its end told, if the project wants that.

    `base`: scheme and host of the emulator, for the link to the file where there is no container.
    """
    iteration = session.get_one(Iteration, export.iteration_id)
    project = session.get_one(Project, iteration.project_id)
    done = export.status == exports.DONE
    if project.notification_queue_uri is None and not (done and project.export_model_container_uri):
        return
    uri = exports.download_uri(context, base, project.id, export)
    status = "ExportCompleted" if done else "ExportFailed"
    details = {"type": "Export", "iteration": iteration.id, "status": status, "modelUri": uri}
    if done and project.export_model_container_uri is not None:
        details |= {"copy": export.id}
    _add(context, session, project, details)


def _add(context: "Context", session: Session, project: Project, details: dict[str, Any]) -> None:
    now = context.clock.now()
    session.add(
        Job(
            id=context.ids.new(),
            kind=_KIND,
            project_id=project.id,
            created=now,
            details={**details, "due": microseconds(now)},
        )
    )


class NotificationSender(JobThread):
    """The thread that sends notifications and copies exports."""

    kind = _KIND
    name = "notifications"
    seconds_to_stop = 0.5  # it may be waiting for another machine

    def __init__(self, context: "Context") -> None:
        super().__init__(context)
        # Until the next round nobody waits for these again.
        self._out_of_reach: set[str] = set()

    def run_next(self) -> bool:
        """Send the oldest notification that is due; False when there is none, or the disk is full."""
        job_id = None
        try:
            job_id = self._next()
            if job_id is not None:
                self._send(job_id)
                return True
        except Exception:  # noqa: BLE001  (the thread must outlive whatever one job brings)
            _log.exception("A notification could not be sent")
            self._postponed = True
        self._out_of_reach.clear()
        return False

    def _next(self) -> str | None:
        """The oldest job that is due, and whose storage has not just been out of reach."""
        now = microseconds(self._context.clock.now())
        with self._context.database.read() as session:
            statement = select(Job, Project).join(Project, col(Project.id) == Job.project_id)
            rows = session.exec(statement.where(Job.kind == self.kind).order_by(col(Job.created))).all()
        self._postponed = bool(rows)
        for job, project in rows:
            assert job.details is not None
            if job.details["due"] <= now and not self._out_of_reach & _targets(project):
                return job.id
        return None

    def _send(self, job_id: str) -> None:
        """Do what is left to do of one job: the copy, then the message."""
        with self._context.database.read() as session:
            job = session.get(Job, job_id)
            project = None if job is None else session.get(Project, job.project_id)
            if job is None or project is None:  # deleted meanwhile
                return
            assert job.details is not None
            export = session.get(Export, job.details.get("copy", ""))
        content: dict[str, Any] = {"projectId": project.id, "iterationId": job.details["iteration"]}
        copied = None
        try:
            if job.details["type"] == "Training":
                content |= {"trainingStatus": job.details["status"]}
            else:
                copied = self._copy(project, export)
                uri = copied or job.details["modelUri"]
                content |= {"exportStatus": job.details["status"], "modelUri": uri}
            if project.notification_queue_uri is not None:
                target = project.notification_queue_uri
                post_message(self._context, target, job.details["type"], content)
        except (StorageRefused, FileNotFoundError) as reason:
            if not self._stopping:
                self._out_of_reach |= _targets(project)
                self._try_again(job_id, str(reason), {"modelUri": copied, "copy": ""} if copied else {})
            return
        if not self._stopping:
            with self._context.database.write() as session:
                if (sent := session.get(Job, job_id)) is not None:
                    session.delete(sent)

    def _copy(self, project: Project, export: Export | None) -> str | None:
        """Copy a file into the project's container: its URI there; None where there is nothing to copy."""
        if export is None or export.blob is None or project.export_model_container_uri is None:
            return None
        kind = ".".join(part for part in (export.platform, export.flavor) if part)
        name = f"{project.id} - {export.iteration_id}.{kind}"
        file = self._context.blobs.path(export.blob)
        return put_blob(self._context, project.export_model_container_uri, name, file)

    def _try_again(self, job_id: str, reason: str, done: dict[str, str]) -> None:
        """Note when to send it again, or that it is too late for that. done: what changes in its details."""
        now = self._context.clock.now()
        with self._context.database.write() as session:
            job = session.get(Job, job_id)
            if job is None:
                return
            assert job.details is not None
            label = f"Notification of {job.details['type']} {job.details['iteration']}"
            if now - job.created > _PATIENCE:
                _log.error("%s was never taken and is given up: %s", label, reason)
                session.delete(job)
                return
            pause = min(_FIRST_PAUSE * 2 ** min(job.attempts, 8), _LONGEST_PAUSE)
            job.attempts += 1
            job.details = {**job.details, **done, "due": microseconds(now + pause)}
            session.add(job)
        _log.log(
            logging.WARNING if job.attempts == 1 else logging.INFO,
            "%s was not taken and is tried again in %d seconds: %s",
            label,
            pause.total_seconds(),
            reason,
        )


def _targets(project: Project) -> set[str]:
    uris = (project.notification_queue_uri, project.export_model_container_uri)
    return {uri for uri in uris if uri is not None}
