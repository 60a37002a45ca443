"""Restoring deleted images and tags, in the emulator's own API: pages can undo a deletion."""

from typing import Annotated

from emulator.api.dependencies import Emulator, ProjectId, json_body
from emulator.api.routing import OperationRouter
from emulator.contract.control import restoring as shapes
from emulator.core.images import restore as images
from emulator.core.labels import restore as tags

router = OperationRouter()

_PROJECT = "/_emulator/projects/{projectId}"


@router.own("POST", f"{_PROJECT}/images/restore")
def restore_images(
    emulator: Emulator,
    project_id: ProjectId,
    body: Annotated[shapes.ImagesToRestore, json_body(shapes.ImagesToRestore)],
) -> shapes.RestoredImages:
    restored = images.restore(emulator, project_id, body.image_ids)
    return shapes.RestoredImages(
        images=[
            shapes.RestoredImage(requested_id=item.requested_id, status=item.status, image_id=item.image_id)
            for item in restored
        ]
    )


@router.own("POST", f"{_PROJECT}/tags/restore")
def restore_tags(
    emulator: Emulator,
    project_id: ProjectId,
    body: Annotated[shapes.TagsToRestore, json_body(shapes.TagsToRestore)],
) -> shapes.RestoredTags:
    restored = tags.restore(emulator, project_id, body.tag_ids)
    return shapes.RestoredTags(
        tags=[
            shapes.RestoredTag(requested_id=item.requested_id, status=item.status, tag_id=item.tag_id)
            for item in restored
        ]
    )
