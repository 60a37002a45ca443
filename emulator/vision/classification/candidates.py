"""Models that an advanced training could give, and the choice between them by images they have not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from emulator.vision.classification.head import (
    LogitCalibration,
    balancing_weights,
    calibration_of,
    log_losses,
)
from emulator.vision.networks.graph import Network

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# A gain counts from so many times its standard error: what is smaller may be chance, and then the simpler
# model stays. So does one that makes no mistakes and is this sure of itself.
_STANDARD_ERRORS = 1.0
_SURE_ENOUGH = 0.02


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model that could be chosen.

    Attributes:
        name: for people who read the log.
        rows: numbers of the images, rising, for which there are scores by a model that has not seen them.
        logits_ET: these scores, before softmax or sigmoid; not calibrated.
        make: the network that learned from everything, its scores calibrated.
    """

    name: str
    rows: NDArray[numpy.integer]
    logits_ET: Array  # noqa: N815 - the suffix names the axes
    make: Callable[[LogitCalibration], Network]


class Judge:
    """Compares candidates by the log loss of calibrated scores and by mistakes, on the same unseen images.

    Args:
        targets_NT: 1 where the image has the tag, else 0. In a multiclass set all tags have the same say.
    """

    def __init__(self, targets_NT: Array, *, multilabel: bool) -> None:
        import numpy

        self._targets_NT, self._multilabel = targets_NT, multilabel
        self._weights_N = numpy.ones(len(targets_NT)) if multilabel else balancing_weights(targets_NT)
        # Every comparison asks for it, and with many images of many tags it takes seconds to find.
        self._calibrations: WeakKeyDictionary[Candidate, LogitCalibration] = WeakKeyDictionary()

    def calibration(self, candidate: Candidate) -> LogitCalibration:
        """What makes the candidate's probabilities honest."""
        known = self._calibrations.get(candidate)
        if known is None:
            targets_ET = self._targets_NT[candidate.rows]
            known = calibration_of(candidate.logits_ET, targets_ET, multilabel=self._multilabel)
            self._calibrations[candidate] = known
        return known

    def loss(self, candidate: Candidate) -> float:
        """Mean log loss of the calibrated candidate on all its images."""
        return float(self._losses(candidate, candidate.rows).mean())

    def is_perfect(self, candidate: Candidate) -> bool:
        """Whether nothing is left to gain: no mistakes, and no doubts."""
        return self._is_perfect(candidate, candidate.rows)

    def replaces(self, challenger: Candidate, champion: Candidate) -> bool:
        """Whether the challenger is better by more than chance, and makes no more mistakes.

        The champion has scores for all images that the challenger has scores for.
        """
        rows = challenger.rows
        if challenger is champion or self._is_perfect(champion, rows):
            return False
        losses = self._losses(champion, rows) - self._losses(challenger, rows)
        mistakes = self._mistakes(champion, rows) - self._mistakes(challenger, rows)
        gain, of_chance = _mean_and_error(losses)
        fewer, fewer_by_chance = _mean_and_error(mistakes)
        if gain <= 0 or fewer < 0:
            return False
        return gain > _STANDARD_ERRORS * of_chance or fewer > _STANDARD_ERRORS * fewer_by_chance

    def _is_perfect(self, candidate: Candidate, rows: NDArray[numpy.integer]) -> bool:
        losses, mistakes = self._losses(candidate, rows), self._mistakes(candidate, rows)
        return not mistakes.any() and bool(losses.mean() < _SURE_ENOUGH)

    def _losses(self, candidate: Candidate, rows: NDArray[numpy.integer]) -> Array:
        logits_RT = self.calibration(candidate).applied(self._at(candidate, rows))
        losses = log_losses(logits_RT, self._targets_NT[rows], multilabel=self._multilabel)
        weighted: Array = losses * self._weights_N[rows]
        return weighted

    def _mistakes(self, candidate: Candidate, rows: NDArray[numpy.integer]) -> Array:
        """Of each image: 1 if its most probable tag is wrong; with several, how many are wrong at 0.5."""
        import numpy

        logits_RT, targets_RT = self._at(candidate, rows), self._targets_NT[rows]
        if self._multilabel:
            logits_RT = self.calibration(candidate).applied(logits_RT)
            counts: Array = ((logits_RT > 0) != (targets_RT > 0)).sum(axis=1).astype(numpy.float64)
            return counts
        wrong = logits_RT.argmax(axis=1) != targets_RT.argmax(axis=1)
        return numpy.asarray(wrong, numpy.float64)

    @staticmethod
    def _at(candidate: Candidate, rows: NDArray[numpy.integer]) -> Array:
        import numpy

        found: Array = candidate.logits_ET[numpy.searchsorted(candidate.rows, rows)]
        return found


def _mean_and_error(values: Array) -> tuple[float, float]:
    """The mean and its standard error; the error of a single value is not known."""
    if len(values) < 2:
        return float(values.mean()), math.inf
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
