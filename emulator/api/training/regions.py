"""CreateImageRegions, DeleteImageRegions, GetImageRegionProposals; the regions of images in uploads."""

from collections.abc import Sequence

from emulator.api import responses as shapes
from emulator.api.calls import Answer, Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.errors import ServiceError
from emulator.core.labels import regions
from emulator.core.labels.regions import Box
from emulator.core.suggestions import region_proposals

_MULTI_STATUS_SINCE = (3, 3)


@handles("CreateImageRegions")
def create_image_regions(call: Call) -> Answer:
    try:
        entries = call.parsed(requests.ImageRegionCreateBatch).regions or []
    except requests.Malformed:
        # As with batches of images, what does not parse is as good as nothing.
        raise ServiceError("BadRequestImageRegions", "No image regions provided") from None
    outcome = regions.create(
        call.context, call.id("projectId"), [(entry.image_id, _box(entry)) for entry in entries]
    )
    summary = models.ImageRegionCreateSummary(
        [
            models.ImageRegionCreateResult(
                image_id,
                region.id,
                None,
                region.created,
                region.tag_id,
                region.left,
                region.top,
                region.width,
                region.height,
            )
            for image_id, region in outcome.created
        ],
        _entries(outcome.duplicated),
        _entries(outcome.exceeded),
    )
    partly = bool(outcome.exceeded) and call.version.number >= _MULTI_STATUS_SINCE
    return Answer(summary, 207 if partly else 200)


@handles("DeleteImageRegions")
def delete_image_regions(call: Call) -> None:
    regions.delete(call.context, call.id("projectId"), call.guids("regionIds", required=True))


@handles("GetImageRegionProposals")
def get_image_region_proposals(call: Call) -> models.ImageRegionProposal:
    project_id, image_id = call.id("projectId"), call.id("imageId")
    found = region_proposals.propose(call.context, project_id, image_id)
    return shapes.region_proposals(project_id, image_id, found)


def boxes_of_uploads(
    call: Call,
    entries: Sequence[
        requests.ImageFileCreateEntry | requests.ImageUrlCreateEntry | requests.ImageIdCreateEntry
    ],
) -> list[tuple[Box, ...]]:
    """The boxes of each image of a batch. Refused for projects whose images can't have any."""
    boxes = [tuple(_box(region) for region in entry.regions or ()) for entry in entries]
    if any(boxes):
        regions.check_project(call.context, call.id("projectId"))
    return boxes


def _box(region: requests.Region) -> Box:
    return Box(region.tag_id, region.left, region.top, region.width, region.height)


def _entries(boxes: Sequence[tuple[str, Box]]) -> list[models.ImageRegionCreateEntry]:
    return [
        models.ImageRegionCreateEntry(image_id, box.tag_id, box.left, box.top, box.width, box.height)
        for image_id, box in boxes
    ]
