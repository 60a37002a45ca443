"""Region proposals: boxes in an image of the workspace that probably contain an object."""

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels.image_tags import workspace_images
from emulator.store.references import raise_if_missing
from emulator.vision.boxes.box import Box


def propose(context: Context, project_id: str, image_id: str) -> list[tuple[float, Box]]:
    """Boxes with their confidence (0 to 1), the highest first. Works for any project, trained or not."""
    from emulator.vision.imaging.decode import ImageRejected

    with context.database.read() as session:
        lookup.project(session, project_id)
        image = workspace_images(session, project_id, [image_id]).get(image_id)
    no_image = ServiceError("NotFoundImage", f"Image not found: {image_id}")
    if image is None:
        raise no_image
    try:
        data = context.blobs.read(image.blob)
    except FileNotFoundError:
        raise_if_missing(context.database, image.blob)
        # Deleted between the look-up and now.
        raise no_image from None
    try:
        boxes = context.proposal_model.session(context.proposal_worker).score(data)
    except ImageRejected as rejected:
        raise ServiceError(
            "BadRequestImageFormat", f"Image {image_id} can't be read: {rejected}"
        ) from rejected
    return [(box.probability, Box(box.left, box.top, box.width, box.height)) for box in boxes]
