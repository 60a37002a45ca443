"""What a model gets wrong: confusions, curves, and the images behind each number. Of the emulator's own API.

All of it is computed from the predictions that the performance figures come from, on images that the model
had not seen, and agrees with those figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.listing import numbers_with_blobs, with_tags
from emulator.core.images.upload import TaggedImage
from emulator.core.iterations.evaluation import (
    checked_thresholds,
    evaluation_of,
    is_detector,
)
from emulator.core.iterations.performance import EvaluatedImage, predicted
from emulator.core.labels.tags import guid_order
from emulator.core.revisions.views import View
from emulator.core.scored_rows import scores
from emulator.core.scored_rows.scores import BoundingBox, TagProbability
from emulator.store.tables import Image, Iteration

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.evaluation.confusion import Confusion, Outcome
    from emulator.vision.evaluation.curves import CalibrationCurve, PrecisionRecallCurve

Kind = Literal["Multiclass", "Multilabel", "ObjectDetection"]
# Instead of a tag's id: nothing is there, or nothing is predicted.
NOTHING = "none"
ORDERS = ("Confidence", "Newest", "Oldest")
OUTCOMES = ("TruePositive", "FalsePositive", "FalseNegative", "TrueNegative")
CURVE_POINTS, CURVE_POINTS_MINIMUM, CURVE_POINTS_MAXIMUM = 200, 2, 1000
BINS, BINS_MINIMUM, BINS_MAXIMUM = 10, 2, 100


@dataclass(frozen=True)
class TagOutcomes:
    """How predictions of a tag came out, counted in images, or in objects and boxes.

    true_negatives: None for detectors. position: the tag's in the model's outputs.
    """

    position: int
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int | None


@dataclass(frozen=True)
class ConfusionMatrix:
    """What is taken for what.

    overlap_threshold: None for classifiers. image_count: of the evaluation. per_tag: in the order in which
    tags are listed everywhere. counts: rows are what is there, columns what is predicted, tags in that order
    and nothing at the end; None where an image may have several tags.
    """

    kind: Kind
    threshold: float
    overlap_threshold: float | None
    image_count: int
    per_tag: list[TagOutcomes]
    counts: list[list[int]] | None


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: ids of tags, or NOTHING."""

    actual: str
    predicted: str


@dataclass(frozen=True)
class TagOutcome:
    """Images for which a prediction of a tag came out in one of OUTCOMES."""

    tag_id: str
    outcome: "Outcome"


@dataclass(frozen=True)
class FoundPair:
    """An object and the box that is taken for it; either may be missing. overlap: intersection over union."""

    object_tag_id: str | None
    object_box: BoundingBox | None
    prediction: TagProbability | None
    overlap: float | None


@dataclass(frozen=True)
class ImageOfCell(EvaluatedImage):
    """An image behind a number. fold: of the cross-validation. pairs: of detectors, what puts it there."""

    fold: int
    pairs: list[FoundPair]


@dataclass(frozen=True)
class TagCurve:
    """position: the tag's in the model's outputs; None for all together. deviation: of the average precision
    over the folds. actual: images or objects that there are."""

    position: int | None
    average_precision: float
    deviation: float
    actual: int
    points: "PrecisionRecallCurve"


@dataclass(frozen=True)
class Calibration:
    """per_tag: by the tag's position in the model's outputs, in the order in which tags are listed."""

    overall: "CalibrationCurve"
    per_tag: "list[tuple[int, CalibrationCurve]]"


def confusion_matrix(
    context: Context,
    project_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> tuple[Iteration, ConfusionMatrix]:
    """Thresholds are those of `performance.figures`, whose precision and recall follow from `per_tag`."""
    from emulator.vision.evaluation.confusion import outcome_masks

    iteration, kept, threshold, overlap = _asked(
        context, project_id, iteration_id, threshold, overlap_threshold
    )
    kind, order = _kind(iteration), _listed(iteration)
    counts = None
    per_tag = []
    if kind != "Multilabel":
        places = [*order, len(order)]
        matrix = kept.confusion(threshold, overlap).counts()[places][:, places]
        counts = matrix.tolist()
    if kind == "ObjectDetection":
        right, there, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        per_tag = [
            TagOutcomes(
                position, int(right[row]), int(said[row] - right[row]), int(there[row] - right[row]), None
            )
            for row, position in enumerate(order)
        ]
    else:
        for position in order:
            masks = outcome_masks(kept.figures, position, threshold)
            numbers = [int(masks[name].sum()) for name in masks]
            per_tag.append(TagOutcomes(position, *numbers))
    return iteration, ConfusionMatrix(kind, threshold, overlap, kept.figures.count, per_tag, counts)


def images(
    context: Context,
    project_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
    wanted: Cell | TagOutcome,
    *,
    order: str = ORDERS[0],
    take: int,
    skip: int,
) -> tuple[Iteration, list[ImageOfCell]]:
    """The images behind a number that are still there. order: in ORDERS; Confidence begins with those that
    the model was surest of."""
    iteration, kept, threshold, overlap = _asked(
        context, project_id, iteration_id, threshold, overlap_threshold
    )
    confusion, rows, indexes, surest = _behind(iteration, kept, threshold, overlap, wanted)
    with context.database.read() as session:
        view = View(lookup.project(session, project_id), iteration.revision)
        here = _here(context, session, view, iteration, kept, indexes)
        indexes, surest = indexes[here], surest[here]
        numbers = kept.numbers(session, view.images)[indexes]
        page = _order(order, numbers, surest)[skip : skip + take]
        by_number = _tagged(session, view, numbers[page].tolist())
    chosen = [(int(indexes[place]), int(numbers[place])) for place in page.tolist()]
    pairs = _pairs_of(iteration, kept, confusion, rows, [index for index, _ in chosen])
    return iteration, [
        ImageOfCell(
            by_number[number], predicted(iteration, kept, index), int(kept.figures.folds[index]), pairs[index]
        )
        for index, number in chosen
        if number in by_number
    ]


def image_count(
    context: Context,
    project_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
    wanted: Cell | TagOutcome,
) -> int:
    """How many images `images` lists in all."""
    iteration, kept, threshold, overlap = _asked(
        context, project_id, iteration_id, threshold, overlap_threshold
    )
    _, _, indexes, _ = _behind(iteration, kept, threshold, overlap, wanted)
    with context.database.read() as session:
        view = View(lookup.project(session, project_id), iteration.revision)
        return int(_here(context, session, view, iteration, kept, indexes).sum())


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

    iteration, kept, _, overlap = _asked(context, project_id, iteration_id, None, overlap_threshold)
    chosen = _chosen(iteration, tag_ids)
    detector = is_detector(iteration)
    scored = kept.scored_predictions(overlap)

    def area(curve: "PrecisionRecallCurve") -> float:
        return curve.area(best_from_here=detector)

    curves = []
    by_fold: list[list[float]] = [[] for _ in scored.actual_FT]
    for position in _listed(iteration):
        curve = scored.curve_of(position)
        of_folds = [(fold, area(each)) for fold, each in scored.curves_by_fold(position)]
        for fold, value in of_folds:
            by_fold[fold].append(value)
        deviation = float(numpy.std([value for _, value in of_folds])) if of_folds else 0.0
        curves.append(TagCurve(position, area(curve), deviation, curve.actual, curve.thinned(points)))
    known = [curve.average_precision for curve in curves if curve.actual]
    means = [sum(values) / len(values) for values in by_fold if values]
    together = scored.curve()
    overall = TagCurve(
        None,
        sum(known) / max(1, len(known)),
        float(numpy.std(means)) if means else 0.0,
        together.actual,
        together.thinned(points),
    )
    return iteration, overlap, [overall, *(curve for curve in curves if curve.position in chosen)]


def calibration_curves(
    context: Context,
    project_id: str,
    iteration_id: str,
    overlap_threshold: float | None,
    tag_ids: Sequence[str],
    bins: int,
) -> tuple[Iteration, float | None, Calibration]:
    """How often predictions of a probability are right.

    Over all, of Multiclass projects each image's most probable tag counts, of others every prediction; of a
    tag every prediction of it. A detector's box is right if it finds an object, see `performance.figures`.
    """
    from emulator.vision.evaluation.curves import calibration_curve

    iteration, kept, _, overlap = _asked(context, project_id, iteration_id, None, overlap_threshold)
    chosen = _chosen(iteration, tag_ids)
    scored = kept.scored_predictions(overlap)
    if is_detector(iteration):
        overall = calibration_curve(scored.probabilities, scored.is_correct, bins)
    else:
        overall = kept.figures.calibration(_kind(iteration) == "Multilabel", bins)
    per_tag = [
        (position, scored.calibration_of(position, bins))
        for position in _listed(iteration)
        if position in chosen
    ]
    return iteration, overlap, Calibration(overall, per_tag)


def _asked(
    context: Context,
    project_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> tuple[Iteration, CachedEvaluation, float, float | None]:
    """The evaluation and both thresholds; that of overlap is None for classifiers, which have no boxes."""
    threshold, overlap_threshold = checked_thresholds(threshold, overlap_threshold)
    iteration, kept = evaluation_of(context, project_id, iteration_id)
    return iteration, kept, threshold, overlap_threshold if is_detector(iteration) else None


def _kind(iteration: Iteration) -> Kind:
    if is_detector(iteration):
        return "ObjectDetection"
    return "Multilabel" if iteration.classification_type == "Multilabel" else "Multiclass"


def _listed(iteration: Iteration) -> list[int]:
    """Positions of the tags in the model's outputs, in the order in which tags are listed everywhere."""
    tags = iteration.model_tags or []
    return sorted(range(len(tags)), key=lambda position: guid_order(tags[position]["id"]))


def _chosen(iteration: Iteration, tag_ids: Sequence[str]) -> set[int]:
    """Positions of the named tags; of all where none is named."""
    return {_position(iteration, tag_id) for tag_id in tag_ids} or set(range(len(iteration.model_tags or [])))


def _position(iteration: Iteration, tag_id: str) -> int:
    for position, tag in enumerate(iteration.model_tags or []):
        if tag["id"] == tag_id:
            return position
    raise ServiceError("NotFoundTag", f"The iteration was not trained on a tag {tag_id}.")


def _behind(
    iteration: Iteration,
    kept: CachedEvaluation,
    threshold: float,
    overlap: float | None,
    wanted: Cell | TagOutcome,
) -> "tuple[Confusion | None, NDArray[numpy.integer], NDArray[numpy.integer], NDArray[numpy.floating]]":
    """What is behind a number: pairs of a confusion (their rows), and the images (rising indexes) with the
    highest probability that puts each there."""
    import numpy

    from emulator.vision.evaluation.confusion import NONE, outcome_masks

    kind = _kind(iteration)
    if isinstance(wanted, TagOutcome):
        position = _position(iteration, wanted.tag_id)
        if kind != "ObjectDetection":
            masks = outcome_masks(kept.figures, position, threshold)
            indexes = numpy.flatnonzero(masks[wanted.outcome])
            return None, numpy.empty(0, int), indexes, kept.figures.probabilities_NT[indexes, position]
        if wanted.outcome == "TrueNegative":
            raise ServiceError(
                "BadRequest", "Detectors have no true negatives: what is not there has no place in an image."
            )
        confusion = kept.confusion(threshold, overlap)
        rows = confusion.pairs_of_outcome(position, wanted.outcome)
    else:
        if kind == "Multilabel":
            raise ServiceError(
                "BadRequest",
                "Where images have several tags, no tag is taken for another: ask by tagId and outcome.",
            )
        actual, said = (
            NONE if name == NOTHING else _position(iteration, name)
            for name in (wanted.actual, wanted.predicted)
        )
        confusion = kept.confusion(threshold, overlap)
        rows = confusion.pairs(actual, said)
    indexes, places = numpy.unique(confusion.images[rows], return_inverse=True)
    surest = numpy.zeros(len(indexes))
    numpy.maximum.at(surest, places, confusion.probabilities[rows])
    if kind == "Multiclass" and isinstance(wanted, Cell) and wanted.predicted == NOTHING:
        surest = kept.figures.probabilities_NT[indexes].max(axis=1)
    return confusion, rows, indexes, surest


def _here(
    context: Context,
    session: Session,
    view: View,
    iteration: Iteration,
    kept: CachedEvaluation,
    indexes: "NDArray[numpy.integer]",
) -> "NDArray[numpy.bool_]":
    """Which of the images are still there."""
    import numpy

    present = numbers_with_blobs(context, session, view, (), kept.indexes, f"evaluated with {iteration.id}")
    return numpy.isin(kept.numbers(session, view.images)[indexes], numpy.frombuffer(present, numpy.int64))


def _order(
    order: str, numbers: "NDArray[numpy.int64]", surest: "NDArray[numpy.floating]"
) -> "NDArray[numpy.integer]":
    import numpy

    if order == "Confidence":
        return numpy.lexsort((-numbers, -surest))
    return numpy.argsort(numbers if order == "Oldest" else -numbers)


def _tagged(session: Session, view: View, numbers: Sequence[int]) -> dict[int, TaggedImage]:
    rows = session.exec(select(Image).where(col(Image.number).in_(numbers))).all()
    return {tagged.image.number or 0: tagged for tagged in with_tags(session, view, rows)}


def _pairs_of(
    iteration: Iteration,
    kept: CachedEvaluation,
    confusion: "Confusion | None",
    rows: "NDArray[numpy.integer]",
    indexes: Sequence[int],
) -> dict[int, list[FoundPair]]:
    """The pairs that put images there, by the image; none of classifiers."""
    import numpy

    from emulator.vision.boxes.box import DetectedBox

    pairs: dict[int, list[FoundPair]] = {index: [] for index in indexes}
    if confusion is None or not is_detector(iteration):
        return pairs
    figures, tags = kept.figures, iteration.model_tags or []
    shown = rows[numpy.isin(confusion.images[rows], indexes)]
    overlaps = figures.overlaps(confusion.objects[shown], confusion.detections[shown])
    for row, overlap in zip(shown.tolist(), overlaps.tolist(), strict=True):
        there, said = int(confusion.objects[row]), int(confusion.detections[row])
        prediction = None
        if said >= 0:
            box = DetectedBox(
                int(figures.detections.tags[said]),
                float(figures.probabilities[said]),
                *figures.detections.ltwh[said].tolist(),
            )
            (prediction,) = scores.of_detector(tags, [box])
        pairs[int(confusion.images[row])].append(
            FoundPair(
                tags[int(figures.truths.tags[there])]["id"] if there >= 0 else None,
                BoundingBox(*figures.truths.ltwh[there].tolist()) if there >= 0 else None,
                prediction,
                overlap if there >= 0 and said >= 0 else None,
            )
        )
    return pairs
