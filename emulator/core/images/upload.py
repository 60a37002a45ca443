"""Adding images to a project, in batches."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import insert
from sqlmodel import Session, col, select

from emulator.core import deletions, lookup, quotas
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.images import incoming
from emulator.core.images import metadata as image_metadata
from emulator.core.images.incoming import NewImage, Prepared, Refusal
from emulator.core.images.sources import FromPrediction
from emulator.core.images.tagged import TaggedImage, TagOnImage, with_tags
from emulator.core.labels import regions
from emulator.core.labels.image_tags import count_added
from emulator.core.revisions import revisions
from emulator.core.revisions.views import View
from emulator.core.rules.limits import METADATA_LIMITS, MetadataLimits
from emulator.core.scored_rows import prediction_rows, suggestion_rows
from emulator.core.thread_pools import in_parallel
from emulator.store.expressions import new_image_numbers
from emulator.store.tables import Image, ImageTag, Project, Tag


class CreatedImage(NamedTuple):
    """The result for one image of a batch.

    status: one of the contract's ImageCreateStatus. reason: of a status other than OK, for the log.
    """

    source_url: str | None
    status: str
    image: TaggedImage | None = None
    reason: str = ""


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
    incoming.check_batch(context, project_id, images, tag_ids, nothing_valid)
    image_metadata.check(metadata or {}, metadata_limits)
    with context.database.read() as session:
        lookup.project(session, project_id)
    prepared = incoming.prepare(context, project_id, images, nothing_valid)
    results = _insert(context, project_id, prepared, tuple(dict.fromkeys(tag_ids)), metadata or None)
    for index, result in enumerate(results):
        incoming.note_refused(index, result.source_url, result.status, result.reason)
    if training_expected and any(result.image is not None for result in results):
        _prepare_training(context, project_id, results, prepared)
    return results


def _prepare_training(
    context: Context, project_id: str, results: Sequence[CreatedImage], prepared: Sequence[Prepared]
) -> None:
    """Shorten the next training: start its process, or compute the features of the instant trainer."""
    if context.trainers.of(project_id) == "real":
        (context.cluster or context.worker).warm_up()
        return
    accepted = [item for item, result in zip(prepared, results, strict=True) if result.image is not None]
    in_parallel(lambda item: context.instant_features.remember(item.blob, item.data), accepted)


def _insert(
    context: Context,
    project_id: str,
    prepared: list[Prepared],
    tag_ids: tuple[str, ...],
    metadata: dict[str, str] | None,
) -> list[CreatedImage]:
    blobs = {item.blob for item in prepared if item.blob}
    try:
        with context.database.write() as session:
            project = lookup.project(session, project_id)
            known = lookup.workspace_tags(session, project_id)
            present = _present(session, project, blobs)
            batch = _Batch(session, project, known, present, metadata, new_image_numbers(session))
            results = [_insert_one(context, batch, item, item.wanted(tag_ids)) for item in prepared]
            # An image that exists already, with the same tags and regions, changes nothing.
            if any(item.changed for item in prepared):
                touched = {result.image.image.number or 0 for result in results if result.image is not None}
                revisions.next_revision(context, project, touched)
                # New images have no suggestions.
                known_before = [result.image for result in results if result.status == "OKDuplicate"]
                tagged = [item.image.number or 0 for item in known_before if item is not None and item.tags]
                if tagged:
                    suggestion_rows.remove_of_images(context, session, tagged)
            _delete_predictions(context, session, project, prepared, results)
            expired = deletions.forget_expired(context, session)
            session.add(project)
            session.flush()
            if batch.image_tags:
                session.execute(insert(ImageTag), batch.image_tags)
    except BaseException:
        sweep_blobs(context, blobs)
        raise
    rejected = {item.blob for item, result in zip(prepared, results, strict=True) if result.image is None}
    sweep_blobs(context, (rejected - {""}) | expired)
    return results


def _delete_predictions(
    context: Context,
    session: Session,
    project: Project,
    prepared: list[Prepared],
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


def _present(session: Session, project: Project, blobs: Collection[str]) -> dict[str, TaggedImage]:
    """The images that the project has already, by their blobs."""
    view = View(project)
    images = session.exec(select(Image).where(*view.images, col(Image.blob).in_(blobs))).all()
    return {tagged.image.blob: tagged for tagged in with_tags(session, view, images)}


@dataclass
class _Batch:
    """What the images of a batch have in common, and rows to be inserted after them.

    known: the tags of the project by id. present: the images that the project has, by their blobs.
    """

    session: Session
    project: Project
    known: dict[str, Tag]
    present: dict[str, TaggedImage]
    metadata: dict[str, str] | None
    numbers: Iterator[int]
    image_tags: list[dict[str, Any]] = field(default_factory=list)


def _insert_one(context: Context, batch: _Batch, item: Prepared, wanted: tuple[str, ...]) -> CreatedImage:
    project, known, revision = batch.project, batch.known, batch.project.revision + 1

    def failed(status: str, reason: str) -> CreatedImage:
        return CreatedImage(item.new.name, status, reason=reason)

    if item.status != "OK":
        return failed(item.status, item.reason)
    tagged = batch.present.get(item.blob)
    image, tags, drawn = (None, [], []) if tagged is None else (tagged.image, tagged.tags, tagged.regions)
    status = "OK" if image is None else "OKDuplicate"
    labels = incoming.added_labels(
        project,
        known,
        wanted,
        item.new.boxes,
        present_tags=[tag.tag_id for tag in tags],
        present_boxes={region.box for region in drawn},
    )
    if isinstance(labels, Refusal):
        return failed(*labels)
    if image is None and not quotas.has_room_for_image(context, project):
        return failed("ErrorLimitExceed", quotas.image_limit(context, project))
    item.changed = image is None or bool(labels.tags or labels.boxes)
    if image is None:
        if not context.blobs.exists(item.blob):  # swept meanwhile, since no row referred to it
            context.blobs.put(item.data)
        image = Image(
            number=next(batch.numbers),
            id=context.ids.new(),
            project_id=project.id,
            blob=item.blob,
            size=len(item.data),
            width=item.width,
            height=item.height,
            created=context.clock.now(),
            metadata_=batch.metadata,
            born=revision,
        )
        batch.session.add(image)
        project.image_count += 1
    added_tags = [_attach(context, batch, image, tag, revision) for tag in labels.tags]
    tagged = TaggedImage(
        image,
        tags + added_tags,
        drawn
        + [
            regions.draw(context, batch.session, image, known[box.tag_id], box, revision)
            for box in labels.boxes
        ],
    )
    batch.present[item.blob] = tagged
    reason = "" if status == "OK" else f"the project has these bytes already, as image {image.id}"
    return CreatedImage(item.new.name, status, tagged, reason)


def _attach(context: Context, batch: _Batch, image: Image, tag: Tag, revision: int) -> TagOnImage:
    """Add `tag` to `image` in the workspace, as `image_tags.attach`, with one statement for the batch."""
    created = context.clock.now()
    row = {"image_number": image.number, "tag_id": tag.id, "created": created, "born": revision}
    batch.image_tags.append(row)
    count_added(batch.project, image, tag)
    return TagOnImage(tag.id, tag.name, created)
