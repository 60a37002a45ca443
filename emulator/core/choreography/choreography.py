"""Holding the ends of jobs back, according to the plans: the plans in effect, and the jobs that are held.

A training or an export is executed at once; only its end is kept, so that the end is visible at its time if
the work is done by then. Planned failures need no execution. An import begins when its end is due, since the
images that it brings have no row before its end.

All of this is in memory: after a restart, unfinished jobs are executed without a plan.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from sqlmodel import Session

from emulator.core.clock import Clock
from emulator.core.jobs.board import JobBoard
from emulator.core.jobs.holds import Ending
from emulator.store.database import Database, StorageFull, when_committed
from emulator.store.tables import UNFINISHED, Iteration, Job, JobKind

if TYPE_CHECKING:
    from emulator.core.choreography.held import Held
    from emulator.core.choreography.plan import Kind, Plan

    Plans = Mapping[Kind, Plan]

# How long the request or poll at which a job ends waits for a job that is still running.
PATIENCE_SECONDS = 5.0
# Pause before another attempt to end a job that is due.
_PAUSE_SECONDS = 30.0
# An event cannot be waited for for centuries.
_LONGEST_WAIT_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class Choreography:
    """The plans by project and for all others, and the jobs that are held. Implements `Holds`.

    in_use: whether there are any plans or held jobs.
    """

    def __init__(self, database: Database, jobs: JobBoard, clock: Clock) -> None:
        self.in_use = False
        self._database = database
        self._jobs = jobs
        self._clock = clock
        self._lock = threading.Lock()
        self._default: Plans = {}
        self._by_project: dict[str, Plans] = {}
        self._held: dict[str, Held] = {}
        self._fail: dict[JobKind, Callable[[str, str], None]] = {}
        self._wake = threading.Event()
        self._watcher: threading.Thread | None = None
        jobs.on_cancel.append(self._cancelled)
        clock.on_change.append(self._clock_changed)

    # --- plans ----------------------------------------------------------------------------------------------

    def plans(self, project_id: str | None = None) -> "Plans":
        """The plans of a project, or those for all projects without a plan of their own."""
        with self._lock:
            return self._default if project_id is None else self._by_project.get(project_id, {})

    def set_plans(self, plans: "Plans", project_id: str | None = None) -> None:
        """Set all plans of a project, or of all others, for jobs that are requested from now on."""
        with self._lock:
            if project_id is None:
                self._default = dict(plans)
            elif plans:
                self._by_project[project_id] = dict(plans)
            else:
                self._by_project.pop(project_id, None)
            self._update_in_use()

    def remove_plans(self, project_id: str | None = None) -> None:
        """Remove the plans of a project, or all plans, and end the jobs that they hold."""
        with self._lock:
            if project_id is None:
                self._default, self._by_project = {}, {}
            else:
                self._by_project.pop(project_id, None)
            self._update_in_use()
        for held in self.held(project_id):
            self._release(held)

    def reset(self) -> None:
        """Forget all plans and held jobs; the files of their results are deleted."""
        with self._lock:
            self._default, self._by_project = {}, {}
        self._drop(self.held())

    def held(self, project_id: str | None = None) -> "list[Held]":
        """The held jobs, of one project or of all, oldest first."""
        with self._lock:
            return [held for held in self._held.values() if held.is_of(project_id)]

    # --- requests -------------------------------------------------------------------------------------------

    def begin(
        self,
        session: Session,
        job: Job,
        kind: "Kind",
        object_id: str,
        project_id: str,
        *,
        planned_by: str | None = None,
    ) -> str | None:
        """A job is about to be committed in `session`; the status to show, None when there is no plan for it.

        object_id: the iteration, export or project that has the status. planned_by: the project whose plans
        apply, by default that of the job.
        """
        from emulator.core.choreography.held import Held

        planned_by = planned_by or project_id
        with self._lock:
            plan = self._by_project.get(planned_by, {}).get(kind) or self._default.get(kind)
        if plan is None:
            return None
        held = Held(
            kind=kind,
            job_id=job.id,
            job_kind=JobKind(job.kind),
            planned_by=planned_by,
            project_id=project_id,
            iteration_id=job.iteration_id,
            object_id=object_id,
            plan=plan,
            begun=self._clock.now(),
            shown=plan.state(0, 0),
        )
        # Before the runner can find the job, and only if it is stored.
        when_committed(session, lambda: self._add(held))
        return held.shown

    def _add(self, held: "Held") -> None:
        with self._lock:
            self._held[held.job_id] = held
            self._update_in_use()
            if held.plan.seconds is not None and self._watcher is None:
                self._watcher = threading.Thread(target=self._watch_clock, name="choreography", daemon=True)
                self._watcher.start()
        self._wake.set()

    def requested(self, job_id: str) -> None:
        """A job was committed. Jobs that end at once do so now."""
        held = self._held.get(job_id)
        if held is not None and held.plan.is_due(0, 0):
            self._release(held)
            self._wait(held)

    # --- polls ----------------------------------------------------------------------------------------------

    def polled(self, kind: "Kind", project_id: str | None = None, iteration_id: str | None = None) -> None:
        """A client is about to read what shows jobs of a project or iteration; None: of any.

        Jobs that are due are ended, so that the client reads their final state.
        """
        if not self.in_use:
            return
        with self._lock:
            polled = [
                held
                for held in self._held.values()
                if held.kind == kind
                and project_id in (None, held.project_id)
                and iteration_id in (None, held.iteration_id)
            ]
            for held in polled:
                held.polls += 1
        for held in polled:
            self._update(held)
            if held.is_due:
                self._wait(held)

    def _update(self, held: "Held") -> None:
        """End the job if that is due, or show its state of now."""
        now = self._clock.now()
        held.begun = min(held.begun, now)  # the clock returned to real time
        seconds = (now - held.begun).total_seconds()
        if held.is_due or held.plan.is_due(held.polls, seconds):
            self._release(held)
        elif (state := held.plan.state(held.polls, seconds)) != held.shown:
            self._show(held, state)

    def _show(self, held: "Held", state: str) -> None:
        """Store the state of an iteration; exports and projects have only one before their end."""
        try:
            with self._database.write() as session:
                iteration = session.get(Iteration, held.object_id)
                if iteration is None or iteration.status not in UNFINISHED or held.is_due:
                    return
                iteration.status = held.shown = state
                iteration.last_modified = self._clock.now()
                session.add(iteration)
            self._jobs.changes.note()
        except StorageFull:
            _log.error("The disk is full: iteration %s keeps showing %s.", held.object_id, held.shown)

    def _release(self, held: "Held") -> None:
        """End a job as soon as it can: now if its end is kept or is a failure, else after its execution."""
        with self._lock:
            held.is_due = True
            is_executed = held.may_run
            if not is_executed:
                # Another thread may be recording its end, or have recorded it.
                if held.is_recorded:
                    return
                held.is_recorded = True
        if is_executed:
            self._jobs.notify(held.job_kind)
            return
        try:
            self._record(held)
        except StorageFull:
            _log.error("The disk is full: the end of the %s of %s waits.", held.kind, held.object_id)
            held.is_recorded = False
        except Exception:  # noqa: BLE001  (a job whose end cannot be recorded is executed again)
            _log.exception("The end of the %s of %s could not be recorded", held.kind, held.object_id)
            if held.ending is not None:
                held.ending.discard()  # its files, and its lease
            self.ended(held.job_id)

    def _record(self, held: "Held") -> None:
        """Record the kept or planned end of a job. Raises StorageFull."""
        if held.plan.failure is not None:
            self._fail[held.job_kind](held.job_id, held.plan.failure.reason)
        elif held.ending is not None:
            held.ending.record()
            held.ending.discard()
        self.ended(held.job_id)

    def _wait(self, held: "Held") -> None:
        """Wait for the end of a job that is due, for a limited time, since requests share few threads.

        For its execution only once; for another thread that records its end, which is soon done, always.
        """
        with self._lock:
            may_wait = held.is_recorded or not held.has_waited
            held.has_waited = True
        if may_wait and self._jobs.runner(held.job_kind).is_alive:
            held.ended.wait(PATIENCE_SECONDS)

    # --- the clock ------------------------------------------------------------------------------------------

    def _timed(self) -> "list[Held]":
        return [held for held in self.held() if held.plan.seconds is not None]

    def _clock_changed(self) -> None:
        """End the jobs that are due now, before the request that changed the clock is answered."""
        if not self.in_use:
            return
        timed = self._timed()
        for held in timed:
            self._update(held)
        for held in timed:
            if held.is_due:
                self._wait(held)
        self._wake.set()

    def _watch_clock(self) -> None:
        """End jobs at their time, also without polls. A thread, which ends when there are none."""
        while True:
            self._wake.clear()
            for held in self._timed():
                try:
                    self._update(held)
                except Exception:  # noqa: BLE001  (one job must not end the thread; polls report what is wrong)
                    _log.exception("The time of the %s of %s cannot be checked", held.kind, held.object_id)
            with self._lock:
                timed = [held for held in self._held.values() if held.plan.seconds is not None]
                if not timed:
                    self._watcher = None
                    return
            waits = [self._seconds_left(held) for held in timed]
            self._wake.wait(min((wait for wait in waits if wait is not None), default=None))

    def _seconds_left(self, held: "Held") -> float | None:
        """How long to wait for the end of a job; None: until the clock changes."""
        if held.is_due or held.due is None:  # it is running, or the disk is full
            return _PAUSE_SECONDS
        left = self._clock.seconds_until(held.due)
        return None if left is None else min(left, _LONGEST_WAIT_SECONDS)

    # --- runners --------------------------------------------------------------------------------------------

    def register(self, kind: JobKind, fail: Callable[[str, str], None]) -> None:
        self._fail[kind] = fail

    def excluded(self, kind: JobKind) -> Collection[str]:
        with self._lock:
            return [held.job_id for held in self._held.values() if held.job_kind == kind and not held.may_run]

    def shows(self, job_id: str) -> bool:
        """Whether the status of this job's iteration follows a plan."""
        return job_id in self._held

    def keep(self, job_id: str, ending: Ending) -> bool:
        with self._lock:
            held = self._held.get(job_id)
            if held is None or held.is_due:
                return False
            held.ending = ending
            return True

    def ended(self, job_id: str) -> None:
        with self._lock:
            held = self._held.pop(job_id, None)
            self._update_in_use()
        if held is not None:
            held.ended.set()
        self._wake.set()

    def cancelled(self, job_id: str) -> None:
        """A job has ended before its time, as its end was recorded."""
        with self._lock:
            held = self._held.get(job_id)
        if held is not None:
            self._drop([held])

    def stop(self, kind: JobKind) -> None:
        self._drop([held for held in self.held() if held.job_kind == kind])

    def _cancelled(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        """Iterations and projects were deleted, and their jobs with them."""
        if not self.in_use:
            return
        with self._lock:
            for project_id in project_ids:
                self._by_project.pop(project_id, None)
            dropped = [
                held
                for held in self._held.values()
                if held.project_id in project_ids or held.iteration_id in iteration_ids
            ]
        self._drop(dropped)

    def _drop(self, dropped: "Iterable[Held]") -> None:
        """Forget held jobs and delete the files of their results."""
        for held in dropped:
            self.ended(held.job_id)
            if held.ending is not None:
                held.ending.discard()
        with self._lock:
            self._update_in_use()

    def _update_in_use(self) -> None:
        """To be called with the lock held."""
        self.in_use = bool(self._default or self._by_project or self._held)
