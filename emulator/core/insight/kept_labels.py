"""Labels that a person has confirmed, so that no hint says again that they are wrong."""

import hashlib
from collections.abc import Collection, Sequence

import orjson
from sqlalchemy import delete
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from emulator.core import lookup, refused_items
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels import regions
from emulator.core.labels.image_tags import workspace_images
from emulator.core.revisions.views import View
from emulator.core.rules.limits import IMAGE_IDS_PER_QUERY
from emulator.core.rules.validation import check_batch_size
from emulator.store.batches import batches
from emulator.store.tables import Image, ImageTag, KeptLabels


def keep(context: Context, project_id: str, iteration_id: str, image_ids: Sequence[str]) -> None:
    """Confirm the present labels of images. An unknown id refuses the whole request."""
    with context.database.write() as session:
        images = _images(session, project_id, iteration_id, image_ids)
        view = View(lookup.project(session, project_id))
        now = context.clock.now()
        labels = digests(session, view, images)
        _delete(session, images)
        for number in images:
            session.add(KeptLabels(image_number=number, labels=labels[number], created=now))


def withdraw(context: Context, project_id: str, iteration_id: str, image_ids: Sequence[str]) -> None:
    """The reverse of `keep`. Images whose labels were not confirmed are ignored."""
    with context.database.write() as session:
        _delete(session, _images(session, project_id, iteration_id, image_ids))


def confirmed(session: Session, view: View, numbers: Collection[int]) -> set[int]:
    """The images whose labels in the view are those that were confirmed."""
    kept: dict[int, str] = {}
    for batch in batches(numbers):
        rows = session.exec(select(KeptLabels).where(col(KeptLabels.image_number).in_(batch)))
        kept.update((row.image_number, row.labels) for row in rows)
    labels = digests(session, view, kept)
    return {number for number, digest in kept.items() if labels[number] == digest}


def digests(session: Session, view: View, numbers: Collection[int]) -> dict[int, str]:
    """A digest of the tags and regions of each image in a view, by number; equal for equal labels."""
    tags: dict[int, list[str]] = {}
    for batch in batches(numbers):
        statement = select_columns(col(ImageTag.image_number), col(ImageTag.tag_id)).where(
            col(ImageTag.image_number).in_(batch), view.holds(ImageTag)
        )
        for number, tag_id in session.execute(statement):
            tags.setdefault(number, []).append(tag_id)
    boxes = {
        number: sorted((region.tag_id, *region.box.xyxy) for region in of_image)
        for number, of_image in regions.on_images(session, view, numbers).items()
    }
    return {
        number: hashlib.sha256(
            orjson.dumps([sorted(tags.get(number, [])), boxes.get(number, [])])
        ).hexdigest()
        for number in numbers
    }


def _images(
    session: Session, project_id: str, iteration_id: str, image_ids: Sequence[str]
) -> dict[int, Image]:
    """Images of the workspace by number."""
    lookup.iteration(session, project_id, iteration_id)
    if not image_ids:
        raise ServiceError("BadRequestInvalidIds", "The request names no images.")
    check_batch_size("The request names", len(image_ids), "images", IMAGE_IDS_PER_QUERY)
    images = workspace_images(session, project_id, image_ids)
    unknown = [image_id for image_id in image_ids if image_id not in images]
    for image_id in unknown:
        refused_items.note("imageIds", image_id, "the project has no such image")
    if unknown:
        raise ServiceError("NotFoundImage", f"Image not found: {unknown[0]}")
    return {image.number or 0: image for image in images.values()}


def _delete(session: Session, numbers: Collection[int]) -> None:
    session.execute(delete(KeptLabels).where(col(KeptLabels.image_number).in_(numbers)))
