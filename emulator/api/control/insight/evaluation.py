"""Evaluation of a model, in the emulator's own API: confusion matrix, its images, and curves."""

from typing import TYPE_CHECKING, Annotated, Any

from emulator.api import responses
from emulator.api.control.insight.cells import AnyCell, matches
from emulator.api.dependencies import Emulator, ImageLinks, IterationId, ProjectId
from emulator.api.parameters import (
    TagIds,
    TakeAndSkip,
    choice,
    integer,
    number,
)
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter
from emulator.contract.control import insight as shapes
from emulator.core.insight import confusion, curves
from emulator.core.insight import images as cell_images
from emulator.core.insight.confusion import ConfusionMatrix
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.vision.evaluation.curves import PrecisionRecallCurve

router = OperationRouter()

_ITERATION = "/_emulator/projects/{projectId}/iterations/{iterationId}"
_Threshold = Annotated[float | None, number("threshold")]
_OverlapThreshold = Annotated[float | None, number("overlapThreshold")]


@router.own("GET", f"{_ITERATION}/confusionMatrix")
def confusion_matrix(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    threshold: _Threshold,
    overlap_threshold: _OverlapThreshold,
) -> shapes.ConfusionMatrix:
    found = confusion.confusion_matrix(emulator, project_id, iteration_id, threshold, overlap_threshold)
    return matrix_shape(*found)


def matrix_shape(iteration: Iteration, matrix: ConfusionMatrix) -> shapes.ConfusionMatrix:
    tags = [_named(iteration, item.position) for item in matrix.per_tag]
    per_tag = [
        shapes.TagOutcomes(
            tag_id=tag_id,
            tag_name=tag_name,
            true_positives=item.true_positives,
            false_positives=item.false_positives,
            false_negatives=item.false_negatives,
            true_negatives=item.true_negatives,
        )
        for (tag_id, tag_name), item in zip(tags, matrix.per_tag, strict=True)
    ]
    return shapes.ConfusionMatrix(
        type=matrix.kind,
        threshold=matrix.threshold,
        overlap_threshold=matrix.overlap_threshold,
        image_count=matrix.image_count,
        tags=[shapes.NamedTag(id=tag_id, name=tag_name) for tag_id, tag_name in tags],
        counts=matrix.counts,
        per_tag=per_tag,
    )


@router.own("GET", f"{_ITERATION}/confusionMatrix/images")
def confusion_matrix_images(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: IterationId,
    threshold: _Threshold,
    overlap_threshold: _OverlapThreshold,
    chosen: AnyCell,
    order: Annotated[str, choice("orderBy", cell_images.ORDERS, cell_images.ORDERS[0])],
    page: TakeAndSkip,
) -> list[shapes.ImageOfCell]:
    take, skip = page
    iteration, images = cell_images.images(
        emulator,
        project_id,
        iteration_id,
        threshold,
        overlap_threshold,
        chosen,
        order=order,
        take=take,
        skip=skip,
    )
    names = {tag["id"]: tag["name"] for tag in iteration.model_tags or []}
    return [_image(links, item, names) for item in images]


@router.own("GET", f"{_ITERATION}/confusionMatrix/images/count")
def confusion_matrix_image_count(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: IterationId,
    threshold: _Threshold,
    overlap_threshold: _OverlapThreshold,
    chosen: AnyCell,
) -> int:
    return cell_images.image_count(emulator, project_id, iteration_id, threshold, overlap_threshold, chosen)


@router.own("GET", f"{_ITERATION}/precisionRecallCurve")
def precision_recall_curve(
    emulator: Emulator,
    points: Annotated[
        int,
        integer("points", curves.CURVE_POINTS, curves.CURVE_POINTS_MINIMUM, curves.CURVE_POINTS_MAXIMUM),
    ],
    project_id: ProjectId,
    iteration_id: IterationId,
    overlap_threshold: _OverlapThreshold,
    tag_ids: TagIds,
) -> shapes.PrecisionRecallCurve:
    iteration, overlap, (overall, *of_tags) = curves.precision_recall_curves(
        emulator, project_id, iteration_id, overlap_threshold, tag_ids, points
    )
    per_tag = []
    for curve in of_tags:
        tag_id, tag_name = _named(iteration, curve.position)
        per_tag.append(
            shapes.TagCurve(
                tag_id=tag_id,
                tag_name=tag_name,
                average_precision=curve.average_precision,
                average_precision_std_deviation=curve.deviation,
                count=curve.actual,
                points=curve_points(curve.points),
            )
        )
    return shapes.PrecisionRecallCurve(
        overlap_threshold=overlap,
        average_precision=overall.average_precision,
        average_precision_std_deviation=overall.deviation,
        count=overall.actual,
        points=curve_points(overall.points),
        per_tag=per_tag,
    )


@router.own("GET", f"{_ITERATION}/calibrationCurve")
def calibration_curve(
    emulator: Emulator,
    bins: Annotated[int, integer("bins", curves.BINS, curves.BINS_MINIMUM, curves.BINS_MAXIMUM)],
    project_id: ProjectId,
    iteration_id: IterationId,
    overlap_threshold: _OverlapThreshold,
    tag_ids: TagIds,
) -> shapes.CalibrationCurve:
    iteration, overlap, calibration = curves.calibration_curves(
        emulator, project_id, iteration_id, overlap_threshold, tag_ids, bins
    )
    overall = calibration.overall
    per_tag = []
    for position, curve in calibration.per_tag:
        tag_id, tag_name = _named(iteration, position)
        per_tag.append(
            shapes.TagCalibration(
                tag_id=tag_id,
                tag_name=tag_name,
                count=int(curve.counts.sum()),
                expected_calibration_error=curve.expected_error,
                bins=_bins(curve),
            )
        )
    return shapes.CalibrationCurve(
        overlap_threshold=overlap,
        count=int(overall.counts.sum()),
        expected_calibration_error=overall.expected_error,
        bins=_bins(overall),
        per_tag=per_tag,
    )


def _named(iteration: Iteration, position: int | None) -> tuple[str, str]:
    """Id and name of a tag of the model."""
    tag = (iteration.model_tags or [])[position or 0]
    return tag["id"], tag["name"]


def _image(links: Links, item: cell_images.ImageOfCell, names: dict[str, str]) -> shapes.ImageOfCell:
    shown = responses.image_performance(links, item)
    return shapes.ImageOfCell(**vars(shown), fold=item.fold, matches=matches(item.pairs, names))


def curve_points(points: "PrecisionRecallCurve") -> list[shapes.CurvePoint]:
    rows = zip(points.thresholds.tolist(), points.precision.tolist(), points.recall.tolist(), strict=True)
    return [
        shapes.CurvePoint(threshold=threshold, precision=precision, recall=recall)
        for threshold, precision, recall in rows
    ]


def _bins(curve: Any) -> list[shapes.CalibrationBin]:
    count = len(curve.counts)
    rows = zip(curve.counts.tolist(), curve.confidence.tolist(), curve.accuracy.tolist(), strict=True)
    return [
        shapes.CalibrationBin(
            lower=place / count,
            upper=(place + 1) / count,
            count=number,
            mean_confidence=confidence if number else None,
            share_right=right if number else None,
        )
        for place, (number, confidence, right) in enumerate(rows)
    ]
