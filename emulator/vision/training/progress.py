"""Progress of trainings that have a budget."""

from __future__ import annotations

from collections.abc import Callable

from emulator.vision.training.budget import Budget

# No more than this is reported before the model is written.
_BEFORE_WRITING = 0.98


class ProgressReporter:
    """Reports the used fraction of a budget; it never falls.

    Attributes:
        budget: of the whole training.
        step: description of the current step, for people.
    """

    def __init__(self, progress: Callable[[float, str], None], budget: Budget) -> None:
        """
        Args:
            progress: called with the fraction that is done, 0..1, and the description of the step.
        """
        self._progress, self.budget = progress, budget
        self._done = 0.0
        self.step = "Looking at the images"

    def __call__(self, done: float = 0.0) -> None:
        """Report; `done`, the fraction of the current step, counts only if the budget is 0."""
        used = done if self.budget.seconds <= 0 else 1 - self.budget.left / self.budget.seconds
        self._done = max(self._done, min(used, _BEFORE_WRITING))
        self._progress(self._done, self.step)

    def at(self, done: float, step: str) -> None:
        """Report a step; `done` as for a call."""
        self.step = step
        self(done)

    def until(self, part: Budget) -> Callable[[float], None]:
        """A function that reports, and raises OutOfTime when a part of the budget is used up."""

        def report(done: float) -> None:
            self(done)
            part.check()

        return report
