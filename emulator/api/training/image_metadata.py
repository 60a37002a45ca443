"""UpdateImageMetadata."""

from emulator.api.calls import Answer, Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.errors import ServiceError
from emulator.core.images import metadata as image_metadata


@handles("UpdateImageMetadata")
def update_image_metadata(call: Call) -> Answer:
    image_ids = call.guids("imageIds", required=True)
    pairs = {} if call.body.strip() in (b"", b"null") else requests.parse_texts(call.body)
    if not pairs:
        raise ServiceError("BadRequestRequiredParamIsNull", "The request holds no metadata.")
    updated = image_metadata.update(call.context, call.id("projectId"), image_ids, pairs)
    successful = all(item.status == "OK" for item in updated)
    entries = [models.ImageMetadataUpdateEntry(item.image_id, item.status, item.metadata) for item in updated]
    return Answer(models.ImageMetadataUpdateSummary(successful, entries), 200 if successful else 207)
