"""Time that a training may take, and plans that keep to it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# A plan is shortened only where it would miss its end by so much of the whole: small differences in speed
# must not change what is learned.
_TOLERANCE = 0.1
# Speed is judged on the latest steps, from so many seconds on.
_ENOUGH_SECONDS = 0.2


class OutOfTime(Exception):
    """The time for an attempt is over; what was there before it counts."""


@dataclass
class Budget:
    """Seconds from now on.

    Attributes:
        seconds: how long the work may take.
        clock: seconds since some moment.
    """

    seconds: float
    clock: Callable[[], float] = time.perf_counter
    _started: float = field(init=False)
    _mark: tuple[float, int] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def left(self) -> float:
        """Seconds that are left; negative when it is over."""
        return self.seconds - (self.clock() - self._started)

    def part(self, share: float) -> Budget:
        """A budget of a share of what is left."""
        return Budget(max(0.0, self.left * share), self.clock)

    def check(self) -> None:
        """Raises OutOfTime when it is over."""
        if self.left < 0:
            raise OutOfTime

    def plan(self, steps: int) -> int:
        """How many of the planned steps fit: all of them, unless they are clearly too many.

        To be asked before every step; how fast the latest steps were decides.
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
