"""Executing imports of projects: from this emulator, or from another one over HTTP.

The archive of another emulator is fetched under the rules for image URLs, and checked: blobs against their
SHA-256, images by decoding them, models by loading them.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from emulator.core import blob_checks, quotas
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.fetching import client as fetching
from emulator.core.jobs.changes import Changes
from emulator.core.jobs.job_runner import Interrupted, JobFailed, JobRunner, JobStopped, TryAgain
from emulator.core.jobs.progress import JobProgress, Progress
from emulator.core.transfer.copying import fill, unknown_domain
from emulator.core.transfer.export import Token, describe, parse_token
from emulator.core.transfer.import_request import is_ours
from emulator.store.database import StorageFull
from emulator.store.tables import Job, JobKind, Project, ProjectStatus

if TYPE_CHECKING:
    from emulator.core.transfer.archive import Manifest

_LARGEST_ARCHIVE = 2**50
_LONGEST_TRANSFER_SECONDS = 6 * 3600
_LONGEST_SILENCE_SECONDS = 30
# A request to another emulator may be waiting for its response.
_SECONDS_TO_STOP = 0.5
_RECEIVING = "Receiving the images and models"
_log = logging.getLogger(__name__)


def import_runner(context: Context) -> JobRunner["Import"]:
    transfers = Transfers(context.jobs.changes)
    return JobRunner(
        context.database,
        JobKind.IMPORT,
        ImportWork(context, transfers),
        transfers,
        name="imports",
        folder=context.folder / "imports",
        seconds_to_stop=_SECONDS_TO_STOP,
        holds=context.choreography,
        history=context.job_history,
        job_traces=context.job_traces,
        leases=context.leases,
    )


class Import(NamedTuple):
    """The inputs of an import."""

    job_id: str
    project_id: str
    token: Token


class Transfers:
    """The `Control` of imports (`emulator.core.jobs.job_runner`): stops one between chunks of its archive.

    changes: is notified of progress.
    """

    def __init__(self, changes: Changes) -> None:
        self.interrupted = False
        self._changes = changes
        self._cancelled: set[str] = set()
        self._current: tuple[Import, JobProgress] | None = None

    def interrupt(self) -> None:
        self.interrupted = True

    def cancel(self, iteration_ids: Collection[str], project_ids: Collection[str]) -> None:
        self._cancelled.update(project_ids)

    def cancel_job(self, job_id: str) -> None:
        current = self._current
        if current is not None and current[0].job_id == job_id:
            self._cancelled.add(current[0].project_id)

    def progress(self, id: str) -> Progress | None:
        current = self._current
        return current[1].reading if current is not None and current[0].project_id == id else None

    def begin(self, task: "Import") -> None:
        """An import begins."""
        self._current = task, JobProgress()

    def note(self, fraction: float, step: str) -> None:
        """The running import has reached `fraction` (0 to 1)."""
        current = self._current
        if current is not None and current[1].note(fraction, step):
            self._changes.note()

    def check(self, project_id: str) -> None:
        """Raises JobStopped when the import into this project is to end."""
        if self.interrupted or project_id in self._cancelled:
            raise _stopped(project_id)

    def forget(self, project_id: str) -> None:
        """The import into this project has ended."""
        self._current = None
        self._cancelled.discard(project_id)


class ImportWork:
    """The `Work` of imports (`emulator.core.jobs.job_runner`)."""

    def __init__(self, context: Context, transfers: Transfers) -> None:
        self._context = context
        self._transfers = transfers

    def begin(self, session: Session, job: Job) -> None:
        """Nothing changes when an import begins."""

    def prepare(self, session: Session, job: Job) -> Import | None:
        assert job.project_id is not None
        assert job.details is not None
        token = parse_token(job.details["token"])
        if token is None:
            raise JobFailed("Its token cannot be read.")
        return Import(job.id, job.project_id, token)

    def execute(self, task: Import, folder: Path) -> None:
        from emulator.core.transfer.archive import ArchiveRejected

        self._transfers.begin(task)
        try:
            if is_ours(self._context, task.token):
                self._copy(task)
            else:
                self._fetch(task)
        except ArchiveRejected as rejected:
            raise JobFailed(f"What {task.token.base} sent is no archive of a project. {rejected}") from None
        except fetching.FetchRejected as rejected:
            if self._transfers.interrupted:
                raise _stopped(task.project_id) from None
            # A response of the other emulator will be the same at the next attempt.
            raise (TryAgain if rejected.status is None else JobFailed)(str(rejected)) from None
        finally:
            self._transfers.forget(task.project_id)

    def complete(self, task: Import, result: None) -> None:
        """Its result is recorded while its archive is read."""

    def explain(self, error: Exception) -> str:
        if isinstance(error, Interrupted):
            return f"It was {error}."
        if isinstance(error, StorageFull):
            return "The disk is full."
        return f"The emulator could not import: {error}"

    def fail(self, session: Session, job: Job, reason: str) -> None:
        project = session.get(Project, job.project_id)
        assert project is not None
        _log.warning("Import of project %s failed: %s", project.id, reason)
        project.status = ProjectStatus.FAILED
        project.last_modified = self._context.clock.now()
        # Kept as long as the project, since responses of the service have no place for the reason.
        job.kind, job.details = JobKind.FAILED_IMPORT, {"reason": reason}
        session.add_all((project, job))

    def _copy(self, task: Import) -> None:
        """Copy a project of this emulator."""
        self._transfers.note(0.0, "Copying the project")
        with self._context.database.read() as session:
            source = session.get(Project, task.token.project_id)
            if source is None:
                raise JobFailed("The project that was exported is gone.")
            try:
                manifest = describe(self._context, session, source)
            except FileNotFoundError:
                raise TryAgain("The project that was exported changed meanwhile.") from None
        self._fill(task, manifest)

    def _fetch(self, task: Import) -> None:
        """Copy a project of another emulator. If that fails, its blobs are deleted."""
        from emulator.core.transfer.receiving import receive

        stored: set[str] = set()

        def consume(pieces: Iterator[bytes]) -> None:
            self._transfers.note(0.0, _RECEIVING)
            watched = self._watched(task, pieces)
            report = partial(self._transfers.note, step=_RECEIVING)
            manifest = receive(self._context, watched, stored, report)
            self._fill(task, manifest)

        policy = replace(
            self._context.fetch_policy,
            max_bytes=_LARGEST_ARCHIVE,
            timeout_seconds=_LONGEST_TRANSFER_SECONDS,
        )
        try:
            fetching.fetch_pieces(
                task.token.data_url, policy, consume, longest_silence=_LONGEST_SILENCE_SECONDS
            )
        except BaseException:
            sweep_blobs(self._context, stored)
            raise

    def _watched(self, task: Import, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._transfers.check(task.project_id)
            yield piece

    def _fill(self, task: Import, manifest: "Manifest") -> None:
        unknown = unknown_domain(manifest)
        if unknown is not None:
            raise JobFailed(f"The domain {unknown[:40]} is not known here.")
        try:
            with self._context.database.write() as session:
                project = _existing_project(session, task)
                if any(blob_checks.missing(self._context, session, manifest.blobs)):
                    raise TryAgain("Some bytes were removed meanwhile.")
                quotas.check_import(
                    self._context,
                    sum(image.removed is None for image in manifest.images),
                    sum(tag.removed is None for tag in manifest.tags),
                    project.resource,
                )
                fill(self._context, session, project, manifest)
                session.delete(session.get_one(Job, task.job_id))
        except IntegrityError:
            raise JobFailed("The archive contradicts itself.") from None
        except ServiceError as error:
            raise JobFailed(error.message) from None


def _stopped(project_id: str) -> JobStopped:
    return JobStopped(f"The import of project {project_id} was stopped")


def _existing_project(session: Session, task: Import) -> Project:
    """The project to fill. Raises JobStopped when it was deleted, or the import cancelled."""
    project, job = session.get(Project, task.project_id), session.get(Job, task.job_id)
    if project is None or job is None or job.kind != JobKind.IMPORT:
        raise _stopped(task.project_id)
    return project
