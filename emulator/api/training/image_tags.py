"""CreateImageTags, DeleteImageTags; UpdateImageMetadata."""

from typing import Annotated

from fastapi import Depends, Request

from emulator.api.dependencies import ApiVersion, Body, Emulator, ProjectId, json_body, parsed
from emulator.api.parameters import guids
from emulator.api.routing import OperationRouter, Result, batch_result
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.contract.version_differences import metadata_limits
from emulator.core.errors import ServiceError
from emulator.core.images import metadata
from emulator.core.labels import image_tags
from emulator.core.rules.limits import MetadataLimits

router = OperationRouter()

_RequiredImageIds = Annotated[tuple[str, ...], guids("imageIds", required=True)]


async def _metadata_pairs(request: Request, body: Body) -> dict[str, str]:
    pairs = {} if body.strip() in (b"", b"null") else await parsed(request, requests.parse_texts, body)
    if not pairs:
        raise ServiceError("BadRequestRequiredParamIsNull", "The request holds no metadata.")
    return pairs


@router.operation("CreateImageTags")
def create_image_tags(
    emulator: Emulator,
    batch: Annotated[requests.ImageTagCreateBatch, json_body(requests.ImageTagCreateBatch)],
    project_id: ProjectId,
) -> shapes.ImageTagCreateSummary:
    pairs = [(entry.image_id, entry.tag_id) for entry in batch.tags or []]
    outcome = image_tags.create(emulator, project_id, pairs)
    return shapes.ImageTagCreateSummary(
        created=_entries(outcome.created),
        duplicated=_entries(outcome.duplicated),
        exceeded=_entries(outcome.exceeded),
    )


@router.operation("DeleteImageTags")
def delete_image_tags(
    emulator: Emulator,
    project_id: ProjectId,
    image_ids: _RequiredImageIds,
    tag_ids: Annotated[tuple[str, ...], guids("tagIds", required=True)],
) -> None:
    image_tags.delete(emulator, project_id, image_ids, tag_ids)


@router.operation("UpdateImageMetadata")
def update_image_metadata(
    emulator: Emulator,
    version: ApiVersion,
    image_ids: _RequiredImageIds,
    pairs: Annotated[dict[str, str], Depends(_metadata_pairs)],
    project_id: ProjectId,
) -> Result:
    updated = metadata.update(
        emulator, project_id, image_ids, pairs, MetadataLimits(*metadata_limits(version))
    )
    successful = all(item.status == "OK" for item in updated)
    entries = [
        shapes.ImageMetadataUpdateEntry(image_id=item.image_id, status=item.status, metadata=item.metadata)
        for item in updated
    ]
    summary = shapes.ImageMetadataUpdateSummary(is_batch_successful=successful, images=entries)
    return batch_result(version, summary, complete=successful)


def _entries(pairs: list[tuple[str, str]]) -> list[shapes.ImageTagCreateEntry]:
    return [shapes.ImageTagCreateEntry(image_id=image_id, tag_id=tag_id) for image_id, tag_id in pairs]
