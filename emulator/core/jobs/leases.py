"""Leases of jobs: which server executes a job, where several have one database.

A server takes the lease in the transaction that begins the job, and renews it while the job runs. If it was
not renewed for `LEASE_SECONDS`, for example because the server was killed, another server executes the job,
and transactions of the first one for this job raise `LeaseLost`. The progress of the job is stored at each
renewal.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

from emulator.core.jobs.progress import Progress
from emulator.store.tables import Job, JobKind


class Execution(Protocol):
    """What stops the execution of a job and tells its progress; a part of `job_runner.Control`."""

    def cancel_job(self, job_id: str) -> None: ...

    def progress(self, id: str) -> Progress | None: ...


class _NotStopped:
    def cancel_job(self, job_id: str) -> None:
        """It goes on to its end."""

    def progress(self, id: str) -> None:
        """There is none."""


# An execution that nothing stops.
NOT_STOPPED = _NotStopped()


class JobLeases:
    """Leases where there is one server: it executes all jobs, and nothing is stored."""

    def only_free(self, statement: SelectOfScalar[Job]) -> SelectOfScalar[Job]:
        """The jobs of a statement that no other server executes."""
        return statement

    def may_have(self, kind: JobKind) -> bool:
        """Whether there may be a job of this kind that can be claimed. Without a transaction that writes."""
        return True

    def claim(self, session: Session, job: Job, execution: Execution) -> None:
        """Take the lease of a free job, in the transaction that begins it."""

    @contextmanager
    def executing(self, job_id: str) -> Iterator[None]:
        """Within its context, what the thread stores is refused with LeaseLost once the lease is lost."""
        yield

    def release(self, job_id: str) -> None:
        """The job is not executed any longer, whether it has ended or not."""

    def start(self) -> None:
        """Begin to renew leases and to look for jobs of other servers."""

    def stop(self) -> None:
        """End what `start` began. Leases that are held expire."""


ONE_SERVER = JobLeases()


def progress_id(job: Job) -> str:
    """The id under which the progress of a job is found: of an export, an evaluation, a data set's job, an
    iteration or a project."""
    details = job.details or {}
    if job.kind == JobKind.DATA_SET:
        return job.id
    if job.kind == JobKind.EXPORT:
        return str(details["export"])
    if job.kind == JobKind.EVALUATION:
        return str(details["evaluation"])
    return job.iteration_id or job.project_id or job.id
