"""The part of executing jobs that all kinds of jobs share.

A `Work` has the steps of one kind of job; a `Control` stops a running job and reports its progress.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from sqlmodel import Session, col, select

from emulator.core.jobs import traces
from emulator.core.jobs.history import EndStatus, JobHistory, description_of
from emulator.core.jobs.holds import Ending, Holds
from emulator.core.jobs.leases import ONE_SERVER, JobLeases
from emulator.core.jobs.progress import Progress
from emulator.core.jobs.thread import Outcome, WorkThread
from emulator.core.jobs.traces import JobTraces
from emulator.store.blobs import BlobDamaged
from emulator.store.damage import describe
from emulator.store.database import (
    Database,
    LeaseLost,
    StorageFull,
    StoreUnreachable,
    when_committed,
)
from emulator.store.tables import Job, JobKind

# Attempts of a job; after this number of interruptions it fails.
ATTEMPTS = 3
# The last step of each job that succeeds, in traces.
_RECORDING = "Recording the result"
_log = logging.getLogger(__name__)
_Task = TypeVar("_Task")


class JobFailed(Exception):
    """The job cannot succeed. str() is the reason, for a person."""


class JobStopped(Exception):
    """The job was cancelled, or the process is ending; nothing is recorded."""


class TryAgain(Exception):
    """The job may succeed at another attempt. str() is the reason if this was the last one."""


class Interrupted(Exception):
    """The process ended during each attempt. str() completes the sentence "The job was ..."."""


class Work(Protocol[_Task]):
    """The steps of one kind of job."""

    def begin(self, session: Session, job: Job) -> None:
        """Record that the job begins, in the transaction that counts the attempt."""

    def prepare(self, session: Session, job: Job) -> _Task | None:
        """Read the inputs of the job; None when its iteration was deleted. Raises JobFailed, BlobDamaged."""

    def execute(self, task: _Task, folder: Path) -> Any:
        """Do the work; returns its result. folder: does not exist yet, and is removed after `complete`.

        Raises JobFailed, JobStopped, TryAgain, BlobDamaged, or another exception, which `explain` describes.
        """

    def complete(self, task: _Task, result: Any) -> None:
        """Record the result of `execute`. It may be called much later, and raises the same exceptions."""

    def explain(self, error: Exception) -> str:
        """The reason of a failure, for a person. error: Interrupted, StorageFull or an unexpected one."""

    def fail(self, session: Session, job: Job, reason: str) -> None:
        """Record that the job has failed, and delete it or change its kind."""


class Control(Protocol):
    """Stops the running job and reports its progress."""

    def interrupt(self) -> None:
        """Make the running job end soon, since the process ends."""

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        """Stop the running job if it belongs to one of these iterations or projects."""

    def cancel_job(self, job_id: str) -> None:
        """Stop the running job if it is this one."""

    def progress(self, id: str) -> Progress | None:
        """Progress of the running job of an iteration, an export or an importing project; None when it is
        not running."""


class JobRunner(Generic[_Task]):
    """Executes the jobs of one kind, the oldest first. A `Runner` of the board.

    A job that ends with its process is executed again, ATTEMPTS times in all. name: of the thread, and of the
    jobs in log messages. folder: for unfinished files of jobs. seconds_to_stop: how long `stop` waits.
    holds: the jobs whose end is not to be visible yet. history: of begun and ended jobs. leases: of the jobs
    that this server executes. job_traces: follow the execution of each job. after_each: called after each
    job, successful or not. at_once: how many jobs are executed at the same time, in threads.
    """

    def __init__(
        self,
        database: Database,
        kind: JobKind,
        work: Work[_Task],
        control: Control,
        *,
        name: str,
        folder: Path,
        seconds_to_stop: float,
        holds: Holds,
        history: JobHistory,
        leases: JobLeases = ONE_SERVER,
        job_traces: JobTraces = traces.NONE,
        after_each: Callable[[], None] = lambda: None,
        at_once: int = 1,
    ) -> None:
        self.kind = kind
        self.folder = folder
        self._database = database
        self._work = work
        self._control = control
        self._holds = holds
        self._history = history
        self._traces = job_traces
        self._leases = leases
        self._after_each = after_each
        holds.register(kind, self.fail)
        # The jobs in progress, by the thread that executes them. Changed in write transactions only, or by
        # their own thread.
        self._claimed: dict[int, str] = {}
        self._thread = WorkThread(name, self._run_next, seconds_to_stop, count=at_once)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive

    def start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        with self._database.read() as session:
            waiting = session.exec(select(Job.id).where(Job.kind == self.kind).limit(1)).first()
        self._thread.start()
        if waiting:
            self._thread.notify()

    def stop(self) -> None:
        self._thread.stop(self._control.interrupt)
        if self._holds.in_use:
            self._holds.stop(self.kind)

    def notify(self) -> None:
        self._thread.notify()

    def run_waiting(self) -> None:
        self._thread.run_waiting()

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        self._control.cancel(iteration_ids, project_ids)

    def cancel_job(self, job_id: str, reason: str) -> bool:
        is_cancelled = self._record_failure(job_id, reason, EndStatus.CANCELLED)
        self._control.cancel_job(job_id)
        if is_cancelled:
            self._after_each()
        return is_cancelled

    def progress(self, id: str) -> Progress | None:
        return self._control.progress(id)

    def fail(self, job_id: str, reason: str) -> None:
        """Record that a job has failed which is not executed. Raises StorageFull."""
        self._fail(job_id, reason)
        self._after_each()

    def _run_next(self) -> Outcome:
        """Execute the oldest job."""
        try:
            claimed = self.claim()
            if claimed is None:
                return Outcome.IDLE
            try:
                with traces.following(self._traces, claimed[0]):
                    self._execute(*claimed)
            finally:
                self._after_each()
        except LeaseLost as lost:
            _log.warning("%s", lost)
        except StorageFull:
            _log.error("The disk is full: the %s wait.", self._thread.name)
            return Outcome.POSTPONED
        except StoreUnreachable as error:
            _log.error("The %s wait: %s", self._thread.name, error)
            return Outcome.POSTPONED
        except Exception:  # noqa: BLE001  (one job must not end the thread)
            _log.exception("One of the %s could not be started or completed", self._thread.name)
            return Outcome.POSTPONED
        finally:
            self._claimed.pop(threading.get_ident(), None)
        return Outcome.DONE

    def claim(self) -> tuple[Job, _Task] | None:
        """The oldest job that no other thread executes, with one more attempt, and its inputs.

        None when no job is waiting.
        """
        while True:
            job = self._next_job()
            if job is None:
                return None
            task = None
            try:
                with self._database.read() as session:
                    task = self._work.prepare(session, job)
            except JobFailed as failed:
                self._end(job, partial(self._fail, job.id, str(failed)))
                continue
            except StoreUnreachable:
                self._count_no_attempt(job)
                raise
            except BlobDamaged as damaged:
                self._end(job, partial(self._fail_of_damage, job.id, damaged))
                continue
            finally:
                if task is None:
                    self._leases.release(job.id)
            if task is not None:
                return job, task

    def _next_job(self) -> Job | None:
        """The oldest job that no other thread executes, with one more attempt.

        Jobs without attempts left fail.
        """
        me = threading.get_ident()
        while self._leases.may_have(self.kind):
            with self._database.write() as session:
                others = [job_id for thread, job_id in self._claimed.copy().items() if thread != me]
                oldest = select(Job).where(Job.kind == self.kind).order_by(col(Job.created)).limit(1)
                if others:
                    oldest = oldest.where(col(Job.id).not_in(others))
                oldest = self._leases.only_free(oldest)
                if self._holds.in_use:
                    oldest = oldest.where(col(Job.id).not_in(self._holds.excluded(self.kind)))
                job = session.exec(oldest).first()
                if job is None:
                    return None
                if job.attempts >= ATTEMPTS:
                    error = Interrupted(f"interrupted {job.attempts} times by the end of the emulator")
                    self._fail_in(session, job, self._work.explain(error))
                    if self._holds.in_use:
                        self._holds.ended(job.id)
                    continue
                job.attempts += 1
                self._claimed[me] = job.id
                session.add(job)
                self._leases.claim(session, job, self._control)
                self._work.begin(session, job)
            return job
        return None

    def _execute(self, job: Job, task: _Task) -> None:
        folder = self.folder / job.id

        def discard() -> None:
            shutil.rmtree(folder, ignore_errors=True)

        is_kept = False
        self._history.begun(job.id)
        try:
            with self._leases.executing(job.id):
                try:
                    result = self._work.execute(task, folder)
                except StoreUnreachable as error:
                    traces.current().failed(error)
                    self._count_no_attempt(job)
                    raise
                except Exception as error:  # noqa: BLE001  (one job must not end the thread)
                    record = self._failure(job, error)
                else:
                    record = partial(self._complete, job, task, result)
                is_kept = record is not None and self._end(job, record, discard)
        finally:
            if not is_kept:
                self._leases.release(job.id)
                self._history.stopped(job.id)
                discard()

    def _complete(self, job: Job, task: _Task, result: Any) -> None:
        traces.current().step(_RECORDING)
        try:
            self._work.complete(task, result)
        except StoreUnreachable as error:
            traces.current().failed(error)
            self._count_no_attempt(job)
            raise
        except Exception as error:  # noqa: BLE001  (one job must not end the thread)
            record = self._failure(job, error)
            if record is not None:
                record()
        else:
            with self._database.read() as session:
                self._history.ended(description_of(session, job), EndStatus.COMPLETED)

    def _end(self, job: Job, record: Callable[[], None], discard: Callable[[], None] = lambda: None) -> bool:
        """Record the end of a job, or keep it until it is to be visible; whether it is kept.

        discard: deletes the files of the job, if the end is kept.
        """
        if self._holds.in_use:

            def record_later() -> None:
                with self._leases.executing(job.id):
                    record()
                self._after_each()

            def discard_later() -> None:
                self._leases.release(job.id)
                discard()

            if self._holds.keep(job.id, Ending(record_later, discard_later)):
                self._count_no_attempt(job)
                return True
        record()
        if self._holds.in_use:
            self._holds.ended(job.id)
        return False

    def _count_no_attempt(self, job: Job) -> None:
        """A job was not interrupted: its end is kept, or it waits for the store."""
        # Should the disk be full or the database away, it counts as interrupted.
        with suppress(StorageFull, StoreUnreachable), self._database.write() as session:
            row = session.get(Job, job.id)
            if row is not None:
                row.attempts -= 1
                session.add(row)

    def _failure(self, job: Job, error: Exception) -> Callable[[], None] | None:
        """What records the failure of a job; None when nothing is recorded."""
        traces.current().failed(error)
        if isinstance(error, JobStopped):
            _log.info("%s", error)
            return None
        if isinstance(error, LeaseLost):
            raise error
        if isinstance(error, JobFailed):
            return partial(self._fail, job.id, str(error))
        if isinstance(error, BlobDamaged):
            return partial(self._fail_of_damage, job.id, error)
        if isinstance(error, StorageFull):
            return partial(self._fail, job.id, self._work.explain(error))
        if self._thread.stopping:
            return None
        if isinstance(error, TryAgain):
            if job.attempts >= ATTEMPTS:
                return partial(self._fail, job.id, str(error))
            _log.warning("%s Trying again.", error)
            return None
        _log.error("One of the %s failed", self._thread.name, exc_info=error)
        return partial(self._fail, job.id, self._work.explain(error))

    def _fail_of_damage(self, job_id: str, damaged: BlobDamaged) -> None:
        reason = describe(self._database, damaged).message
        _log.error("One of the %s failed. %s", self._thread.name, reason)
        self._fail(job_id, reason)

    def _fail(self, job_id: str, reason: str) -> None:
        self._record_failure(job_id, reason, EndStatus.FAILED)

    def _record_failure(self, job_id: str, reason: str, status: EndStatus) -> bool:
        """Record a failure; False if the job has ended meanwhile, or was deleted with what it is for."""
        with self._database.write() as session:
            row = session.get(Job, job_id)
            if row is None or row.kind != self.kind:
                return False
            self._fail_in(session, row, reason, status)
        return True

    def _fail_in(self, session: Session, job: Job, reason: str, status: EndStatus = EndStatus.FAILED) -> None:
        described = description_of(session, job)
        self._work.fail(session, job, reason)
        when_committed(session, lambda: self._history.ended(described, status, reason))
