"""Predictions that were kept: looking through them page by page, deleting them, taking their images over."""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, exists, func, literal, literal_column, tuple_
from sqlalchemy import delete as delete_rows
from sqlmodel import col, select

from emulator.core import continuations, finding
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.images import NewImage
from emulator.core.limits import (
    PAGE_SIZE,
    PAGE_SIZE_MAXIMUM,
    PREDICTION_IDS_PER_REQUEST,
    STORED_PREDICTION_DAYS,
    TAGS_PER_PREDICTION_QUERY,
)
from emulator.core.names import checked_name
from emulator.core.regions import Box
from emulator.core.sweeping import sweep_blobs
from emulator.store.tables import Moment, StoredPrediction, microseconds, moment

ORDERS = ("Newest", "Oldest", "Suggested")
SESSION = re.compile(r"\d{1,10}:\d{1,20}", re.ASCII)
_FLOAT32 = struct.Struct("<f")


@dataclass(frozen=True)
class TagThresholds:
    """Some prediction of the tag has a probability from `minimum` to `maximum`."""

    tag_id: str
    minimum: float
    maximum: float


@dataclass(frozen=True)
class PredictionQuery:
    """What to look for; predictions must fulfil all of it.

    order_by: in ORDERS. start, end: the first and the last millisecond. maximum: results of a page, 0 for
    as many as the service likes. session, continuation: from the answer before.
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


@dataclass(frozen=True)
class PredictionPage:
    """`continuation` is None when nothing is left."""

    results: list[StoredPrediction]
    session: str
    continuation: str | None


def uncertainty(probabilities: Sequence[float], exclusive: bool) -> float:
    """From 0, the model is sure, to 1, it could not know less: the reverse of the margin.

    exclusive: one tag is right (Multiclass), and the margin is that between the two likeliest. Otherwise
    each tag or box stands for itself, and the margin is twice the least distance from 1/2.
    """
    if not probabilities:
        return 0.0
    if not exclusive:
        return 1.0 - 2.0 * min(abs(probability - 0.5) for probability in probabilities)
    first, second, *_ = [*sorted(probabilities, reverse=True), 0.0]
    return 1.0 - (first - second)


def query(context: Context, project_id: str, wanted: PredictionQuery) -> PredictionPage:
    """A page of the stored predictions of a project.

    A page begins after the last result of the page before, whatever came or went meanwhile: what is there
    all the time is listed once.
    """
    _check(wanted)
    if wanted.application is not None:
        checked_application(wanted.application)
    size = wanted.maximum or PAGE_SIZE
    listed = _listed(project_id, wanted)
    with context.database.read() as session:
        finding.project(session, project_id)
        conditions = [*_kept(context, project_id, wanted.order_by), *_conditions(wanted)]
        if wanted.continuation:
            try:
                position = continuations.unseal(context, listed, wanted.continuation)
            except continuations.ContinuationRejected as rejected:
                raise _invalid(str(rejected)) from None
            conditions.append(_after(wanted.order_by, position))
        keys = (_key(wanted.order_by), col(StoredPrediction.number))
        order = keys if wanted.order_by == "Oldest" else tuple(key.desc() for key in keys)
        statement = select(StoredPrediction).where(*conditions).order_by(*order).limit(size + 1)
        found = list(session.exec(statement))
        newest = session.scalar(select(func.max(StoredPrediction.number)))
    page, rest = found[:size], found[size:]
    continuation = None
    if rest:
        continuation = continuations.seal(context, listed, _position(wanted.order_by, page[-1]))
    return PredictionPage(page, f"0:{newest or 0}", continuation)


def delete(context: Context, project_id: str, prediction_ids: Sequence[str]) -> None:
    """Forget predictions and their images. Ids that are not there are ignored."""
    if not prediction_ids:
        raise ServiceError("BadRequestPredictionIdsMissing", "The request names no predictions.")
    if len(prediction_ids) > PREDICTION_IDS_PER_REQUEST:
        raise ServiceError(
            "BadRequestPredictionIdsExceededCount",
            f"The request names {len(prediction_ids)} predictions; "
            f"at most {PREDICTION_IDS_PER_REQUEST} are allowed.",
        )
    with context.database.write() as session:
        finding.project(session, project_id)
        chosen = (
            col(StoredPrediction.project_id) == project_id,
            col(StoredPrediction.id).in_(set(prediction_ids)),
        )
        blobs = set(session.exec(select(StoredPrediction.blob).where(*chosen)))
        session.execute(delete_rows(StoredPrediction).where(*chosen))
    sweep_blobs(context, blobs)


def as_new_image(
    context: Context,
    project_id: str,
    prediction_id: str,
    tag_ids: tuple[str, ...] = (),
    boxes: tuple[Box, ...] = (),
) -> NewImage:
    """The image of a stored prediction, to be added to the project; ``ErrorSource`` when it is not there."""
    with context.database.read() as session:
        row = session.exec(
            select(StoredPrediction).where(*_kept(context, project_id), StoredPrediction.id == prediction_id)
        ).first()
    try:
        if row is not None:
            data = context.blobs.read(row.blob)
            return NewImage(prediction_id, data, tag_ids, boxes=boxes, prediction_id=prediction_id)
    except FileNotFoundError:  # deleted between the look-up and now
        pass
    return NewImage(prediction_id, None, tag_ids, "ErrorSource")


def checked_application(application: str) -> str:
    """The name of a program that predicts, under which its predictions are found again."""
    return checked_name(application, "BadRequestPredictionInvalidApplicationName", "application")


def _check(wanted: PredictionQuery) -> None:
    if wanted.order_by not in ORDERS:
        raise _invalid(f"orderBy is none of {', '.join(ORDERS)}.")
    if len(wanted.tags) > TAGS_PER_PREDICTION_QUERY:
        raise ServiceError(
            "BadRequestPredictionTagsExceededCount",
            f"The query names {len(wanted.tags)} tags; at most {TAGS_PER_PREDICTION_QUERY} are allowed.",
        )
    if wanted.maximum > PAGE_SIZE_MAXIMUM:
        raise ServiceError(
            "BadRequestPredictionResultsExceededCount",
            f"maxCount is {wanted.maximum}; at most {PAGE_SIZE_MAXIMUM} are allowed.",
        )
    if wanted.maximum < 0:
        raise _invalid("maxCount is negative.")
    for tag in wanted.tags:
        if not 0.0 <= tag.minimum <= tag.maximum <= 1.0:
            raise _invalid("The thresholds of a tag must lie from 0 to 1, the lower one first.")
    if wanted.start and wanted.end and wanted.start > wanted.end:
        raise _invalid("startTime is after endTime.")
    if wanted.session and not SESSION.fullmatch(wanted.session):
        raise _invalid("The session is not one that an answer gave.")


def _invalid(message: str) -> ServiceError:
    return ServiceError("BadRequestPredictionInvalidQueryParameters", message)


def _kept(context: Context, project_id: str, order_by: str = ORDERS[0]) -> list[ColumnElement[bool]]:
    """The conditions that a prediction is the project's and not too old, dropped already or not."""
    oldest = context.clock.now() - timedelta(days=STORED_PREDICTION_DAYS)
    created: Any = col(StoredPrediction.created)
    if order_by == "Suggested":
        # SQLite would take the index of times, and sort: nearly all are young enough.
        created = literal_column("+stored_prediction.created", Moment())
    return [col(StoredPrediction.project_id) == project_id, created >= oldest]


def _conditions(wanted: PredictionQuery) -> list[ColumnElement[bool]]:
    created = col(StoredPrediction.created)
    conditions: list[ColumnElement[bool]] = []
    if wanted.iteration_id is not None:
        conditions.append(col(StoredPrediction.iteration_id) == wanted.iteration_id)
    if wanted.application is not None:
        conditions.append(col(StoredPrediction.application) == wanted.application)
    # Answers show milliseconds, so that what they show as `endTime` is still inside.
    if wanted.start is not None:
        conditions.append(created >= _millisecond(wanted.start))
    if wanted.end is not None:
        conditions.append(created <= _millisecond(wanted.end) + timedelta(microseconds=999))
    for tag in wanted.tags:
        entry = func.json_each(col(StoredPrediction.predictions)).table_valued("value")
        probability = func.json_extract(entry.c.value, "$.probability")
        conditions.append(
            exists()
            .select_from(entry)
            .where(
                func.json_extract(entry.c.value, "$.tagId") == tag.tag_id,
                probability >= single_precision(tag.minimum),
                probability <= single_precision(tag.maximum),
            )
        )
    return conditions


def single_precision(value: float) -> float:
    """`value` as a float32, which probabilities are: what an answer shows is a threshold that is met."""
    (single,) = _FLOAT32.unpack(_FLOAT32.pack(value))
    return float(single)


def _millisecond(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _key(order_by: str) -> Any:
    return col(StoredPrediction.uncertainty if order_by == "Suggested" else StoredPrediction.created)


def _position(order_by: str, row: StoredPrediction) -> list[float | int]:
    assert row.number is not None
    key = row.uncertainty if order_by == "Suggested" else microseconds(row.created)
    return [key, row.number]


def _after(order_by: str, position: list[float | int]) -> Any:
    key, number = position
    value: Any = key if order_by == "Suggested" else moment(int(key))
    row = tuple_(_key(order_by), col(StoredPrediction.number))
    last = tuple_(literal(value, _key(order_by).type), literal(number))
    return row > last if order_by == "Oldest" else row < last


def _listed(project_id: str, wanted: PredictionQuery) -> str:
    """Names the list that `wanted` is a page of: all but the size and the place of the page."""
    tags = [[tag.tag_id, tag.minimum, tag.maximum] for tag in wanted.tags]
    times = [time and _millisecond(time) for time in (wanted.start, wanted.end)]
    parts = (project_id, wanted.order_by, tags, wanted.iteration_id, *times, wanted.application)
    return orjson.dumps(("stored predictions", *parts)).decode()
