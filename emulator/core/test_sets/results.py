"""Results of evaluations on test sets: figures at any threshold, and the predictions for each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from sqlalchemy import exists, func
from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.insight import comparison
from emulator.core.insight.comparison import Change, Comparison, Side, actual_counts
from emulator.core.insight.confusion import ConfusionMatrix, TagOutcomes, matrix_of
from emulator.core.insight.evaluated import errors_of
from emulator.core.insight.images import Cell, FoundPair, TagOutcome, counted, pairs_of
from emulator.core.iterations.evaluation import checked_thresholds, is_detector
from emulator.core.iterations.performance import figures_of, predicted
from emulator.core.revisions.views import View
from emulator.core.scored_rows.scores import TagProbability
from emulator.core.test_sets.images import LabeledImage, with_labels
from emulator.core.test_sets.manage import find
from emulator.core.test_sets.request import find_evaluation
from emulator.store.references import raise_if_missing
from emulator.store.tables import Image, ImageTag, Iteration
from emulator.store.test_set_tables import EvaluationStatus, TestEvaluation, TestImage, TestSet

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.evaluation.common import PerformanceFigures, TagFigures
    from emulator.vision.evaluation.confusion import Confusion

Shown = Literal["All", "Wrong", "Right"]
SHOWN: tuple[Shown, ...] = ("All", "Wrong", "Right")


@dataclass(frozen=True)
class Summary:
    """An evaluation and its figures over all tags.

    progress: 0 to 1 while it runs, otherwise None. is_stale: whether the test set was changed since.
    figures, wrong_count: None without a result. trained_image_count: images of the test set that are among
    those of the iteration's training, by which its figures are too good.
    """

    row: TestEvaluation
    iteration_name: str
    progress: float | None
    is_stale: bool
    figures: "PerformanceFigures | None"
    wrong_count: int | None
    trained_image_count: int


@dataclass(frozen=True)
class TagResult:
    """The result for a tag. count: of images, or objects, that have it. is_trained: whether the iteration
    was trained on it."""

    tag_id: str
    tag_name: str
    is_trained: bool
    count: int
    figures: "TagFigures"
    outcomes: TagOutcomes


@dataclass(frozen=True)
class Result:
    """The whole result of an evaluation, at these thresholds. matrix: None without a result.

    per_tag: in the order of `matrix.per_tag`. kind: None without a result.
    """

    summary: Summary
    threshold: float
    overlap_threshold: float | None
    matrix: ConfusionMatrix | None
    per_tag: list[TagResult]

    @property
    def kind(self) -> str | None:
        return None if self.matrix is None else self.matrix.kind

    @property
    def counts(self) -> list[list[int]] | None:
        return None if self.matrix is None else self.matrix.counts


@dataclass(frozen=True)
class EvaluatedTestImage:
    """An image of a test set with the predictions of a model, most probable first.

    labeled: with the labels that it has now. pairs: of the chosen cell or outcome, for detectors. tag_names:
    of the tags of the evaluation, by id.
    """

    labeled: LabeledImage
    probabilities: list[TagProbability]
    is_right: bool
    pairs: list[FoundPair]
    tag_names: dict[str, str]


class ComparedTestImage(NamedTuple):
    """A gained or lost image with the predictions of both models, most probable first."""

    labeled: LabeledImage
    probabilities: list[TagProbability]
    other_probabilities: list[TagProbability]


class OpenedResult(NamedTuple):
    """The scores of an evaluation, and both thresholds. overlap: None for classifiers."""

    row: TestEvaluation
    kept: CachedEvaluation
    threshold: float
    overlap: float | None


def summaries(
    context: Context,
    project_id: str,
    test_set_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> list[Summary]:
    """The evaluations on a test set, in the order of the iterations."""
    checked_thresholds(threshold, overlap_threshold)
    with context.database.read() as session:
        test_set = find(session, project_id, test_set_id)
        pairs = session.exec(
            select(TestEvaluation, Iteration)
            .join(Iteration, col(Iteration.id) == TestEvaluation.iteration_id)
            .where(TestEvaluation.test_set_id == test_set_id)
            .order_by(col(Iteration.number))
        ).all()
        return [
            _summary(context, session, test_set, row, iteration, threshold, overlap_threshold)
            for row, iteration in pairs
        ]


def result(
    context: Context,
    project_id: str,
    test_set_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> Result:
    """An evaluation. It has no matrix and no figures until there is a result."""
    checked_thresholds(threshold, overlap_threshold)
    with context.database.read() as session:
        row = find_evaluation(session, project_id, test_set_id, iteration_id)
        test_set = find(session, project_id, test_set_id)
        iteration = session.get_one(Iteration, iteration_id)
        summary = _summary(context, session, test_set, row, iteration, threshold, overlap_threshold)
    return result_of(context, summary, threshold, overlap_threshold)


def result_of(
    context: Context, summary: Summary, threshold: float | None, overlap_threshold: float | None
) -> Result:
    """The whole result of an evaluation. summary: with figures at these thresholds."""
    row = summary.row
    if summary.figures is None:
        checked, _ = checked_thresholds(threshold, overlap_threshold)
        return Result(summary, checked, None, None, [])
    opened = open_row(context, row, threshold, overlap_threshold)
    matrix = matrix_of(row, opened.kept, opened.threshold, opened.overlap)
    counts = actual_counts(row, opened.kept)
    tags = row.model_tags or []
    figures = {item.tag_index: item for item in summary.figures.per_tag}
    per_tag = [
        TagResult(
            tag_id=tags[outcomes.position]["id"],
            tag_name=tags[outcomes.position]["name"],
            is_trained=outcomes.position < row.trained_tag_count,
            count=counts[outcomes.position],
            figures=figures[outcomes.position],
            outcomes=outcomes,
        )
        for outcomes in matrix.per_tag
    ]
    return Result(summary, opened.threshold, opened.overlap, matrix, per_tag)


def images(
    context: Context,
    project_id: str,
    test_set_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
    *,
    shown: Shown = "All",
    wanted: Cell | TagOutcome | None = None,
    take: int,
    skip: int,
) -> tuple[int, list[EvaluatedTestImage]]:
    """The number of evaluated images that still exist, and a page of them: wrong ones first, the worst first.

    wanted: only images that this cell of the matrix, or this outcome, counts.
    """
    opened = open_result(context, project_id, test_set_id, iteration_id, threshold, overlap_threshold)
    return images_of(context, project_id, opened, shown=shown, wanted=wanted, take=take, skip=skip)


def images_of(
    context: Context,
    project_id: str,
    opened: OpenedResult,
    *,
    shown: Shown = "All",
    wanted: Cell | TagOutcome | None = None,
    take: int | None = None,
    skip: int = 0,
) -> tuple[int, list[EvaluatedTestImage]]:
    """`images` of an opened result. take: None for all."""
    row, kept, threshold, overlap = opened
    errors = errors_of(row, kept, threshold, overlap)
    order = _worst_first(errors.is_wrong, errors.severity)
    if shown != "All":
        order = order[errors.is_wrong[order] == (shown == "Wrong")]
    confusion: Confusion | None = None
    pairs: dict[int, list[FoundPair]] = {}
    if wanted is not None:
        confusion, rows, indexes, _ = counted(row, kept, threshold, overlap, wanted)
        order = _among(order, indexes)
    with context.database.read() as session:
        present = _rows(session, row.test_set_id)
        here = [index for index in order.tolist() if kept.figures.keys[index] in present]
        page = here[skip:] if take is None else here[skip : skip + take]
        found = with_labels(session, project_id, [present[kept.figures.keys[index]] for index in page])
    if wanted is not None:
        pairs = pairs_of(row, kept, confusion, rows, page)
    names = {tag["id"]: tag["name"] for tag in row.model_tags or []}
    return len(here), [
        EvaluatedTestImage(
            labeled=labeled,
            probabilities=predicted(row, kept, index),
            is_right=not errors.is_wrong[index],
            pairs=pairs.get(index, []),
            tag_names=names,
        )
        for index, labeled in zip(page, found, strict=True)
    ]


def compare(
    context: Context,
    project_id: str,
    test_set_id: str,
    iteration_id: str,
    other_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> Comparison:
    """An iteration compared with another one on a test set."""
    side, other, checked, overlap = _sides(
        context, project_id, test_set_id, iteration_id, other_id, threshold, overlap_threshold
    )
    return comparison.compare(side, other, comparison.align(side, other), checked, overlap)


def changed_images(
    context: Context,
    project_id: str,
    test_set_id: str,
    iteration_id: str,
    other_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
    change: Change,
    *,
    take: int,
    skip: int,
) -> tuple[int, list[ComparedTestImage]]:
    """The number of gained or lost images that still exist, and a page of them: the largest changes first."""
    side, other, checked, overlap = _sides(
        context, project_id, test_set_id, iteration_id, other_id, threshold, overlap_threshold
    )
    aligned = comparison.align(side, other)
    keys = comparison.changed_keys(side, other, aligned, checked, overlap, change)
    with context.database.read() as session:
        present = _rows(session, test_set_id)
        here = [present[key] for key in keys if key in present]
        page = with_labels(session, project_id, here[skip : skip + take])
    return len(here), [
        ComparedTestImage(
            labeled=labeled,
            probabilities=side.predicted(labeled.row.blob),
            other_probabilities=other.predicted(labeled.row.blob),
        )
        for labeled in page
    ]


def open_result(
    context: Context,
    project_id: str,
    test_set_id: str,
    iteration_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> OpenedResult:
    """The scores of an evaluation. Raises ServiceError when there is no result."""
    checked_thresholds(threshold, overlap_threshold)
    with context.database.read() as session:
        row = find_evaluation(session, project_id, test_set_id, iteration_id)
    if not _has_result(row):
        raise ServiceError(
            "NotFound", f"The evaluation of the iteration on the test set has no result: it is {row.status}."
        )
    return open_row(context, row, threshold, overlap_threshold)


def _has_result(row: TestEvaluation) -> bool:
    """Also while it is evaluated anew."""
    return row.evaluation_blob is not None


def open_row(
    context: Context, row: TestEvaluation, threshold: float | None, overlap_threshold: float | None
) -> OpenedResult:
    """The scores of an evaluation that has a result. Raises ServiceError when it was deleted meanwhile."""
    checked, overlap = checked_thresholds(threshold, overlap_threshold)
    assert row.evaluation_blob is not None
    try:
        kept = context.evaluations.get(row.evaluation_blob, row.id, of_detector=is_detector(row))
    except FileNotFoundError:
        raise_if_missing(context.database, row.evaluation_blob)
        # Deleted between the look-up and now.
        raise ServiceError("NotFound", "The iteration was not evaluated on the test set.") from None
    return OpenedResult(row, kept, checked, overlap if is_detector(row) else None)


def _summary(
    context: Context,
    session: Session,
    test_set: TestSet,
    row: TestEvaluation,
    iteration: Iteration,
    threshold: float | None,
    overlap_threshold: float | None,
) -> Summary:
    figures, wrong_count = None, None
    if _has_result(row):
        opened = open_row(context, row, threshold, overlap_threshold)
        figures = figures_of(row, opened.kept.figures, opened.threshold, opened.overlap)
        errors = errors_of(row, opened.kept, opened.threshold, opened.overlap)
        wrong_count = int(errors.is_wrong.sum())
    progress = None
    if row.status == EvaluationStatus.WAITING:
        running = context.jobs.progress(row.id)
        progress = 0.0 if running is None else running.fraction
    return Summary(
        row=row,
        iteration_name=iteration.name,
        progress=progress,
        is_stale=_has_result(row) and row.revision != test_set.revision,
        figures=figures,
        wrong_count=wrong_count,
        trained_image_count=_trained_image_count(session, test_set, iteration),
    )


def _trained_image_count(session: Session, test_set: TestSet, iteration: Iteration) -> int:
    """The number of images of a test set that are among the tagged images of an iteration's training."""
    if iteration.is_imported and not iteration.is_pulled:
        return 0
    view = View(lookup.project(session, test_set.project_id), iteration.revision)
    tagged = exists().where(col(ImageTag.image_number) == col(Image.number), view.holds(ImageTag))
    of_set = select(TestImage.blob).where(TestImage.test_set_id == test_set.id)
    return session.exec(
        select(func.count()).select_from(Image).where(*view.images, tagged, col(Image.blob).in_(of_set))
    ).one()


def _sides(
    context: Context,
    project_id: str,
    test_set_id: str,
    iteration_id: str,
    other_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> tuple[Side, Side, float, float | None]:
    comparison.check_other(iteration_id, other_id)
    first, second = (
        open_result(context, project_id, test_set_id, each, threshold, overlap_threshold)
        for each in (iteration_id, other_id)
    )
    comparison.check_kinds(first.row, second.row)
    return Side(first.row, first.kept), Side(second.row, second.kept), first.threshold, first.overlap


def _worst_first(
    is_wrong: "NDArray[numpy.bool_]", severity: "NDArray[numpy.floating]"
) -> "NDArray[numpy.integer]":
    """The indexes of all images."""
    import numpy

    return numpy.lexsort((-severity, ~is_wrong))


def _among(order: "NDArray[numpy.integer]", indexes: "NDArray[numpy.integer]") -> "NDArray[numpy.integer]":
    import numpy

    return order[numpy.isin(order, indexes)]


def _rows(session: Session, test_set_id: str) -> dict[str, TestImage]:
    """The images of a test set by their blobs."""
    rows: Sequence[TestImage] = session.exec(
        select(TestImage).where(TestImage.test_set_id == test_set_id)
    ).all()
    return {row.blob: row for row in rows}
