"""Metadata of images: pairs of a key and a value."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import col, select

from emulator.core import lookup, refused_items
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.revisions import revisions
from emulator.core.rules.limits import IMAGE_IDS_PER_METADATA_UPDATE, METADATA_LIMITS, MetadataLimits
from emulator.core.rules.validation import check_batch_size
from emulator.store.tables import Image


class UpdatedImage(NamedTuple):
    """status: one of the contract's ImageMetadataUpdateStatus. metadata: of the image now, if OK."""

    image_id: str
    status: str
    metadata: dict[str, str] | None = None


def check(metadata: dict[str, str], limits: MetadataLimits = METADATA_LIMITS) -> None:
    """Raises ServiceError when the pairs by themselves exceed a limit."""
    if len(metadata) > limits.pairs:
        raise ServiceError(
            "BadRequestImageMetadataKey",
            f"There are {len(metadata)} metadata pairs; at most {limits.pairs} are allowed.",
        )
    for key, value in metadata.items():
        if not 0 < len(key) <= limits.key_length:
            raise ServiceError(
                "BadRequestImageMetadataKey", f"A metadata key has 1 to {limits.key_length} characters."
            )
        if len(value) > limits.value_length:
            raise ServiceError(
                "BadRequestImageMetadataValue",
                f"A metadata value has at most {limits.value_length} characters.",
            )


def update(
    context: Context,
    project_id: str,
    image_ids: Sequence[str],
    metadata: dict[str, str],
    limits: MetadataLimits = METADATA_LIMITS,
) -> list[UpdatedImage]:
    """Set the pairs on images of the workspace; other pairs of an image stay.

    Images fail one by one: those that do not exist, or would get too many pairs. An image that has more pairs
    from a version with larger limits keeps them, and they can be changed. Metadata are not part of a
    training: no new training is needed, and iterations show the current metadata.
    """
    check_batch_size("The request names", len(image_ids), "images", IMAGE_IDS_PER_METADATA_UPDATE)
    check(metadata, limits)
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        statement = select(Image).where(
            Image.project_id == project_id, col(Image.id).in_(set(image_ids)), col(Image.removed).is_(None)
        )
        images = {image.id: image for image in session.exec(statement)}
        results = []
        changed = set()
        for image_id in dict.fromkeys(image_ids):
            image = images.get(image_id)
            if image is None:
                results.append(UpdatedImage(image_id, "ErrorImageNotFound"))
                refused_items.note("imageIds", image_id, "ErrorImageNotFound, the project has no such image")
                continue
            present = image.metadata_ or {}
            merged = present | metadata
            if len(merged) > max(limits.pairs, len(present)):
                results.append(UpdatedImage(image_id, "ErrorLimitExceed"))
                reason = f"it would have {len(merged)} pairs; at most {limits.pairs} are allowed"
                refused_items.note("imageIds", image_id, f"ErrorLimitExceed, {reason}")
                continue
            if merged != image.metadata_:
                image.metadata_ = merged
                session.add(image)
                changed.add(image.number or 0)
            results.append(UpdatedImage(image_id, "OK", merged))
        if changed:
            revisions.next_metadata_revision(context, project, changed)
            session.add(project)
    return results
