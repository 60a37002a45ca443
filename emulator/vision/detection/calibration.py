"""Making a detector's probabilities honest: of the boxes with 0.8, about 80% shall be on an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# What is assumed before seeing any detection: slope 1 and offset 0, give or take this much.
_SLOPE_DEVIATION, _OFFSET_DEVIATION = 0.5, 1.0
_SMALLEST_SLOPE, _LARGEST_SLOPE = 0.25, 4.0
_ITERATIONS = 50
_NEGLIGIBLE_STEP = 1e-9


@dataclass(frozen=True)
class Calibration:
    """Scores become `slope` x score + `offset`, before the sigmoid; the slope is positive, so their order
    stays."""

    slope: float = 1.0
    offset: float = 0.0

    def probabilities(self, uncalibrated: Array) -> NDArray[numpy.float32]:
        """Calibrated probabilities of uncalibrated ones, strictly between 0 and 1."""
        import numpy

        calibrated: Array = 1 / (1 + numpy.exp(-self.slope * _scores(uncalibrated) - self.offset))
        return calibrated.astype(numpy.float32)


def calibrate(probabilities: Array, found: NDArray[numpy.bool_]) -> Calibration:
    """Fit slope and offset to detections on images that the detector had not seen.

    Platt scaling (1999) with a prior: the logistic regression of `found` on the scores whose slope and offset
    are as probable as possible, given that they are near 1 and 0. Newton's method; the problem is convex.

    Args:
        probabilities: of the detections, (D,).
        found: whether there was an object, (D,).
    """
    import numpy

    scores = _scores(probabilities)
    features = numpy.stack([scores, numpy.ones_like(scores)], axis=1)
    precision = numpy.array([_SLOPE_DEVIATION, _OFFSET_DEVIATION]) ** -2.0
    expected = numpy.array([1.0, 0.0])
    fitted = expected
    for _ in range(_ITERATIONS):
        # Sums instead of matrix products, whose last digits depend on the number of threads of NumPy's BLAS.
        predicted = 1 / (1 + numpy.exp(-(features * fitted).sum(axis=1).clip(-50, 50)))
        gradient = (features * (predicted - found)[:, None]).sum(axis=0) + precision * (fitted - expected)
        weighted = features * (predicted * (1 - predicted))[:, None]
        curvature = (weighted[:, :, None] * features[:, None, :]).sum(axis=0) + numpy.diag(precision)
        # Short steps: whole ones may overshoot where the scores are far from honest.
        step = numpy.linalg.solve(curvature, gradient)
        step /= max(1.0, float(numpy.abs(step).max()))
        fitted = fitted - step
        if numpy.abs(step).max() < _NEGLIGIBLE_STEP:
            break
    slope = float(numpy.clip(fitted[0], _SMALLEST_SLOPE, _LARGEST_SLOPE))
    return Calibration(slope, float(fitted[1]))


def _scores(probabilities: Array) -> NDArray[numpy.float64]:
    import numpy

    inside = numpy.asarray(probabilities, numpy.float64).clip(1e-7, 1 - 1e-7)
    scores: NDArray[numpy.float64] = numpy.log(inside / (1 - inside))
    return scores
