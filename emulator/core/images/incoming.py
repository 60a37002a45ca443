"""Uploaded images on their way into the store: reading and checking them, by the rules of every upload.

Each image of a batch is accepted or refused by itself, with a status of the contract.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from emulator.core import refused_items
from emulator.core.context import Context
from emulator.core.errors import ServiceError, reasons
from emulator.core.images.sources import FromPrediction, FromUrl, ImageSource, read_image
from emulator.core.labels import regions
from emulator.core.labels.image_tags import tagging_problem
from emulator.core.labels.regions import RegionBox
from emulator.core.rules.limits import (
    IMAGES_PER_BATCH,
    REGIONS_PER_IMAGE,
    TAGS_PER_BATCH,
    TRAINING_IMAGE_BYTES,
)
from emulator.core.rules.validation import check_batch_size
from emulator.core.thread_pools import downloading_in_parallel, in_parallel
from emulator.store.blobs import BlobDamaged
from emulator.store.damage import describe
from emulator.store.database import StorageFull
from emulator.store.tables import Project, Tag

_log = logging.getLogger(__name__)
_REJECTED = {
    "format": "ErrorImageFormat",
    "dimensions": "ErrorImageDimensions",
    "aspect_ratio": "ErrorImageDimensions",
}


class NewImage(NamedTuple):
    """One image of a batch.

    Attributes:
        name: what identifies the image in the response: a name, a URL, or the id of a prediction.
        source: where its bytes come from. A stored prediction whose image is added is deleted.
        boxes: its regions, whose tags it gets too; for projects of object detection only.
    """

    name: str | None
    source: ImageSource
    tag_ids: tuple[str, ...] = ()
    boxes: tuple[RegionBox, ...] = ()


@dataclass
class Prepared:
    """An image whose bytes have been read, checked and stored; or the status of the step that failed.

    changed: whether adding it changed the rows of the project.
    """

    new: NewImage
    data: bytes = b""
    blob: str = ""
    width: int = 0
    height: int = 0
    status: str = "OK"
    reason: str = ""
    changed: bool = False

    def wanted(self, tag_ids: tuple[str, ...]) -> tuple[str, ...]:
        """The tags that the image is to have: those of the batch, its own, and those of its boxes."""
        of_boxes = tuple(box.tag_id for box in self.new.boxes)
        return tuple(dict.fromkeys(tag_ids + self.new.tag_ids + of_boxes))


class Refusal(NamedTuple):
    """Why an image is not added. status: of the contract. reason: for people."""

    status: str
    reason: str


@dataclass(frozen=True)
class AddedLabels:
    """Tags and boxes, in single precision, that an image does not have yet."""

    tags: list[Tag] = field(default_factory=list)
    boxes: list[RegionBox] = field(default_factory=list)


def check_batch(
    context: Context,
    project_id: str,
    images: Sequence[NewImage],
    tag_ids: Sequence[str],
    nothing_valid: str,
) -> None:
    """Raises ServiceError when the whole batch is refused, before its images are read.

    That is when it is empty (message `nothing_valid`) or too large, or has regions and the project cannot
    have any. Raises UploadRefused when too little of the disk is free.
    """
    if any(new.boxes for new in images):
        regions.check_project(context, project_id)
    if not images:
        raise ServiceError("BadRequestImageBatch", nothing_valid)
    check_batch_size("The batch has", len(images), "images", IMAGES_PER_BATCH)
    check_batch_size("The batch has", len(tag_ids), "tags", TAGS_PER_BATCH)
    context.disk.check_upload()


def prepare(
    context: Context, project_id: str, images: Sequence[NewImage], nothing_valid: str
) -> list[Prepared]:
    """Read, check and store the images of a batch, concurrently.

    Raises ServiceError (message `nothing_valid`) when it consists of uploaded files and none is an image. The
    caller adds rows for the blobs, or sweeps them.
    """
    read = _read_all(context, project_id, images)
    prepared = in_parallel(lambda item: _prepare(context, item), read)
    if all(_is_file(item.new.source) and item.status == "ErrorImageFormat" for item in prepared):
        for index, item in enumerate(prepared):
            note_refused(index, item.new.name, item.status, item.reason)
        raise ServiceError("BadRequestImageBatch", nothing_valid)
    return prepared


def note_refused(index: int, name: str | None, status: str, reason: str) -> None:
    """Note an image of a batch for the log, unless its status is OK."""
    if status != "OK":
        refused_items.note(f"images[{index}]", name, f"{status}, {reason}")


def added_labels(
    project: Project,
    known: dict[str, Tag],
    wanted: Sequence[str],
    boxes: tuple[RegionBox, ...],
    *,
    present_tags: Sequence[str] = (),
    present_boxes: Collection[RegionBox] = (),
) -> AddedLabels | Refusal:
    """What an image gets that is to have certain tags and boxes, or why it cannot have them.

    Args:
        known: the tags of the workspace, by id.
        wanted: ids of tags.
        present_tags, present_boxes: those that it has; ids.
    """
    unknown = [tag_id for tag_id in wanted if tag_id not in known]
    if unknown:
        return Refusal("ErrorInvalidTag", f"the project has no tag {' '.join(unknown)}")
    distinct = regions.distinct(boxes)
    if distinct is None:
        faults = [f"regions[{index}]: {reason}" for index, reason in regions.faults(boxes)]
        return Refusal("ErrorInvalidRegion", "; ".join(faults))
    added = [known[tag_id] for tag_id in wanted if tag_id not in present_tags]
    problem = tagging_problem(project, [known[tag_id] for tag_id in present_tags], added)
    if problem is not None:
        return Refusal(problem.status, problem.reason)
    new_boxes = [box for box in distinct if box not in present_boxes]
    count = len(present_boxes) + len(new_boxes)
    if count > REGIONS_PER_IMAGE:
        return Refusal(
            "ErrorRegionLimitExceed",
            f"it would have {count} regions; at most {REGIONS_PER_IMAGE} are allowed",
        )
    return AddedLabels(added, new_boxes)


def _is_file(source: ImageSource) -> bool:
    return not isinstance(source, FromUrl | FromPrediction)


def _read_all(context: Context, project_id: str, images: Sequence[NewImage]) -> list[Prepared]:
    def read(new: NewImage) -> Prepared:
        return _read(context, project_id, new)

    if any(isinstance(new.source, FromUrl) for new in images):
        return downloading_in_parallel(read, images)
    return [read(new) for new in images]


def _read(context: Context, project_id: str, new: NewImage) -> Prepared:
    try:
        return Prepared(new, read_image(context, project_id, new.source, TRAINING_IMAGE_BYTES))
    except ServiceError as error:
        status = "ErrorImageFormat" if _is_file(new.source) else "ErrorSource"
        return Prepared(new, status=status, reason=" ".join(reasons(error)))
    except BlobDamaged as damaged:
        reason = describe(context.database, damaged).message
        _log.error("An image was not added. %s", reason)
        return Prepared(new, status="ErrorStorage", reason=reason)


def _prepare(context: Context, prepared: Prepared) -> Prepared:
    if prepared.status != "OK":
        return prepared
    if len(prepared.data) > TRAINING_IMAGE_BYTES:
        prepared.status = "ErrorImageSize"
        prepared.reason = f"it has {len(prepared.data)} bytes; at most {TRAINING_IMAGE_BYTES} are allowed"
        return prepared
    from emulator.vision.imaging.decode import ImageRejected, inspect_image, stored_size

    try:
        prepared.width, prepared.height = stored_size(inspect_image(prepared.data))
        prepared.blob = context.blobs.put(prepared.data)
    except ImageRejected as rejected:
        prepared.status = _REJECTED[rejected.reason]
        prepared.reason = " ".join(reasons(rejected))
    except (StorageFull, OSError, MemoryError) as error:
        # Nothing is wrong with the image: the disk is full, or memory or file descriptors are short.
        _log.error("An image was not stored: %s", error or type(error).__name__)
        prepared.status = "ErrorStorage"
        prepared.reason = f"it could not be stored: {error or type(error).__name__}"
    return prepared
