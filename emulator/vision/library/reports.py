"""A report on the quality of a model, made from an evaluation.

Axes in names: N: evaluated images; T: tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.evaluation.common import PerformanceFigures
from emulator.vision.evaluation.confusion import (
    Confusion,
    confusion_of_classifier,
    confusion_of_detector,
)
from emulator.vision.evaluation.curves import calibration_curve
from emulator.vision.evaluation.detection import DetectionEvaluation


@dataclass(frozen=True)
class TagReport:
    """The quality of a model for one tag; figures 0..1.

    Attributes:
        images: the number of evaluated images that have the tag.
        objects: the number of regions of the tag in them; None for classifiers.
    """

    tag: str
    images: int
    objects: int | None
    precision: float
    recall: float
    average_precision: float


@dataclass(frozen=True)
class Report:
    """The quality of a model on images that it was not trained on; figures 0..1.

    Attributes:
        tags: in the order of the model's outputs.
        images: the number of evaluated images.
        precision, recall: over all tags, at the threshold; see `evaluation.classification` and
            `evaluation.detection`.
        average_precision: the mean over the tags that occur.
        accuracy: the share of images whose most probable tag is correct; None for multilabel classifiers and
            detectors.
        calibration_error: the expected calibration error, see `CalibrationCurve.expected_error`; for
            multiclass classifiers of the most probable tag, else of all probabilities.
        threshold: the probability from which a tag counts as predicted.
        overlap_threshold: the IoU from which a box counts as correct; None for classifiers.
        confusion: counts by actual tag (rows) and predicted tag (columns), each in the order of `tags` and
            then "nothing". For multiclass classifiers, images; the last column counts those without a tag
            above the threshold. For detectors, objects and boxes; the last column counts missed objects, the
            last row boxes without an object. None for multilabel classifiers.
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
    """The report on a classifier."""
    scores_NT, targets_NT = evaluation.probabilities_NT, evaluation.targets_NT
    correct_N = scores_NT.argmax(axis=1) == targets_NT.argmax(axis=1)
    figures = evaluation.performance(threshold)
    return Report(
        tags=_tag_reports(figures, tags, targets_NT.sum(axis=0).tolist(), None),
        precision=figures.precision,
        recall=figures.recall,
        average_precision=figures.average_precision,
        images=evaluation.count,
        accuracy=None if multilabel else float(correct_N.mean()),
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
    """The report on a detector."""
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
        calibration_error=calibration_curve(evaluation.probabilities, evaluation.hits()).expected_error,
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
