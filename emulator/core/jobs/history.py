"""Jobs as people follow them: what each is for, when it was begun, and how the latest ones ended.

In memory, and of this process: the rows of unfinished jobs outlive a restart, the history does not. Where
several servers have one database, the ends of jobs are stored there.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlmodel import Session

from emulator.core.jobs.changes import Changes
from emulator.store.database import StoreUnreachable
from emulator.store.tables import (
    DEFAULT_RESOURCE,
    Export,
    Iteration,
    Job,
    JobKind,
    Project,
    microseconds,
    moment,
)
from emulator.store.test_set_tables import TestEvaluation

if TYPE_CHECKING:
    from emulator.store.shared_state import SharedState

# Ended jobs of each resource that are kept.
CAPACITY = 100
_KINDS = {
    JobKind.TRAINING: "training",
    JobKind.ADVANCED_TRAINING: "training",
    JobKind.INSTANT_TRAINING: "training",
    JobKind.EXPORT: "export",
    JobKind.IMPORT: "import",
    JobKind.EVALUATION: "evaluation",
    JobKind.DATA_SET: "import",
}
# The kinds of jobs that have a description.
DESCRIBED = tuple(_KINDS)


class EndStatus(StrEnum):
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class JobDescription(NamedTuple):
    """What a job is for, with the names of now. kind: training, export, import,
    evaluation, or check: the dry run of an import of a data set. resource: of the project.
    """

    id: str
    kind: str
    created: datetime
    project_id: str
    project_name: str
    iteration_id: str | None = None
    iteration_name: str | None = None
    training_type: str | None = None
    platform: str | None = None
    flavor: str | None = None
    resource: str = DEFAULT_RESOURCE


class EndedJob(NamedTuple):
    """A job that has ended. started: None if it was not begun. failure: the reason, for a person."""

    job: JobDescription
    status: EndStatus
    started: datetime | None
    ended: datetime
    failure: str | None


def description_of(session: Session, job: Job) -> JobDescription | None:
    """The description of a job; None when what it is for was deleted, and for jobs that nobody follows."""
    kind = _KINDS.get(JobKind(job.kind))
    if kind is None:
        return None
    if job.kind == JobKind.DATA_SET:
        details = job.details or {}
        if details.get("dryRun"):  # absent in jobs of earlier versions
            kind = "check"
        return JobDescription(
            id=job.id,
            kind=kind,
            created=job.created,
            project_id=details["projectId"],
            project_name=details["projectName"],
            resource=details.get("resource", DEFAULT_RESOURCE),
        )
    if kind == "import":
        target = session.get(Project, job.project_id)
        if target is None:
            return None
        return JobDescription(job.id, kind, job.created, target.id, target.name, resource=target.resource)
    iteration = session.get(Iteration, job.iteration_id)
    if iteration is None:
        return None
    project = session.get_one(Project, iteration.project_id)
    details = job.details or {}
    export = session.get(Export, details["export"]) if kind == "export" else None
    if kind == "export" and export is None:
        return None
    if kind == "evaluation" and session.get(TestEvaluation, details["evaluation"]) is None:
        return None
    return JobDescription(
        id=job.id,
        kind=kind,
        created=job.created,
        project_id=project.id,
        project_name=project.name,
        iteration_id=iteration.id,
        iteration_name=iteration.name,
        training_type=iteration.training_type if kind == "training" else None,
        platform=export.platform if export else None,
        flavor=(export.flavor or None) if export else None,
        resource=project.resource,
    )


class JobHistory:
    """When jobs were begun, and the last CAPACITY of each resource that have ended. Thread-safe.

    changes: is notified of each entry. now: the time of the emulator's clock. shared: the state of several
    servers, which have the ended jobs in common; None for one server.
    """

    def __init__(
        self, changes: Changes, now: Callable[[], datetime], shared: "SharedState | None" = None
    ) -> None:
        self._shared = shared
        self._changes = changes
        self._now = now
        self._lock = threading.Lock()
        self._begun: dict[str, datetime] = {}
        self._ended: deque[EndedJob] = deque()
        self._numbers: Counter[tuple[str, str]] = Counter()

    def begun(self, job_id: str) -> None:
        """The execution of a job begins."""
        with self._lock:
            self._begun[job_id] = self._now()
        self._changes.note()

    def stopped(self, job_id: str) -> None:
        """The execution of a job is over, with or without an end of the job."""
        with self._lock:
            is_known = self._begun.pop(job_id, None) is not None
        if is_known:
            self._changes.note()

    def ended(self, job: JobDescription | None, status: EndStatus, failure: str | None = None) -> None:
        """A job has ended. None: what it was for was deleted; there is nothing to follow.

        Only the first end of a job counts: one that is cancelled at its end may complete, without effect.
        """
        if job is None:
            return
        if self._shared is not None:
            self._end_shared(self._shared, job, status, failure)
            return
        with self._lock:
            started = self._begun.pop(job.id, None)
            if any(other.job.id == job.id for other in self._ended):
                return
            self._ended.appendleft(EndedJob(job, status, started, self._now(), failure))
            of_resource = [one for one in self._ended if one.job.resource == job.resource]
            if len(of_resource) > CAPACITY:
                self._ended.remove(of_resource[-1])
            self._numbers[job.kind, status.value] += 1
        self._changes.note()

    def _end_shared(
        self, shared: "SharedState", job: JobDescription, status: EndStatus, failure: str | None
    ) -> None:
        started = self.started(job.id)
        with self._lock:
            self._begun.pop(job.id, None)
        try:
            is_first = shared.add_end(
                job.id, job.resource, _to_stored(EndedJob(job, status, started, self._now(), failure))
            )
        except StoreUnreachable:
            return  # the end itself is stored; the list lacks it
        if is_first:
            with self._lock:
                self._numbers[job.kind, status.value] += 1
            self._changes.note()

    def started(self, job_id: str) -> datetime | None:
        """When the execution of an unfinished job was begun; None while it waits."""
        here = self._begun.get(job_id)
        if here is not None or self._shared is None:
            return here
        elsewhere = self._shared.begun(job_id)
        return None if elsewhere is None else moment(elsewhere)

    def latest(self) -> list[EndedJob]:
        """The jobs that have ended, the latest first."""
        if self._shared is not None:
            return [_from_stored(one) for one in self._shared.ends()]
        with self._lock:
            return list(self._ended)

    def numbers(self) -> dict[tuple[str, str], int]:
        """How many jobs this server has ended since its start, by kind and status; not changed by `clear`."""
        with self._lock:
            return dict(self._numbers)

    def forget_of(self, resource: str) -> None:
        """Forget the jobs of a resource that have ended."""
        ended = [one for one in self.latest() if one.job.resource == resource]
        if self._shared is not None:
            for one in ended:
                self._shared.forget_end(one.job.id)
        with self._lock:
            for one in ended:
                with suppress(ValueError):
                    self._ended.remove(one)
        self._changes.note()

    def clear(self) -> None:
        """Forget the jobs that have ended."""
        if self._shared is not None:
            self._shared.forget_ends()
        with self._lock:
            self._ended.clear()
        self._changes.note()


def _to_stored(ended: EndedJob) -> dict[str, Any]:
    """An ended job as a JSON value."""
    started = None if ended.started is None else microseconds(ended.started)
    return {
        "job": [*ended.job[:2], microseconds(ended.job.created), *ended.job[3:]],
        "status": ended.status,
        "started": started,
        "ended": microseconds(ended.ended),
        "failure": ended.failure,
    }


def _from_stored(stored: dict[str, Any]) -> EndedJob:
    """The reverse of `_to_stored`."""
    job_id, kind, created, *others = stored["job"]
    started = stored["started"]
    return EndedJob(
        job=JobDescription(job_id, kind, moment(created), *others),
        status=EndStatus(stored["status"]),
        started=None if started is None else moment(started),
        ended=moment(stored["ended"]),
        failure=stored["failure"],
    )
