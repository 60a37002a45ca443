"""An iteration that was pulled from the service beside one that was trained here.

Both are compared on the images that the service held out of its training, by the predictions that it reported
for them. Those of the local iteration are from models that were not trained on these images: trainings of the
project hold out the images by which the last pulled iteration was evaluated (`core.training.dataset`).
Figures, matrices and changed images are those of `comparison`. Part of the emulator's own API.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.insight import comparison
from emulator.core.insight.comparison import ComparedImage, Comparison, Side
from emulator.core.insight.confusion import ConfusionMatrix, matrix_of
from emulator.core.iterations import recorded
from emulator.core.iterations.evaluation import DEFAULT_OVERLAP_THRESHOLD, DEFAULT_THRESHOLD, is_detector
from emulator.core.iterations.performance import figures_of
from emulator.core.iterations.recorded import RecordedFigures
from emulator.store.tables import Iteration, IterationStatus, Project

if TYPE_CHECKING:
    from emulator.vision.evaluation.common import PerformanceFigures, TagFigures
    from emulator.vision.evaluation.curves import OperatingPoint, PrecisionRecallCurve, ScoredPredictions

# The thresholds for which the service is asked by `pull`, too.
THRESHOLDS = tuple(number / 20 for number in range(1, 20))
CHANGED_IMAGES, CHANGED_IMAGES_MAXIMUM = 24, 256
CURVE_POINTS = 200
# Figures of the service agree with those computed from its predictions within this.
AGREEMENT = 0.005
_DIFFERENCES_LISTED = 200


class AtThreshold(NamedTuple):
    """Precision and recall over all tags at a threshold."""

    threshold: float
    local: "OperatingPoint"
    service: "OperatingPoint"


@dataclass(frozen=True)
class Thresholds:
    """What thresholds do, over all tags.

    local_best, service_best: of the highest F1 score. same_precision: where the local iteration reaches the
    precision that the service has at the chosen threshold. None where there is no such threshold.
    """

    rows: list[AtThreshold]
    local_best: "OperatingPoint | None"
    service_best: "OperatingPoint | None"
    same_precision: "OperatingPoint | None"
    local_curve: "PrecisionRecallCurve"
    service_curve: "PrecisionRecallCurve"


class FigureDifference(NamedTuple):
    """A figure of the service that its predictions for the held-out images do not give.

    tag_id: None for that over all tags. figure: precision, recall or averagePrecision. threshold,
    overlap_threshold: of the request to the service; None where it had none.
    """

    tag_id: str | None
    figure: str
    threshold: float | None
    overlap_threshold: float | None
    recorded: float
    computed: float


@dataclass(frozen=True)
class RecordCheck:
    """The figures that the service reported, compared with those of its predictions for the held-out images.

    differences: those by more than AGREEMENT, at most 200, of `difference_count`.
    """

    figure_count: int
    difference_count: int
    differences: list[FigureDifference]


class ChangedImages(NamedTuple):
    """image_count: of all that still exist. images: the largest changes first."""

    image_count: int
    images: list[ComparedImage]


@dataclass(frozen=True)
class LeaveReport:
    """The comparison of a local iteration with one of the service; differences are local minus service.

    held_out_count: images by which the service evaluated its iteration. gained: images that the local
    iteration alone gets right. lost: images that the service alone got right.
    """

    project: Project
    local: Iteration
    service: Iteration
    held_out_count: int
    comparison: Comparison
    local_matrix: ConfusionMatrix
    service_matrix: ConfusionMatrix
    thresholds: Thresholds
    check: RecordCheck
    gained: ChangedImages
    lost: ChangedImages


def leave_report(
    context: Context,
    project_id: str,
    local_id: str,
    service_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
    *,
    take: int = CHANGED_IMAGES,
) -> LeaveReport:
    """The report. take: the most images of those gained, and of those lost.

    Raises ServiceError: an iteration is of the other kind, or has no predictions for single images; or they
    have no tag or no image in common.
    """
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        _check_pulled(lookup.iteration(session, project_id, service_id))
        _check_local(lookup.iteration(session, project_id, local_id))
    local, service, threshold, overlap = comparison.open_sides(
        context, project_id, local_id, service_id, threshold, overlap_threshold
    )
    # `open_sides` opens iterations, not evaluations on test sets.
    assert isinstance(local.model, Iteration) and isinstance(service.model, Iteration)
    if not comparison.shared_tags(local, service):
        raise ServiceError(
            "BadRequest",
            f"'{local.model.name}' and '{service.model.name}' have no tag in common. Tags are compared by "
            "their ids, so a tag that was deleted and created again is another one.",
        )
    aligned = comparison.align(local, service)
    found = comparison.compare(local, service, aligned, threshold, overlap)
    if not found.image_count:
        raise _nothing_in_common(local.model, service.model, service.kept.figures.count, found)
    local_kept, service_kept = comparison.on_compared(local, service, aligned)
    gained, lost = (
        ChangedImages(
            *comparison.images_of_keys(
                context,
                project_id,
                local_id,
                local,
                service,
                comparison.changed_keys(local, service, aligned, threshold, overlap, change),
                take=take,
                skip=0,
            )
        )
        for change in comparison.CHANGES
    )
    return LeaveReport(
        project=project,
        local=local.model,
        service=service.model,
        held_out_count=service.kept.figures.count,
        comparison=found,
        local_matrix=matrix_of(local.model, local_kept, threshold, overlap),
        service_matrix=matrix_of(service.model, service_kept, threshold, overlap),
        thresholds=_thresholds(local_kept, service_kept, threshold, overlap),
        check=_check(context, service),
        gained=gained,
        lost=lost,
    )


def _check_pulled(iteration: Iteration) -> None:
    if not iteration.is_pulled:
        raise ServiceError(
            "BadRequest",
            f"'{iteration.name}' was not pulled from the service. The parameter 'with' is the id of an "
            "iteration that was.",
        )
    if iteration.status == IterationStatus.COMPLETED and iteration.evaluation_blob is None:
        raise ServiceError(
            "NotFoundIterationPerformance",
            f"There are no predictions of the service for single images by which it evaluated "
            f"'{iteration.name}', so it can be compared with nothing. Pull the project again, with its "
            "iterations, and replace it; if they are missing then too, the service does not have them.",
        )


def _check_local(iteration: Iteration) -> None:
    if iteration.is_pulled:
        raise ServiceError(
            "BadRequest",
            f"'{iteration.name}' was pulled from the service. The path has the id of an iteration that was "
            "trained here.",
        )


def _nothing_in_common(
    local: Iteration, service: Iteration, held_out: int, found: Comparison
) -> ServiceError:
    absent = found.only_other_count
    return ServiceError(
        "BadRequest",
        f"None of the {held_out} images by which the service evaluated '{service.name}' can be compared: "
        f"{absent} are not among those by which '{local.name}' was evaluated, because they were deleted, "
        f"untagged or not held out; {found.relabeled_count} have other labels now. Restore them, train "
        "again, and compare the new iteration.",
    )


# --- thresholds ---------------------------------------------------------------------------------------------


def _thresholds(
    local: CachedEvaluation, service: CachedEvaluation, threshold: float, overlap: float | None
) -> Thresholds:
    local_curve, service_curve = (kept.scored_predictions(overlap).curve() for kept in (local, service))
    return Thresholds(
        rows=[AtThreshold(each, local_curve.at(each), service_curve.at(each)) for each in THRESHOLDS],
        local_best=local_curve.best(),
        service_best=service_curve.best(),
        same_precision=local_curve.with_precision(service_curve.at(threshold).precision),
        local_curve=local_curve.thinned(CURVE_POINTS),
        service_curve=service_curve.thinned(CURVE_POINTS),
    )


# --- the figures of the service -----------------------------------------------------------------------------


def _check(context: Context, service: Side) -> RecordCheck:
    assert isinstance(service.model, Iteration)
    with context.database.read() as session:
        records = recorded.all_figures(session, service.model)
    count = 0
    found = []
    for record, computed in zip(records, _computed(service, records), strict=True):
        for difference in _compared(service.model, record, computed):
            count += 1
            if abs(difference.recorded - difference.computed) > AGREEMENT:
                found.append(difference)
    return RecordCheck(count, len(found), found[:_DIFFERENCES_LISTED])


class _Triple(NamedTuple):
    """Figures over all tags (key None) or of one tag (its position)."""

    precision: float
    recall: float
    average_precision: float


def _computed(service: Side, records: Sequence[RecordedFigures]) -> Iterator[dict[int | None, _Triple]]:
    """The figures of the predictions at the thresholds of each record.

    Predictions are matched with objects once for each threshold of overlap, since average precision does not
    depend on the threshold of probability.
    """
    detects = is_detector(service.model)
    by_overlap: dict[float | None, tuple[PerformanceFigures, ScoredPredictions]] = {}
    for record in records:
        overlap = (record.overlap_threshold or DEFAULT_OVERLAP_THRESHOLD) if detects else None
        if overlap not in by_overlap:
            figures = figures_of(service.model, service.kept.figures, DEFAULT_THRESHOLD, overlap)
            by_overlap[overlap] = figures, service.kept.scored_predictions(overlap)
        figures, scored = by_overlap[overlap]
        threshold = DEFAULT_THRESHOLD if record.threshold is None else record.threshold
        result: dict[int | None, _Triple] = {
            tag.tag_index: _triple(scored.curve_of(tag.tag_index), threshold, tag) for tag in figures.per_tag
        }
        result[None] = _triple(scored.curve(), threshold, figures)
        yield result


def _triple(
    curve: "PrecisionRecallCurve", threshold: float, figures: "TagFigures | PerformanceFigures"
) -> _Triple:
    point = curve.at(threshold)
    return _Triple(point.precision, point.recall, figures.average_precision)


def _compared(
    iteration: Iteration, record: RecordedFigures, computed: dict[int | None, _Triple]
) -> Iterator[FigureDifference]:
    tags = iteration.model_tags or []
    named: list[tuple[str | None, TagFigures | PerformanceFigures, _Triple]] = [
        (None, record.figures, computed[None])
    ]
    named += [(tags[tag.tag_index]["id"], tag, computed[tag.tag_index]) for tag in record.figures.per_tag]
    for tag_id, reported, triple in named:
        for figure, first, second in (
            ("precision", reported.precision, triple.precision),
            ("recall", reported.recall, triple.recall),
            ("averagePrecision", reported.average_precision, triple.average_precision),
        ):
            yield FigureDifference(tag_id, figure, record.threshold, record.overlap_threshold, first, second)
