"""How good an iteration is: figures from predictions on images that its model had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.core import domains, finding, scores
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.image_lists import Filter, with_blobs
from emulator.core.images import TaggedImage
from emulator.core.iterations import COMPLETED, is_imported
from emulator.core.scores import TagProbability
from emulator.core.tags import guid_order
from emulator.core.views import View
from emulator.store.tables import Iteration

if TYPE_CHECKING:
    from emulator.vision.metrics import PerformanceFigures

DEFAULT_THRESHOLD = 0.5
DEFAULT_OVERLAP_THRESHOLD = 0.3


@dataclass(frozen=True)
class EvaluatedImage:
    """An image of the evaluation set with what was predicted for it, most probable first."""

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

    overlap_threshold: how much of an object and a box, as intersection over union, must be common for the
    box to count as right (0 to 1; 0.3 when None); of detectors alone.
    Tags are in the order in which they are listed everywhere, `guid_order`.
    """
    threshold = DEFAULT_THRESHOLD if threshold is None else threshold
    overlap_threshold = DEFAULT_OVERLAP_THRESHOLD if overlap_threshold is None else overlap_threshold
    if not (0 <= threshold <= 1 and 0 <= overlap_threshold <= 1):
        raise ServiceError("BadRequest", "The thresholds must lie between 0 and 1.")
    iteration, evaluation = _evaluation(context, project_id, iteration_id)
    if _is_detector(iteration):
        found = evaluation.performance(threshold, overlap_threshold)
    else:
        found = evaluation.performance(threshold)
    tags = iteration.model_tags or []
    found.per_tag.sort(key=lambda item: guid_order(tags[item.tag_index]["id"]))
    return iteration, found


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
    """The evaluation set of the iteration, a held-out fifth, as the service lists it."""
    evaluated = _evaluated(context, project_id, iteration_id, tag_ids)
    evaluated.sort(key=lambda item: item.tagged.image.number or 0, reverse=newest_first)
    return evaluated[skip : skip + take]


def image_count(context: Context, project_id: str, iteration_id: str, tag_ids: Sequence[str]) -> int:
    return len(_evaluated(context, project_id, iteration_id, tag_ids))


def _is_detector(iteration: Iteration) -> bool:
    return domains.get(iteration.domain_id or "").type == "ObjectDetection"


def _evaluation(context: Context, project_id: str, iteration_id: str) -> tuple[Iteration, Any]:
    """The iteration and its `Evaluation`, or `DetectionEvaluation`."""
    with context.database.read() as session:
        iteration = finding.iteration(session, project_id, iteration_id)
    if is_imported(iteration):
        raise ServiceError(
            "NotFoundIterationPerformance",
            "The iteration is an imported model: there are no images by which its performance is known.",
        )
    if iteration.status != COMPLETED or iteration.evaluation_blob is None:
        raise ServiceError(
            "BadRequestIterationIsNotTrained", f"Iteration is not trained: its status is {iteration.status}."
        )
    from emulator.vision.detection_metrics import DetectionEvaluation
    from emulator.vision.metrics import Evaluation

    kind = DetectionEvaluation if _is_detector(iteration) else Evaluation
    try:
        return iteration, kind.load(context.blobs.path(iteration.evaluation_blob))
    except FileNotFoundError:  # deleted between the look-up and now
        raise ServiceError("NotFoundIteration", "Invalid iteration") from None


def _evaluated(
    context: Context, project_id: str, iteration_id: str, tag_ids: Sequence[str]
) -> list[EvaluatedImage]:
    wanted = set(Filter(tag_ids=tuple(tag_ids)).tag_ids)
    iteration, evaluation = _evaluation(context, project_id, iteration_id)
    held_out = {evaluation.keys[index]: index for index in evaluation.held_out()}
    with context.database.read() as session:
        view = View(finding.project(session, project_id), iteration.revision)
        found = with_blobs(session, view, list(held_out))
    tags = iteration.model_tags or []
    evaluated = []
    for blob, tagged in found.items():
        if wanted and not wanted & {tag.tag_id for tag in tagged.tags}:
            continue
        if _is_detector(iteration):
            probabilities = scores.of_detector(tags, evaluation.detected(held_out[blob]))
        else:
            probabilities = scores.of_classifier(tags, evaluation.probabilities_NT[held_out[blob]])
        evaluated.append(EvaluatedImage(tagged, probabilities))
    return evaluated
