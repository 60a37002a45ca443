"""Revisions of a workspace: raising them, and which of the past are still needed."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, delete, exists, func, text, update
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.store.tables import Image, ImageTag, Iteration, Project, ProjectStatus, Region, Tag


def next_revision(context: Context, project: Project, touched: Collection[int] | None) -> int:
    """Raise the revision of the project for a change that is being made, and return it.

    touched: the numbers of the images that enter or leave some list by the change; None when it may be any.
    """
    if project.status == ProjectStatus.IMPORTING:  # the copy brings its own revisions
        raise ServiceError("BadRequestWorkspaceCannotBeModified", "The project is still being imported.")
    project.revision += 1
    project.last_modified = context.clock.now()
    context.image_index.note(project.id, changes(project), touched)
    return project.revision


def next_metadata_revision(context: Context, project: Project, touched: Collection[int]) -> None:
    """Raise the revision of the metadata for a change that is being made to those of the `touched` images."""
    project.metadata_revision += 1
    project.last_modified = context.clock.now()
    context.image_index.note(project.id, changes(project), touched)


def changes(project: Project) -> int:
    """How many changes there were on which lists of images depend."""
    return project.revision + project.metadata_revision


def newest_frozen_revision(session: Session, project_id: str) -> int:
    """The newest revision that an iteration refers to, -1 when there is none.

    What was born after it is in no iteration: removing it from the workspace removes it for good.
    """
    newest = session.scalar(select(func.max(Iteration.revision)).where(Iteration.project_id == project_id))
    return -1 if newest is None else int(newest)


def frozen(
    table: type[Image] | type[ImageTag] | type[Tag] | type[Region], project_id: str
) -> ColumnElement[bool]:
    """The condition that an iteration of the project shows a row of `table` that the workspace lost."""
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
    """Take the regions that fulfil `which` out of the workspace; those that no iteration shows go for good.

    frozen: `newest_frozen_revision`.
    """
    here = [*which, col(Region.removed).is_(None)]
    unsynchronised = {"synchronize_session": False}  # nobody holds them as objects
    session.execute(delete(Region).where(*here, col(Region.born) > frozen), execution_options=unsynchronised)
    session.execute(update(Region).where(*here).values(removed=revision), execution_options=unsynchronised)


def subtract_counts(session: Session, project: Project, leaving: Sequence[ColumnElement[bool]]) -> None:
    """Take the images of the workspace that fulfil `leaving` out of all counts, before they leave it."""
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
    """Count images and the bearers of tags of the workspace afresh: after changes to many images at once."""
    here = (col(Image.project_id) == project.id, col(Image.removed).is_(None))
    images = select(func.count()).select_from(Image)
    project.image_count = session.scalar(images.where(*here)) or 0
    project.tagged_count = session.scalar(images.where(*here, text("image.tag_count > 0"))) or 0
    bearers = select(func.count()).where(col(ImageTag.tag_id) == col(Tag.id), col(ImageTag.removed).is_(None))
    session.execute(
        update(Tag).where(col(Tag.project_id) == project.id).values(image_count=bearers.scalar_subquery())
    )
