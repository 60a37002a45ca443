"""Adding notifications as jobs, in the transaction of the event that they report.

`sender` sends them to the project's Azure storage.
"""

from typing import Any

from sqlmodel import Session

from emulator.core.context import Context
from emulator.core.jobs.traces import with_traceparent
from emulator.store.database import when_committed
from emulator.store.tables import (
    Export,
    ExportStatus,
    Iteration,
    IterationStatus,
    Job,
    JobKind,
    Project,
    microseconds,
)


def note_training(context: Context, session: Session, iteration: Iteration) -> None:
    """Add a notification of the end of a training, if the project has a notification queue."""
    project = session.get_one(Project, iteration.project_id)
    if project.notification_queue_uri is not None:
        status = "TrainingCompleted" if iteration.status == IterationStatus.COMPLETED else "TrainingFailed"
        _add(context, session, project, {"type": "Training", "iteration": iteration.id, "status": status})


def note_export(context: Context, session: Session, export: Export, uri: str | None) -> None:
    """Add a notification of the end of an export, and the copy of its file, if the project has a queue or a
    container for them.

    uri: of the file at the emulator, for projects without a container; None if the export failed.
    """
    iteration = session.get_one(Iteration, export.iteration_id)
    project = session.get_one(Project, iteration.project_id)
    done = export.status == ExportStatus.DONE
    if project.notification_queue_uri is None and not (done and project.export_model_container_uri):
        return
    status = "ExportCompleted" if done else "ExportFailed"
    details = {"type": "Export", "iteration": iteration.id, "status": status, "modelUri": uri}
    if done and project.export_model_container_uri is not None:
        details |= {"copy": export.id}
    _add(context, session, project, details)


def _add(context: Context, session: Session, project: Project, details: dict[str, Any]) -> None:
    now = context.clock.now()
    session.add(
        Job(
            id=context.ids.internal(),
            kind=JobKind.NOTIFICATION,
            project_id=project.id,
            created=now,
            details=with_traceparent(context.job_traces, {**details, "due": microseconds(now)}),
        )
    )
    when_committed(session, lambda: context.jobs.notify(JobKind.NOTIFICATION))
