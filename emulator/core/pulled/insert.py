"""Inserting the archive of a pulled project, with its ids, in one transaction.

Blobs come first: hard links to the files of the archive, where that is possible. A process that is killed
leaves the project as it was; superfluous blobs are removed at the next start.
"""

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.exc import IntegrityError, InterfaceError, ProgrammingError
from sqlmodel import Session

from emulator.core import blob_checks, quotas
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.projects import manage
from emulator.core.pulled import models, workspace
from emulator.core.pulled.archive import PullArchive, digest_of_file
from emulator.core.pulled.journal import ArchiveUnusable
from emulator.core.pulled.workspace import Contents
from emulator.store.batches import batches
from emulator.store.database import is_null_refused
from emulator.store.tables import DEFAULT_RESOURCE, Project

_log = logging.getLogger(__name__)
# What values of other types than the service's lead to: responses that were changed on their way, or edited.
_OTHER_FORM = (AttributeError, KeyError, TypeError, ValueError, InterfaceError, ProgrammingError)


class InsertRefused(Exception):
    """The project cannot be inserted; nothing has changed. str() is one line."""


@dataclass
class Inserted:
    """The result: what was inserted, and notes on what differs from the service."""

    project_id: str
    project_name: str
    images: int
    iterations: int
    notes: list[str] = field(default_factory=list)


def insert(
    context: Context,
    archive: PullArchive,
    *,
    replace: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Inserted:
    """Insert the project of an archive.

    Args:
        replace: whether a project with its id is replaced.
        report: called with the number of files that are stored, and of all.

    Raises:
        InsertRefused, ArchiveUnusable, StorageFull.
    """
    state = archive.document("state")
    if state is None:
        raise ArchiveUnusable(f"{str(archive.folder)!r} has no project yet")
    project_id = state["project"]["id"]
    _check(context, project_id, replace)
    stored: set[str] = set()
    deleted: manage.Deleted | None = None
    try:
        files = _store_files(context, archive, stored, report)
        contents = Contents(context, archive, state, files, stored)
        prepared = models.prepare(contents)
        with context.database.write() as session:
            context.resources.note(session)  # another one may have had a project with its id
            deleted = _replaced(context, session, project_id, replace)
            project = workspace.insert(session, contents)
            iterations = models.insert(session, contents, project, prepared)
            models.insert_predictions(session, contents)
            if any(blob_checks.missing(context, session, {*files.values(), *stored})):
                raise InsertRefused("some files were removed meanwhile; insert again")
            images, tags = workspace.finish(session, project)
            quotas.check_import(context, images, tags, DEFAULT_RESOURCE)
    except IntegrityError as error:
        sweep_blobs(context, stored)
        if is_null_refused(error):
            raise _of_another_form(archive, project_id, error) from None
        raise InsertRefused(
            f"an id of the project is that of something else here ({str(error.orig)[:200]}); it may be part "
            "of another project that was copied"
        ) from None
    except ServiceError as error:
        sweep_blobs(context, stored)
        raise InsertRefused(error.message) from None
    except _OTHER_FORM as error:
        sweep_blobs(context, stored)
        raise _of_another_form(archive, project_id, error) from None
    except BaseException:
        sweep_blobs(context, stored)
        raise
    if deleted is not None:
        manage.forget_deleted(context, deleted)
        for batch in batches(deleted.blobs - stored):
            sweep_blobs(context, batch)
    context.forget_rows()
    return Inserted(project_id, project.name, images, iterations, contents.notes.texts())


def _of_another_form(archive: PullArchive, project_id: str, error: Exception) -> InsertRefused:
    """The refusal; the log names the archive, and the place where it could not be read."""
    reason = f"{type(error).__name__}: {str(getattr(error, 'orig', None) or error)[:200]}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    _log.warning(
        "The project %s is not inserted: its archive %s is not of the form of the service (%s; %s, line %d)",
        project_id,
        archive.folder,
        reason,
        Path(place.filename).name,
        place.lineno or 0,
    )
    _log.debug("The traceback of that", exc_info=error)
    return InsertRefused(f"what its archive contains is not of the form of the service ({reason})")


def _check(context: Context, project_id: str, replace: bool) -> None:
    with context.database.read() as session:
        known = session.get(Project, project_id)
        if known is None:
            try:
                quotas.check_project(context, session, DEFAULT_RESOURCE)
            except ServiceError as error:
                raise InsertRefused(error.message) from None
        elif known.resource != DEFAULT_RESOURCE:
            raise InsertRefused(f"the project {project_id} belongs to the resource '{known.resource}' here")
        elif not replace:
            raise InsertRefused(
                f"there is a project with the id {project_id} ({known.name!r}); --replace replaces it, with "
                "what was changed in it here"
            )


def _replaced(context: Context, session: Session, project_id: str, replace: bool) -> manage.Deleted | None:
    known = session.get(Project, project_id)
    if known is None:
        return None
    if not replace:
        raise InsertRefused(f"there is a project with the id {project_id} by now")
    return manage.delete_in(session, known)


def _store_files(
    context: Context, archive: PullArchive, stored: set[str], report: Callable[[int, int], None]
) -> dict[tuple[str, str], str]:
    """Store all files as blobs; returns their names by kind and id."""
    found = list(archive.files())
    reason = context.disk.shortage(sum(size for *_, size in found) if _needs_copies(context, archive) else 0)
    if reason is not None:
        raise InsertRefused(reason)
    names = {}
    for number, (kind, name, digest, _) in enumerate(found):
        path = archive.path(kind, name)
        if not context.blobs.is_intact(digest):
            _check_file(path, digest)
            stored.add(digest)
            context.blobs.adopt(digest, path)
        names[kind, name] = digest
        report(number + 1, len(found))
    return names


def _needs_copies(context: Context, archive: PullArchive) -> bool:
    """Whether the blobs are on another disk than the archive."""
    return context.folder.stat().st_dev != archive.folder.stat().st_dev


def _check_file(path: Path, digest: str) -> None:
    """Compare a file of the archive with its SHA-256."""
    try:
        if digest_of_file(path) == digest:
            return
        reason = "has another SHA-256 than when it was pulled"
    except FileNotFoundError:
        reason = "is missing"
    raise ArchiveUnusable(f"the file {path.name} of the archive {reason}; delete it and pull again")
