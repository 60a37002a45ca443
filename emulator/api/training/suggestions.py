"""SuggestTagsAndRegions, QuerySuggestedImages, QuerySuggestedImageCount."""

from typing import TypeVar

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.errors import ServiceError
from emulator.core.suggestions import suggest as suggestions
from emulator.core.suggestions.suggest import ORDERS, SuggestionQuery

_Shape = TypeVar("_Shape", bound=requests.Body)


@handles("SuggestTagsAndRegions")
def suggest_tags_and_regions(call: Call) -> list[models.SuggestedTagAndRegion]:
    project_id, iteration_id = call.id("projectId"), _iteration_id(call)
    image_ids = call.guids("imageIds", required=True)
    suggested = suggestions.suggest(call.context, project_id, iteration_id, image_ids)
    return [shapes.suggestion(item) for item in suggested]


@handles("QuerySuggestedImages")
def query_suggested_images(call: Call) -> models.SuggestedTagAndRegionQuery:
    project_id, iteration_id = call.id("projectId"), _iteration_id(call)
    body = _parsed(call, requests.SuggestedImageQuery)
    order_by = body.sort_by or ORDERS[0]
    wanted = SuggestionQuery(
        tag_ids=tuple(body.tag_ids or ()),
        threshold=body.threshold or 0.0,
        order_by=next((name for name in ORDERS if name.lower() == order_by.lower()), order_by),
        maximum=body.max_count or 0,
        session=body.session or None,
        continuation=body.continuation or None,
    )
    page = suggestions.query(call.context, project_id, iteration_id, wanted)
    token = models.SuggestedTagAndRegionQueryToken(
        body.tag_ids, wanted.threshold, page.session, page.continuation, wanted.maximum, wanted.order_by
    )
    results = [shapes.stored_suggestion(call, item) for item in page.results]
    return models.SuggestedTagAndRegionQuery(token, results)


@handles("QuerySuggestedImageCount")
def query_suggested_image_count(call: Call) -> dict[str, int]:
    project_id, iteration_id = call.id("projectId"), _iteration_id(call)
    body = _parsed(call, requests.TagFilter)
    tag_ids, threshold = body.tag_ids or (), body.threshold or 0.0
    return suggestions.counts(call.context, project_id, iteration_id, tag_ids, threshold)


def _iteration_id(call: Call) -> str:
    call.required_text("iterationId")
    return call.guid("iterationId") or ""


def _parsed(call: Call, shape: type[_Shape]) -> _Shape:
    try:
        return call.parsed(shape)
    except requests.InvalidId:
        raise
    except requests.Malformed as malformed:
        raise ServiceError("BadRequestPredictionInvalidQueryParameters", str(malformed)) from None
