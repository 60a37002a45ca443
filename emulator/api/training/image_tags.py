"""CreateImageTags, DeleteImageTags."""

from emulator.api.calls import Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.labels import image_tags


@handles("CreateImageTags")
def create_image_tags(call: Call) -> models.ImageTagCreateSummary:
    batch = call.parsed(requests.ImageTagCreateBatch)
    pairs = [(entry.image_id, entry.tag_id) for entry in batch.tags or []]
    outcome = image_tags.create(call.context, call.id("projectId"), pairs)
    return models.ImageTagCreateSummary(
        _entries(outcome.created), _entries(outcome.duplicated), _entries(outcome.exceeded)
    )


@handles("DeleteImageTags")
def delete_image_tags(call: Call) -> None:
    image_tags.delete(
        call.context,
        call.id("projectId"),
        call.guids("imageIds", required=True),
        call.guids("tagIds", required=True),
    )


def _entries(pairs: list[tuple[str, str]]) -> list[models.ImageTagCreateEntry]:
    return [models.ImageTagCreateEntry(image_id, tag_id) for image_id, tag_id in pairs]
