"""The images that a cell of the confusion matrix, an outcome of a tag, or the whole evaluation counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.listing import numbers_with_blobs
from emulator.core.images.tagged import TaggedImage, with_tags
from emulator.core.insight.evaluated import errors_of, kind_of, open_evaluation, position_of
from emulator.core.iterations.evaluation import EvaluatedModel, is_detector
from emulator.core.iterations.performance import EvaluatedImage, predicted
from emulator.core.revisions.views import View
from emulator.core.scored_rows import scores
from emulator.core.scored_rows.scores import TagProbability
from emulator.store.tables import Image, Iteration
from emulator.vision.boxes.box import Box

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.evaluation.confusion import Confusion, Outcome

# Instead of a tag's id: no object, or no prediction.
NOTHING = "none"
ORDERS = ("Confidence", "Newest", "Oldest")
OUTCOMES = ("TruePositive", "FalsePositive", "FalseNegative", "TrueNegative")


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix: ids of tags, or NOTHING."""

    actual: str
    predicted: str


@dataclass(frozen=True)
class TagOutcome:
    """Images with a prediction of a tag that has one of OUTCOMES."""

    tag_id: str
    outcome: "Outcome"


@dataclass(frozen=True)
class FoundPair:
    """An object and the box that matches it; either may be missing. overlap: intersection over union."""

    object_tag_id: str | None
    object_box: Box | None
    prediction: TagProbability | None
    overlap: float | None


@dataclass(frozen=True)
class ImageOfCell(EvaluatedImage):
    """A counted image. fold: of the cross-validation. pairs: the counted ones, for detectors."""

    fold: int
    pairs: list[FoundPair]


def images(
    context: Context,
    project_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
    wanted: Cell | TagOutcome | None,
    *,
    order: str = ORDERS[0],
    take: int,
    skip: int,
) -> tuple[Iteration, list[ImageOfCell]]:
    """The counted images that still exist.

    wanted: None for all that the model was evaluated on. order: in ORDERS; Confidence: most probable first,
    or of all images the worst errors first.
    """
    iteration, kept, threshold, overlap = open_evaluation(
        context, project_id, iteration_id, threshold, overlap_threshold
    )
    confusion, rows, indexes, confidences = counted(iteration, kept, threshold, overlap, wanted)
    with context.database.read() as session:
        view = View(lookup.project(session, project_id), iteration.revision)
        here = _existing(context, session, view, iteration, kept, indexes)
        indexes, confidences = indexes[here], confidences[here]
        numbers = kept.numbers(session, view.images)[indexes]
        page = _order(order, numbers, confidences)[skip : skip + take]
        by_number = _tagged(session, view, numbers[page].tolist())
    chosen = [(int(indexes[place]), int(numbers[place])) for place in page.tolist()]
    pairs = pairs_of(iteration, kept, confusion, rows, [index for index, _ in chosen])
    return iteration, [
        ImageOfCell(
            tagged=by_number[number],
            probabilities=predicted(iteration, kept, index),
            fold=int(kept.figures.folds[index]),
            pairs=pairs[index],
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
    wanted: Cell | TagOutcome | None,
) -> int:
    """The number of images that `images` lists in all."""
    iteration, kept, threshold, overlap = open_evaluation(
        context, project_id, iteration_id, threshold, overlap_threshold
    )
    _, _, indexes, _ = counted(iteration, kept, threshold, overlap, wanted)
    with context.database.read() as session:
        view = View(lookup.project(session, project_id), iteration.revision)
        return int(_existing(context, session, view, iteration, kept, indexes).sum())


def counted(
    model: EvaluatedModel,
    kept: CachedEvaluation,
    threshold: float,
    overlap: float | None,
    wanted: Cell | TagOutcome | None,
) -> "tuple[Confusion | None, NDArray[numpy.integer], NDArray[numpy.integer], NDArray[numpy.floating]]":
    """The counted pairs (rows of a confusion) and images (ascending indexes), and the highest probability
    among the pairs of each image.

    wanted: None for all images; their pairs are left out, and instead of a probability they have the severity
    of their errors, -1 without one.
    """
    import numpy

    from emulator.vision.evaluation.confusion import NONE, outcome_masks

    kind = kind_of(model)
    if wanted is None:
        errors = errors_of(model, kept, threshold, overlap)
        severity = numpy.where(errors.is_wrong, errors.severity, -1.0)
        return None, numpy.empty(0, int), numpy.arange(kept.figures.count), severity
    if isinstance(wanted, TagOutcome):
        position = position_of(model, wanted.tag_id)
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
        actual, predicted_tag = (
            NONE if name == NOTHING else position_of(model, name)
            for name in (wanted.actual, wanted.predicted)
        )
        confusion = kept.confusion(threshold, overlap)
        rows = confusion.pairs(actual, predicted_tag)
    indexes, places = numpy.unique(confusion.images[rows], return_inverse=True)
    confidences = numpy.zeros(len(indexes))
    numpy.maximum.at(confidences, places, confusion.probabilities[rows])
    if kind == "Multiclass" and isinstance(wanted, Cell) and wanted.predicted == NOTHING:
        confidences = kept.figures.probabilities_NT[indexes].max(axis=1)
    return confusion, rows, indexes, confidences


def _existing(
    context: Context,
    session: Session,
    view: View,
    iteration: Iteration,
    kept: CachedEvaluation,
    indexes: "NDArray[numpy.integer]",
) -> "NDArray[numpy.bool_]":
    """Which of the images still exist."""
    import numpy

    present = numbers_with_blobs(context, session, view, (), kept.indexes, f"evaluated with {iteration.id}")
    return numpy.isin(kept.numbers(session, view.images)[indexes], numpy.frombuffer(present, numpy.int64))


def _order(
    order: str, numbers: "NDArray[numpy.int64]", confidences: "NDArray[numpy.floating]"
) -> "NDArray[numpy.integer]":
    import numpy

    if order == "Confidence":
        return numpy.lexsort((-numbers, -confidences))
    return numpy.argsort(numbers if order == "Oldest" else -numbers)


def _tagged(session: Session, view: View, numbers: Sequence[int]) -> dict[int, TaggedImage]:
    rows = session.exec(select(Image).where(col(Image.number).in_(numbers))).all()
    return {tagged.image.number or 0: tagged for tagged in with_tags(session, view, rows)}


def pairs_of(
    model: EvaluatedModel,
    kept: CachedEvaluation,
    confusion: "Confusion | None",
    rows: "NDArray[numpy.integer]",
    indexes: Sequence[int],
) -> dict[int, list[FoundPair]]:
    """The counted pairs, by index of their image; none for classifiers."""
    import numpy

    from emulator.vision.boxes.box import DetectedBox

    pairs: dict[int, list[FoundPair]] = {index: [] for index in indexes}
    if confusion is None or not is_detector(model):
        return pairs
    figures, tags = kept.figures, model.model_tags or []
    shown = rows[numpy.isin(confusion.images[rows], indexes)]
    overlaps = figures.overlaps(confusion.objects[shown], confusion.detections[shown])
    for row, overlap in zip(shown.tolist(), overlaps.tolist(), strict=True):
        truth, detection = int(confusion.objects[row]), int(confusion.detections[row])
        prediction = None
        if detection >= 0:
            box = DetectedBox(
                int(figures.detections.tags[detection]),
                float(figures.probabilities[detection]),
                *figures.detections.ltwh[detection].tolist(),
            )
            (prediction,) = scores.of_detector(tags, [box])
        pairs[int(confusion.images[row])].append(
            FoundPair(
                object_tag_id=tags[int(figures.truths.tags[truth])]["id"] if truth >= 0 else None,
                object_box=Box(*figures.truths.ltwh[truth].tolist()) if truth >= 0 else None,
                prediction=prediction,
                overlap=overlap if truth >= 0 and detection >= 0 else None,
            )
        )
    return pairs
