"""Confusion of tags: pairs of an actual and a predicted tag.

Axes: P pairs, N images, T tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.detection import DetectionEvaluation, greedy_match

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Rows = NDArray[numpy.integer]
    Mask = NDArray[numpy.bool_]

Outcome = Literal["TruePositive", "FalsePositive", "FalseNegative", "TrueNegative"]

# In place of a tag: no object, or no prediction.
NONE = -1


@dataclass(frozen=True)
class Confusion:
    """Pairs of an actual and a predicted tag; each object, box or image is in exactly one pair.

    Attributes:
        tag_count: number of tags of the training.
        images: the image of each pair, (P,).
        actual: the actual tag, or NONE, (P,).
        predicted: the predicted tag, or NONE, (P,).
        probabilities: of the prediction, or 0, (P,).
        objects, detections: of detectors, the rows in the evaluation or -1, (P,).
    """

    tag_count: int
    images: Rows
    actual: Rows
    predicted: Rows
    probabilities: NDArray[numpy.floating]
    objects: Rows
    detections: Rows

    def counts(self) -> NDArray[numpy.int64]:
        """The confusion matrix, (T + 1, T + 1): actual tags in rows, predicted tags in columns, NONE last."""
        import numpy

        # NONE is -1, the last row and column.
        size = self.tag_count + 1
        places = (self.actual % size) * size + self.predicted % size
        return numpy.bincount(places, minlength=size * size).reshape(size, size)

    def pairs(self, actual: int, predicted: int) -> Rows:
        """The pairs of one cell of `counts`."""
        import numpy

        return numpy.flatnonzero((self.actual == actual) & (self.predicted == predicted))

    def pairs_of_outcome(self, tag: int, outcome: Outcome) -> Rows:
        """The pairs with an outcome of a detector's prediction of a tag. Detectors have no true negatives."""
        import numpy

        is_actual, is_predicted = self.actual == tag, self.predicted == tag
        chosen = {
            "TruePositive": is_actual & is_predicted,
            "FalsePositive": ~is_actual & is_predicted,
            "FalseNegative": is_actual & ~is_predicted,
        }
        return numpy.flatnonzero(chosen[outcome])


def confusion_of_classifier(evaluation: Evaluation, threshold: float) -> Confusion:
    """One pair per image: its tag, and the most probable tag, or NONE if its probability is below the
    threshold. Of several tags of an image, the predicted one is taken if it is among them, otherwise the
    first."""
    import numpy

    count, tag_count = evaluation.targets_NT.shape
    images = numpy.arange(count)
    best = evaluation.probabilities_NT.argmax(axis=1)
    highest = evaluation.probabilities_NT[images, best]
    is_predicted = highest >= threshold
    tagged = evaluation.targets_NT.any(axis=1)
    first = numpy.where(tagged, evaluation.targets_NT.argmax(axis=1), NONE)
    nothing = numpy.full(count, NONE)
    return Confusion(
        tag_count=tag_count,
        images=images,
        actual=numpy.where(is_predicted & evaluation.targets_NT[images, best], best, first),
        predicted=numpy.where(is_predicted, best, NONE),
        probabilities=numpy.where(is_predicted, highest, 0),
        objects=nothing,
        detections=nothing,
    )


def confusion_of_detector(
    evaluation: DetectionEvaluation, threshold: float, overlap_threshold: float
) -> Confusion:
    """One pair for each object and each box whose probability is the threshold or more.

    First, boxes are matched with objects of their tag, as for the performance figures. The remaining boxes
    and objects are matched regardless of their tags: these are confusions. Boxes without a match are on
    background or duplicates; objects without a match were missed.
    """
    import numpy

    truths, detections = evaluation.truths, evaluation.detections
    shown = evaluation.probabilities >= threshold
    found = numpy.where(shown, evaluation.match_detections(overlap_threshold), -1)
    free = numpy.ones(len(truths.tags), bool)
    free[found[found >= 0]] = False
    left, free_rows = numpy.flatnonzero(shown & (found < 0)), numpy.flatnonzero(free)
    confused = greedy_match(
        truths.images[free_rows],
        truths.ltwh[free_rows],
        detections.images[left],
        detections.ltwh[left],
        evaluation.probabilities[left],
        overlap_threshold,
    )
    found[left[confused >= 0]] = free_rows[confused[confused >= 0]]
    free[found[found >= 0]] = False

    boxes, missed = numpy.flatnonzero(shown), numpy.flatnonzero(free)
    objects = numpy.concatenate([found[boxes], missed])
    rows = numpy.concatenate([boxes, numpy.full(len(missed), -1)])
    return Confusion(
        tag_count=evaluation.tag_count,
        images=numpy.concatenate([detections.images[boxes], truths.images[missed]]),
        actual=_tags_of(truths.tags, objects),
        predicted=_tags_of(detections.tags, rows),
        probabilities=numpy.concatenate([evaluation.probabilities[boxes], numpy.zeros(len(missed))]),
        objects=objects,
        detections=rows,
    )


def outcome_masks(evaluation: Evaluation, tag: int, threshold: float) -> dict[Outcome, Mask]:
    """Masks of the images (N,) with each outcome of a classifier's prediction of a tag. A tag is predicted if
    its probability is the threshold or more, as for the performance figures."""
    is_actual = evaluation.targets_NT[:, tag]
    is_predicted = evaluation.probabilities_NT[:, tag] >= threshold
    return {
        "TruePositive": is_actual & is_predicted,
        "FalsePositive": ~is_actual & is_predicted,
        "FalseNegative": is_actual & ~is_predicted,
        "TrueNegative": ~is_actual & ~is_predicted,
    }


def _tags_of(tags: Rows, rows: Rows) -> Rows:
    import numpy

    result = numpy.full(len(rows), NONE)
    result[rows >= 0] = tags[rows[rows >= 0]]
    return result
