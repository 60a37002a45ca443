"""The untagged images of a project, ordered by how much a model learns from their labels.

Three things count. **Uncertainty**: images of which the iteration's predictions are least certain
(`core.scored_rows.scores.uncertainty`), by their rank. **Rarity**: images whose most probable tag has few
images so far. **Diversity**: images are taken in turn from groups of similar ones, so that the first of the
queue do not all show the same. Each tenth image is chosen at random instead: a **control** group, without
which a model would only ever see what an earlier model found difficult.

Only images with a stored suggestion have an uncertainty. While fewer than `_FEWEST_SCORED` untagged images
have one, suggestions for the next `_SCORED_AT_A_TIME` images in the order of diversity are made, so that
the work for a request has a limit. Without an iteration the order is that of diversity.

The order depends on the images, tags, suggestions and the iteration alone.
"""

import hashlib
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from sqlalchemy import exists
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.caches.image_jobs import Call, ImageJob
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.insight.image_jobs import job_of, known_statistics, network_domain, result_of
from emulator.core.labeling.next_training import NextTraining, next_training, untagged_count, untagged_images
from emulator.core.predictions.predict import trained_iteration
from emulator.core.rules.limits import SUGGESTED_IMAGES_PER_REQUEST
from emulator.core.suggestions.suggest import suggest
from emulator.store.tables import Image, Iteration, IterationStatus, Project, Suggestion, Tag

UNCERTAIN, RARE, DIFFERENT, CONTROL = "Uncertain", "RareTag", "Different", "Control"

_CONTROL_ONE_IN = 10
_RARITY_WEIGHT = 0.3
_FEWEST_SCORED, _SCORED_AT_A_TIME = 64, 256


class Candidate(NamedTuple):
    """An untagged image. uncertainty, tag_id, probability: of its suggestion; None without one.

    rank, group: see `emulator.vision.image_map.order.Order`; 0 while they are unknown.
    """

    number: int
    image_id: str
    rank: int = 0
    group: int = 0
    uncertainty: float | None = None
    tag_id: str | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Queued:
    """An image of the queue. reason: see the constants above. tag_name: of the most probable tag."""

    image: Image
    candidate: Candidate
    reason: str
    tag_name: str | None


@dataclass(frozen=True)
class QueuePage:
    """count: of all untagged images."""

    iteration_id: str | None
    count: int
    training: NextTraining
    images: list[Queued]


def chosen_iteration(context: Context, project_id: str, iteration_id: str | None) -> str | None:
    """The named iteration, which must be trained, or the newest trained one; None if there is none."""
    if iteration_id is not None:
        return trained_iteration(context, project_id, iteration_id).id
    with context.database.read() as session:
        lookup.project(session, project_id)
        return session.exec(
            select(Iteration.id)
            .where(Iteration.project_id == project_id, Iteration.status == IterationStatus.COMPLETED)
            .order_by(col(Iteration.number).desc())
            .limit(1)
        ).first()


def order_job(context: Context, project_id: str) -> ImageJob:
    """The job that orders the images by diversity; started if there is none or it failed."""

    def call(domain_id: str) -> Call:
        from emulator.vision.image_map.features import order_images

        return Call(order_images, (domain_id or None, known_statistics(context, project_id, domain_id)))

    return job_of(
        context, context.image_orders, project_id, lambda project: network_domain(context, project), call
    )


def page(
    context: Context,
    project_id: str,
    iteration_id: str | None,
    order: ImageJob,
    *,
    take: int,
    skip: int,
) -> QueuePage:
    """A page of the queue. order: a job of `order_job`; while it is not over, diversity does not count."""
    places = _places(order)
    if iteration_id is not None and places:
        _score_more(context, project_id, iteration_id, places)
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        candidates = _candidates(session, project, iteration_id, places)
        tags = lookup.workspace_tags(session, project_id)
        counts = {tag.id: tag.image_count for tag in tags.values()}
        chosen = ordered(candidates, counts)[skip : skip + take]
        rows = session.exec(
            select(Image).where(col(Image.number).in_([candidate.number for candidate, _ in chosen]))
        )
        images = {image.number: image for image in rows}
        training = next_training(session, project)
        found = [
            Queued(images[candidate.number], candidate, reason, _name(tags, candidate.tag_id))
            for candidate, reason in chosen
        ]
    return QueuePage(iteration_id, len(candidates), training, found)


def counts(context: Context, project_id: str, iteration_id: str | None) -> QueuePage:
    """The counts of the queue without its images: nothing is scored or put in order."""
    with context.database.read() as session:
        project = lookup.project(session, project_id)
        untagged = untagged_count(session, project)
        return QueuePage(iteration_id, untagged, next_training(session, project), [])


def ordered(candidates: Sequence[Candidate], counts: dict[str, int]) -> list[tuple[Candidate, str]]:
    """The candidates in the order of the queue, each with the reason for its place.

    counts: images of each tag.
    """
    values = _values(candidates, counts)
    by_group: dict[int, list[tuple[float, Candidate, str]]] = {}
    for candidate in candidates:
        if candidate.number in values:
            value, reason = values[candidate.number]
            by_group.setdefault(candidate.group, []).append((value, candidate, reason))

    def place(item: tuple[float, Candidate, str]) -> tuple[float, int, int]:
        return -item[0], item[1].rank, item[1].number

    turns = zip_longest(*(sorted(group, key=place) for group in by_group.values()))
    queue = [
        (candidate, reason)
        for turn in turns
        for _, candidate, reason in sorted((item for item in turn if item is not None), key=place)
    ]
    unscored = [candidate for candidate in candidates if candidate.number not in values]
    unscored.sort(key=lambda candidate: (candidate.rank, candidate.number))
    return _with_control(queue + [(candidate, DIFFERENT) for candidate in unscored])


def _values(candidates: Sequence[Candidate], counts: dict[str, int]) -> dict[int, tuple[float, str]]:
    """The value of each candidate with a suggestion, 0 to 1, and what contributes most to it."""
    scored = [
        (candidate.uncertainty, candidate) for candidate in candidates if candidate.uncertainty is not None
    ]
    uncertainties = sorted(uncertainty for uncertainty, _ in scored)
    most = max(counts.values(), default=0)
    values = {}
    for uncertainty, candidate in scored:
        less = bisect_left(uncertainties, uncertainty)
        doubt = less / max(1, len(scored) - 1) * (1 - _RARITY_WEIGHT)
        rarity = 0.0
        if candidate.tag_id is not None and most and candidate.probability is not None:
            rarity = (1 - counts.get(candidate.tag_id, most) / most) * candidate.probability * _RARITY_WEIGHT
        values[candidate.number] = doubt + rarity, RARE if rarity > doubt else UNCERTAIN
    return values


def _with_control(queue: list[tuple[Candidate, str]]) -> list[tuple[Candidate, str]]:
    """Each tenth place is given to a random candidate: the next of those that come later, by a hash."""

    def chance(place: int) -> bytes:
        return hashlib.sha256(queue[place][0].image_id.encode()).digest()

    by_chance = iter(sorted(range(len(queue)), key=chance))
    taken: set[int] = set()
    result: list[tuple[Candidate, str]] = []
    following = iter(range(len(queue)))
    while len(result) < len(queue):
        if len(result) % _CONTROL_ONE_IN == _CONTROL_ONE_IN - 1:
            drawn = next(place for place in by_chance if place not in taken)
            taken.add(drawn)
            result.append((queue[drawn][0], CONTROL))
        else:
            place = next(place for place in following if place not in taken)
            taken.add(place)
            result.append(queue[place])
    return result


def _places(order: ImageJob) -> dict[int, tuple[int, int]]:
    """Rank and group of each image by number; empty while the job runs."""
    if not order.is_over:
        return {}
    found = result_of(order, "ordered")
    return dict(
        zip(order.numbers, zip(found.ranks.tolist(), found.groups.tolist(), strict=True), strict=True)
    )


def _candidates(
    session: Session, project: Project, iteration_id: str | None, places: dict[int, tuple[int, int]]
) -> list[Candidate]:
    statement = (
        select_columns(
            col(Image.number), col(Image.id), col(Suggestion.uncertainty), col(Suggestion.predictions)
        )
        .outerjoin(
            Suggestion,
            (col(Suggestion.image_number) == col(Image.number))
            & (col(Suggestion.iteration_id) == (iteration_id or "")),
        )
        .where(*untagged_images(project))
        .order_by(col(Image.number))
    )
    found = []
    for number, image_id, uncertainty, predictions in session.execute(statement):
        best = max(predictions or (), key=lambda item: item["probability"], default=None)
        rank, group = places.get(number, (0, 0))
        found.append(
            Candidate(
                number=number,
                image_id=image_id,
                rank=rank,
                group=group,
                uncertainty=uncertainty,
                tag_id=best["tagId"] if best else None,
                probability=best["probability"] if best else None,
            )
        )
    return found


# One request at a time makes suggestions for a queue; another would make the same ones.
_scoring = threading.Lock()


def _score_more(
    context: Context, project_id: str, iteration_id: str, places: dict[int, tuple[int, int]]
) -> None:
    """Make suggestions for the next images, if few have one."""
    with _scoring:
        with context.database.read() as session:
            wanted = _next_unscored(session, lookup.project(session, project_id), iteration_id, places)
        for begin in range(0, len(wanted), SUGGESTED_IMAGES_PER_REQUEST):
            try:
                suggest(
                    context, project_id, iteration_id, wanted[begin : begin + SUGGESTED_IMAGES_PER_REQUEST]
                )
            except ServiceError as error:
                # Images or the iteration were deleted meanwhile, or an image cannot be read: no suggestion.
                if error.code not in ("NotFoundImage", "BadRequestImageFormat", "NotFoundIteration"):
                    raise


def _next_unscored(
    session: Session, project: Project, iteration_id: str, places: dict[int, tuple[int, int]]
) -> list[str]:
    """Ids of the next images to make suggestions for; empty while enough images have one."""
    is_scored = exists().where(
        col(Suggestion.image_number) == col(Image.number), col(Suggestion.iteration_id) == iteration_id
    )
    untagged = untagged_images(project)
    scored = select_columns(col(Image.number)).where(*untagged, is_scored).limit(_FEWEST_SCORED)
    if len(session.execute(scored).all()) >= _FEWEST_SCORED:
        return []
    rows = session.execute(select_columns(col(Image.number), col(Image.id)).where(*untagged, ~is_scored))
    unscored = sorted((places.get(number, (0, 0))[0], number, image_id) for number, image_id in rows)
    return [image_id for _, _, image_id in unscored[:_SCORED_AT_A_TIME]]


def _name(tags: dict[str, Tag], tag_id: str | None) -> str | None:
    return tags[tag_id].name if tag_id in tags else None
