"""What is taken for what: predictions of an evaluation beside what is there, one row each."""

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

# Instead of a tag: nothing is there, or nothing is predicted.
NONE = -1


@dataclass(frozen=True)
class Confusion:
    """Pairs of what is there and what is predicted; each object, box or image is in exactly one of them.

    Attributes:
        tag_count: number of tags of the training.
        images: the image of each pair, (P,).
        actual: the tag that is there, or NONE, (P,).
        predicted: the tag that is predicted, or NONE, (P,).
        probabilities: of the prediction; 0 where there is none, (P,).
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
        """How many pairs there are of each kind, (T + 1, T + 1): rows are what is there, columns what is
        predicted, the last of each is NONE."""
        import numpy

        # The last place, which NONE counts to from the end.
        size = self.tag_count + 1
        places = (self.actual % size) * size + self.predicted % size
        return numpy.bincount(places, minlength=size * size).reshape(size, size)

    def pairs(self, actual: int, predicted: int) -> Rows:
        """The pairs of one cell of `counts`."""
        import numpy

        return numpy.flatnonzero((self.actual == actual) & (self.predicted == predicted))

    def pairs_of_outcome(self, tag: int, outcome: Outcome) -> Rows:
        """The pairs in which a detector's prediction of a tag came out like that. There are no true
        negatives: what is not there and not predicted is nowhere."""
        import numpy

        there, said = self.actual == tag, self.predicted == tag
        chosen = {
            "TruePositive": there & said,
            "FalsePositive": ~there & said,
            "FalseNegative": there & ~said,
        }
        return numpy.flatnonzero(chosen[outcome])


def confusion_of_classifier(evaluation: Evaluation, threshold: float) -> Confusion:
    """One pair an image: the most probable tag, or NONE where its probability is below the threshold, beside
    the tag of the image; where it has several, the predicted one if it has that, and its first else."""
    import numpy

    count, tag_count = evaluation.targets_NT.shape
    images = numpy.arange(count)
    best = evaluation.probabilities_NT.argmax(axis=1)
    highest = evaluation.probabilities_NT[images, best]
    said = highest >= threshold
    tagged = evaluation.targets_NT.any(axis=1)
    first = numpy.where(tagged, evaluation.targets_NT.argmax(axis=1), NONE)
    nothing = numpy.full(count, NONE)
    return Confusion(
        tag_count,
        images,
        numpy.where(said & evaluation.targets_NT[images, best], best, first),
        numpy.where(said, best, NONE),
        numpy.where(said, highest, 0),
        nothing,
        nothing,
    )


def confusion_of_detector(
    evaluation: DetectionEvaluation, threshold: float, overlap_threshold: float
) -> Confusion:
    """One pair for each object and each box whose probability is the threshold or more.

    First boxes find objects of their tag, exactly as for the performance figures; what is left, boxes and
    objects, is paired whatever its tag, by the same rule: these are confusions. Boxes that are left then lie
    on background or double another one; objects that are left were not seen.
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
        evaluation.tag_count,
        numpy.concatenate([detections.images[boxes], truths.images[missed]]),
        _tags_of(truths.tags, objects),
        _tags_of(detections.tags, rows),
        numpy.concatenate([evaluation.probabilities[boxes], numpy.zeros(len(missed))]),
        objects,
        rows,
    )


def outcome_masks(evaluation: Evaluation, tag: int, threshold: float) -> dict[Outcome, Mask]:
    """Which images (N,) a classifier's prediction of a tag came out like that for: predicted is a tag whose
    probability is the threshold or more, as for the performance figures."""
    there = evaluation.targets_NT[:, tag]
    said = evaluation.probabilities_NT[:, tag] >= threshold
    return {
        "TruePositive": there & said,
        "FalsePositive": ~there & said,
        "FalseNegative": there & ~said,
        "TrueNegative": ~there & ~said,
    }


def _tags_of(tags: Rows, rows: Rows) -> Rows:
    import numpy

    result = numpy.full(len(rows), NONE)
    result[rows >= 0] = tags[rows[rows >= 0]]
    return result
