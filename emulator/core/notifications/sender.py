"""Sending notifications, and copies of exports, to the Azure storage of projects.

A notification that cannot be sent is retried later, for a week, which is the lifetime of messages in queues.
So unreachable storage does not delay other notifications. A message may arrive twice, if the process dies
between sending it and recording that.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlmodel import col, select

from emulator.core.context import Context
from emulator.core.jobs.leases import NOT_STOPPED
from emulator.core.jobs.thread import Outcome, WorkThread
from emulator.core.notifications.azure_storage import StorageRefused, post_message, put_blob
from emulator.store.blobs import BlobDamaged
from emulator.store.tables import Export, Job, JobKind, Project, microseconds

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
_MAX_AGE = timedelta(days=7)
# A request to the storage may be waiting for a response.
_SECONDS_TO_STOP = 0.5
_log = logging.getLogger(__name__)


class NotificationSender:
    """The thread that sends notifications and copies exports. A `Runner` of the board of jobs."""

    kind = JobKind.NOTIFICATION

    def __init__(self, context: Context) -> None:
        self._context = context
        self._thread = WorkThread("notifications", self._run_next, _SECONDS_TO_STOP)
        # URIs of storage that could not be reached; nothing else is sent there until the next round.
        self._unreachable: set[str] = set()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive

    def start(self) -> None:
        waiting = self._waiting()
        self._thread.start()
        if waiting:
            self._thread.notify()

    def stop(self) -> None:
        self._thread.stop()

    def notify(self) -> None:
        self._thread.notify()

    def run_waiting(self) -> None:
        self._thread.run_waiting()

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        """Notifications of deleted projects are deleted with them; one that is being sent is not stopped."""

    def cancel_job(self, job_id: str, reason: str) -> bool:
        """Notifications are not cancelled one by one."""
        return False

    def progress(self, id: str) -> None:
        """Notifications have no progress."""

    def _run_next(self) -> Outcome:
        """Send the oldest notification that is due and whose storage can be reached."""
        try:
            rows = self._waiting()
            now = self._context.clock.now()
            # Later ones are from before the clock was restored to real time.
            latest = microseconds(now + _LONGEST_PAUSE)
            for job, project in rows:
                assert job.details is not None
                is_due = not microseconds(now) < job.details["due"] <= latest
                if is_due and not self._unreachable & _targets(project) and self._claims(job.id):
                    try:
                        with self._context.leases.executing(job.id):
                            self._send(job.id)
                    finally:
                        self._context.leases.release(job.id)
                    return Outcome.DONE
            outcome = Outcome.POSTPONED if rows else Outcome.IDLE
        except Exception:  # noqa: BLE001  (one job must not end the thread)
            _log.exception("A notification could not be sent")
            outcome = Outcome.POSTPONED
        self._unreachable.clear()
        return outcome

    def _waiting(self) -> Sequence[tuple[Job, Project]]:
        """The notifications that are still to be sent, with their projects, the oldest first."""
        with self._context.database.read() as session:
            statement = select(Job, Project).join(Project, col(Project.id) == Job.project_id)
            return session.exec(statement.where(Job.kind == self.kind).order_by(col(Job.created))).all()

    def _claims(self, job_id: str) -> bool:
        """Whether this server may send a notification, and no other one does."""
        if self._context.database.shared is None:
            return True
        leases = self._context.leases
        with self._context.database.write() as session:
            job = session.exec(leases.only_free(select(Job).where(Job.id == job_id))).first()
            if job is not None:
                leases.claim(session, job, NOT_STOPPED)
        return job is not None

    def _send(self, job_id: str) -> None:
        """Do the remaining steps of one job: the copy, then the message."""
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
        except (StorageRefused, FileNotFoundError, BlobDamaged) as reason:
            if not self._thread.stopping:
                self._unreachable |= _targets(project)
                self._try_again(job_id, str(reason), {"modelUri": copied, "copy": ""} if copied else {})
            return
        if not self._thread.stopping:
            with self._context.database.write() as session:
                if (sent := session.get(Job, job_id)) is not None:
                    session.delete(sent)

    def _copy(self, project: Project, export: Export | None) -> str | None:
        """Copy the file of an export into the project's container. Returns its URI there; None if there is no
        file or container."""
        if export is None or export.blob is None or project.export_model_container_uri is None:
            return None
        kind = ".".join(part for part in (export.platform, export.flavor) if part)
        name = f"{project.id} - {export.iteration_id}.{kind}"
        file = self._context.blobs.verified_path(export.blob)
        return put_blob(self._context, project.export_model_container_uri, name, file)

    def _try_again(self, job_id: str, reason: str, done: dict[str, str]) -> None:
        """Schedule another attempt, or delete the job when it is too old. done: changes of its details."""
        now = self._context.clock.now()
        with self._context.database.write() as session:
            job = session.get(Job, job_id)
            if job is None:
                return
            assert job.details is not None
            label = f"Notification of {job.details['type']} {job.details['iteration']}"
            if now - job.created > _MAX_AGE:
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
