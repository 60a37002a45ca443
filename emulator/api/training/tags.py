"""CreateTag, GetTags, GetTag, UpdateTag, DeleteTag."""

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.labels import tags


@handles("CreateTag")
def create_tag(call: Call) -> models.Tag:
    row = tags.create(
        call.context,
        call.id("projectId"),
        call.required_text("name"),
        call.text("description"),
        call.text("type"),
    )
    return shapes.tag(row, row.image_count)


@handles("GetTags")
def get_tags(call: Call) -> list[models.Tag]:
    counted = tags.list_all(call.context, call.id("projectId"), call.guid("iterationId"))
    return [shapes.tag(item.tag, item.image_count) for item in counted]


@handles("GetTag")
def get_tag(call: Call) -> models.Tag:
    item = tags.get(call.context, call.id("projectId"), call.id("tagId"), call.guid("iterationId"))
    return shapes.tag(item.tag, item.image_count)


@handles("UpdateTag")
def update_tag(call: Call) -> models.Tag:
    body = call.parsed(requests.Tag)
    row = tags.update(
        call.context, call.id("projectId"), call.id("tagId"), body.name, body.description, body.type
    )
    return shapes.tag(row, row.image_count)


@handles("DeleteTag")
def delete_tag(call: Call) -> None:
    tags.delete(call.context, call.id("projectId"), call.id("tagId"))
