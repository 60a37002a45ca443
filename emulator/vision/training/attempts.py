"""What a training tried, and why it chose its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """The figure by which models are compared, on images that they were not trained on.

    LOG_LOSS: mean over the images, of calibrated probabilities; lower is better. AVERAGE_PRECISION: mean over
    the tags and the overlaps of 0.5 and 0.75; higher is better.
    """

    LOG_LOSS = "LogLoss"
    AVERAGE_PRECISION = "AveragePrecision"


class Outcome(StrEnum):
    """How an attempt ended."""

    FINISHED = "Finished"
    OUT_OF_TIME = "OutOfTime"
    FAILED = "Failed"
    SKIPPED = "Skipped"


@dataclass(frozen=True)
class Attempt:
    """A model that a training tried.

    Attributes:
        name: of the model.
        outcome: how it ended.
        figure: its validation figure; None if it was not evaluated.
        image_count: number of images of the figure.
        seconds: that it took.
        plan: how long and on what it was trained, for people; None for frozen networks.
        reason: why it is better or worse than another, or why it did not finish; for people.
    """

    name: str
    outcome: Outcome
    figure: float | None
    image_count: int
    seconds: float
    plan: str | None
    reason: str


@dataclass(frozen=True)
class TrainingReport:
    """What a training tried.

    Attributes:
        budget_seconds: None for trainings without a budget.
        seconds: from the first to the last attempt.
        chosen: name of the attempt that became the model.
    """

    measure: Measure
    budget_seconds: float | None
    seconds: float
    chosen: str
    attempts: tuple[Attempt, ...]


class AttemptLog:
    """The attempts of a training so far."""

    def __init__(self, measure: Measure, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: returns seconds, from any origin.
        """
        self._measure, self._clock = measure, clock
        self._started = self._last = clock()
        self._attempts: list[Attempt] = []

    def add(
        self,
        name: str,
        reason: str,
        *,
        outcome: Outcome = Outcome.FINISHED,
        figure: float | None = None,
        image_count: int = 0,
        plan: str | None = None,
    ) -> None:
        """Add an attempt, which took the time since the one before was added."""
        now = self._clock()
        self._attempts.append(Attempt(name, outcome, figure, image_count, now - self._last, plan, reason))
        self._last = now

    def report(self, chosen: str, budget_seconds: float | None) -> TrainingReport:
        seconds = self._last - self._started
        return TrainingReport(self._measure, budget_seconds, seconds, chosen, tuple(self._attempts))
