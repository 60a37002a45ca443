"""Region proposals: boxes in an image of the workspace that probably contain an object."""

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels.image_tags import workspace_images
from emulator.store.references import raise_if_missing
from emulator.vision.boxes.box import Box, DetectedBox


def propose(context: Context, project_id: str, image_id: str) -> list[tuple[float, Box]]:
    """Boxes with their confidence (0 to 1), the highest first. Works for any project, trained or not.

    Projects with the instant trainer need neither a network nor a worker.
    """
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
        boxes = _boxes(context, project_id, data)
    except ImageRejected as rejected:
        raise ServiceError(
            "BadRequestImageFormat", f"Image {image_id} can't be read: {rejected}"
        ) from rejected
    return [(box.probability, Box(box.left, box.top, box.width, box.height)) for box in boxes]


def _boxes(context: Context, project_id: str, data: bytes) -> list[DetectedBox]:
    if context.trainers.of(project_id) == "instant":
        from emulator.vision.instant.proposals import propose_regions

        return propose_regions(data)
    return context.proposal_model.session(context.proposal_worker).score(data)
