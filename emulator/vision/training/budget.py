"""Time budgets of trainings, and plans that fit into them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# A plan is shortened only if it would exceed the budget by this fraction: small differences in speed must not
# change the model.
_TOLERANCE = 0.1
# Speed is measured over the latest steps, once they have taken this many seconds.
_ENOUGH_SECONDS = 0.2


def processor_seconds() -> float:
    """Processor seconds of this process, divided by two: the duration of its work on two processors that do
    nothing else."""
    return time.process_time() / 2


class OutOfTime(Exception):
    """The time for an attempt is used up; the best model before it is kept."""


@dataclass
class Budget:
    """A number of seconds from its creation on.

    Attributes:
        seconds: length of the budget.
        clock: returns seconds, from any origin.
    """

    seconds: float
    clock: Callable[[], float] = time.perf_counter
    _started: float = field(init=False)
    _mark: tuple[float, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def left(self) -> float:
        """Remaining seconds; negative when the budget is exceeded."""
        return self.seconds - (self.clock() - self._started)

    def part(self, fraction: float, *, reserved: float = 0.0) -> Budget:
        """A budget of a fraction of the remaining time without `reserved` seconds."""
        return Budget(max(0.0, (self.left - reserved) * fraction), self.clock)

    def check(self) -> None:
        """Raises OutOfTime when the budget is used up."""
        if self.left < 0:
            raise OutOfTime

    def plan(self, steps: int) -> int:
        """The number of the planned steps that fit: all of them unless they are clearly too many.

        To be called before every step; the speed of the latest steps is extrapolated.
        """
        now = self.clock()
        if self._mark is None:
            self._mark = (now, steps)
            return steps
        since, before = self._mark
        if before <= steps or now - since < _ENOUGH_SECONDS:
            return steps if self.left > 0 else 0
        step_seconds = (now - since) / (before - steps)
        if now - since > 8 * step_seconds:
            self._mark = (now, steps)
        if steps * step_seconds > self.left + _TOLERANCE * self.seconds:
            fitting = max(0, math.floor(self.left / step_seconds))
            self._mark = (now, fitting)
            return fitting
        return steps
