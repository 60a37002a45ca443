"""Suggested tags and regions of untagged images: making suggestions, and querying those that are stored.

A suggestion is the prediction of an iteration's model for an untagged image. It is stored as long as the
image has no tag and the iteration exists, 30 days at most. A new suggestion of an iteration for an image
replaces the older one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

import orjson
from sqlalchemy import func
from sqlmodel import col, select

from emulator.core import refused_items
from emulator.core.caches.score_index import Cursor, ScoreFilter, ScoreRange, ScoreTable
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels.image_tags import workspace_images
from emulator.core.predictions.predict import probabilities_of, trained_iteration
from emulator.core.predictions.stored import SESSION
from emulator.core.rules.limits import SUGGESTED_IMAGES_PER_REQUEST, TAGS_PER_SUGGESTION_QUERY
from emulator.core.rules.validation import check_batch_size
from emulator.core.scored_rows import expiry, suggestion_rows
from emulator.core.scored_rows.pages import PagedQuery, check_page, invalid
from emulator.core.scored_rows.scores import TagProbability, from_stored, to_stored, uncertainty
from emulator.core.thread_pools import in_parallel
from emulator.store.references import raise_if_missing
from emulator.store.tables import Image, Iteration, Suggestion

_Result = TypeVar("_Result")
ORDERS = ("UncertaintyAscending", "UncertaintyDescending")


class SuggestedImage(NamedTuple):
    """An image and the predictions of an iteration for it. uncertainty: 0 (certain) to 1.

    domain_id: that of the iteration.
    """

    image: Image
    iteration_id: str
    domain_id: str
    created: datetime
    probabilities: list[TagProbability]
    uncertainty: float


class SuggestionQuery(NamedTuple):
    """Images for which any of the tags (all when empty) has a probability of at least `threshold`.

    order_by: in ORDERS. maximum: results of a page, 0 for the default. session, continuation: from the
    previous response.
    """

    tag_ids: tuple[str, ...] = ()
    threshold: float = 0.0
    order_by: str = ORDERS[0]
    maximum: int = 0
    session: str | None = None
    continuation: str | None = None


class SuggestionPage(NamedTuple):
    """continuation: None on the last page."""

    results: list[SuggestedImage]
    session: str
    continuation: str | None


def suggest(
    context: Context, project_id: str, iteration_id: str, image_ids: Sequence[str]
) -> list[SuggestedImage]:
    """Score images of the workspace, in the order of their ids, each once. An unknown id refuses the request.

    Images with tags are scored too, but their suggestions are not stored.
    """
    check_batch_size("The request names", len(image_ids), "images", SUGGESTED_IMAGES_PER_REQUEST)
    image_ids = tuple(dict.fromkeys(image_ids))
    iteration = trained_iteration(context, project_id, iteration_id)
    with context.database.read() as session:
        images = workspace_images(session, project_id, image_ids)
    unknown = [image_id for image_id in image_ids if image_id not in images]
    for image_id in unknown:
        refused_items.note("imageIds", image_id, "the project has no such image")
    if unknown:
        raise _no_image(unknown[0])
    chosen = [images[image_id] for image_id in image_ids]
    suggested = in_parallel(partial(_scored, context, iteration), chosen)
    _store(context, project_id, suggested)
    return suggested


def _scored(context: Context, iteration: Iteration, image: Image) -> SuggestedImage:
    from emulator.vision.imaging.decode import ImageRejected

    try:
        data = context.blobs.read(image.blob)
    except FileNotFoundError:
        raise_if_missing(context.database, image.blob)
        # Deleted between the look-up and now.
        raise _no_image(image.id) from None
    try:
        probabilities = probabilities_of(context, iteration, data)
    except FileNotFoundError:  # likewise
        raise_if_missing(context.database, iteration.model_blob or "")
        raise ServiceError("NotFoundIteration", "Invalid iteration") from None
    except ImageRejected as rejected:
        raise ServiceError(
            "BadRequestImageFormat", f"Image {image.id} can't be read: {rejected}"
        ) from rejected
    return SuggestedImage(
        image=image,
        iteration_id=iteration.id,
        domain_id=iteration.domain_id or "",
        created=context.clock.now(),
        probabilities=probabilities,
        uncertainty=uncertainty(probabilities),
    )


def _store(context: Context, project_id: str, suggested: Sequence[SuggestedImage]) -> None:
    """Store the suggestions for images without tags, if these and the iteration still exist."""
    with context.database.write() as session:
        expired = col(Suggestion.created) < expiry.oldest_kept_suggestion(context)
        suggestion_rows.remove(context, session, [expired])
        here = workspace_images(session, project_id, [item.image.id for item in suggested])
        for item in suggested:
            image = here.get(item.image.id)
            if image is None or image.tag_count or session.get(Iteration, item.iteration_id) is None:
                continue
            assert image.number is not None
            row = Suggestion(
                image_number=image.number,
                iteration_id=item.iteration_id,
                created=item.created,
                predictions=to_stored(item.probabilities),
                uncertainty=item.uncertainty,
            )
            suggestion_rows.add(context, session, row)


def query(context: Context, project_id: str, iteration_id: str, wanted: SuggestionQuery) -> SuggestionPage:
    """A page of the suggestions of an iteration."""
    _check(wanted)
    iteration = trained_iteration(context, project_id, iteration_id)
    expiry.delete_expired_suggestions(context)
    ascending = wanted.order_by == ORDERS[0]
    rows = ScoreFilter((ScoreRange(wanted.tag_ids, wanted.threshold),))

    def find(size: int, after: Cursor | None) -> list[Cursor]:
        return _query_scores(
            context, iteration_id, lambda table: table.page("uncertainty", ascending, rows, size, after)
        )

    listed = PagedQuery(
        name=_name(iteration_id, wanted),
        row=Suggestion,
        # Both in one index, and unchanged when the suggestion for an image is replaced.
        key=col(Suggestion.uncertainty),
        number=col(Suggestion.image_number),
        ascending=ascending,
        conditions=[col(Suggestion.iteration_id) == iteration_id],
        find=find if wanted.tag_ids or wanted.threshold else None,
    )
    with context.database.read() as session:
        page, continuation = listed.page(context, session, wanted.maximum, wanted.continuation)
        newest = session.scalar(select(func.max(Suggestion.number)))
        numbers = [row.image_number for row in page]
        images = {
            image.number: image for image in session.exec(select(Image).where(col(Image.number).in_(numbers)))
        }
    results = [
        SuggestedImage(
            image=images[row.image_number],
            iteration_id=iteration_id,
            domain_id=iteration.domain_id or "",
            created=row.created,
            probabilities=from_stored(row.predictions),
            uncertainty=row.uncertainty,
        )
        for row in page
    ]
    return SuggestionPage(results, f"0:{newest or 0}", continuation)


def counts(
    context: Context, project_id: str, iteration_id: str, tag_ids: Sequence[str], threshold: float
) -> dict[str, int]:
    """For each of the tags (all of the iteration when empty), the number of images for which it is suggested
    with a probability of at least `threshold`; 0 for tags that the iteration does not have.
    """
    _check(SuggestionQuery(tuple(tag_ids), threshold))
    iteration = trained_iteration(context, project_id, iteration_id)
    expiry.delete_expired_suggestions(context)
    wanted = tuple(tag_ids) or tuple(tag["id"] for tag in iteration.model_tags or ())
    return _query_scores(context, iteration_id, lambda table: table.counts(wanted, threshold))


def _query_scores(context: Context, iteration_id: str, read: Callable[[ScoreTable], _Result]) -> _Result:
    return context.score_index.query(iteration_id, lambda: suggestion_rows.table(context, iteration_id), read)


def _check(wanted: SuggestionQuery) -> None:
    if len(wanted.tag_ids) > TAGS_PER_SUGGESTION_QUERY:
        raise ServiceError(
            "BadRequestPredictionTagsExceededCount",
            f"The query names {len(wanted.tag_ids)} tags; at most {TAGS_PER_SUGGESTION_QUERY} are allowed.",
        )
    check_page(wanted.maximum)
    if not 0.0 <= wanted.threshold <= 1.0:
        raise invalid("The threshold must lie from 0 to 1.")
    if wanted.order_by not in ORDERS:
        raise invalid(f"sortBy is none of {', '.join(ORDERS)}.")
    if wanted.session and not SESSION.fullmatch(wanted.session):
        raise invalid("The session is not one that an answer gave.")


def _name(iteration_id: str, wanted: SuggestionQuery) -> str:
    """Identifies the list that `wanted` is a page of: the query without size and position of the page."""
    parts = (iteration_id, wanted.order_by, sorted(set(wanted.tag_ids)), wanted.threshold)
    return orjson.dumps(("suggestions", *parts)).decode()


def _no_image(image_id: str) -> ServiceError:
    return ServiceError("NotFoundImage", f"Image not found: {image_id}")
