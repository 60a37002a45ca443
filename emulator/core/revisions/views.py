"""Conditions for queries of a workspace, as it is now or as it was when an iteration was trained."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col

from emulator.core import lookup
from emulator.store.tables import Image, ImageTag, Project, Region, Tag


class View(NamedTuple):
    """The workspace of a project. revision: None for the current one, or the revision that an iteration was
    trained on."""

    project: Project
    revision: int | None = None

    @property
    def is_workspace(self) -> bool:
        return self.revision is None

    def holds(self, table: type[Image] | type[ImageTag] | type[Tag] | type[Region]) -> ColumnElement[bool]:
        """The condition that a row of `table` is in this view."""
        born: Any = col(table.born)
        removed: Any = col(table.removed)
        if self.revision is None:
            return removed.is_(None)  # type: ignore[no-any-return]
        return and_(born <= self.revision, or_(removed.is_(None), removed > self.revision))

    @property
    def images(self) -> list[ColumnElement[bool]]:
        """The conditions that an image is in this view of this project."""
        return [col(Image.project_id) == self.project.id, self.holds(Image)]


def open_view(session: Session, project_id: str, iteration_id: str | None) -> View:
    """The view of `iteration_id`, or of the workspace (None). Raises ServiceError when it does not exist."""
    project = lookup.project(session, project_id)
    if iteration_id is None:
        return View(project)
    return View(project, lookup.iteration(session, project_id, iteration_id).revision)
