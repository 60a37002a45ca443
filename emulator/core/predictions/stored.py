"""Stored predictions: listing them page by page, and deleting them."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from emulator.core import lookup
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.caches.score_index import Cursor, ScoreFilter, ScoreRange
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.rules.limits import PREDICTION_IDS_PER_REQUEST, TAGS_PER_PREDICTION_QUERY
from emulator.core.rules.validation import checked_name
from emulator.core.scored_rows import expiry, prediction_rows
from emulator.core.scored_rows.pages import Find, PagedQuery, check_page, invalid
from emulator.store.expressions import without_index
from emulator.store.tables import StoredPrediction, microseconds

ORDERS = ("Newest", "Oldest", "Suggested")
SESSION = re.compile(r"\d{1,10}:\d{1,20}", re.ASCII)
_TABLE_ORDERS = {"Newest": "created", "Oldest": "created", "Suggested": "uncertainty"}


class TagThresholds(NamedTuple):
    """A condition: some prediction of the tag has a probability from `minimum` to `maximum`."""

    tag_id: str
    minimum: float
    maximum: float


class PredictionQuery(NamedTuple):
    """A query; predictions must fulfil all conditions.

    order_by: in ORDERS. start, end: the first and the last millisecond. maximum: results of a page, 0 for
    the default. session, continuation: from the previous response.
    """

    order_by: str = "Newest"
    tags: tuple[TagThresholds, ...] = ()
    iteration_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    application: str | None = None
    maximum: int = 0
    session: str | None = None
    continuation: str | None = None


class PredictionPage(NamedTuple):
    """continuation: None on the last page."""

    results: list[StoredPrediction]
    session: str
    continuation: str | None


def query(context: Context, project_id: str, wanted: PredictionQuery) -> PredictionPage:
    """A page of the stored predictions of a project."""
    _check(wanted)
    if wanted.application is not None:
        checked_application(wanted.application)
    find = _finder(context, project_id, wanted)
    if find is None:
        conditions = [*_kept(context, project_id, wanted.order_by), *_times(wanted)]
    else:
        # Not by the index of the project: rows are looked up by their numbers.
        conditions = [without_index(col(StoredPrediction.project_id)) == project_id]
    listed = PagedQuery(
        name=_name(project_id, wanted),
        row=StoredPrediction,
        key=col(StoredPrediction.uncertainty if wanted.order_by == "Suggested" else StoredPrediction.created),
        number=col(StoredPrediction.number),
        ascending=wanted.order_by == "Oldest",
        conditions=conditions,
        find=find,
    )
    with context.database.read() as session:
        lookup.project(session, project_id)
    # A new snapshot, which contains every row that the table of scores can list.
    with context.database.read() as session:
        page, continuation = listed.page(context, session, wanted.maximum, wanted.continuation)
        newest = session.scalar(select(func.max(StoredPrediction.number)))
    return PredictionPage(page, f"0:{newest or 0}", continuation)


def delete(context: Context, project_id: str, prediction_ids: Sequence[str]) -> None:
    """Delete predictions and their images. Unknown ids are ignored."""
    if not prediction_ids:
        raise ServiceError("BadRequestPredictionIdsMissing", "The request names no predictions.")
    if len(prediction_ids) > PREDICTION_IDS_PER_REQUEST:
        raise ServiceError(
            "BadRequestPredictionIdsExceededCount",
            f"The request names {len(prediction_ids)} predictions; "
            f"at most {PREDICTION_IDS_PER_REQUEST} are allowed.",
        )
    with context.database.write() as session:
        lookup.project(session, project_id)
        blobs = prediction_rows.remove(context, session, prediction_rows.with_ids(project_id, prediction_ids))
    sweep_blobs(context, blobs)


def checked_application(application: str) -> str:
    """The name of a client application, checked; its stored predictions can be queried by it."""
    return checked_name(application, "BadRequestPredictionInvalidApplicationName", "application")


def _check(wanted: PredictionQuery) -> None:
    if wanted.order_by not in ORDERS:
        raise invalid(f"orderBy is none of {', '.join(ORDERS)}.")
    if len(wanted.tags) > TAGS_PER_PREDICTION_QUERY:
        raise ServiceError(
            "BadRequestPredictionTagsExceededCount",
            f"The query names {len(wanted.tags)} tags; at most {TAGS_PER_PREDICTION_QUERY} are allowed.",
        )
    check_page(wanted.maximum)
    for tag in wanted.tags:
        if not 0.0 <= tag.minimum <= tag.maximum <= 1.0:
            raise invalid("The thresholds of a tag must lie from 0 to 1, the lower one first.")
    if wanted.start and wanted.end and wanted.start > wanted.end:
        raise invalid("startTime is after endTime.")
    if wanted.session and not SESSION.fullmatch(wanted.session):
        raise invalid("The session is not one that an answer gave.")


def _kept(context: Context, project_id: str, order_by: str = ORDERS[0]) -> list[ColumnElement[bool]]:
    """The conditions that a prediction belongs to the project and has not expired."""
    created: Any = col(StoredPrediction.created)
    if order_by == "Suggested":
        # Not by the index of times, and then sorted: nearly no prediction has expired.
        created = without_index(created)
    return [col(StoredPrediction.project_id) == project_id, created >= expiry.oldest_kept(context)]


def _times(wanted: PredictionQuery) -> list[ColumnElement[bool]]:
    created = col(StoredPrediction.created)
    start, end = _window(wanted)
    conditions = [] if start is None else [created >= start]
    return conditions if end is None else [*conditions, created <= end]


def _window(wanted: PredictionQuery) -> tuple[datetime | None, datetime | None]:
    """The first and the last time. Responses show milliseconds, so the whole millisecond of the end is
    included."""
    end = wanted.end and _millisecond(wanted.end) + timedelta(microseconds=999)
    return wanted.start and _millisecond(wanted.start), end


def _finder(context: Context, project_id: str, wanted: PredictionQuery) -> Find | None:
    """A function that finds rows in the table of scores; None if the database has an index for the query."""
    labels = {"iteration": wanted.iteration_id, "application": wanted.application}
    chosen_labels = tuple((name, label) for name, label in labels.items() if label is not None)
    start, end = _window(wanted)
    if not (wanted.tags or chosen_labels or (wanted.order_by == "Suggested" and (start or end))):
        return None
    oldest = expiry.oldest_kept(context)
    rows = ScoreFilter(
        ranges=tuple(ScoreRange((tag.tag_id,), tag.minimum, tag.maximum) for tag in wanted.tags),
        labels=chosen_labels,
        start=microseconds(max(start or oldest, oldest)),
        end=None if end is None else microseconds(end),
    )
    order, ascending = _TABLE_ORDERS[wanted.order_by], wanted.order_by == "Oldest"

    def find(size: int, after: Cursor | None) -> list[Cursor]:
        return context.score_index.query(
            project_id,
            lambda: prediction_rows.table(context, project_id),
            lambda table: table.page(order, ascending, rows, size, after),
        )

    return find


def _millisecond(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _name(project_id: str, wanted: PredictionQuery) -> str:
    """Identifies the list that `wanted` is a page of: the query without size and position of the page."""
    tags = [[tag.tag_id, tag.minimum, tag.maximum] for tag in wanted.tags]
    times = [time and _millisecond(time) for time in (wanted.start, wanted.end)]
    parts = (project_id, wanted.order_by, tags, wanted.iteration_id, *times, wanted.application)
    return orjson.dumps(("stored predictions", *parts)).decode()
