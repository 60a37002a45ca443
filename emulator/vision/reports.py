"""How good a model is, as one report: the figures of `metrics` and `detection_metrics` with names to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.detection_boxes import overlaps
from emulator.vision.detection_metrics import DetectionEvaluation, edges
from emulator.vision.metrics import Evaluation, PerformanceFigures

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_INTERVALS = 10
# The overlap at which a box counts as right where its probability is judged, as in calibration.
_OVERLAP_OF_RIGHT_ONES = 0.5


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
        calibration_error: how far probabilities are from the truth, see `calibration_error`; of a classifier
            with one tag an image the probability of the most probable tag, else all of them.
        threshold: of probability, from which a tag counts as predicted.
        overlap_threshold: intersection over union from which a box counts as found; None for classifiers.
        confusion: counts by true tag (row) and predicted tag (column), each in the order of `tags`. Of
            classifiers with one tag an image, images; the last column has those for which no tag reaches the
            threshold. Of detectors, objects; the last column has those that no box overlaps enough, the last
            row boxes that overlap no object enough. None for classifiers with several tags an image.
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
    best_N, right_N = scores_NT.argmax(axis=1), scores_NT.argmax(axis=1) == targets_NT.argmax(axis=1)
    confusion = None
    if not multilabel:
        shown_N = scores_NT.max(axis=1) >= threshold
        columns = [int(best) if shown else len(tags) for best, shown in zip(best_N, shown_N, strict=True)]
        confusion = _counted(targets_NT.argmax(axis=1).tolist(), columns, len(tags), len(tags) + 1)
    figures = evaluation.performance(threshold)
    return Report(
        tags=_tag_reports(figures, tags, targets_NT.sum(axis=0).tolist(), None),
        precision=figures.precision,
        recall=figures.recall,
        average_precision=figures.average_precision,
        images=evaluation.count,
        accuracy=None if multilabel else float(right_N.mean()),
        calibration_error=calibration_error(scores_NT.ravel(), targets_NT.ravel())
        if multilabel
        else calibration_error(scores_NT.max(axis=1), right_N),
        threshold=threshold,
        overlap_threshold=None,
        confusion=confusion,
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
        calibration_error=calibration_error(
            evaluation.probabilities, evaluation.hits(_OVERLAP_OF_RIGHT_ONES)
        ),
        threshold=threshold,
        overlap_threshold=overlap_threshold,
        confusion=_confusion_of_boxes(evaluation, len(tags), threshold, overlap_threshold),
        skipped=tuple(skipped),
    )


def calibration_error(probabilities_P: NDArray[numpy.floating], hits_P: NDArray[numpy.bool_]) -> float:
    """Expected calibration error: the mean distance between probability and share of hits, over ten equal
    intervals of probability, weighted by their predictions (Naeini, Cooper and Hauskrecht, 2015)."""
    intervals_P = (probabilities_P * _INTERVALS).astype(int).clip(0, _INTERVALS - 1)
    distances = [
        abs(float(probabilities_P[inside_P].mean()) - float(hits_P[inside_P].mean())) * float(inside_P.mean())
        for inside_P in (intervals_P == interval for interval in range(_INTERVALS))
        if inside_P.any()
    ]
    return float(sum(distances))


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


def _confusion_of_boxes(
    evaluation: DetectionEvaluation, tag_count: int, threshold: float, overlap_threshold: float
) -> tuple[tuple[int, ...], ...]:
    """Boxes choose objects whatever their tag, in the order of their probability; each object once."""
    import numpy

    rows, columns = [], []
    truths, detections = evaluation.truths, evaluation.detections
    shown = evaluation.probabilities >= threshold
    for image in range(evaluation.count):
        objects = numpy.flatnonzero(truths.images == image)
        boxes = numpy.flatnonzero((detections.images == image) & shown)
        boxes = boxes[numpy.argsort(-evaluation.probabilities[boxes], kind="stable")]
        overlap = overlaps(edges(detections.places[boxes]), edges(truths.places[objects]))
        found = set()
        for box, of_box in zip(boxes, overlap, strict=True):
            best = int(of_box.argmax()) if len(of_box) else -1
            right = best >= 0 and of_box[best] >= overlap_threshold
            rows.append(int(truths.tags[objects[best]]) if right else tag_count)
            columns.append(int(detections.tags[box]))
            if right:
                found.add(best)
                overlap[:, best] = -1
        missed = [int(truths.tags[each]) for number, each in enumerate(objects) if number not in found]
        rows += missed
        columns += [tag_count] * len(missed)
    return _counted(rows, columns, tag_count + 1, tag_count + 1)


def _counted(
    rows: Sequence[int], columns: Sequence[int], row_count: int, column_count: int
) -> tuple[tuple[int, ...], ...]:
    counts = [[0] * column_count for _ in range(row_count)]
    for row, column in zip(rows, columns, strict=True):
        counts[row][column] += 1
    return tuple(tuple(row) for row in counts)
