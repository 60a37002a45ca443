"""What a model gets wrong, of the emulator's own API: confusion matrix, curves, the images behind them."""

from concurrent.futures import Executor
from typing import Any

from starlette.routing import BaseRoute

from emulator.api import responses as shapes
from emulator.api.calls import Call
from emulator.api.control_calls import control_route
from emulator.contract import insight as answers
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.insight import confusion as insight
from emulator.core.insight.confusion import Cell, TagOutcome
from emulator.core.limits import PAGE_SIZE, PAGE_SIZE_MAXIMUM
from emulator.store.tables import Iteration


def insight_routes(context: Context, threads: Executor, public_url: str | None) -> list[BaseRoute]:
    handlers = {
        "confusionMatrix": confusion_matrix,
        "confusionMatrix/images": confusion_matrix_images,
        "confusionMatrix/images/count": confusion_matrix_image_count,
        "precisionRecallCurve": precision_recall_curve,
        "calibrationCurve": calibration_curve,
    }
    below = "/_emulator/projects/{projectId}/iterations/{iterationId}/"
    return [
        control_route(below + path, handler, context, threads, public_url)
        for path, handler in handlers.items()
    ]


def confusion_matrix(call: Call) -> answers.ConfusionMatrix:
    iteration, matrix = insight.confusion_matrix(*_iteration(call), *_thresholds(call))
    per_tag = [
        answers.TagOutcomes(
            *_named(iteration, item.position),
            item.true_positives,
            item.false_positives,
            item.false_negatives,
            item.true_negatives,
        )
        for item in matrix.per_tag
    ]
    return answers.ConfusionMatrix(
        matrix.kind,
        matrix.threshold,
        matrix.overlap_threshold,
        matrix.image_count,
        [answers.NamedTag(tag.tag_id, tag.tag_name) for tag in per_tag],
        matrix.counts,
        per_tag,
    )


def confusion_matrix_images(call: Call) -> list[answers.ImageOfCell]:
    iteration, images = insight.images(
        *_iteration(call),
        *_thresholds(call),
        _wanted(call),
        order=call.choice("orderBy", insight.ORDERS, insight.ORDERS[0]),
        take=call.integer("take", PAGE_SIZE, maximum=PAGE_SIZE_MAXIMUM),
        skip=call.integer("skip", 0),
    )
    names = {tag["id"]: tag["name"] for tag in iteration.model_tags or []}
    return [_image(call, item, names) for item in images]


def confusion_matrix_image_count(call: Call) -> int:
    return insight.image_count(*_iteration(call), *_thresholds(call), _wanted(call))


def precision_recall_curve(call: Call) -> answers.PrecisionRecallCurve:
    points = call.integer(
        "points", insight.CURVE_POINTS, insight.CURVE_POINTS_MINIMUM, insight.CURVE_POINTS_MAXIMUM
    )
    iteration, overlap, (overall, *curves) = insight.precision_recall_curves(
        *_iteration(call), call.number("overlapThreshold"), call.guids("tagIds"), points
    )
    return answers.PrecisionRecallCurve(
        overlap,
        overall.average_precision,
        overall.deviation,
        overall.actual,
        _points(overall),
        [
            answers.TagCurve(
                *_named(iteration, curve.position),
                curve.average_precision,
                curve.deviation,
                curve.actual,
                _points(curve),
            )
            for curve in curves
        ],
    )


def calibration_curve(call: Call) -> answers.CalibrationCurve:
    bins = call.integer("bins", insight.BINS, insight.BINS_MINIMUM, insight.BINS_MAXIMUM)
    iteration, overlap, calibration = insight.calibration_curves(
        *_iteration(call), call.number("overlapThreshold"), call.guids("tagIds"), bins
    )
    overall = calibration.overall
    return answers.CalibrationCurve(
        overlap,
        int(overall.counts.sum()),
        overall.expected_error,
        _bins(overall),
        [
            answers.TagCalibration(
                *_named(iteration, position), int(curve.counts.sum()), curve.expected_error, _bins(curve)
            )
            for position, curve in calibration.per_tag
        ],
    )


def _iteration(call: Call) -> tuple[Context, str, str]:
    return call.context, call.id("projectId"), call.id("iterationId")


def _thresholds(call: Call) -> tuple[float | None, float | None]:
    return call.number("threshold"), call.number("overlapThreshold")


def _wanted(call: Call) -> Cell | TagOutcome:
    """What images are asked for: ``actual`` and ``predicted``, or ``tagId`` and ``outcome``."""
    given = {name for name in ("actual", "predicted", "tagId", "outcome") if call.text(name) is not None}
    if given == {"tagId", "outcome"}:
        return TagOutcome(call.guid("tagId") or "", call.choice("outcome", insight.OUTCOMES, ""))  # type: ignore[arg-type]
    if given == {"actual", "predicted"}:
        return Cell(_tag_or_nothing(call, "actual"), _tag_or_nothing(call, "predicted"))
    raise ServiceError(
        "BadRequestRequiredParamIsNull",
        "The parameters 'actual' and 'predicted' are required, or 'tagId' and 'outcome', and not both pairs.",
    )


def _tag_or_nothing(call: Call, name: str) -> str:
    text = call.text(name) or ""
    return insight.NOTHING if text.lower() == insight.NOTHING else call.guid(name) or ""


def _named(iteration: Iteration, position: int | None) -> tuple[str, str]:
    tag = (iteration.model_tags or [])[position or 0]
    return tag["id"], tag["name"]


def _image(call: Call, item: insight.ImageOfCell, names: dict[str, str]) -> answers.ImageOfCell:
    shown = shapes.image_performance(call, item)
    matches = [
        answers.Match(
            _object(pair, names),
            shapes.predictions([pair.prediction])[0] if pair.prediction else None,
            pair.overlap,
        )
        for pair in item.pairs
    ]
    return answers.ImageOfCell(**vars(shown), fold=item.fold, matches=matches)


def _object(pair: insight.FoundPair, names: dict[str, str]) -> answers.MatchedObject | None:
    if pair.object_tag_id is None:
        return None
    box = shapes.bounding_box(pair.object_box)
    assert box is not None
    return answers.MatchedObject(pair.object_tag_id, names[pair.object_tag_id], box)


def _points(curve: insight.TagCurve) -> list[answers.CurvePoint]:
    points = curve.points
    rows = zip(points.thresholds.tolist(), points.precision.tolist(), points.recall.tolist(), strict=True)
    return [answers.CurvePoint(*row) for row in rows]


def _bins(curve: Any) -> list[answers.CalibrationBin]:
    count = len(curve.counts)
    return [
        answers.CalibrationBin(
            place / count,
            (place + 1) / count,
            number,
            confidence if number else None,
            right if number else None,
        )
        for place, (number, confidence, right) in enumerate(
            zip(curve.counts.tolist(), curve.confidence.tolist(), curve.right.tolist(), strict=True)
        )
    ]
