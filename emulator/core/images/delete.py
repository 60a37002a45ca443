"""Deleting images from a project, or from its workspace only."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, update
from sqlalchemy import delete as delete_rows
from sqlmodel import Session, col, select

from emulator.core import deletions, lookup
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.revisions import revisions
from emulator.core.rules.limits import IMAGE_IDS_PER_QUERY
from emulator.core.rules.validation import check_batch_size
from emulator.core.scored_rows import suggestion_rows
from emulator.store.tables import Image, ImageTag, Project, Region, Tag


def delete(
    context: Context,
    project_id: str,
    image_ids: Sequence[str] = (),
    *,
    all_images: bool = False,
    all_iterations: bool = False,
) -> None:
    """Delete images from the workspace, or (`all_iterations`) from every iteration too.

    From the workspace alone, they can be restored for an hour (`restore`). Unknown ids are ignored. Either
    `image_ids` or `all_images` must be given, not both.
    """
    if bool(image_ids) == all_images:
        raise ServiceError(
            "BadRequestInvalidIds", "Name the images to delete, or set allImages: one of the two, not both."
        )
    check_batch_size("The request names", len(image_ids), "images", IMAGE_IDS_PER_QUERY)
    with context.database.write() as session:
        project = lookup.project(session, project_id)
        blobs = deletions.forget_expired(context, session)
        if all_iterations:
            blobs |= deletions.forget(session, project_id, None if all_images else image_ids)
        blobs |= _delete(context, session, project, None if all_images else image_ids, all_iterations)
    sweep_blobs(context, blobs)


def _delete(
    context: Context,
    session: Session,
    project: Project,
    image_ids: Sequence[str] | None,
    all_iterations: bool,
) -> set[str]:
    """Delete these images, None: all; returns the blobs of deleted rows."""
    chosen: list[ColumnElement[bool]] = [col(Image.project_id) == project.id]
    if image_ids is not None:
        chosen.append(col(Image.id).in_(image_ids))
    here = [*chosen, col(Image.removed).is_(None)]
    gone = chosen if all_iterations else here
    numbers = session.exec(select(Image.number).where(*gone).limit(1 if image_ids is None else None)).all()
    if not numbers:
        return set()
    touched = None if image_ids is None else {number or 0 for number in numbers}
    revision = revisions.next_revision(context, project, touched)
    frozen = revisions.newest_frozen_revision(session, project.id)
    revisions.subtract_counts(session, project, here)
    if not all_iterations:
        deletions.keep_images(context, session, project.id, here)
    _remove_from_workspace(context, session, here, revision, frozen)
    lost = [*chosen, col(Image.removed) == revision]
    if all_iterations:
        lost = chosen
    else:
        lost.append(col(Image.born) > frozen)
    blobs = set(session.exec(select(Image.blob).where(*lost)))
    session.execute(delete_rows(Image).where(*lost))
    session.add(project)
    return blobs


def _remove_from_workspace(
    context: Context, session: Session, here: list[ColumnElement[bool]], revision: int, frozen: int
) -> None:
    """Remove the images that fulfil `here` from the workspace, with their tags, regions and suggestions."""
    numbers = select(Image.number).where(*here)
    revisions.remove_regions(session, [col(Region.image_number).in_(numbers)], revision, frozen)
    suggestion_rows.remove_of_images(context, session, numbers)
    session.execute(
        update(ImageTag)
        .where(col(ImageTag.image_number).in_(numbers), col(ImageTag.removed).is_(None))
        .values(removed=revision)
    )
    session.execute(update(Image).where(*here).values(removed=revision, tag_count=0))


def delete_unreferenced(session: Session, project_id: str) -> set[str]:
    """Delete rows that are neither in the workspace nor in any iteration; returns the blobs of images."""
    gone = (
        col(Image.project_id) == project_id,
        col(Image.removed).is_not(None),
        ~revisions.frozen(Image, project_id),
    )
    blobs = set(session.exec(select(Image.blob).where(*gone)))
    session.execute(delete_rows(Image).where(*gone))
    tags = (
        col(Tag.project_id) == project_id,
        col(Tag.removed).is_not(None),
        ~revisions.frozen(Tag, project_id),
    )
    session.execute(delete_rows(Tag).where(*tags))
    in_project = select(Image.number).where(Image.project_id == project_id)
    for table in (ImageTag, Region):
        session.execute(
            delete_rows(table).where(
                col(table.image_number).in_(in_project),
                col(table.removed).is_not(None),
                ~revisions.frozen(table, project_id),
            )
        )
    return blobs
