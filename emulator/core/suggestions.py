"""What a model proposes for images without tags: making proposals, and looking through those that were kept.

They are kept for as long as the image has no tag and the iteration is there, and for 30 days at most. A new
proposal of an iteration for an image takes the place of the older one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from sqlalchemy import ColumnElement, exists, func, literal, literal_column, tuple_
from sqlalchemy import delete as delete_rows
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from emulator.core import continuations
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.image_tags import workspace_images
from emulator.core.limits import (
    PAGE_SIZE,
    PAGE_SIZE_MAXIMUM,
    STORED_PREDICTION_DAYS,
    SUGGESTED_IMAGES_PER_REQUEST,
    TAGS_PER_SUGGESTION_QUERY,
)
from emulator.core.parallel import in_parallel
from emulator.core.predictions import probabilities_of, testable, uncertainty_of
from emulator.core.scores import TagProbability, from_stored, to_stored
from emulator.core.stored_predictions import SESSION, single_precision
from emulator.store.tables import Image, Iteration, Moment, Suggestion

ORDERS = ("UncertaintyAscending", "UncertaintyDescending")


@dataclass(frozen=True)
class SuggestedImage:
    """An image and what the model of an iteration says of it. uncertainty: 0, it is sure, to 1.

    domain_id: that of the iteration.
    """

    image: Image
    iteration_id: str
    domain_id: str
    created: datetime
    probabilities: list[TagProbability]
    uncertainty: float


@dataclass(frozen=True)
class SuggestionQuery:
    """Images for which any of the tags (all when empty) has a probability of at least `threshold`.

    order_by: in ORDERS. maximum: results of a page, 0 for as many as the service likes. session,
    continuation: from the answer before.
    """

    tag_ids: tuple[str, ...] = ()
    threshold: float = 0.0
    order_by: str = ORDERS[0]
    maximum: int = 0
    session: str | None = None
    continuation: str | None = None


@dataclass(frozen=True)
class SuggestionPage:
    """`continuation` is None when nothing is left."""

    results: list[SuggestedImage]
    session: str
    continuation: str | None


def suggest(
    context: Context, project_id: str, iteration_id: str, image_ids: Sequence[str]
) -> list[SuggestedImage]:
    """Score images of the workspace, in the order of their ids, each once; all or nothing as to unknown ids.

    Images that bear tags are scored too, but nothing is kept of them.
    """
    image_ids = tuple(dict.fromkeys(image_ids))
    if len(image_ids) > SUGGESTED_IMAGES_PER_REQUEST:
        raise ServiceError(
            "BadRequestExceededBatchSize",
            f"The request names {len(image_ids)} images; at most {SUGGESTED_IMAGES_PER_REQUEST} are allowed.",
        )
    iteration = testable(context, project_id, iteration_id)
    with context.database.read() as session:
        images = workspace_images(session, project_id, image_ids)
    for image_id in image_ids:
        if image_id not in images:
            raise _no_image(image_id)
    chosen = [images[image_id] for image_id in image_ids]
    suggested = in_parallel(partial(_scored, context, iteration), chosen)
    _keep(context, project_id, suggested)
    return suggested


def _scored(context: Context, iteration: Iteration, image: Image) -> SuggestedImage:
    from emulator.vision.images import ImageRejected

    try:
        data = context.blobs.read(image.blob)
    except FileNotFoundError:  # deleted between the look-up and now
        raise _no_image(image.id) from None
    try:
        probabilities = probabilities_of(context, iteration, data)
    except FileNotFoundError:  # likewise
        raise ServiceError("NotFoundIteration", "Invalid iteration") from None
    except ImageRejected as rejected:
        raise ServiceError("BadRequestImageFormat", f"Image {image.id} can't be read: {rejected}") from None
    return SuggestedImage(
        image,
        iteration.id,
        iteration.domain_id or "",
        context.clock.now(),
        probabilities,
        uncertainty_of(iteration, probabilities),
    )


def _keep(context: Context, project_id: str, suggested: Sequence[SuggestedImage]) -> None:
    """Keep what was said of those images that have no tag, if they and the iteration are still there."""
    with context.database.write() as session:
        oldest = context.clock.now() - timedelta(days=STORED_PREDICTION_DAYS)
        session.execute(delete_rows(Suggestion).where(col(Suggestion.created) < oldest))
        here = workspace_images(session, project_id, [item.image.id for item in suggested])
        for item in suggested:
            image = here.get(item.image.id)
            if image is None or image.tag_count or session.get(Iteration, item.iteration_id) is None:
                continue
            assert image.number is not None
            session.execute(
                delete_rows(Suggestion).where(
                    col(Suggestion.image_number) == image.number,
                    col(Suggestion.iteration_id) == item.iteration_id,
                )
            )
            session.add(
                Suggestion(
                    image_number=image.number,
                    iteration_id=item.iteration_id,
                    created=item.created,
                    predictions=to_stored(item.probabilities),
                    uncertainty=item.uncertainty,
                )
            )


def query(context: Context, project_id: str, iteration_id: str, wanted: SuggestionQuery) -> SuggestionPage:
    """A page of what an iteration proposed for images that still have no tag.

    A page begins after the last result of the page before, whatever came or went meanwhile.
    """
    _check(wanted)
    iteration = testable(context, project_id, iteration_id)
    size = wanted.maximum or PAGE_SIZE
    listed = _listed(iteration_id, wanted)
    # Beside each other in an index, and the same when an image is proposed for again.
    keys = (col(Suggestion.uncertainty), col(Suggestion.image_number))
    ascending = wanted.order_by == ORDERS[0]
    conditions = [*_kept(context, iteration_id), *_conditions(wanted)]
    if wanted.continuation:
        try:
            uncertainty, number = continuations.unseal(context, listed, wanted.continuation)
        except continuations.ContinuationRejected as rejected:
            raise _invalid(str(rejected)) from None
        row = tuple_(*keys)
        last = tuple_(literal(float(uncertainty)), literal(number))
        conditions.append(row > last if ascending else row < last)
    with context.database.read() as session:
        order = keys if ascending else tuple(key.desc() for key in keys)
        statement = select(Suggestion).where(*conditions).order_by(*order).limit(size + 1)
        found = list(session.exec(statement))
        newest = session.scalar(
            select(func.max(Suggestion.number)).where(Suggestion.iteration_id == iteration_id)
        )
        page, rest = found[:size], found[size:]
        numbers = [row.image_number for row in page]
        images = {
            image.number: image for image in session.exec(select(Image).where(col(Image.number).in_(numbers)))
        }
    continuation = None
    if rest:
        position = [page[-1].uncertainty, page[-1].image_number]
        continuation = continuations.seal(context, listed, position)
    results = [
        SuggestedImage(
            images[row.image_number],
            iteration_id,
            iteration.domain_id or "",
            row.created,
            from_stored(row.predictions),
            row.uncertainty,
        )
        for row in page
    ]
    return SuggestionPage(results, f"0:{newest or 0}", continuation)


def counts(
    context: Context, project_id: str, iteration_id: str, tag_ids: Sequence[str], threshold: float
) -> dict[str, int]:
    """For each of the tags, all of the iteration's when empty, the number of images for which an iteration
    proposed it with a probability of at least `threshold`; 0 for tags that it does not know.
    """
    _check(SuggestionQuery(tuple(tag_ids), threshold))
    iteration = testable(context, project_id, iteration_id)
    wanted = tuple(tag_ids) or tuple(tag["id"] for tag in iteration.model_tags or ())
    entry = func.json_each(col(Suggestion.predictions)).table_valued("value")
    tag_id = func.json_extract(entry.c.value, "$.tagId")
    statement: Any = (
        select_columns(tag_id, func.count(col(Suggestion.number).distinct()))
        .select_from(Suggestion)
        .join(entry, literal(True))
        .where(
            *_kept(context, iteration_id),
            func.json_extract(entry.c.value, "$.probability") >= single_precision(threshold),
        )
        .group_by(tag_id)
    )
    with context.database.read() as session:
        found = {row[0]: row[1] for row in session.execute(statement)}
    return {name: found.get(name, 0) for name in wanted}


def _check(wanted: SuggestionQuery) -> None:
    if len(wanted.tag_ids) > TAGS_PER_SUGGESTION_QUERY:
        raise ServiceError(
            "BadRequestPredictionTagsExceededCount",
            f"The query names {len(wanted.tag_ids)} tags; at most {TAGS_PER_SUGGESTION_QUERY} are allowed.",
        )
    if wanted.maximum > PAGE_SIZE_MAXIMUM:
        raise ServiceError(
            "BadRequestPredictionResultsExceededCount",
            f"maxCount is {wanted.maximum}; at most {PAGE_SIZE_MAXIMUM} are allowed.",
        )
    if wanted.maximum < 0:
        raise _invalid("maxCount is negative.")
    if not 0.0 <= wanted.threshold <= 1.0:
        raise _invalid("The threshold must lie from 0 to 1.")
    if wanted.order_by not in ORDERS:
        raise _invalid(f"sortBy is none of {', '.join(ORDERS)}.")
    if wanted.session and not SESSION.fullmatch(wanted.session):
        raise _invalid("The session is not one that an answer gave.")


def _kept(context: Context, iteration_id: str) -> list[ColumnElement[bool]]:
    """The conditions that a proposal is the iteration's and not too old, dropped already or not."""
    oldest = context.clock.now() - timedelta(days=STORED_PREDICTION_DAYS)
    # Not a condition for an index: nearly all are young enough.
    created: ColumnElement[Any] = literal_column("+suggestion.created", Moment())
    return [col(Suggestion.iteration_id) == iteration_id, created >= oldest]


def _conditions(wanted: SuggestionQuery) -> list[ColumnElement[bool]]:
    if not wanted.tag_ids and not wanted.threshold:
        return []
    entry = func.json_each(col(Suggestion.predictions)).table_valued("value")
    proposed = (
        exists()
        .select_from(entry)
        .where(func.json_extract(entry.c.value, "$.probability") >= single_precision(wanted.threshold))
    )
    if wanted.tag_ids:
        proposed = proposed.where(func.json_extract(entry.c.value, "$.tagId").in_(_distinct(wanted.tag_ids)))
    return [proposed]


def _distinct(tag_ids: Collection[str]) -> list[str]:
    return sorted(set(tag_ids))


def _listed(iteration_id: str, wanted: SuggestionQuery) -> str:
    """Names the list that `wanted` is a page of: all but the size and the place of the page."""
    parts = (iteration_id, wanted.order_by, _distinct(wanted.tag_ids), wanted.threshold)
    return orjson.dumps(("suggestions", *parts)).decode()


def _no_image(image_id: str) -> ServiceError:
    return ServiceError("NotFoundImage", f"Image not found: {image_id}")


def _invalid(message: str) -> ServiceError:
    return ServiceError("BadRequestPredictionInvalidQueryParameters", message)
