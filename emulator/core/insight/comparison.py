"""Comparison of two models by their predictions for the same images. Part of the emulator's own API.

Two iterations may be evaluated on different images, and tags of an image may have changed between their
trainings. Compared are the images that both evaluations have with the same labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlmodel import col, select

from emulator.core import lookup
from emulator.core.caches.evaluations import CachedEvaluation
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.tagged import TaggedImage, with_tags
from emulator.core.insight.evaluated import errors_of, kind_of, open_evaluation
from emulator.core.iterations.evaluation import EvaluatedModel, is_detector
from emulator.core.iterations.performance import figures_of, predicted
from emulator.core.labels.tags import guid_order
from emulator.core.revisions.views import View
from emulator.core.scored_rows.scores import TagProbability
from emulator.store.batches import batches
from emulator.store.tables import Image

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.evaluation.common import PerformanceFigures

Change = Literal["Gained", "Lost"]
CHANGES: tuple[Change, ...] = ("Gained", "Lost")


class Side(NamedTuple):
    """One of two compared models, and its evaluation."""

    model: EvaluatedModel
    kept: CachedEvaluation

    def predicted(self, key: str) -> list[TagProbability]:
        """The predictions for the image of a key, most probable first."""
        return predicted(self.model, self.kept, self.kept.indexes[key])


class Figures(NamedTuple):
    """Performance, all 0 to 1. prediction_count: without any, precision is not defined; None: not known."""

    precision: float
    recall: float
    average_precision: float
    prediction_count: int | None


@dataclass(frozen=True)
class ComparedTag:
    """Performance on a tag. figures: None for a model that was not trained on it. count: of images, or of
    objects, with the tag."""

    tag_id: str
    tag_name: str
    count: int
    figures: Figures | None
    other_figures: Figures | None


@dataclass(frozen=True)
class Comparison:
    """A model compared with another one, on the images that both were evaluated on.

    overlap_threshold: None for classifiers. image_count: of compared images. relabeled_count: images with
    different labels, which are not compared. only_count, only_other_count: images of one evaluation alone.
    gained_count: images that this model gets right and the other one wrong. lost_count: the reverse.
    """

    threshold: float
    overlap_threshold: float | None
    image_count: int
    relabeled_count: int
    only_count: int
    only_other_count: int
    right_count: int
    other_right_count: int
    gained_count: int
    lost_count: int
    figures: Figures
    other_figures: Figures
    per_tag: list[ComparedTag]


@dataclass(frozen=True)
class Aligned:
    """The compared images: their keys, and their indexes in both evaluations, (N,) each."""

    keys: list[str]
    indexes: "NDArray[numpy.integer]"
    other_indexes: "NDArray[numpy.integer]"
    relabeled_count: int


@dataclass(frozen=True)
class ComparedImage:
    """A gained or lost image with the predictions of both models, most probable first."""

    tagged: TaggedImage
    probabilities: list[TagProbability]
    other_probabilities: list[TagProbability]


def compare_iterations(
    context: Context,
    project_id: str,
    iteration_id: str,
    other_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> Comparison:
    """An iteration compared with another one, by the predictions of their cross-validations."""
    side, other, threshold, overlap = open_sides(
        context, project_id, iteration_id, other_id, threshold, overlap_threshold
    )
    return compare(side, other, align(side, other), threshold, overlap)


def changed_images(
    context: Context,
    project_id: str,
    iteration_id: str,
    other_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
    change: Change,
    *,
    take: int,
    skip: int,
) -> tuple[int, list[ComparedImage]]:
    """The number of gained or lost images that still exist, and a page of them: the largest changes first.

    They have the labels of the training of the iteration.
    """
    side, other, threshold, overlap = open_sides(
        context, project_id, iteration_id, other_id, threshold, overlap_threshold
    )
    keys = changed_keys(side, other, align(side, other), threshold, overlap, change)
    return images_of_keys(context, project_id, iteration_id, side, other, keys, take=take, skip=skip)


def images_of_keys(
    context: Context,
    project_id: str,
    iteration_id: str,
    side: Side,
    other: Side,
    keys: Sequence[str],
    *,
    take: int,
    skip: int,
) -> tuple[int, list[ComparedImage]]:
    """The number of images with these keys that still exist, and a page of them, in the order of the keys."""
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        view = View(project, lookup.iteration(session, project_id, iteration_id).revision)
        rows: dict[str, Image] = {}
        for batch in batches(keys):
            some = col(Image.blob).in_(batch)
            rows.update((row.blob, row) for row in session.exec(select(Image).where(*view.images, some)))
        here = [rows[key] for key in keys if key in rows]
        page = with_tags(session, view, here[skip : skip + take])
    return len(here), [
        ComparedImage(
            tagged=tagged,
            probabilities=side.predicted(tagged.image.blob),
            other_probabilities=other.predicted(tagged.image.blob),
        )
        for tagged in page
    ]


def compare(side: Side, other: Side, aligned: Aligned, threshold: float, overlap: float | None) -> Comparison:
    """A model compared with another one of the same kind of project. overlap: None for classifiers."""
    both = list(zip((side, other), on_compared(side, other, aligned), strict=True))
    errors = [errors_of(part.model, kept, threshold, overlap) for part, kept in both]
    right, other_right = (~found.is_wrong for found in errors)
    found = [figures_of(part.model, kept.figures, threshold, overlap) for part, kept in both]
    by_tag = [
        {
            (part.model.model_tags or [])[item.tag_index]["id"]: Figures(
                item.precision, item.recall, item.average_precision, item.predicted
            )
            for item in figures.per_tag
        }
        for (part, _), figures in zip(both, found, strict=True)
    ]
    return Comparison(
        threshold=threshold,
        overlap_threshold=overlap,
        image_count=len(aligned.keys),
        relabeled_count=aligned.relabeled_count,
        only_count=side.kept.figures.count - len(aligned.keys) - aligned.relabeled_count,
        only_other_count=other.kept.figures.count - len(aligned.keys) - aligned.relabeled_count,
        right_count=int(right.sum()),
        other_right_count=int(other_right.sum()),
        gained_count=int((right & ~other_right).sum()),
        lost_count=int((other_right & ~right).sum()),
        figures=_over_all(found[0]),
        other_figures=_over_all(found[1]),
        per_tag=_compared_tags(both, by_tag),
    )


def _over_all(found: "PerformanceFigures") -> Figures:
    return Figures(found.precision, found.recall, found.average_precision, found.predicted)


def on_compared(side: Side, other: Side, aligned: Aligned) -> tuple[CachedEvaluation, CachedEvaluation]:
    """The evaluations of both on the compared images alone."""
    return (
        CachedEvaluation(side.kept.figures.subset(aligned.indexes)),
        CachedEvaluation(other.kept.figures.subset(aligned.other_indexes)),
    )


def changed_keys(
    side: Side, other: Side, aligned: Aligned, threshold: float, overlap: float | None, change: Change
) -> list[str]:
    """The keys of the gained or lost images, the largest changes of severity first."""
    import numpy

    errors = errors_of(side.model, side.kept, threshold, overlap)
    other_errors = errors_of(other.model, other.kept, threshold, overlap)
    wrong, other_wrong = errors.is_wrong[aligned.indexes], other_errors.is_wrong[aligned.other_indexes]
    change_N = errors.severity[aligned.indexes] - other_errors.severity[aligned.other_indexes]
    if change == "Gained":
        chosen, change_N = ~wrong & other_wrong, -change_N
    else:
        chosen = wrong & ~other_wrong
    rows = numpy.flatnonzero(chosen)
    return [aligned.keys[row] for row in rows[numpy.argsort(-change_N[rows], kind="stable")].tolist()]


def align(side: Side, other: Side) -> Aligned:
    """The images that both evaluations have with the same labels, in the order of the first.

    Labels are compared by tags that both models have.
    """
    import numpy

    shared = shared_tags(side, other)
    labels, other_labels = (labels_of(part, shared) for part in (side, other))
    pairs = [
        (key, index, other.kept.indexes[key])
        for key, index in side.kept.indexes.items()
        if key in other.kept.indexes
    ]
    same = [pair for pair in pairs if labels[pair[1]] == other_labels[pair[2]]]
    return Aligned(
        keys=[key for key, _, _ in same],
        indexes=numpy.array([index for _, index, _ in same], int),
        other_indexes=numpy.array([index for _, _, index in same], int),
        relabeled_count=len(pairs) - len(same),
    )


def shared_tags(side: Side, other: Side) -> set[str]:
    """The ids of the tags that both models have."""
    first, second = ({tag["id"] for tag in part.model.model_tags or []} for part in (side, other))
    return first & second


def labels_of(side: Side, tag_ids: set[str]) -> list[frozenset[Any]]:
    """The labels of each image of an evaluation with one of the tags: ids, or ids with places of boxes."""
    ids = [tag["id"] for tag in side.model.model_tags or []]
    figures = side.kept.figures
    labels: list[set[Any]] = [set() for _ in range(figures.count)]
    if is_detector(side.model):
        truths = figures.truths
        for image, tag, place in zip(
            truths.images.tolist(), truths.tags.tolist(), truths.ltwh.tolist(), strict=True
        ):
            if ids[tag] in tag_ids:
                labels[image].add((ids[tag], *place))
    else:
        for image, tag in zip(*(rows.tolist() for rows in figures.targets_NT.nonzero()), strict=True):
            if ids[tag] in tag_ids:
                labels[image].add(ids[tag])
    return [frozenset(found) for found in labels]


def open_sides(
    context: Context,
    project_id: str,
    iteration_id: str,
    other_id: str,
    threshold: float | None,
    overlap_threshold: float | None,
) -> tuple[Side, Side, float, float | None]:
    """Both iterations, and both thresholds; that of overlap is None for classifiers. Raises ServiceError."""
    check_other(iteration_id, other_id)
    first, kept, checked, overlap = open_evaluation(
        context, project_id, iteration_id, threshold, overlap_threshold
    )
    second, other_kept, _, _ = open_evaluation(context, project_id, other_id, threshold, overlap_threshold)
    check_kinds(first, second)
    return Side(first, kept), Side(second, other_kept), checked, overlap


def check_other(iteration_id: str, other_id: str) -> None:
    """Raises ServiceError when an iteration is to be compared with itself."""
    if iteration_id == other_id:
        raise ServiceError("BadRequest", "The iteration cannot be compared with itself.")


def check_kinds(first: EvaluatedModel, second: EvaluatedModel) -> None:
    """Raises ServiceError when models of a Multiclass and a Multilabel project are to be compared."""
    kinds = kind_of(first), kind_of(second)
    if kinds[0] != kinds[1]:
        raise ServiceError(
            "BadRequest",
            f"The iterations cannot be compared: one is {kinds[0]}, the other one {kinds[1]}.",
        )


def _compared_tags(
    both: "Sequence[tuple[Side, CachedEvaluation]]", by_tag: Sequence[dict[str, Figures]]
) -> list[ComparedTag]:
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for part, kept in both:
        ids = [tag["id"] for tag in part.model.model_tags or []]
        actual = actual_counts(part.model, kept)
        for position, tag in enumerate(part.model.model_tags or []):
            names.setdefault(tag["id"], tag["name"])
            counts[ids[position]] = max(counts.get(ids[position], 0), actual[position])
    return [
        ComparedTag(tag_id, names[tag_id], counts[tag_id], by_tag[0].get(tag_id), by_tag[1].get(tag_id))
        for tag_id in sorted(names, key=guid_order)
    ]


def actual_counts(model: EvaluatedModel, kept: CachedEvaluation) -> list[int]:
    """The number of images, or objects, with each tag of the model."""
    import numpy

    if is_detector(model):
        counts = numpy.bincount(kept.figures.truths.tags, minlength=kept.figures.tag_count)
    else:
        counts = kept.figures.targets_NT.sum(axis=0)
    found: list[int] = counts.tolist()
    return found
