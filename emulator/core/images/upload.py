"""Adding images to a project, in batches."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlmodel import Session, col, select

from emulator.core import lookup, quotas, refused_items
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError, reasons
from emulator.core.images import metadata as image_metadata
from emulator.core.images.sources import FromPrediction, FromUrl, ImageSource, read_image
from emulator.core.images.tagged import TaggedImage, TagOnImage, with_tags
from emulator.core.labels import regions
from emulator.core.labels.image_tags import attach, tagging_problem
from emulator.core.labels.regions import RegionBox
from emulator.core.limits import (
    IMAGES_PER_BATCH,
    METADATA_LIMITS,
    REGIONS_PER_IMAGE,
    TAGS_PER_BATCH,
    TRAINING_IMAGE_BYTES,
    MetadataLimits,
)
from emulator.core.revisions import revisions
from emulator.core.revisions.views import View
from emulator.core.scored_rows import prediction_rows, suggestion_rows
from emulator.core.thread_pools import downloading_in_parallel, in_parallel
from emulator.core.validation import check_batch_size
from emulator.store.blobs import BlobDamaged
from emulator.store.damage import describe
from emulator.store.database import StorageFull
from emulator.store.tables import Image, Project, Tag

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


class CreatedImage(NamedTuple):
    """The result for one image of a batch.

    status: one of the contract's ImageCreateStatus. reason: of a status other than OK, for the log.
    """

    source_url: str | None
    status: str
    image: TaggedImage | None = None
    reason: str = ""


@dataclass
class _Prepared:
    """An image whose bytes have been read, checked and stored; or the status of the step that failed."""

    new: NewImage
    data: bytes = b""
    blob: str = ""
    width: int = 0
    height: int = 0
    status: str = "OK"
    reason: str = ""
    tags: list[Tag] = field(default_factory=list)
    changed: bool = False


def create(
    context: Context,
    project_id: str,
    images: Sequence[NewImage],
    tag_ids: Sequence[str] = (),
    metadata: dict[str, str] | None = None,
    *,
    metadata_limits: MetadataLimits = METADATA_LIMITS,
    nothing_valid: str,
    training_expected: bool = True,
) -> list[CreatedImage]:
    """Add a batch of images, each with `tag_ids` and its own.

    Images fail one by one, with a status each. The batch is refused as a whole (ServiceError) when it is
    empty (message `nothing_valid`) or too large, when it consists of uploaded files and none is an image
    (same message), when it has regions and the project cannot have any, or when its metadata exceed their
    limits. An image whose bytes the project already has is returned as it is, with the new tags and regions
    added (``OKDuplicate``). Images from URLs and stored predictions are read concurrently.

    training_expected: whether a training is likely to follow, so that the worker process is started.
    """
    if any(new.boxes for new in images):
        regions.check_project(context, project_id)
    if not images:
        raise ServiceError("BadRequestImageBatch", nothing_valid)
    check_batch_size("The batch has", len(images), "images", IMAGES_PER_BATCH)
    check_batch_size("The batch has", len(tag_ids), "tags", TAGS_PER_BATCH)
    image_metadata.check(metadata or {}, metadata_limits)
    with context.database.read() as session:
        lookup.project(session, project_id)

    read = _read_all(context, project_id, images)
    prepared = in_parallel(lambda item: _prepare(context, item), read)
    if all(_is_file(item.new.source) and item.status == "ErrorImageFormat" for item in prepared):
        _note_refused([CreatedImage(item.new.name, item.status, reason=item.reason) for item in prepared])
        raise ServiceError("BadRequestImageBatch", nothing_valid)
    results = _insert(context, project_id, prepared, tuple(dict.fromkeys(tag_ids)), metadata or None)
    _note_refused(results)
    if training_expected and any(result.image is not None for result in results):
        _prepare_training(context, project_id, results, prepared)
    return results


def _prepare_training(
    context: Context, project_id: str, results: Sequence[CreatedImage], prepared: Sequence[_Prepared]
) -> None:
    """Shorten the next training: start its process, or compute the features of the instant trainer."""
    if context.trainers.of(project_id) == "real":
        context.worker.warm_up()
        return
    accepted = [item for item, result in zip(prepared, results, strict=True) if result.image is not None]
    in_parallel(lambda item: context.instant_features.remember(item.blob, item.data), accepted)


def _is_file(source: ImageSource) -> bool:
    return not isinstance(source, FromUrl | FromPrediction)


def _note_refused(results: Sequence[CreatedImage]) -> None:
    for index, result in enumerate(results):
        if result.status != "OK":
            reason = f"{result.status}, {result.reason}"
            refused_items.note(f"images[{index}]", result.source_url, reason)


def _read_all(context: Context, project_id: str, images: Sequence[NewImage]) -> list[_Prepared]:
    def read(new: NewImage) -> _Prepared:
        return _read(context, project_id, new)

    if any(isinstance(new.source, FromUrl) for new in images):
        return downloading_in_parallel(read, images)
    return [read(new) for new in images]


def _read(context: Context, project_id: str, new: NewImage) -> _Prepared:
    try:
        return _Prepared(new, read_image(context, project_id, new.source, TRAINING_IMAGE_BYTES))
    except ServiceError as error:
        status = "ErrorImageFormat" if _is_file(new.source) else "ErrorSource"
        return _Prepared(new, status=status, reason=" ".join(reasons(error)))
    except BlobDamaged as damaged:
        reason = describe(context.database, damaged).message
        _log.error("An image was not added. %s", reason)
        return _Prepared(new, status="ErrorStorage", reason=reason)


def _prepare(context: Context, prepared: _Prepared) -> _Prepared:
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


def _insert(
    context: Context,
    project_id: str,
    prepared: list[_Prepared],
    tag_ids: tuple[str, ...],
    metadata: dict[str, str] | None,
) -> list[CreatedImage]:
    blobs = {item.blob for item in prepared if item.blob}
    try:
        with context.database.write() as session:
            project = lookup.project(session, project_id)
            known = lookup.workspace_tags(session, project_id)
            revision = project.revision + 1
            results = []
            for item in prepared:
                of_boxes = tuple(box.tag_id for box in item.new.boxes)
                wanted = tuple(dict.fromkeys(tag_ids + item.new.tag_ids + of_boxes))
                results.append(
                    _insert_one(context, session, project, known, item, wanted, metadata, revision)
                )
            # An image that exists already, with the same tags and regions, changes nothing.
            if any(item.changed for item in prepared):
                touched = {result.image.image.number or 0 for result in results if result.image is not None}
                revisions.next_revision(context, project, touched)
                images = [result.image for result in results if result.image is not None]
                suggestion_rows.remove_of_images(
                    context, session, [item.image.number or 0 for item in images if item.tags]
                )
            _delete_predictions(context, session, project, prepared, results)
            session.add(project)
    except BaseException:
        sweep_blobs(context, blobs)
        raise
    rejected = {item.blob for item, result in zip(prepared, results, strict=True) if result.image is None}
    sweep_blobs(context, rejected - {""})
    return results


def _delete_predictions(
    context: Context,
    session: Session,
    project: Project,
    prepared: list[_Prepared],
    results: list[CreatedImage],
) -> None:
    """Delete the stored predictions whose images have been added."""
    taken = [
        item.new.source.prediction_id
        for item, result in zip(prepared, results, strict=True)
        if result.image is not None and isinstance(item.new.source, FromPrediction)
    ]
    if taken:
        prediction_rows.remove(context, session, prediction_rows.with_ids(project.id, taken))


def _insert_one(
    context: Context,
    session: Session,
    project: Project,
    known: dict[str, Tag],
    item: _Prepared,
    wanted: tuple[str, ...],
    metadata: dict[str, str] | None,
    revision: int,
) -> CreatedImage:
    def failed(status: str, reason: str) -> CreatedImage:
        return CreatedImage(item.new.name, status, reason=reason)

    if item.status != "OK":
        return failed(item.status, item.reason)
    unknown = [tag_id for tag_id in wanted if tag_id not in known]
    if unknown:
        return failed("ErrorInvalidTag", f"the project has no tag {' '.join(unknown)}")
    boxes = regions.distinct(item.new.boxes)
    if boxes is None:
        faults = [f"regions[{index}]: {reason}" for index, reason in regions.faults(item.new.boxes)]
        return failed("ErrorInvalidRegion", "; ".join(faults))
    here = (Image.project_id == project.id, Image.blob == item.blob, col(Image.removed).is_(None))
    image = session.exec(select(Image).where(*here)).first()
    status = "OK" if image is None else "OKDuplicate"
    tagged = None if image is None else with_tags(session, View(project), [image])[0]
    present = [] if tagged is None else tagged.tags
    drawn = [] if tagged is None else tagged.regions
    present_ids = {tag.tag_id for tag in present}
    added = [known[tag_id] for tag_id in wanted if tag_id not in present_ids]
    problem = tagging_problem(project, [known[tag.tag_id] for tag in present], added)
    if problem is not None:
        return failed(problem.status, problem.reason)
    drawn_boxes = {region.box for region in drawn}
    new_boxes = [box for box in boxes if box not in drawn_boxes]
    if len(drawn) + len(new_boxes) > REGIONS_PER_IMAGE:
        return failed(
            "ErrorRegionLimitExceed",
            f"it would have {len(drawn) + len(new_boxes)} regions; at most {REGIONS_PER_IMAGE} are allowed",
        )
    if image is None and not quotas.has_room_for_image(context, project):
        return failed("ErrorLimitExceed", quotas.image_limit(context))
    item.changed = image is None or bool(added or new_boxes)
    if image is None:
        if not context.blobs.exists(item.blob):  # swept meanwhile, since no row referred to it
            context.blobs.put(item.data)
        image = Image(
            id=context.ids.new(),
            project_id=project.id,
            blob=item.blob,
            size=len(item.data),
            width=item.width,
            height=item.height,
            created=context.clock.now(),
            metadata_=metadata,
            born=revision,
        )
        session.add(image)
        session.flush()
        project.image_count += 1
    new_rows = [attach(context, session, project, image, tag, revision) for tag in added]
    tags = present + [
        TagOnImage(tag.id, tag.name, row.created) for tag, row in zip(added, new_rows, strict=True)
    ]
    drawn += [regions.draw(context, session, image, known[box.tag_id], box, revision) for box in new_boxes]
    reason = "" if status == "OK" else f"the project has these bytes already, as image {image.id}"
    return CreatedImage(item.new.name, status, TaggedImage(image, tags, drawn), reason)
