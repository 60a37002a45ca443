"""CreateTag, GetTags, GetTag, UpdateTag, DeleteTag."""

from typing import Annotated

from emulator.api import responses
from emulator.api.dependencies import Emulator, ProjectId, TagId, json_body
from emulator.api.parameters import OfIteration, required_text, text
from emulator.api.routing import OperationRouter
from emulator.contract import requests
from emulator.contract import responses as shapes
from emulator.core.labels import tags

router = OperationRouter()


@router.operation("CreateTag")
def create_tag(
    emulator: Emulator,
    project_id: ProjectId,
    name: Annotated[str, required_text("name")],
    description: Annotated[str | None, text("description")],
    type: Annotated[str | None, text("type")],
) -> shapes.Tag:
    row = tags.create(emulator, project_id, name, description, type)
    return responses.tag(row, row.image_count)


@router.operation("GetTags", small=True)
def get_tags(emulator: Emulator, project_id: ProjectId, iteration_id: OfIteration) -> list[shapes.Tag]:
    counted = tags.list_all(emulator, project_id, iteration_id)
    return [responses.tag(item.tag, item.image_count) for item in counted]


@router.operation("GetTag", small=True)
def get_tag(
    emulator: Emulator, project_id: ProjectId, tag_id: TagId, iteration_id: OfIteration
) -> shapes.Tag:
    item = tags.get(emulator, project_id, tag_id, iteration_id)
    return responses.tag(item.tag, item.image_count)


@router.operation("UpdateTag")
def update_tag(
    emulator: Emulator,
    changes: Annotated[requests.Tag, json_body(requests.Tag)],
    project_id: ProjectId,
    tag_id: TagId,
) -> shapes.Tag:
    row = tags.update(emulator, project_id, tag_id, changes.name, changes.description, changes.type)
    return responses.tag(row, row.image_count)


@router.operation("DeleteTag")
def delete_tag(emulator: Emulator, project_id: ProjectId, tag_id: TagId) -> None:
    tags.delete(emulator, project_id, tag_id)
