"""What insights share: the evaluation of an iteration, thresholds, and positions of tags."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.iterations.evaluation import (
    EvaluatedModel,
    anomaly_tags,
    checked_thresholds,
    evaluation_of,
    is_detector,
)
from emulator.core.labels.tags import guid_order
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.vision.evaluation.image_errors import ImageErrors

Kind = Literal["Multiclass", "Multilabel", "ObjectDetection"]


def open_evaluation(
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


def kind_of(model: EvaluatedModel) -> Kind:
    if is_detector(model):
        return "ObjectDetection"
    return "Multilabel" if model.classification_type == "Multilabel" else "Multiclass"


def listed_positions(model: EvaluatedModel) -> list[int]:
    """Positions of the tags in the model's outputs, in the order of `guid_order`."""
    tags = model.model_tags or []
    return sorted(range(len(tags)), key=lambda position: guid_order(tags[position]["id"]))


def chosen_positions(model: EvaluatedModel, tag_ids: Sequence[str]) -> set[int]:
    """Positions of the given tags; of all tags when none are given."""
    return {position_of(model, tag_id) for tag_id in tag_ids} or set(range(len(model.model_tags or [])))


def position_of(model: EvaluatedModel, tag_id: str) -> int:
    for position, tag in enumerate(model.model_tags or []):
        if tag["id"] == tag_id:
            return position
    raise ServiceError("NotFoundTag", f"The iteration was not trained on a tag {tag_id}.")


def errors_of(
    model: EvaluatedModel, kept: CachedEvaluation, threshold: float, overlap: float | None
) -> "ImageErrors":
    """Which images of an evaluation are wrong. overlap: None for classifiers."""
    from emulator.vision.evaluation import image_errors

    anomalies = anomaly_tags(model)
    if anomalies is not None:
        return image_errors.errors_of_inspection(kept.figures, *anomalies, threshold)
    kind = kind_of(model)
    if kind == "Multilabel":
        return image_errors.errors_of_multilabel(kept.figures, threshold)
    confusion = kept.confusion(threshold, overlap)
    if kind == "Multiclass":
        return image_errors.errors_of_multiclass(kept.figures, confusion)
    return image_errors.errors_of_detector(confusion, kept.figures.count)
