"""SuggestTagsAndRegions, QuerySuggestedImages, QuerySuggestedImageCount."""

from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import Emulator, ImageLinks, ProjectId, json_body
from emulator.api.parameters import guids, required_guid
from emulator.api.routing import OperationRouter
from emulator.api.training.stored_predictions import invalid_query
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.core.rules.validation import in_any_case
from emulator.core.suggestions import suggest as suggestions
from emulator.core.suggestions.suggest import ORDERS, SuggestionQuery

router = OperationRouter()

_RequiredIterationId = Annotated[str, required_guid("iterationId")]


@router.operation("SuggestTagsAndRegions", work="images")
def suggest_tags_and_regions(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: _RequiredIterationId,
    image_ids: Annotated[tuple[str, ...], guids("imageIds", required=True)],
) -> list[shapes.SuggestedTagAndRegion]:
    suggested = suggestions.suggest(emulator, project_id, iteration_id, image_ids)
    return [responses.suggestion(item) for item in suggested]


@router.operation("QuerySuggestedImages")
def query_suggested_images(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: _RequiredIterationId,
    body: Annotated[
        requests.SuggestedImageQuery, json_body(requests.SuggestedImageQuery, error=invalid_query)
    ],
) -> shapes.SuggestedTagAndRegionQuery:
    order_by = body.sort_by or ORDERS[0]
    query = SuggestionQuery(
        tag_ids=tuple(body.tag_ids or ()),
        threshold=body.threshold or 0.0,
        order_by=in_any_case(order_by, ORDERS) or order_by,
        maximum=body.max_count or 0,
        session=body.session or None,
        continuation=body.continuation or None,
    )
    page = suggestions.query(emulator, project_id, iteration_id, query)
    token = shapes.SuggestedTagAndRegionQueryToken(
        tag_ids=body.tag_ids,
        threshold=query.threshold,
        session=page.session,
        continuation=page.continuation,
        max_count=query.maximum,
        sort_by=query.order_by,
    )
    results = [responses.stored_suggestion(links, item) for item in page.results]
    return shapes.SuggestedTagAndRegionQuery(token=token, results=results)


@router.operation("QuerySuggestedImageCount")
def query_suggested_image_count(
    emulator: Emulator,
    project_id: ProjectId,
    iteration_id: _RequiredIterationId,
    body: Annotated[requests.TagFilter, json_body(requests.TagFilter, error=invalid_query)],
) -> dict[str, int]:
    tag_ids, threshold = body.tag_ids or (), body.threshold or 0.0
    return suggestions.counts(emulator, project_id, iteration_id, tag_ids, threshold)
