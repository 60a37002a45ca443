"""A scenario of faults, and which of its steps a call uses."""

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from emulator.api.faults.endings import Ending
from emulator.contract.operations import Operation
from emulator.contract.test_kit.faults import FaultScenario, Step


class Call(NamedTuple):
    """A request to an operation.

    Attributes:
        project_id: in the path, in lower case with hyphens; None where the operation has none.
        client: the value of the header X-Emulator-Client; empty if it is absent.
        is_recorded: whether there is the response to an earlier request of this kind.
    """

    operation: Operation
    project_id: str | None
    client: bytes
    is_recorded: bool


class Fault(NamedTuple):
    """What happens to one call. number: of the step, from 1. ending: the end of the scenario."""

    scenario_id: str
    number: int
    step: Step
    ending: Ending


@dataclass
class Used:
    """A step and the number of calls that have used it."""

    step: Step
    used: int = 0

    @property
    def remaining(self) -> int:
        return self.step.times - self.used


@dataclass
class Scenario:
    """A scenario that is set.

    Attributes:
        steps: in order; of a random scenario, what it chooses from.
        calls: the number of calls that matched.
    """

    id: str
    request: FaultScenario
    steps: list[Used]
    calls: int = 0
    ending: Ending = field(default_factory=Ending)

    def __post_init__(self) -> None:
        self._chance = None if self.request.random is None else random.Random(self.request.random.seed)
        self._client = None if self.request.client is None else self.request.client.encode()
        self.has_stale = any(used.step.kind == "stale" for used in self.steps)

    @property
    def remaining_calls(self) -> int | None:
        """The number of calls that a random scenario still applies to; None: it has no end."""
        limit = None if self.request.random is None else self.request.random.calls
        return None if limit is None else limit - self.calls

    @property
    def all_used(self) -> bool:
        """Whether nothing is left; true for a random scenario without an end."""
        if self._chance is not None:
            return not self.remaining_calls
        return not any(used.remaining for used in self.steps)

    def matches(self, call: Call) -> bool:
        request = self.request
        return (
            request.operation in (call.operation.name, "*")
            and request.project_id in (None, call.project_id)
            and self._client in (None, call.client)
        )

    def take(self, call: Call) -> Fault | None:
        """The step that a matching call uses; None when it uses none."""
        if self._chance is not None:
            return self._take_at_random(self._chance, call)
        for number, used in enumerate(self.steps, 1):
            if used.remaining:
                if not _applies(used.step, call):
                    return None
                self.calls += 1
                return self._use(number, used)
        return None

    def _take_at_random(self, chance: random.Random, call: Call) -> Fault | None:
        assert self.request.random is not None
        if self.remaining_calls == 0:
            return None
        self.calls += 1
        # Both for each call, so that the fault of a call does not depend on what the calls before it were.
        is_hit = chance.random() < self.request.random.probability
        number = chance.randrange(len(self.steps))
        used = self.steps[number]
        return self._use(number + 1, used) if is_hit and _applies(used.step, call) else None

    def _use(self, number: int, used: Used) -> Fault:
        used.used += 1
        return Fault(self.id, number, used.step, self.ending)


def _applies(step: Step, call: Call) -> bool:
    return step.kind != "stale" or call.is_recorded
