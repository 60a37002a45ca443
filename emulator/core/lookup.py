"""Rows by id. Raises the service's "not found" errors."""

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from emulator.core.errors import ServiceError
from emulator.store.database import Database
from emulator.store.row_queries import rows_of
from emulator.store.tables import Iteration, Project, Tag

_PROJECT = rows_of(Project, lambda all_of: all_of.where(col(Project.id) == bindparam("project_id")))


def shown_project(database: Database, project_id: str) -> Project:
    """A project to show, without a session: see `row_queries`."""
    rows = database.rows(_PROJECT, project_id=project_id)
    if not rows:
        raise no_project()
    return rows[0]


def project(session: Session, project_id: str) -> Project:
    row = session.get(Project, project_id)
    if row is None:
        raise no_project()
    return row


def project_of(session: Session, resource: str, project_id: str) -> Project:
    """The project, if it is of the resource: for ids that are not those of the path of a request."""
    row = project(session, project_id)
    if row.resource != resource:
        raise no_project()
    return row


def no_project() -> ServiceError:
    """The error for a project that does not exist, or is of another resource."""
    return ServiceError("NotFoundProject", "Project not found")


def iteration(session: Session, project_id: str, iteration_id: str) -> Iteration:
    project(session, project_id)
    row = session.get(Iteration, iteration_id)
    if row is None or row.project_id != project_id:
        raise ServiceError("NotFoundIteration", "Invalid iteration")
    return row


def workspace_tag(session: Session, project_id: str, tag_id: str) -> Tag:
    project(session, project_id)
    row = session.get(Tag, tag_id)
    if row is None or row.project_id != project_id or row.removed is not None:
        raise no_tag()
    return row


def no_tag() -> ServiceError:
    return ServiceError("NotFoundTag", "Tag not found")


def workspace_tags(session: Session, project_id: str) -> dict[str, Tag]:
    """The tags of the workspace by id."""
    statement = select(Tag).where(Tag.project_id == project_id, col(Tag.removed).is_(None))
    return {tag.id: tag for tag in session.exec(statement)}


def model_of(iteration: Iteration) -> str:
    """The blob of the model of a trained iteration.

    Raises ServiceError for one that was pulled without its model.
    """
    if iteration.model_blob is None:
        raise ServiceError(
            "BadRequestNotSupported",
            f"'{iteration.name[:100]}' was pulled without its model, which the service had not exported. "
            "Train the project here and publish the new iteration under the same name (with overwrite=true).",
        )
    return iteration.model_blob
