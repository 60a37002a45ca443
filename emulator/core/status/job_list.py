"""All trainings, exports, imports and evaluations, with progress and remaining time; cancelling one."""

from collections import Counter
from collections.abc import Container
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import case, func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.jobs.history import DESCRIBED, EndedJob, JobDescription, description_of
from emulator.core.jobs.leases import progress_id
from emulator.core.jobs.progress import Progress
from emulator.store.tables import DEFAULT_RESOURCE, Iteration, IterationStatus, Job, JobKind, Project

if TYPE_CHECKING:
    from emulator.core.choreography.held import Held

_STARTING = "Starting the process for it"
# Unfinished jobs of a resource in one list; an emulator executes four at a time.
_MAX_JOBS = 500


class ListedJob(NamedTuple):
    """A job that waits, runs or has ended.

    status: Waiting, Running, Completed, Failed or Cancelled. stage: what is being done; None after its end.
    progress: 0 to 1, None when unknown. seconds_left: None when unknown.
    """

    job: JobDescription
    status: str
    stage: str | None
    progress: float | None
    seconds_left: float | None
    started: datetime | None
    ended: datetime | None = None
    failure: str | None = None


def list_all(
    context: Context, project_id: str | None = None, resource: str = DEFAULT_RESOURCE
) -> list[ListedJob]:
    """The unfinished jobs of a resource, oldest first, then those that have ended, latest first.

    project_id: of a project whose jobs alone are listed.

    It is no poll of a choreography: a list that is shown on a page must not end what a test holds.
    """
    with context.database.read() as session:
        if project_id is not None:
            lookup.project_of(session, resource, project_id)
        held = {one.job_id: one for one in context.choreography.held()} if context.choreography.in_use else {}
        before = _earlier(session, held)
        oldest = _of_resource(resource).order_by(col(Job.created)).limit(_MAX_JOBS)
        found = [(job, description_of(session, job)) for job in session.exec(oldest)]
    listed = []
    for job, described in found:
        if described is None or project_id not in (None, described.project_id):
            continue
        if job.id in held:
            listed.append(_held(context, described, held[job.id]))
        else:
            listed.append(_unfinished(context, job, described, before[job.id]))
    unfinished = {job.id for job, _ in found}
    ended = [
        _ended(one)
        for one in context.job_history.latest()
        if one.job.resource == resource
        and project_id in (None, one.job.project_id)
        and one.job.id not in unfinished
    ]
    return listed + ended


def _of_resource(resource: str) -> SelectOfScalar[Job]:
    """The unfinished jobs of a resource. An import of a data set may create its project later."""
    project_id = func.coalesce(Iteration.project_id, Job.project_id)
    of_data_set = func.coalesce(col(Job.details)["resource"].as_string(), DEFAULT_RESOURCE)
    return (
        select(Job)
        .outerjoin(Iteration, col(Iteration.id) == Job.iteration_id)
        .outerjoin(Project, col(Project.id) == project_id)
        .where(
            col(Job.kind).in_(DESCRIBED),
            case((col(Job.kind) == JobKind.DATA_SET, of_data_set), else_=col(Project.resource)) == resource,
        )
    )


def _earlier(session: Session, held: Container[str]) -> dict[str, int]:
    """How many jobs of all resources wait or run before each unfinished job, of the same kind."""
    numbers: Counter[str] = Counter()
    before = {}
    jobs = select(Job.id, Job.kind).where(col(Job.kind).in_(DESCRIBED)).order_by(col(Job.created))
    for job_id, kind in session.exec(jobs):
        before[job_id] = numbers[kind]
        numbers[kind] += job_id not in held
    return before


def cancel(context: Context, job_id: str, resource: str = DEFAULT_RESOURCE) -> ListedJob:
    """End a job of a resource that waits or runs, as a failure with the reason that it was cancelled.

    Its iteration, export or project becomes ``Failed``, so that a program that waits for it ends, too. Raises
    ServiceError when there is no such job, or when it has ended.
    """
    with context.database.read() as session:
        job = session.get(Job, job_id)
        described = None if job is None else description_of(session, job)
    if described is not None and described.resource != resource:
        raise _no_job(job_id)
    if job is not None and described is not None:
        runner = context.jobs.runner(JobKind(job.kind))
        started = context.job_history.started(job_id)
        if runner.cancel_job(job_id, _reason(context, described, started)):
            context.choreography.cancelled(job_id)
    ended = next((one for one in context.job_history.latest() if one.job.id == job_id), None)
    if ended is None or ended.job.resource != resource:
        raise _no_job(job_id)
    if described is None:
        message = f"The {ended.job.kind} has ended already, with status {ended.status}."
        raise ServiceError("Conflict", message)
    return _ended(ended)


def _no_job(job_id: str) -> ServiceError:
    return ServiceError("NotFound", f"There is no job {job_id}.")


def _reason(context: Context, job: JobDescription, started: datetime | None) -> str:
    if started is None:
        return f"Cancelled: the {job.kind} was ended by a person before it began."
    seconds = max(0, round((context.clock.reading - started).total_seconds()))
    unit = "second" if seconds == 1 else "seconds"
    return f"Cancelled: the {job.kind} was ended by a person after {seconds} {unit}."


def _unfinished(context: Context, job: Job, described: JobDescription, before: int) -> ListedJob:
    """A job without a plan. before: the number of earlier unfinished jobs of its kind."""
    started = context.job_history.started(job.id)
    if started is None:
        stage = "Waiting" if not before else f"Waiting for {before} other {_plural(described.kind, before)}"
        return ListedJob(described, "Waiting", stage, None, None, None)
    progress = context.jobs.progress(progress_id(job)) or Progress(0.0, _STARTING)
    is_known = progress.step != _STARTING
    return ListedJob(
        job=described,
        status="Running",
        stage=progress.step,
        progress=progress.fraction if is_known else None,
        seconds_left=progress.seconds_left,
        started=started,
    )


def _plural(kind: str, count: int) -> str:
    return kind if count == 1 else f"{kind}s"


def _held(context: Context, described: JobDescription, held: "Held") -> ListedJob:
    """A job whose end follows a plan of a test: the progress is that of the plan."""
    plan = held.plan
    seconds = max(0.0, (context.clock.reading - held.begun).total_seconds())
    left = None
    if plan.polls is not None:
        progress = min(1.0, held.polls / plan.polls)
        until = f"poll {plan.polls} of its state ({held.polls} until now)"
    elif plan.seconds:
        progress, left = min(1.0, seconds / plan.seconds), max(0.0, plan.seconds - seconds)
        until = f"{plan.seconds:g} seconds after its request"
    else:
        progress, until = 1.0, "its work is done"
    waits = held.shown in (IterationStatus.STAGING, IterationStatus.QUEUED)
    return ListedJob(
        job=described,
        status="Waiting" if waits else "Running",
        stage=f"{held.shown}, held by a choreography until {until}",
        progress=progress,
        seconds_left=left,
        started=None if waits else held.begun,
    )


def _ended(one: EndedJob) -> ListedJob:
    return ListedJob(
        job=one.job,
        status=one.status,
        stage=None,
        progress=1.0 if one.status == "Completed" else None,
        seconds_left=None,
        started=one.started,
        ended=one.ended,
        failure=one.failure,
    )
