"""From the scores of held-out images to the log odds of an anomaly.

Axes: N images, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]
    Flags = NDArray[numpy.bool_]

# At the limit, an anomaly is as probable as not. This share of the held-out good images is within it: their
# distribution is skewed, so that a number of standard deviations would say less.
_QUANTILE = 0.95
# In standard deviations of held-out good images, from their mean: the nearest place of the limit, and the
# distance from which good images are taken for defects among the good ones, and are left out.
_NEAREST_LIMIT, _NOT_GOOD = 1.0, 6.0
# Change of the log odds over a standard deviation.
_SHARPNESS = 2.0
# The least standard deviation of a layer's score. Where all images look the same, that is chance.
_LEAST_DEVIATION = 0.3
# A normal distribution's standard deviation over its median absolute deviation.
_DEVIATIONS = 1.4826
# No more of the good images than this share are left out.
_MOST_LEFT_OUT = 0.1


@dataclass(frozen=True)
class Calibration:
    """The log odds of an anomaly are scores_NL @ weight_L + bias."""

    weight_L: Floats  # noqa: N815 - the suffix names the axes
    bias: float

    @classmethod
    def fit(cls, good_NL: Floats, anomalies_NL: Floats) -> Self:
        """Calibrate on the scores of held-out good images and of known anomalies, which may be none.

        Known anomalies move the limit nearer to the good images, to where fewest are misclassified, but
        not away from them: unknown anomalies may be less distinct.
        """
        import numpy

        deviation_L = good_NL.std(axis=0).clip(min=_LEAST_DEVIATION)
        mean_L = good_NL.mean(axis=0)
        sums_N = ((good_NL - mean_L) / deviation_L).sum(axis=1)
        deviation = max(float(sums_N.std()), 1e-6 + _LEAST_DEVIATION)
        good_N = sums_N / deviation
        limit = max(_NEAREST_LIMIT, float(numpy.quantile(good_N, _QUANTILE)))
        if len(anomalies_NL):
            anomalies_N = ((anomalies_NL - mean_L) / deviation_L).sum(axis=1) / deviation
            limit = _nearer(limit, good_N, anomalies_N)
        weight_L = _SHARPNESS / deviation_L / deviation
        return cls(weight_L, float(-mean_L @ weight_L - _SHARPNESS * limit))

    def log_odds(self, scores_NL: Floats) -> Floats:
        """The log odds (N,) of an anomaly."""
        log_odds: Floats = scores_NL @ self.weight_L + self.bias
        return log_odds


def _nearer(limit: float, good_N: Floats, anomalies_N: Floats) -> float:
    """The limit, moved towards the good images where that tells more images apart; both kinds count alike."""
    import numpy

    candidates: list[float] = [limit, *numpy.linspace(_NEAREST_LIMIT, limit, 32).tolist()]
    return max(
        candidates,
        key=lambda each: (float((anomalies_N > each).mean() - (good_N > each).mean()), each),
    )


def probably_not_good(good_NL: Floats) -> Flags:
    """Which of the good images (N,) are far from all others: probably defects among them.

    The median and the median absolute deviation hardly depend on the defects themselves.
    """
    import numpy

    medians_L = numpy.median(good_NL, axis=0)
    deviation_L = _DEVIATIONS * numpy.median(numpy.abs(good_NL - medians_L), axis=0)
    farthest_N = ((good_NL - medians_L) / deviation_L.clip(min=_LEAST_DEVIATION)).max(axis=1)
    allowed = int(_MOST_LEFT_OUT * len(good_NL))
    beyond_N: Flags = farthest_N > _NOT_GOOD
    if beyond_N.sum() > allowed:
        beyond_N[numpy.argsort(-farthest_N, kind="stable")[allowed:]] = False
    return beyond_N
