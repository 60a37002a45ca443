"""Inserting a project again whose archive has grown: recorded traffic, piece by piece."""

import hashlib

from sqlalchemy import func
from sqlmodel import Session, col, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.projects import manage
from emulator.core.pulled.archive import PullArchive
from emulator.core.pulled.insert import Inserted, InsertRefused, insert
from emulator.store.tables import Iteration, Project, StoredPrediction

_INSERTED = "inserted"


def refresh(context: Context, archive: PullArchive) -> Inserted:
    """Insert the project of an archive, in place of what was inserted from it before.

    A project that was changed here since, or came here otherwise, is left as it is.

    Raises:
        InsertRefused, ArchiveUnusable, StorageFull.
    """
    state = archive.document("state")
    project_id = None if state is None or state["project"] is None else state["project"]["id"]
    if project_id is None:
        raise InsertRefused("the project itself was not requested, so that its name and domain are not known")
    is_known = _check(context, archive, project_id)
    result = insert(context, archive, replace=is_known)
    with context.database.read() as session:
        archive.put_meta(_INSERTED, _fingerprint(session, project_id))
    return result


def delete(context: Context, archive: PullArchive, project_id: str) -> None:
    """Delete the project that was inserted from an archive. Raises InsertRefused when it was changed here."""
    if not _check(context, archive, project_id):
        return
    with context.database.write() as session:
        deleted = manage.delete_in(session, lookup.project(session, project_id))
    manage.forget_deleted(context, deleted)


def _check(context: Context, archive: PullArchive, project_id: str) -> bool:
    """Whether the project is here, as it was inserted. Raises InsertRefused when it is here otherwise."""
    with context.database.read() as session:
        project = session.get(Project, project_id)
        if project is None:
            return False
        if _fingerprint(session, project_id) == archive.meta(_INSERTED):
            return True
        raise InsertRefused(
            f"the project {project.name!r} is here, and was pulled or changed since; what was recorded of it "
            "stays in its archive"
        )


def _fingerprint(session: Session, project_id: str) -> str:
    """Changes with each change of the project, its iterations and its stored predictions."""
    project = session.get_one(Project, project_id)
    of_project = Iteration.project_id == project_id
    iterations = session.exec(select(Iteration).where(of_project).order_by(col(Iteration.id))).all()
    predictions = session.execute(
        select(func.count(), func.max(StoredPrediction.number)).where(
            StoredPrediction.project_id == project_id
        )
    ).one()
    values = (
        project.model_dump(exclude={"name"}) | {"name": project.name},
        [iteration.model_dump() for iteration in iterations],
        tuple(predictions),
    )
    return hashlib.sha256(repr(values).encode()).hexdigest()
