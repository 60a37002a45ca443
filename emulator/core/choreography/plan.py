"""Plans: when the jobs of one kind end, how they end, and which states they show until then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from emulator.core.errors import ServiceError
from emulator.core.rules.validation import in_any_case
from emulator.store.tables import ExportStatus, IterationStatus, ProjectStatus

Kind = Literal["training", "export", "import"]
Complete = Literal["atOnce", "afterPolls", "afterSeconds"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COMPLETE: tuple[Complete, ...] = get_args(Complete)

# The states of unfinished iterations, exports and projects.
STATES: dict[Kind, tuple[str, ...]] = {
    "training": (IterationStatus.STAGING, IterationStatus.QUEUED, IterationStatus.TRAINING),
    "export": (ExportStatus.EXPORTING,),
    "import": (ProjectStatus.IMPORTING,),
}
MAX_POLLS = 10_000
MAX_SECONDS = 366 * 24 * 3600
MAX_STATES = 100
MAX_MESSAGE_LENGTH = 4096


@dataclass(frozen=True)
class Failure:
    """How a job fails. code: an error code of the contract."""

    code: str
    message: str

    @property
    def reason(self) -> str:
        """The text that responses show."""
        return f"{self.code}: {self.message}" if self.message else self.code


@dataclass(frozen=True)
class Plan:
    """When a job ends, and how.

    At most one of `polls` and `seconds` is given; neither: it ends at once. polls: the number of the poll
    that shows the end. seconds: of the emulator's clock, from the request on. states: those that are shown
    until then, spread over the polls or seconds. failure: None for jobs that end as they do without a plan.
    """

    polls: int | None
    seconds: float | None
    states: tuple[str, ...]
    failure: Failure | None

    @property
    def complete(self) -> Complete:
        if self.polls is not None:
            return "afterPolls"
        return "atOnce" if self.seconds is None else "afterSeconds"

    def is_due(self, polls: int, seconds: float) -> bool:
        """Whether a job ends after this number of polls, and of seconds since its request."""
        if self.polls is not None:
            return polls >= self.polls
        return self.seconds is None or seconds >= self.seconds

    def state(self, polls: int, seconds: float) -> str:
        """The state to show before the end. polls: 0 in the response to the request."""
        number, index = len(self.states), 0
        if self.polls is not None:
            index = polls * number // self.polls
        elif self.seconds:
            index = int(seconds * number / self.seconds)
        return self.states[min(max(index, 0), number - 1)]


def make_plan(
    kind: Kind,
    complete: str | None = None,
    polls: int | None = None,
    seconds: float | None = None,
    states: Sequence[str] | None = None,
    failure: Failure | None = None,
) -> Plan:
    """The plan for the jobs of a kind, from the values of a request; None: not given.

    complete: one of COMPLETE; by default, the one that `polls` or `seconds` belongs to, or ``atOnce``. Raises
    ServiceError when the values contradict each other or are out of range.
    """
    if polls is not None and seconds is not None:
        raise refused(kind, "it has both polls and seconds; a job ends after the one or the other")
    if complete is None:
        complete = "afterPolls" if polls is not None else "atOnce" if seconds is None else "afterSeconds"
    known = in_any_case(complete, COMPLETE)
    if known is None:
        raise refused(kind, f"complete is {_either(COMPLETE)}, not '{complete[:100]}'")
    complete = known
    _check_belongs(kind, complete, "afterPolls", "polls", polls)
    _check_belongs(kind, complete, "afterSeconds", "seconds", seconds)
    if polls is not None and not 1 <= polls <= MAX_POLLS:
        raise refused(kind, f"polls is a number from 1 to {MAX_POLLS}")
    if seconds is not None and not (math.isfinite(seconds) and 0 <= seconds <= MAX_SECONDS):
        raise refused(kind, f"seconds is a number from 0 to {MAX_SECONDS}, which are 366 days")
    if failure is not None and len(failure.message) > MAX_MESSAGE_LENGTH:
        raise refused(kind, f"the message of the failure has at most {MAX_MESSAGE_LENGTH} characters")
    return Plan(polls, seconds, _checked_states(kind, complete, polls, states), failure)


def _check_belongs(kind: Kind, complete: str, owner: Complete, name: str, value: float | None) -> None:
    if (complete == owner) == (value is not None):
        return
    if value is None:
        raise refused(kind, f"{owner} needs {name}")
    raise refused(kind, f"{name} belongs to {owner}, but complete is {complete}")


def _checked_states(
    kind: Kind, complete: str, polls: int | None, states: Sequence[str] | None
) -> tuple[str, ...]:
    if states is None:
        return STATES[kind][-1:]
    if complete == "atOnce":
        raise refused(kind, "states needs afterPolls or afterSeconds: at once, no other state is visible")
    if not 1 <= len(states) <= MAX_STATES:
        raise refused(kind, f"states has 1 to {MAX_STATES} entries")
    known = [_known_state(kind, state) for state in states]
    if polls is not None and len(states) > polls:
        raise refused(kind, f"{len(states)} states need at least {len(states)} polls, and there are {polls}")
    return tuple(known)


def _known_state(kind: Kind, state: str) -> str:
    known = in_any_case(state, STATES[kind])
    if known is None:
        raise refused(kind, f"a state before the end is {_either(STATES[kind])}, not '{state[:100]}'")
    return known


def _either(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def refused(kind: Kind, reason: str) -> ServiceError:
    """The error for a plan. reason: the end of its message."""
    end = "" if reason.endswith("?") else "."
    return ServiceError("BadRequest", f"The choreography of {kind} is not valid: {reason}{end}")
