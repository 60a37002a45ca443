"""A job under a plan, from its request to its end. Imported with the first of them."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from emulator.core.choreography.plan import Kind, Plan
from emulator.core.jobs.holds import Ending
from emulator.store.tables import JobKind


@dataclass
class Held:
    """A job under a plan.

    planned_by: the project whose plan it is; for an import the one that was exported. iteration_id: None for
    imports. object_id: of what has the status: the iteration, export or project. begun: the time of the
    request. shown: the status. is_due: the job ends as soon as it can. is_recorded: a thread records its end,
    or has recorded it. ending: the result of the execution, while it is kept.
    """

    kind: Kind
    job_id: str
    job_kind: JobKind
    planned_by: str
    project_id: str
    iteration_id: str | None
    object_id: str
    plan: Plan
    begun: datetime
    shown: str
    polls: int = 0
    is_due: bool = False
    is_recorded: bool = False
    has_waited: bool = False
    ending: Ending | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def may_run(self) -> bool:
        """Whether the runner may execute it now."""
        if self.plan.failure is not None or self.ending is not None:
            return False
        return self.kind != "import" or self.is_due

    @property
    def due(self) -> datetime | None:
        """When it is to end; None: by polls, or at once."""
        seconds = self.plan.seconds
        return None if seconds is None else self.begun + timedelta(seconds=seconds)

    def is_of(self, project_id: str | None) -> bool:
        """Whether it belongs to a project; None: to any."""
        return project_id in (None, self.project_id, self.planned_by)
