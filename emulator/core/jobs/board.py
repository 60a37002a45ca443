"""The board of jobs, through which jobs are announced, cancelled and watched without access to their runners.

A job is a row of the store. The code that adds one notifies the board; `emulator.app` registers the runners.
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from emulator.core.jobs.changes import Changes
from emulator.core.jobs.progress import Progress
from emulator.store.database import StoreUnreachable
from emulator.store.tables import JobKind

if TYPE_CHECKING:
    from emulator.store.shared_state import SharedState


class Runner(Protocol):
    """A thread that executes the jobs of one kind."""

    @property
    def kind(self) -> JobKind: ...

    @property
    def is_alive(self) -> bool:
        """Whether its thread is running."""

    def start(self) -> None:
        """Start the thread, which begins with the unfinished jobs of an earlier process."""

    def stop(self) -> None:
        """End the thread and interrupt its job, which is executed after the next start."""

    def notify(self) -> None:
        """A job of this kind was added."""

    def run_waiting(self) -> None:
        """Execute all waiting jobs in the calling thread."""

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        """Stop a running job of one of these iterations or projects."""

    def cancel_job(self, job_id: str, reason: str) -> bool:
        """End a job, waiting or running, as a failure with this reason; False if it has ended already."""

    def progress(self, id: str) -> Progress | None:
        """Progress of the running job of an iteration, an export or an importing project; None when it is
        not running."""


class JobBoard:
    """The runners by kind. Jobs of a kind without a runner wait.

    on_cancel: functions that `cancel` calls after the runners, with the same arguments. changes: a count of
    what a list of jobs would show. shared: the state of several servers with one database, which notify each
    other; None for one server.
    """

    def __init__(self) -> None:
        self.changes = Changes()
        self.shared: SharedState | None = None
        self._runners: dict[JobKind, Runner] = {}
        self.on_cancel: list[Callable[[Collection[str], Collection[str]], None]] = []

    def register(self, runner: Runner) -> None:
        self._runners[runner.kind] = runner

    @property
    def runners(self) -> tuple[Runner, ...]:
        """All runners, in the order in which they were registered."""
        return tuple(self._runners.values())

    def runner(self, kind: JobKind) -> Runner:
        """The runner of a kind. Raises KeyError."""
        return self._runners[kind]

    def notify(self, kind: JobKind) -> None:
        """A job of this kind was added."""
        if kind in self._runners:
            self._runners[kind].notify()
        if self.shared is not None:
            with suppress(StoreUnreachable):  # other servers look for jobs from time to time
                self.shared.announce_job(kind)
        if kind != JobKind.NOTIFICATION:
            self.changes.note()

    def cancel(self, iteration_ids: Collection[str] = (), project_ids: Collection[str] = ()) -> None:
        """Stop the running jobs of deleted iterations and projects."""
        for runner in self.runners:
            runner.cancel(iteration_ids, project_ids)
        for listener in self.on_cancel:
            listener(iteration_ids, project_ids)
        self.changes.note()

    def progress(self, id: str) -> Progress | None:
        """Progress of the running job of an iteration, an export or an importing project, if there is one."""
        here = next((found for runner in self.runners if (found := runner.progress(id))), None)
        if here is not None or self.shared is None:
            return here
        elsewhere = self.shared.progress(id)
        return None if elsewhere is None else Progress(*elsewhere)

    def health(self) -> dict[JobKind, bool]:
        """Whether the thread of each runner is running."""
        return {runner.kind: runner.is_alive for runner in self.runners}
