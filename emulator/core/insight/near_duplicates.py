"""Groups of near-duplicate images of a project. A worker searches for the pairs.

A search compares all images of the workspace, and is cached until images are added or deleted; its thumbnails
are cached longer. Thresholds, tags and iterations only filter its result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.caches.image_jobs import Call, ImageJob
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images.tagged import TaggedImage, with_tags
from emulator.core.insight.image_jobs import job_of, result_of
from emulator.core.iterations.evaluation import evaluation_of
from emulator.core.revisions.views import View
from emulator.store.batches import batches
from emulator.store.tables import Image, ImageTag, Iteration, IterationStatus

# Indexes of two images in a search, their similarity (at most 1), whether one is mirrored.
Pair = tuple[int, int, float, bool]

# Images that are listed of one group, which can contain all images of a fixed camera.
MAX_GROUP_IMAGES = 256


@dataclass(frozen=True)
class NearImage:
    """An image of a group. fold: of the cross-validation; None if the iteration does not contain it."""

    tagged: TaggedImage
    fold: int | None


@dataclass(frozen=True)
class NearPair:
    """Two similar images. similarity: at most 1. mirrored: one resembles the mirror image of the other."""

    image_ids: tuple[str, str]
    similarity: float
    mirrored: bool


@dataclass(frozen=True)
class Group:
    """A connected component of the graph of similar pairs. similarity: of the most similar pair. image_count:
    includes images that are not listed.

    contradictory_tags: the images of some pair have tags, which differ. across_folds: the images of some pair
    are in different folds.
    """

    similarity: float
    image_count: int
    contradictory_tags: bool
    across_folds: bool
    images: list[NearImage]
    pairs: list[NearPair]


@dataclass(frozen=True)
class GroupPage:
    """A page of groups. iteration_id: of the folds. image_count: of the images that were compared."""

    iteration_id: str | None
    image_count: int
    group_count: int
    groups: list[Group]


@dataclass
class _Numbered:
    """A group whose images are given by their numbers."""

    numbers: set[int] = field(default_factory=set)
    pairs: list[Pair] = field(default_factory=list)
    contradictory: bool = False
    across: bool = False


def search_of(context: Context, project_id: str) -> ImageJob:
    """The search among a project's images as they are now; started if there is none or it failed."""

    def call(_variant: str) -> Call:
        from emulator.vision.duplicates.find import find_near_duplicates

        return Call(find_near_duplicates)

    return job_of(context, context.near_duplicates, project_id, lambda _project: "", call)


def checked_threshold(threshold: float | None) -> float:
    """The minimum similarity of pairs, or the default. Raises ServiceError if it is out of range."""
    from emulator.vision.duplicates.find import DEFAULT_SIMILARITY, MIN_SIMILARITY

    threshold = DEFAULT_SIMILARITY if threshold is None else threshold
    if not MIN_SIMILARITY <= threshold <= 1:
        raise ServiceError("BadRequest", f"The threshold must lie between {MIN_SIMILARITY} and 1.")
    return threshold


def checked_iteration(context: Context, project_id: str, iteration_id: str | None) -> str | None:
    """The iteration whose folds are used: the named one, or the latest one with an evaluation."""
    if iteration_id is not None:
        evaluation_of(context, project_id, iteration_id)
        return iteration_id
    with context.database.read() as session:
        lookup.project(session, project_id)
        statement = (
            select(Iteration.id)
            .where(Iteration.project_id == project_id, Iteration.status == IterationStatus.COMPLETED)
            .where(col(Iteration.evaluation_blob).is_not(None))
            .order_by(col(Iteration.number).desc())
        )
        return session.exec(statement.limit(1)).first()


def group_page(
    context: Context,
    project_id: str,
    iteration_id: str | None,
    search: ImageJob,
    threshold: float,
    *,
    contradictory: bool = False,
    across_folds: bool = False,
    take: int,
    skip: int,
) -> GroupPage:
    """A page of the groups of a finished search: those with contradictory tags first, then by similarity.

    contradictory: only groups with contradictory tags. across_folds: only groups across folds.
    """
    pairs: list[Pair] = result_of(search, "compared")
    groups = _groups(search, pairs, threshold)
    numbers = sorted({number for group in groups for number in group.numbers})
    with context.database.read() as session:
        view = View(lookup.project(session, project_id))
        folds = _folds(context, session, project_id, iteration_id, numbers)
        tags = _tags(session, view, numbers)
        for group in groups:
            for first, second, _, _ in group.pairs:
                one, other = tags.get(first), tags.get(second)
                group.contradictory |= bool(one and other and one != other)
                group.across |= first in folds and second in folds and folds[first] != folds[second]
        wanted = [
            group
            for group in groups
            if (group.contradictory or not contradictory) and (group.across or not across_folds)
        ]
        wanted.sort(key=lambda group: (not group.contradictory, -group.pairs[0][2], min(group.numbers)))
        page = [_shown(session, view, group, folds) for group in wanted[skip : skip + take]]
    return GroupPage(
        iteration_id=iteration_id, image_count=len(search.numbers), group_count=len(wanted), groups=page
    )


def _groups(search: ImageJob, pairs: Sequence[Pair], threshold: float) -> list[_Numbered]:
    """Connected components of the graph of pairs above the threshold, by union-find. Their pairs refer
    to images by number, the most similar pair first."""
    parents: dict[int, int] = {}

    def root(number: int) -> int:
        while (to := parents.setdefault(number, number)) != number:
            parents[number] = number = parents[to]
        return number

    alike = [
        (search.numbers[first], search.numbers[second], similarity, mirrored)
        for first, second, similarity, mirrored in pairs
        if similarity >= threshold
    ]
    alike.sort(key=lambda pair: (-pair[2], pair[:2]))
    for first, second, _, _ in alike:
        parents[root(first)] = root(second)
    groups: dict[int, _Numbered] = {}
    for pair in alike:
        group = groups.setdefault(root(pair[0]), _Numbered())
        group.numbers.update(pair[:2])
        group.pairs.append(pair)
    return list(groups.values())


def _folds(
    context: Context,
    session: Session,
    project_id: str,
    iteration_id: str | None,
    numbers: Sequence[int],
) -> dict[int, int]:
    """The fold of each image that the iteration was evaluated on, by number."""
    if iteration_id is None:
        return {}
    _, kept = evaluation_of(context, project_id, iteration_id)
    folds: dict[int, int] = {}
    for batch in batches(numbers):
        some = col(Image.number).in_(batch)
        for number, blob in session.execute(select_columns(col(Image.number), col(Image.blob)).where(some)):
            if blob in kept.indexes:
                folds[number] = int(kept.figures.folds[kept.indexes[blob]])
    return folds


def _tags(session: Session, view: View, numbers: Sequence[int]) -> dict[int, set[str]]:
    """The ids of the tags of each image that has any, by number."""
    tags: dict[int, set[str]] = {}
    for batch in batches(numbers):
        some = col(ImageTag.image_number).in_(batch)
        statement = select_columns(col(ImageTag.image_number), col(ImageTag.tag_id))
        for number, tag_id in session.execute(statement.where(some, view.holds(ImageTag))):
            tags.setdefault(number, set()).add(tag_id)
    return tags


def _shown(session: Session, view: View, group: _Numbered, folds: dict[int, int]) -> Group:
    listed = sorted(group.numbers)[:MAX_GROUP_IMAGES]
    statement = select(Image).where(col(Image.number).in_(listed), view.holds(Image))
    rows = session.exec(statement.order_by(col(Image.number))).all()
    images = [
        NearImage(tagged, folds.get(tagged.image.number or 0)) for tagged in with_tags(session, view, rows)
    ]
    ids = {image.tagged.image.number: image.tagged.image.id for image in images}
    pairs = [
        NearPair((ids[first], ids[second]), similarity, mirrored)
        for first, second, similarity, mirrored in group.pairs
        if first in ids and second in ids
    ]
    return Group(
        similarity=group.pairs[0][2],
        image_count=len(group.numbers),
        contradictory_tags=group.contradictory,
        across_folds=group.across,
        images=images,
        pairs=pairs,
    )
