"""Performance of an iteration, from the predictions of its evaluation."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmodel import Session

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.images.listing import numbers_with_blobs, page_of
from emulator.core.images.tagged import TaggedImage
from emulator.core.iterations import recorded
from emulator.core.iterations.evaluation import (
    EvaluatedModel,
    checked_thresholds,
    evaluation_of,
    is_detector,
)
from emulator.core.labels.tags import guid_order
from emulator.core.revisions.views import View
from emulator.core.scored_rows import scores
from emulator.core.scored_rows.scores import TagProbability
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.vision.evaluation.classification import Evaluation
    from emulator.vision.evaluation.common import PerformanceFigures
    from emulator.vision.evaluation.detection import DetectionEvaluation


@dataclass(frozen=True)
class EvaluatedImage:
    """An image of the evaluation set with its predictions, most probable first."""

    tagged: TaggedImage
    probabilities: list[TagProbability]


def figures(
    context: Context,
    project_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None = None,
) -> tuple[Iteration, "PerformanceFigures"]:
    """Precision, recall and average precision at a threshold (0 to 1; 0.5 when None).

    overlap_threshold: the least intersection over union of a box with an object for the box to be correct
    (0 to 1; 0.3 when None); for detectors only.

    A pulled iteration has the figures of the service where they were recorded; for other thresholds they are
    computed from its predictions, or are those for the nearest thresholds.

    Tags are in the order of `guid_order`, as in all lists.
    """
    is_default = threshold is None and overlap_threshold is None
    threshold, overlap_threshold = checked_thresholds(threshold, overlap_threshold)
    with context.database.read() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
        if iteration.is_pulled:
            found = recorded.figures(
                session,
                iteration,
                threshold,
                overlap_threshold if is_detector(iteration) else None,
                is_default=is_default,
                nearest=iteration.evaluation_blob is None,
            )
            if found is not None:
                return iteration, found
    iteration, kept = evaluation_of(context, project_id, iteration_id)
    return iteration, figures_of(iteration, kept.figures, threshold, overlap_threshold)


def figures_of(
    model: EvaluatedModel,
    evaluation: "Evaluation | DetectionEvaluation",
    threshold: float,
    overlap_threshold: float | None,
) -> "PerformanceFigures":
    """The figures of an evaluation. overlap_threshold: for detectors only."""
    if is_detector(model):
        found = evaluation.performance(threshold, overlap_threshold)  # type: ignore[call-arg, arg-type]
    else:
        found = evaluation.performance(threshold)
    tags = model.model_tags or []
    found.per_tag.sort(key=lambda item: guid_order(tags[item.tag_index]["id"]))
    return found


def images(
    context: Context,
    project_id: str,
    iteration_id: str,
    tag_ids: Sequence[str],
    *,
    newest_first: bool = True,
    take: int,
    skip: int,
) -> list[EvaluatedImage]:
    """Images of the evaluation set of the iteration, a held-out fifth, as the service lists them."""
    iteration, kept = evaluation_of(context, project_id, iteration_id)
    with context.database.read() as session:
        view = View(lookup.project(session, project_id), iteration.revision)
        numbers = _held_out(context, session, view, iteration, kept, tag_ids)
        page = page_of(session, view, numbers, newest_first=newest_first, take=take, skip=skip)
    return [
        EvaluatedImage(tagged, predicted(iteration, kept, kept.held_out[tagged.image.blob]))
        for tagged in page
    ]


def image_count(context: Context, project_id: str, iteration_id: str, tag_ids: Sequence[str]) -> int:
    iteration, kept = evaluation_of(context, project_id, iteration_id)
    with context.database.read() as session:
        view = View(lookup.project(session, project_id), iteration.revision)
        return len(_held_out(context, session, view, iteration, kept, tag_ids))


def _held_out(
    context: Context,
    session: Session,
    view: View,
    iteration: Iteration,
    kept: CachedEvaluation,
    tag_ids: Sequence[str],
) -> "array[int]":
    """The numbers of the images of the evaluation set that still exist."""
    name = f"held out of {iteration.id}"
    return numbers_with_blobs(context, session, view, tuple(tag_ids), kept.held_out, name)


def predicted(model: EvaluatedModel, kept: CachedEvaluation, index: int) -> list[TagProbability]:
    """The predictions for the image with this index in the evaluation, of tags that the model has."""
    tags = model.model_tags or []
    if is_detector(model):
        return scores.of_detector(tags, kept.figures.detected(index))
    probabilities = scores.of_classifier(tags, kept.figures.probabilities_NT[index])
    return [item for item in probabilities if item.probability >= 0]
