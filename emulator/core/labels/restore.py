"""Restoring deleted tags with their images and regions: undoing a deletion."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlmodel import Session, col, select

from emulator.core import deletions, lookup, quotas
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.labels import on_test_images
from emulator.core.labels.image_tags import attach, present_tags, tagging_problem
from emulator.core.revisions import revisions
from emulator.core.rules.limits import REGIONS_PER_IMAGE, TAGS_PER_BATCH
from emulator.core.rules.validation import check_batch_size
from emulator.core.scored_rows import suggestion_rows
from emulator.store.batches import batches
from emulator.store.tables import Image, Project, Region, Tag, moment

# Restored; it is in the workspace already; it was never deleted, or too long ago; a limit does not allow it;
# another tag has its name.
RestoreStatus = Literal["Restored", "Present", "NotFound", "LimitExceeded", "NameInUse"]


class RestoredTag(NamedTuple):
    """The result for one tag. tag_id: of the workspace; None when it was not restored.

    It differs from `requested_id` when an iteration was trained without the tag in the meantime.
    """

    requested_id: str
    status: RestoreStatus
    tag_id: str | None = None


def restore(context: Context, project_id: str, tag_ids: Sequence[str]) -> list[RestoredTag]:
    """Restore tags that were deleted within the last hour, one result for each id.

    The images and regions that they had are those of the workspace; images that may have no further tag are
    left out. Raises ServiceError.
    """
    if not tag_ids:
        raise ServiceError("BadRequestInvalidIds", "The request must name the tags to restore.")
    check_batch_size("The request names", len(tag_ids), "tags", TAGS_PER_BATCH)
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        return [_restore(context, session, project, tag_id) for tag_id in dict.fromkeys(tag_ids)]


def _restore(context: Context, session: Session, project: Project, tag_id: str) -> RestoredTag:
    row = session.get(Tag, tag_id)
    if row is not None and row.project_id == project.id and row.removed is None:
        return RestoredTag(tag_id, "Present", tag_id)
    deletion = deletions.kept(context, session, deletions.TAG, project.id, [tag_id]).get(tag_id)
    if deletion is None:
        return RestoredTag(tag_id, "NotFound")
    content = deletion.content
    others = lookup.workspace_tags(session, project.id).values()
    if any(other.name.casefold() == content["name"].casefold() for other in others):
        return RestoredTag(tag_id, "NameInUse")
    if content["type"] != "Regular" and any(other.type == content["type"] for other in others):
        return RestoredTag(tag_id, "LimitExceeded")
    try:
        quotas.check_tag(context, session, project.id)
    except ServiceError:
        return RestoredTag(tag_id, "LimitExceeded")
    frozen = revisions.newest_frozen_revision(session, project.id)
    revision = revisions.next_revision(context, project, touched=None)
    tag = _row(context, project, tag_id, row, content, frozen)
    session.add_all((tag, project))
    session.flush()
    _attach(context, session, project, tag, content, revision, frozen)
    on_test_images.restore(session, tag.id, content.get("testLabels", []))
    session.delete(deletion)
    session.flush()
    return RestoredTag(tag_id, "Restored", tag.id)


def _row(
    context: Context, project: Project, tag_id: str, row: Tag | None, content: Mapping[str, Any], frozen: int
) -> Tag:
    if row is not None and row.removed is not None and row.removed > frozen:
        row.removed = None
        return row
    return Tag(
        # An iteration that was trained in between must not get a tag that it was not trained on.
        id=tag_id if row is None else context.ids.new(),
        project_id=project.id,
        name=content["name"],
        description=content["description"],
        type=content["type"],
        born=project.revision,
    )


def _attach(
    context: Context,
    session: Session,
    project: Project,
    tag: Tag,
    content: Mapping[str, Any],
    revision: int,
    frozen: int,
) -> None:
    known = lookup.workspace_tags(session, project.id)
    regions: dict[int, list[list[Any]]] = {}
    for number, *region in content["regions"]:
        regions.setdefault(number, []).append(region)
    for batch in batches(content["images"]):
        created = dict(batch)
        here = (Image.project_id == project.id, col(Image.removed).is_(None))
        images = session.exec(select(Image).where(*here, col(Image.number).in_(created))).all()
        present = present_tags(session, images)
        for image in images:
            number = image.number or 0
            others = [known[other] for other in present.get(number, ())]
            if tag.id in present.get(number, ()) or tagging_problem(project, others, [tag]) is not None:
                continue
            attach(context, session, project, image, tag, revision).created = moment(created[number])
            for region in regions.get(number, ())[:REGIONS_PER_IMAGE]:
                restore_region(context, session, image, tag.id, region, revision, frozen)
        suggestion_rows.remove_of_images(context, session, {image.number or 0 for image in images})
        session.flush()


def restore_region(
    context: Context,
    session: Session,
    image: Image,
    tag_id: str,
    region: Sequence[Any],
    revision: int,
    frozen: int,
) -> None:
    """Add a region as it was (`deletions`): id, left, top, width, height, time of creation.

    frozen: `revisions.newest_frozen_revision`.
    """
    region_id, left, top, width, height, created = region
    row = session.exec(select(Region).where(Region.id == region_id)).first()
    if row is not None and row.removed is not None and row.removed > frozen and row.tag_id == tag_id:
        row.removed = None
        session.add(row)
        return
    session.add(
        Region(
            id=region_id if row is None else context.ids.new(),
            image=image,
            tag_id=tag_id,
            left=left,
            top=top,
            width=width,
            height=height,
            created=moment(created),
            born=revision,
        )
    )
