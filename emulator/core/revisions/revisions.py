"""Revisions of a workspace: incrementing them, counts, and rows that only iterations contain."""

from collections.abc import Collection, Sequence
from functools import partial

from sqlalchemy import ColumnElement, and_, delete, exists, func, text, update
from sqlalchemy.orm import object_session
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.store.database import when_committed
from emulator.store.tables import Image, ImageTag, Iteration, Project, ProjectStatus, Region, Tag


def next_revision(context: Context, project: Project, touched: Collection[int] | None) -> int:
    """Increment the revision of the project for a change in the same transaction, and return it.

    touched: the numbers of the images whose membership in lists may change; None: possibly all.
    """
    if project.status == ProjectStatus.IMPORTING:  # the copy brings its own revisions
        raise ServiceError("BadRequestWorkspaceCannotBeModified", "The project is still being imported.")
    project.revision += 1
    project.last_modified = context.clock.now()
    _note(context, project, touched)
    return project.revision


def next_metadata_revision(context: Context, project: Project, touched: Collection[int]) -> None:
    """Increment the revision of metadata for a change of those of the `touched` images."""
    project.metadata_revision += 1
    project.last_modified = context.clock.now()
    _note(context, project, touched)


def _note(context: Context, project: Project, touched: Collection[int] | None) -> None:
    """Record which images a change affects, for lists in memory."""
    note = partial(context.image_index.note, project.id, changes(project), touched)
    session = object_session(project)
    if context.database.shared is None or session is None:
        note()
    else:
        # Not before: if this transaction fails, another server can give the same number to another change.
        when_committed(session, note)


def changes(project: Project) -> int:
    """The number of changes that affect lists of images."""
    return project.revision + project.metadata_revision


def newest_frozen_revision(session: Session, project_id: str) -> int:
    """The newest revision that an iteration refers to; -1 when there is none.

    Rows that were created after it are in no iteration: removed from the workspace, they can be deleted.
    """
    newest = session.scalar(select(func.max(Iteration.revision)).where(Iteration.project_id == project_id))
    return -1 if newest is None else int(newest)


def frozen(
    table: type[Image] | type[ImageTag] | type[Tag] | type[Region], project_id: str
) -> ColumnElement[bool]:
    """The condition that an iteration contains a row of `table` that was removed from the workspace."""
    return exists().where(
        and_(
            col(Iteration.project_id) == project_id,
            col(Iteration.revision) >= col(table.born),
            col(Iteration.revision) < col(table.removed),
        )
    )


def remove_regions(
    session: Session, which: Sequence[ColumnElement[bool]], revision: int, frozen: int
) -> None:
    """Remove the regions that fulfil `which` from the workspace; delete those that no iteration contains.

    frozen: `newest_frozen_revision`.
    """
    here = [*which, col(Region.removed).is_(None)]
    unsynchronised = {"synchronize_session": False}  # no session has loaded them as objects
    session.execute(delete(Region).where(*here, col(Region.born) > frozen), execution_options=unsynchronised)
    session.execute(update(Region).where(*here).values(removed=revision), execution_options=unsynchronised)


def subtract_counts(session: Session, project: Project, leaving: Sequence[ColumnElement[bool]]) -> None:
    """Subtract the images that fulfil `leaving` from all counts, before they leave the workspace."""
    images = select(func.count()).select_from(Image).where(*leaving)
    project.image_count -= session.scalar(images) or 0
    project.tagged_count -= session.scalar(images.where(text("image.tag_count > 0"))) or 0
    bearers = (
        select(ImageTag.tag_id, func.count())
        .join(Image, col(Image.number) == ImageTag.image_number)
        .where(*leaving, col(ImageTag.removed).is_(None))
        .group_by(col(ImageTag.tag_id))
    )
    for tag_id, number in session.execute(bearers).all():
        session.execute(update(Tag).where(col(Tag.id) == tag_id).values(image_count=Tag.image_count - number))


def recount(session: Session, project: Project) -> None:
    """Count the images of the workspace and of its tags again, after changes to many images at once."""
    here = (col(Image.project_id) == project.id, col(Image.removed).is_(None))
    images = select(func.count()).select_from(Image)
    project.image_count = session.scalar(images.where(*here)) or 0
    project.tagged_count = session.scalar(images.where(*here, text("image.tag_count > 0"))) or 0
    bearers = select(func.count()).where(col(ImageTag.tag_id) == col(Tag.id), col(ImageTag.removed).is_(None))
    session.execute(
        update(Tag).where(col(Tag.project_id) == project.id).values(image_count=bearers.scalar_subquery())
    )
