"""QueryPredictions, DeletePrediction."""

from datetime import UTC, datetime

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.errors import ServiceError
from emulator.core.predictions import stored as stored_predictions
from emulator.core.predictions.stored import ORDERS, PredictionPage, PredictionQuery, TagThresholds

_INVALID = "BadRequestPredictionInvalidQueryParameters"
_LONGEST_TIME = 40


@handles("QueryPredictions")
def query_predictions(call: Call) -> models.PredictionQueryResult:
    project_id = call.id("projectId")
    try:
        token = call.parsed(requests.PredictionQueryToken)
    except requests.InvalidId:
        raise
    except requests.Malformed as malformed:
        raise ServiceError(_INVALID, str(malformed)) from None
    wanted = _query(token)
    page = stored_predictions.query(call.context, project_id, wanted)
    results = [shapes.stored_prediction(call, row) for row in page.results]
    return models.PredictionQueryResult(_next_token(wanted, page), results)


@handles("DeletePrediction")
def delete_prediction(call: Call) -> None:
    stored_predictions.delete(call.context, call.id("projectId"), call.guids("ids"))


def _query(token: requests.PredictionQueryToken) -> PredictionQuery:
    """What a client's token asks for; empty texts, which some clients send, ask for nothing."""
    order_by = token.order_by or ORDERS[0]
    return PredictionQuery(
        order_by=next((name for name in ORDERS if name.lower() == order_by.lower()), order_by),
        tags=tuple(
            TagThresholds(
                tag.id,
                0.0 if tag.min_threshold is None else tag.min_threshold,
                1.0 if tag.max_threshold is None else tag.max_threshold,
            )
            for tag in token.tags or ()
        ),
        iteration_id=token.iteration_id,
        start=_moment("startTime", token.start_time),
        end=_moment("endTime", token.end_time),
        application=token.application or None,
        maximum=token.max_count or 0,
        session=token.session or None,
        continuation=token.continuation or None,
    )


def _moment(name: str, text: str | None) -> datetime | None:
    """A time in ISO 8601, UTC where it names no zone."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text[: _LONGEST_TIME + 1])
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ServiceError(_INVALID, f"{name} is no date and time in ISO 8601.") from None


def _next_token(wanted: PredictionQuery, page: PredictionPage) -> models.PredictionQueryToken:
    """The query again, with what continues it."""
    tags = [models.PredictionQueryTag(tag.tag_id, tag.minimum, tag.maximum) for tag in wanted.tags]
    return models.PredictionQueryToken(
        page.session,
        page.continuation,
        wanted.maximum,
        wanted.order_by,
        tags or None,
        wanted.iteration_id,
        wanted.start,
        wanted.end,
        wanted.application,
    )
