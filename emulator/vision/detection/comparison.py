"""Comparison of two detectors in the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.evaluation.detection import DetectionEvaluation

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_IOU_THRESHOLDS = (0.5, 0.75)
# Bootstrap samples, and the share of them that the new model has to win: its gain then exceeds its standard
# error.
_SAMPLES, _WINS = 200, 0.84


@dataclass(frozen=True)
class Comparison:
    """Two detectors in the same images.

    Attributes:
        before, after: mean average precision, averaged over IoU thresholds of 0.5 and 0.75.
        wins: fraction of the bootstrap samples in which the new one is better; 0 if it is not better in all
            images together.
    """

    before: float
    after: float
    wins: float

    @property
    def is_significantly_better(self) -> bool:
        """Whether the new detector is better by more than chance."""
        return self.wins >= _WINS

    def __str__(self) -> str:
        """The result of the comparison with quick training, for people."""
        figures = f"average precision {self.after:.3f} instead of {self.before:.3f}"
        if self.after <= self.before:
            return f"Not better than quick training: {figures}."
        figures += f", better in {self.wins:.0%} of {_SAMPLES} samples of the images"
        if self.is_significantly_better:
            return f"Better than quick training: {figures}."
        return f"Not better than quick training by more than chance: {figures}; {_WINS:.0%} are needed."


def compare_detectors(
    old: DetectionEvaluation, new: DetectionEvaluation, seed: int, check: Callable[[], None] = lambda: None
) -> Comparison:
    """Compare detections in the same images.

    Chance is estimated by the bootstrap (Efron, 1979) over images. `check` is called before each sample, and
    may raise OutOfTime.
    """
    import numpy

    random = numpy.random.default_rng(seed)
    count = len(old.keys)
    everything = numpy.ones(count)
    before, after = _Precision(old), _Precision(new)
    old_figure, new_figure = before(everything), after(everything)
    if new_figure <= old_figure:
        return Comparison(old_figure, new_figure, 0.0)
    wins = 0
    for _ in range(_SAMPLES):
        check()
        weights = numpy.bincount(random.integers(count, size=count), minlength=count).astype(float)
        wins += after(weights) > before(weights)
    return Comparison(old_figure, new_figure, wins / _SAMPLES)


def mean_precision(evaluation: DetectionEvaluation) -> float:
    """Mean average precision, averaged over IoU thresholds of 0.5 and 0.75."""
    import numpy

    return _Precision(evaluation)(numpy.ones(len(evaluation.keys)))


class _Precision:
    """Mean average precision of an evaluation whose images have weights."""

    def __init__(self, evaluation: DetectionEvaluation) -> None:
        import numpy

        self._evaluation = evaluation
        self._order = numpy.argsort(-evaluation.probabilities, kind="stable")
        self._found = [evaluation.hits(overlap)[self._order] for overlap in _IOU_THRESHOLDS]

    def __call__(self, weights: NDArray[numpy.float64]) -> float:
        import numpy

        evaluation = self._evaluation
        counts = weights[evaluation.detections.images[self._order]]
        tags = evaluation.detections.tags[self._order]
        objects = weights[evaluation.truths.images]
        figures = []
        for tag in range(evaluation.tag_count):
            actual = objects[evaluation.truths.tags == tag].sum()
            if not actual:
                continue
            of_tag = (tags == tag) & (counts > 0)
            for found in self._found:
                gained = counts[of_tag] * found[of_tag]
                precision = numpy.cumsum(gained) / numpy.cumsum(counts[of_tag])
                best_from_here = numpy.maximum.accumulate(precision[::-1])[::-1]
                figures.append(float((gained * best_from_here).sum() / actual))
        return sum(figures) / max(1, len(figures))
