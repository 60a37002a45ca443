"""Calibration of detectors: of the boxes with a probability of 0.8, about 80% are on an object.

Letters of shapes: D detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Standard deviations of the normal priors of slope (mean 1) and offset (mean 0).
_SLOPE_STD, _OFFSET_STD = 0.5, 1.0
_MIN_SLOPE, _MAX_SLOPE = 0.25, 4.0
_ITERATIONS = 50
_NEGLIGIBLE_STEP = 1e-9


@dataclass(frozen=True)
class PlattScaling:
    """Logits become `slope` x logit + `offset`; the slope is positive, so the order of detections stays."""

    slope: float = 1.0
    offset: float = 0.0

    def probabilities(self, uncalibrated: Array) -> NDArray[numpy.float32]:
        """The calibrated probabilities of uncalibrated ones (D,), strictly between 0 and 1."""
        import numpy

        calibrated: Array = 1 / (1 + numpy.exp(-self.slope * _logits(uncalibrated) - self.offset))
        return calibrated.astype(numpy.float32)


def calibrate(probabilities: Array, found: NDArray[numpy.bool_]) -> PlattScaling:
    """Fit slope and offset to detections on held-out images.

    Platt scaling (1999) with a prior: logistic regression of `found` on the logits, with normal priors of
    mean 1 for the slope and 0 for the offset. Newton's method; the problem is convex.

    Args:
        probabilities: of the detections, (D,).
        found: whether each found an object, (D,).
    """
    import numpy

    logits = _logits(probabilities)
    features = numpy.stack([logits, numpy.ones_like(logits)], axis=1)
    precision = numpy.array([_SLOPE_STD, _OFFSET_STD]) ** -2.0
    expected = numpy.array([1.0, 0.0])
    fitted = expected
    for _ in range(_ITERATIONS):
        # Sums instead of matrix products, whose last digits depend on the number of threads of NumPy's BLAS.
        predicted = 1 / (1 + numpy.exp(-(features * fitted).sum(axis=1).clip(-50, 50)))
        gradient = (features * (predicted - found)[:, None]).sum(axis=0) + precision * (fitted - expected)
        weighted = features * (predicted * (1 - predicted))[:, None]
        curvature = (weighted[:, :, None] * features[:, None, :]).sum(axis=0) + numpy.diag(precision)
        # Steps of at most 1: full ones can diverge where probabilities are far from calibrated.
        step = numpy.linalg.solve(curvature, gradient)
        step /= max(1.0, float(numpy.abs(step).max()))
        fitted = fitted - step
        if numpy.abs(step).max() < _NEGLIGIBLE_STEP:
            break
    slope = float(numpy.clip(fitted[0], _MIN_SLOPE, _MAX_SLOPE))
    return PlattScaling(slope, float(fitted[1]))


def _logits(probabilities: Array) -> NDArray[numpy.float64]:
    import numpy

    inside = numpy.asarray(probabilities, numpy.float64).clip(1e-7, 1 - 1e-7)
    logits: NDArray[numpy.float64] = numpy.log(inside / (1 - inside))
    return logits
