"""How good a model is, as one report: the figures of `metrics` and `detection_metrics` with names to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.evaluation.classification import Evaluation, PerformanceFigures
from emulator.vision.evaluation.confusion import (
    Confusion,
    confusion_of_classifier,
    confusion_of_detector,
)
from emulator.vision.evaluation.curves import calibration_curve
from emulator.vision.evaluation.detection import OVERLAP_OF_RIGHT_ONES, DetectionEvaluation

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class TagReport:
    """How good a model is at one tag; figures 0..1.

    Attributes:
        images: evaluated images that have the tag.
        objects: marked objects of the tag in them; None for classifiers.
    """

    tag: str
    images: int
    objects: int | None
    precision: float
    recall: float
    average_precision: float


@dataclass(frozen=True)
class Report:
    """How good a model is on images that it has not seen; figures 0..1.

    Attributes:
        tags: in the order of the model.
        images: evaluated ones.
        precision, recall: over all tags, at the threshold, as `metrics` and `detection_metrics` define them.
        average_precision: the mean of those of the tags that any image has.
        accuracy: share of images whose most probable tag is right; None where images may have several tags.
        calibration_error: how far probabilities are from the truth, see `CalibrationCurve.expected_error`; of
            a classifier with one tag an image the probability of the most probable tag, else all of them.
        threshold: of probability, from which a tag counts as predicted.
        overlap_threshold: intersection over union from which a box counts as found; None for classifiers.
        confusion: counts by what is there (row) and what is predicted (column), each in the order of `tags`
            and then nothing. Of classifiers with one tag an image, images; the last column has those for
            which no tag reaches the threshold. Of detectors, objects and boxes; the last column has objects
            that were not found, the last row boxes on nothing. None for classifiers with several tags.
        skipped: images that could not be read or decoded.
    """

    tags: tuple[TagReport, ...]
    images: int
    precision: float
    recall: float
    average_precision: float
    accuracy: float | None
    calibration_error: float
    threshold: float
    overlap_threshold: float | None
    confusion: tuple[tuple[int, ...], ...] | None
    skipped: tuple[str, ...] = ()


def classifier_report(
    evaluation: Evaluation,
    tags: Sequence[str],
    *,
    multilabel: bool,
    threshold: float,
    skipped: Sequence[str] = (),
) -> Report:
    """Of predictions by a classifier."""
    scores_NT, targets_NT = evaluation.probabilities_NT, evaluation.targets_NT
    right_N = scores_NT.argmax(axis=1) == targets_NT.argmax(axis=1)
    figures = evaluation.performance(threshold)
    return Report(
        tags=_tag_reports(figures, tags, targets_NT.sum(axis=0).tolist(), None),
        precision=figures.precision,
        recall=figures.recall,
        average_precision=figures.average_precision,
        images=evaluation.count,
        accuracy=None if multilabel else float(right_N.mean()),
        calibration_error=evaluation.calibration(multilabel).expected_error,
        threshold=threshold,
        overlap_threshold=None,
        confusion=None if multilabel else _rows(confusion_of_classifier(evaluation, threshold)),
        skipped=tuple(skipped),
    )


def detector_report(
    evaluation: DetectionEvaluation,
    tags: Sequence[str],
    *,
    threshold: float,
    overlap_threshold: float,
    skipped: Sequence[str] = (),
) -> Report:
    """Of boxes found by a detector."""
    truths = evaluation.truths
    images = [len(set(truths.images[truths.tags == tag].tolist())) for tag in range(len(tags))]
    objects = [int((truths.tags == tag).sum()) for tag in range(len(tags))]
    figures = evaluation.performance(threshold, overlap_threshold)
    return Report(
        tags=_tag_reports(figures, tags, images, objects),
        precision=figures.precision,
        recall=figures.recall,
        average_precision=figures.average_precision,
        images=evaluation.count,
        accuracy=None,
        calibration_error=calibration_curve(
            evaluation.probabilities, evaluation.hits(OVERLAP_OF_RIGHT_ONES)
        ).expected_error,
        threshold=threshold,
        overlap_threshold=overlap_threshold,
        confusion=_rows(confusion_of_detector(evaluation, threshold, overlap_threshold)),
        skipped=tuple(skipped),
    )


def _tag_reports(
    figures: PerformanceFigures, tags: Sequence[str], images: Sequence[int], objects: Sequence[int] | None
) -> tuple[TagReport, ...]:
    return tuple(
        TagReport(
            tag=tags[each.tag_index],
            images=int(images[each.tag_index]),
            objects=None if objects is None else objects[each.tag_index],
            precision=each.precision,
            recall=each.recall,
            average_precision=each.average_precision,
        )
        for each in figures.per_tag
    )


def _rows(confusion: Confusion) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in confusion.counts().tolist())
