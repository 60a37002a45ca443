"""Leases of jobs in the database of several servers; `emulator.core.jobs.leases` says what they are for."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

from emulator.core.jobs.board import JobBoard
from emulator.core.jobs.leases import NOT_STOPPED, Execution, JobLeases, progress_id
from emulator.store.database import StoreUnreachable, when_committed
from emulator.store.shared_postgresql import SharedPostgresqlDatabase
from emulator.store.shared_state import ADDED, CHANGED, SharedProgress
from emulator.store.tables import Job, JobKind, microseconds

RENEWED_EVERY_SECONDS = 2.0
# Reports of progress and changes follow each other at least by this time.
_PAUSE_SECONDS = 0.5
_log = logging.getLogger(__name__)


class _Lease(NamedTuple):
    token: str
    subject: str
    execution: Execution


class SharedJobLeases(JobLeases):
    """Leases in the database of several servers.

    Args:
        jobs: whose runners are notified of jobs that other servers have left, and whose changes are
            exchanged.
        now: the time of the emulator's clock.
        job_ended: called when a job of another server may have ended.
    """

    def __init__(
        self,
        database: SharedPostgresqlDatabase,
        jobs: JobBoard,
        now: Callable[[], datetime],
        job_ended: Callable[[], None],
    ) -> None:
        self._database = database
        self._shared = database.shared
        self._jobs = jobs
        self._now = now
        self._job_ended = job_ended
        self._held: dict[str, _Lease] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._passing_on = threading.local()
        self._has_news = False
        self._thread = threading.Thread(target=self._renew_always, name="leases", daemon=True)
        jobs.changes.add(self._changed)
        self._shared.listen(CHANGED, self._changed_elsewhere)
        self._shared.listen(ADDED, self._added)

    def only_free(self, statement: SelectOfScalar[Job]) -> SelectOfScalar[Job]:
        return statement.where(self._shared.is_free())

    def may_have(self, kind: JobKind) -> bool:
        return kind in self._shared.free_kinds()

    def claim(self, session: Session, job: Job, execution: Execution) -> None:
        subject = progress_id(job)
        begun = microseconds(self._now())
        token = self._shared.claim(session, job.id, subject=subject, begun=begun)
        lease = _Lease(token, subject, execution)

        def hold() -> None:
            with self._lock:
                self._held[job.id] = lease

        when_committed(session, hold)

    @contextmanager
    def executing(self, job_id: str) -> Iterator[None]:
        with self._lock:
            lease = self._held.get(job_id)
        if lease is None:  # it was lost already; any other token is refused
            lease = _Lease("lost", "", NOT_STOPPED)
        with self._database.fenced(job_id, lease.token):
            yield

    def release(self, job_id: str) -> None:
        with self._lock:
            lease = self._held.pop(job_id, None)
        if lease is not None:
            with suppress(StoreUnreachable):  # then it expires
                self._shared.release(job_id, lease.token)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(RENEWED_EVERY_SECONDS)

    def renew(self) -> None:
        """Renew the leases with the progress of their jobs, and stop jobs whose lease was lost."""
        with self._lock:
            held = dict(self._held)
        leases = {job_id: (one.token, _progress_of(one)) for job_id, one in held.items()}
        for job_id in self._shared.renew(leases):
            with self._lock:
                is_held = self._held.get(job_id) is held[job_id]
                if is_held:
                    del self._held[job_id]
            if is_held:  # else it has ended meanwhile
                _log.info("The job %s was ended, or is executed, by another server", job_id)
                held[job_id].execution.cancel_job(job_id)

    def look(self) -> None:
        """Notify the runners of jobs that nobody executes."""
        for kind in self._shared.free_kinds():
            self._notify(kind)

    def _notify(self, kind: str) -> None:
        for runner in self._jobs.runners:
            if runner.kind == kind:
                runner.notify()

    def _renew_always(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(RENEWED_EVERY_SECONDS)
            self._wake.clear()
            try:
                self.renew()
                self.look()
                if self._has_news:
                    self._has_news = False
                    self._shared.announce(CHANGED, self._shared.server)
            except StoreUnreachable:
                pass  # the next time; the database tells in the log that it is away
            except Exception:  # noqa: BLE001  (the thread goes on)
                _log.exception("The leases of jobs could not be renewed")
            self._stopping.wait(_PAUSE_SECONDS)

    def _changed(self) -> None:
        """A job of this server has changed."""
        if not getattr(self._passing_on, "is_foreign", False):
            self._has_news = True
            self._wake.set()

    def _changed_elsewhere(self, server: str) -> None:
        if server == self._shared.server:
            return
        self._passing_on.is_foreign = True
        try:
            self._jobs.changes.note()
        finally:
            self._passing_on.is_foreign = False
        self._job_ended()
        self._wake.set()  # a job of this server may have been cancelled

    def _added(self, kind: str) -> None:
        self._notify(kind)


def _progress_of(lease: _Lease) -> SharedProgress | None:
    found = lease.execution.progress(lease.subject)
    return None if found is None else SharedProgress(*found)
