"""Precision-recall curves and calibration curves of an iteration. Part of the emulator's own API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.core.context import Context
from emulator.core.insight.evaluated import (
    chosen_positions,
    kind_of,
    listed_positions,
    open_evaluation,
)
from emulator.core.iterations.evaluation import is_detector
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.vision.evaluation.curves import CalibrationCurve, PrecisionRecallCurve

CURVE_POINTS, CURVE_POINTS_MINIMUM, CURVE_POINTS_MAXIMUM = 200, 2, 1000
BINS, BINS_MINIMUM, BINS_MAXIMUM = 10, 2, 100


@dataclass(frozen=True)
class TagCurve:
    """The precision-recall curve of a tag.

    position: of the tag in the model's outputs; None for all tags together. deviation: standard deviation of
    the average precision over the folds. actual: number of images or objects of the tag.
    """

    position: int | None
    average_precision: float
    deviation: float
    actual: int
    points: "PrecisionRecallCurve"


@dataclass(frozen=True)
class CalibrationCurves:
    """Calibration of all predictions and of each tag. per_tag: by position in the model's outputs, in the
    order of `guid_order`.
    """

    overall: "CalibrationCurve"
    per_tag: "list[tuple[int, CalibrationCurve]]"


def precision_recall_curves(
    context: Context,
    project_id: str,
    iteration_id: str,
    overlap_threshold: float | None,
    tag_ids: Sequence[str],
    points: int,
) -> tuple[Iteration, float | None, list[TagCurve]]:
    """The overlap threshold (None for classifiers), the curve of all tags together, and those of `tag_ids`
    (of all when empty), each with `points` points at most."""
    import numpy

    iteration, kept, _, overlap = open_evaluation(context, project_id, iteration_id, None, overlap_threshold)
    chosen = chosen_positions(iteration, tag_ids)
    detector = is_detector(iteration)
    scored = kept.scored_predictions(overlap)

    def area(curve: "PrecisionRecallCurve") -> float:
        return curve.area(best_from_here=detector)

    curves = []
    by_fold: list[list[float]] = [[] for _ in scored.actual_FT]
    for position in listed_positions(iteration):
        curve = scored.curve_of(position)
        of_folds = [(fold, area(each)) for fold, each in scored.curves_by_fold(position)]
        for fold, value in of_folds:
            by_fold[fold].append(value)
        deviation = float(numpy.std([value for _, value in of_folds])) if of_folds else 0.0
        curves.append(
            TagCurve(
                position=position,
                average_precision=area(curve),
                deviation=deviation,
                actual=curve.actual,
                points=curve.thinned(points),
            )
        )
    known = [curve.average_precision for curve in curves if curve.actual]
    means = [sum(values) / len(values) for values in by_fold if values]
    together = scored.curve()
    overall = TagCurve(
        position=None,
        average_precision=sum(known) / max(1, len(known)),
        deviation=float(numpy.std(means)) if means else 0.0,
        actual=together.actual,
        points=together.thinned(points),
    )
    return iteration, overlap, [overall, *(curve for curve in curves if curve.position in chosen)]


def calibration_curves(
    context: Context,
    project_id: str,
    iteration_id: str,
    overlap_threshold: float | None,
    tag_ids: Sequence[str],
    bins: int,
) -> tuple[Iteration, float | None, CalibrationCurves]:
    """The fraction of correct predictions by their probability.

    The overall curve has the most probable tag of each image for Multiclass projects, and every prediction
    for others; the curve of a tag has every prediction of it. A detector's box is correct if it matches an
    object, see `performance.figures`.
    """
    from emulator.vision.evaluation.curves import calibration_curve

    iteration, kept, _, overlap = open_evaluation(context, project_id, iteration_id, None, overlap_threshold)
    chosen = chosen_positions(iteration, tag_ids)
    scored = kept.scored_predictions(overlap)
    if is_detector(iteration):
        overall = calibration_curve(scored.probabilities, scored.is_correct, bins)
    else:
        overall = kept.figures.calibration(kind_of(iteration) == "Multilabel", bins)
    per_tag = [
        (position, scored.calibration_of(position, bins))
        for position in listed_positions(iteration)
        if position in chosen
    ]
    return iteration, overlap, CalibrationCurves(overall, per_tag)
