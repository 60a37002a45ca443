"""CreateImageRegions, DeleteImageRegions, GetImageRegionProposals."""

from collections.abc import Sequence
from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import ApiVersion, Emulator, ImageId, ProjectId, json_body
from emulator.api.parameters import guids
from emulator.api.routing import OperationRouter, Result, batch_result
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.core.errors import ServiceError
from emulator.core.labels import regions
from emulator.core.labels.regions import RegionBox
from emulator.core.suggestions import region_proposals

router = OperationRouter()


def _no_regions(_malformed: requests.Malformed) -> ServiceError:
    # The service treats a batch that cannot be parsed as an empty one.
    return ServiceError("BadRequestImageRegions", "No image regions provided")


@router.operation("CreateImageRegions")
def create_image_regions(
    emulator: Emulator,
    version: ApiVersion,
    batch: Annotated[
        requests.ImageRegionCreateBatch, json_body(requests.ImageRegionCreateBatch, error=_no_regions)
    ],
    project_id: ProjectId,
) -> Result:
    boxes = [(entry.image_id, box_of(entry)) for entry in batch.regions or []]
    outcome = regions.create(emulator, project_id, boxes)
    created = [
        shapes.ImageRegionCreateResult(
            image_id=image_id,
            region_id=region.id,
            tag_name=None,
            created=region.created,
            tag_id=region.tag_id,
            left=region.left,
            top=region.top,
            width=region.width,
            height=region.height,
        )
        for image_id, region in outcome.created
    ]
    summary = shapes.ImageRegionCreateSummary(
        created=created, duplicated=_entries(outcome.duplicated), exceeded=_entries(outcome.exceeded)
    )
    return batch_result(version, summary, complete=not outcome.exceeded)


@router.operation("DeleteImageRegions")
def delete_image_regions(
    emulator: Emulator,
    project_id: ProjectId,
    region_ids: Annotated[tuple[str, ...], guids("regionIds", required=True)],
) -> None:
    regions.delete(emulator, project_id, region_ids)


@router.operation("GetImageRegionProposals", work="images")
def get_image_region_proposals(
    emulator: Emulator, project_id: ProjectId, image_id: ImageId
) -> shapes.ImageRegionProposal:
    proposals = region_proposals.propose(emulator, project_id, image_id)
    return responses.region_proposals(project_id, image_id, proposals)


def box_of(region: requests.Region) -> RegionBox:
    return RegionBox(region.tag_id, region.left, region.top, region.width, region.height)


def _entries(boxes: Sequence[tuple[str, RegionBox]]) -> list[shapes.ImageRegionCreateEntry]:
    return [
        shapes.ImageRegionCreateEntry(
            image_id=image_id,
            tag_id=box.tag_id,
            left=box.left,
            top=box.top,
            width=box.width,
            height=box.height,
        )
        for image_id, box in boxes
    ]
