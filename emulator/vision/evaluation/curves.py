"""Curves of scored predictions: precision against recall, and calibration.

A prediction is a probability for one tag and whether that tag is there: one for each image and tag of a
classifier, one for each box of a detector.

Axes: P predictions or points of a curve, F folds, T tags, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class ScoredPredictions:
    """All predictions for the images of an evaluation.

    Attributes:
        tags: the tag of each prediction, (P,).
        probabilities: 0..1, float32 (P,).
        is_correct: whether the tag is there, (P,).
        folds: the fold of each prediction's image, (P,).
        actual_FT: number of objects or images of each tag in each fold: the denominator of recall.
    """

    tags: NDArray[numpy.integer]
    probabilities: NDArray[numpy.float32]
    is_correct: NDArray[numpy.bool_]
    folds: NDArray[numpy.integer]
    actual_FT: NDArray[numpy.int64]  # noqa: N815 - the suffix names the axes

    def curve(self) -> PrecisionRecallCurve:
        """The curve of all tags together."""
        return precision_recall_curve(self.probabilities, self.is_correct, int(self.actual_FT.sum()))

    def curve_of(self, tag: int) -> PrecisionRecallCurve:
        """The curve of one tag."""
        rows = self._rows_of(tag)
        actual = int(self.actual_FT[:, tag].sum())
        return precision_recall_curve(self.probabilities[rows], self.is_correct[rows], actual)

    def curves_by_fold(self, tag: int) -> list[tuple[int, PrecisionRecallCurve]]:
        """The folds whose images have a tag, each with the curve of the tag there."""
        import numpy

        rows = self._rows_of(tag)
        folds, probabilities, correct = self.folds[rows], self.probabilities[rows], self.is_correct[rows]
        return [
            (fold, precision_recall_curve(probabilities[folds == fold], correct[folds == fold], int(actual)))
            for fold, actual in enumerate(numpy.asarray(self.actual_FT[:, tag]))
            if actual
        ]

    def calibration_of(self, tag: int, bins: int = CALIBRATION_BINS) -> CalibrationCurve:
        """The calibration of one tag's probabilities."""
        rows = self._rows_of(tag)
        return calibration_curve(self.probabilities[rows], self.is_correct[rows], bins)

    def _rows_of(self, tag: int) -> NDArray[numpy.integer]:
        begin, end = self._by_tag[1][tag : tag + 2]
        return self._by_tag[0][begin:end]

    @cached_property
    def _by_tag(self) -> tuple[NDArray[numpy.integer], NDArray[numpy.integer]]:
        """The rows in the order of their tags, and where each tag begins, so that tags need not search all
        rows."""
        import numpy

        order = numpy.argsort(self.tags, kind="stable")
        tags = numpy.arange(self.actual_FT.shape[1] + 1)
        return order, numpy.searchsorted(self.tags[order], tags)


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall at each threshold: a point for each distinct probability, the highest first.

    Attributes:
        thresholds: the lowest probability of the predictions that count, float32 (P,).
        correct: number of predictions that count and are correct, (P,).
        counted: number of predictions that count, (P,); never 0.
        actual: number of objects or images with the tag.
    """

    thresholds: NDArray[numpy.float32]
    correct: NDArray[numpy.integer]
    counted: NDArray[numpy.integer]
    actual: int

    @property
    def precision(self) -> NDArray[numpy.float64]:
        """Correct predictions / predictions that count, (P,)."""
        result: NDArray[numpy.float64] = self.correct / self.counted
        return result

    @property
    def recall(self) -> NDArray[numpy.float64]:
        """Correct predictions / `actual`, (P,); 0 if `actual` is 0."""
        result: NDArray[numpy.float64] = self.correct / max(1, self.actual)
        return result

    def at(self, threshold: float) -> OperatingPoint:
        """Precision and recall at a threshold: predictions with this probability or more count."""
        count = int((self.thresholds >= threshold).sum())
        return self._point(threshold, count - 1)

    def best(self) -> OperatingPoint | None:
        """The point with the highest F1 score, 2 x correct / (counted + actual); of equal ones, the highest
        threshold. None if nothing was predicted, or `actual` is 0.
        """
        if self.actual == 0 or not len(self.thresholds):
            return None
        row = int((2 * self.correct / (self.counted + self.actual)).argmax())
        return self._point(float(self.thresholds[row]), row)

    def with_precision(self, precision: float) -> OperatingPoint | None:
        """The point with the highest recall among those with at least this precision; None without one."""
        import numpy

        rows = numpy.flatnonzero(self.precision >= precision)
        return self._point(float(self.thresholds[rows[-1]]), int(rows[-1])) if len(rows) else None

    def _point(self, threshold: float, row: int) -> OperatingPoint:
        if row < 0:
            return OperatingPoint(threshold, 0.0, 0.0)
        return OperatingPoint(threshold, float(self.precision[row]), float(self.recall[row]))

    def area(self, *, best_from_here: bool = False) -> float:
        """Area under the curve: recall gained x precision, summed from the highest threshold down.

        best_from_here: use at each recall the highest precision at that or a higher recall, as detection
        benchmarks do (PASCAL VOC since 2010; COCO takes 101 points of the same curve). 0 if `actual` is 0.
        """
        import numpy

        if self.actual == 0 or not len(self.thresholds):
            return 0.0
        precision = self.precision
        if best_from_here:
            precision = numpy.maximum.accumulate(precision[::-1])[::-1]
        return float((numpy.diff(self.correct, prepend=0) / self.actual * precision).sum())

    def thinned(self, most: int) -> PrecisionRecallCurve:
        """The curve with at most `most` points (2 or more): its ends, and points between them that are spread
        evenly over recall and the number of the point."""
        import numpy

        count = len(self.thresholds)
        if count <= most:
            return self
        # The position of each point along the curve: half by recall, half by the number of the point.
        found = self.correct / max(1, int(self.correct[-1]))
        along = (found + numpy.arange(count) / (count - 1)) / 2
        first, last = along[0], along[-1]
        kept = numpy.unique(numpy.searchsorted(along, numpy.linspace(first, last, most)).clip(0, count - 1))
        return PrecisionRecallCurve(
            self.thresholds[kept], self.correct[kept], self.counted[kept], self.actual
        )


class OperatingPoint(NamedTuple):
    """A threshold of probability with precision and recall at it; precision is 0 if nothing is predicted."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True)
class CalibrationCurve:
    """Accuracy of predictions by their probability, in bins of equal width from 0 to 1.

    A bin holds its lower edge and not its upper one; the last one holds 1 too.

    Attributes:
        counts: number of predictions in each bin, (B,).
        confidence: their mean probability, (B,); the middle of the bin if it is empty.
        accuracy: the fraction of them that is correct, (B,); 0 if the bin is empty.
    """

    counts: NDArray[numpy.int64]
    confidence: NDArray[numpy.float64]
    accuracy: NDArray[numpy.float64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the mean distance of confidence and accuracy; 0 without predictions
        (Naeini, Cooper and Hauskrecht, 2015)."""
        import numpy

        weights = self.counts / max(1, int(self.counts.sum()))
        return float((weights * numpy.abs(self.confidence - self.accuracy)).sum())


def precision_recall_curve(
    probabilities: NDArray[numpy.floating], is_correct: NDArray[numpy.bool_], actual: int
) -> PrecisionRecallCurve:
    """Predictions with equal probabilities are one point. `actual`: see `PrecisionRecallCurve`.

    Predictions with a probability of minus infinity, of tags that cannot be predicted, are left out.
    """
    import numpy

    possible = numpy.isfinite(probabilities)
    probabilities, is_correct = probabilities[possible], is_correct[possible]
    order = numpy.argsort(-probabilities, kind="stable")
    falling = probabilities[order]
    last_of_equals = numpy.flatnonzero(numpy.append(falling[1:] != falling[:-1], True)[: len(falling)])
    found = numpy.cumsum(is_correct[order], dtype=numpy.int64)
    return PrecisionRecallCurve(falling[last_of_equals], found[last_of_equals], last_of_equals + 1, actual)


def calibration_curve(
    probabilities: NDArray[numpy.floating], is_correct: NDArray[numpy.bool_], bins: int = CALIBRATION_BINS
) -> CalibrationCurve:
    """See `CalibrationCurve`; `bins`: their number. Probabilities of minus infinity do not count."""
    import numpy

    possible = numpy.isfinite(probabilities)
    probabilities, is_correct = probabilities[possible], is_correct[possible]
    # Multiplying by the number of bins and truncating would put some edges (0.7 of 10) into the bin below.
    edges = numpy.linspace(0, 1, bins + 1).astype(probabilities.dtype)
    places = (numpy.searchsorted(edges, probabilities, side="right") - 1).clip(0, bins - 1)
    counts = numpy.bincount(places, minlength=bins)
    some = numpy.maximum(counts, 1)
    middles = (numpy.arange(bins) + 0.5) / bins
    confidence = numpy.bincount(places, weights=probabilities, minlength=bins) / some
    return CalibrationCurve(
        counts,
        numpy.where(counts > 0, confidence, middles),
        numpy.bincount(places, weights=is_correct, minlength=bins) / some,
    )
