"""The evaluation of an iteration: out-of-fold predictions for the images of its training."""

from typing import NamedTuple, Protocol

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules import domains
from emulator.store.references import raise_if_missing
from emulator.store.tables import Iteration, IterationStatus

DEFAULT_THRESHOLD = 0.5
DEFAULT_OVERLAP_THRESHOLD = 0.3


class EvaluatedModel(Protocol):
    """What figures need to know of a model: an iteration, or the evaluation of one on a test set."""

    domain_id: str | None
    classification_type: str | None
    # In the order of the outputs.
    model_tags: list[dict[str, str]] | None


def is_detector(model: EvaluatedModel) -> bool:
    return domains.get(model.domain_id or "").type == "ObjectDetection"


class AnomalyTags(NamedTuple):
    """Positions of the tags of an anomaly detector among its `model_tags`."""

    good: int
    anomaly: int


def anomaly_tags(model: EvaluatedModel) -> AnomalyTags | None:
    """The tags of an anomaly detector; None for other models, and where one of both is missing."""
    domain = domains.find(model.domain_id or "")
    if domain is None or not domain.detects_anomalies:
        return None
    types = [tag.get("type") for tag in model.model_tags or []]
    good = next((position for position, kind in enumerate(types) if kind != "Negative"), None)
    if good is None or "Negative" not in types:
        return None
    return AnomalyTags(good, types.index("Negative"))


def evaluation_of(context: Context, project_id: str, iteration_id: str) -> tuple[Iteration, CachedEvaluation]:
    """An iteration and its evaluation. Raises ServiceError when it has none."""
    with context.database.read() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
    if iteration.is_imported and iteration.evaluation_blob is None:
        raise ServiceError(
            "NotFoundIterationPerformance",
            "The iteration is an imported model: there are no images by which its performance is known.",
        )
    if iteration.status != IterationStatus.COMPLETED or iteration.evaluation_blob is None:
        raise ServiceError(
            "BadRequestIterationIsNotTrained", f"Iteration is not trained: its status is {iteration.status}."
        )
    try:
        kept = context.evaluations.get(
            iteration.evaluation_blob, iteration.id, of_detector=is_detector(iteration)
        )
    except FileNotFoundError:
        raise_if_missing(context.database, iteration.evaluation_blob)
        # Deleted between the look-up and now.
        raise ServiceError("NotFoundIteration", "Invalid iteration") from None
    return iteration, kept


def checked_thresholds(threshold: float | None, overlap_threshold: float | None) -> tuple[float, float]:
    """The thresholds of probability and overlap, 0 to 1, or their defaults."""
    threshold = DEFAULT_THRESHOLD if threshold is None else threshold
    overlap_threshold = DEFAULT_OVERLAP_THRESHOLD if overlap_threshold is None else overlap_threshold
    if not (0 <= threshold <= 1 and 0 <= overlap_threshold <= 1):
        raise ServiceError("BadRequest", "The thresholds must lie between 0 and 1.")
    return threshold, overlap_threshold
