"""QueryPredictions, DeletePrediction."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends

from emulator.api import responses
from emulator.api.dependencies import Emulator, ImageLinks, ProjectId, json_body
from emulator.api.parameters import guids
from emulator.api.routing import OperationRouter
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.core.errors import ServiceError
from emulator.core.predictions import stored as stored_predictions
from emulator.core.predictions.stored import ORDERS, PredictionPage, PredictionQuery, TagThresholds
from emulator.core.rules.validation import in_any_case

router = OperationRouter()

_INVALID = "BadRequestPredictionInvalidQueryParameters"
_MAX_TIME_LENGTH = 40


def invalid_query(malformed: requests.Malformed) -> Exception:
    """The error for the body of a query that cannot be parsed."""
    if isinstance(malformed, requests.InvalidId):
        return malformed
    return ServiceError(_INVALID, str(malformed))


async def _query(
    token: Annotated[
        requests.PredictionQueryToken, json_body(requests.PredictionQueryToken, error=invalid_query)
    ],
) -> PredictionQuery:
    """The query in a client's token. Some clients send empty strings, which count as absent."""
    order_by = token.order_by or ORDERS[0]
    return PredictionQuery(
        order_by=in_any_case(order_by, ORDERS) or order_by,
        tags=tuple(
            TagThresholds(
                tag.id,
                0.0 if tag.min_threshold is None else tag.min_threshold,
                1.0 if tag.max_threshold is None else tag.max_threshold,
            )
            for tag in token.tags or ()
        ),
        iteration_id=token.iteration_id,
        start=_time("startTime", token.start_time),
        end=_time("endTime", token.end_time),
        application=token.application or None,
        maximum=token.max_count or 0,
        session=token.session or None,
        continuation=token.continuation or None,
    )


@router.operation("QueryPredictions")
def query_predictions(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    query: Annotated[PredictionQuery, Depends(_query)],
) -> shapes.PredictionQueryResult:
    page = stored_predictions.query(emulator, project_id, query)
    results = [responses.stored_prediction(links, row) for row in page.results]
    return shapes.PredictionQueryResult(token=_next_token(query, page), results=results)


@router.operation("DeletePrediction")
def delete_prediction(
    emulator: Emulator, project_id: ProjectId, ids: Annotated[tuple[str, ...], guids("ids")]
) -> None:
    stored_predictions.delete(emulator, project_id, ids)


def _time(name: str, text: str | None) -> datetime | None:
    """A time in ISO 8601; UTC if it has no time zone."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text[: _MAX_TIME_LENGTH + 1])
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ServiceError(_INVALID, f"{name} is no date and time in ISO 8601.") from None


def _next_token(query: PredictionQuery, page: PredictionPage) -> shapes.PredictionQueryToken:
    """The token of the next page: the query with its continuation."""
    tags = [
        shapes.PredictionQueryTag(id=tag.tag_id, min_threshold=tag.minimum, max_threshold=tag.maximum)
        for tag in query.tags
    ]
    return shapes.PredictionQueryToken(
        session=page.session,
        continuation=page.continuation,
        max_count=query.maximum,
        order_by=query.order_by,
        tags=tags or None,
        iteration_id=query.iteration_id,
        start_time=query.start,
        end_time=query.end,
        application=query.application,
    )
