"""Importing projects by the token of an export: from this emulator, or from another one over HTTP.

The new project is there at once, empty, with status ``Importing``; a job fills it, and it becomes
``Succeeded``, or ``Failed`` with nothing in it. Where the bytes come from another emulator they are fetched
under the rules for image URLs, and checked: that they have their SHA-256, that images are images, and that
models load.
"""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from emulator.core import domains, quotas, signed_uris
from emulator.core.blob_sweep import sweep_blobs
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.fetching import client as fetching
from emulator.core.jobs.runner import ATTEMPTS, JobThread
from emulator.core.limits import MEGABYTE, NAME_LENGTH
from emulator.core.transfer import copying as project_copies
from emulator.core.transfer import export as project_exports
from emulator.core.transfer.export import Token, parse_token
from emulator.core.validation import checked_name
from emulator.store.database import StorageFull
from emulator.store.tables import Job, Project

if TYPE_CHECKING:
    from emulator.core.transfer.archive import Info, Manifest

IMPORTING, FAILED = "Importing", "Failed"
_KIND, _FAILED_KIND = "import", "failed import"
_LARGEST_ARCHIVE = 2**50
_LONGEST_TRANSFER_SECONDS = 6 * 3600
_LONGEST_SILENCE_SECONDS = 30
_FREE_BYTES_KEPT = 64 * MEGABYTE
_log = logging.getLogger(__name__)


def request_import(context: Context, base: str, token: str, name: str | None = None) -> Project:
    """A new project with status Importing, which a job fills; `base` is scheme and host of this emulator.

    Raises ServiceError: BadRequestInvalidImportToken for a token that is malformed, forged, expired or of a
    project that is gone; the message says more where an emulator elsewhere could not be asked.
    """
    if name is not None:
        name = checked_name(name, "BadRequestProjectName", "project")
    parsed = parse_token(token)
    if parsed is None:
        raise _invalid()
    info = _info(context, base, parsed)
    if domains.find(info.project.domain_id) is None:
        raise _invalid(f"Its domain {info.project.domain_id[:40]} is not known here.")
    quotas.check_import(context, info.image_count, info.tag_count)
    now = context.clock.now()
    part = info.project
    project = Project(
        id=context.ids.new(),
        name=name or _copied_name(part.name),
        created=now,
        last_modified=now,
        new_iteration_created=now,
        status=IMPORTING,
        **part.model_dump(exclude={"name", "revision", "next_iteration"}),
    )
    job = Job(
        id=context.ids.new(), kind="import", project_id=project.id, created=now, details={"token": token}
    )
    with context.database.write() as session:
        quotas.check_project(context, session)
        session.add(project)
        session.flush()
        session.add(job)
    context.project_imports.notify()
    return project


def _copied_name(name: str) -> str:
    suffix = " (1)"
    return f"{name[: NAME_LENGTH - len(suffix)]}{suffix}"


def _is_ours(context: Context, token: Token) -> bool:
    try:
        signed_uris.check(context, token.path, token.signature, token.expires)
    except signed_uris.LinkRejected:
        return False
    return True


def _info(context: Context, base: str, token: Token) -> "Info":
    from emulator.core.transfer.archive import INFO_BYTES, ArchiveRejected, parse_info

    if _is_ours(context, token):
        with context.database.read() as session:
            project = session.get(Project, token.project_id)
            if project is None:
                raise _invalid()
            return project_exports.info_of(session, project)
    if token.base == base:
        raise _invalid()
    try:
        text = fetching.fetch(token.info_url, replace(context.fetch_policy, max_bytes=INFO_BYTES))
        return parse_info(text)
    except fetching.FetchRejected as rejected:
        raise _invalid("" if rejected.status in (403, 404) else str(rejected)) from None
    except ArchiveRejected as rejected:
        raise _invalid(str(rejected)) from None


def _invalid(reason: str = "") -> ServiceError:
    return ServiceError(
        "BadRequestInvalidImportToken", f"Invalid Token. {reason}" if reason else "Invalid Token"
    )


@dataclass(frozen=True)
class ImportState:
    """An import that waits or runs, or one that failed: then `reason` says why.

    attempts: how often it was begun.
    """

    project_id: str
    name: str
    status: str
    attempts: int
    reason: str | None


def unfinished(context: Context) -> list[ImportState]:
    """The imports that have not succeeded, oldest first; those whose project was deleted are forgotten."""
    with context.database.read() as session:
        rows = session.exec(
            select(Project, Job)
            .where(Job.project_id == Project.id, col(Job.kind).in_((_KIND, _FAILED_KIND)))
            .order_by(col(Job.created))
        ).all()
    return [
        ImportState(
            project.id,
            project.name,
            project.status,
            job.attempts,
            str(job.details["reason"]) if job.kind == _FAILED_KIND and job.details else None,
        )
        for project, job in rows
    ]


class _Stopped(Exception):
    """The project was deleted meanwhile, or the process ends."""


class _Again(Exception):
    """It did not work this time and may the next; str() says why."""


class _Unusable(Exception):
    """It will never work; str() says why."""


@dataclass(frozen=True)
class _Run:
    job_id: str
    project_id: str
    attempt: int
    token: Token


class ImportRunner(JobThread):
    """The thread that carries out imports."""

    kind = _KIND
    name = "imports"
    seconds_to_stop = 0.5  # it may be waiting for another machine

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._cancelled: set[str] = set()

    def cancel(self, project_ids: set[str]) -> None:
        """Stop the imports of deleted projects soon."""
        self._cancelled |= project_ids

    def _carry_out_or_fail(self, run: _Run) -> None:
        try:
            self._carry_out(run)
        except _Stopped:
            pass
        except _Again as again:
            _log.warning("Import of project %s: %s; trying again", run.project_id, again)
            if run.attempt >= ATTEMPTS:
                self._fail(run, str(again))
        except _Unusable as unusable:
            self._fail(run, str(unusable))
        except StorageFull:
            self._fail(run, "The disk is full.")
        except Exception as error:  # noqa: BLE001  (likewise)
            if not self._stopping:
                _log.exception("Import of project %s failed", run.project_id)
                self._fail(run, f"The emulator could not import: {error}")
        finally:
            self._cancelled.discard(run.project_id)

    def _begin(self, session: Session, job: Job) -> _Run | None:
        assert job.project_id is not None
        assert job.details is not None
        token = parse_token(job.details["token"])
        if token is None:
            self._note_failure(session, job.project_id, job.id, "Its token cannot be read.")
            return None
        return _Run(job.id, job.project_id, job.attempts, token)

    def _give_up(self, session: Session, job: Job, why: str) -> None:
        assert job.project_id is not None
        self._note_failure(session, job.project_id, job.id, f"It was {why}.")

    def _carry_out(self, run: _Run) -> None:
        from emulator.core.transfer.archive import ArchiveRejected

        try:
            if _is_ours(self._context, run.token):
                self._copy(run)
            else:
                self._fetch(run)
        except ArchiveRejected as rejected:
            raise _Unusable(f"What {run.token.base} sent is no archive of a project. {rejected}") from None
        except fetching.FetchRejected as rejected:
            if self._stopping:
                raise _Stopped from None
            # An answer, though not the right one, is not going to change.
            raise (_Again if rejected.status is None else _Unusable)(str(rejected)) from None

    def _copy(self, run: _Run) -> None:
        """From a project of this emulator."""
        with self._context.database.read() as session:
            source = session.get(Project, run.token.project_id)
            if source is None:
                raise _Unusable("The project that was exported is gone.")
            try:
                manifest = project_exports.describe(self._context, session, source)
            except FileNotFoundError:
                raise _Again("The project that was exported changed meanwhile.") from None
        self._fill(run, manifest)

    def _fetch(self, run: _Run) -> None:
        """From another emulator. Whatever becomes of it, no bytes stay that nothing refers to."""
        from emulator.core.transfer.archive import Reader

        stored: set[str] = set()

        def consume(pieces: Iterator[bytes]) -> None:
            reader = Reader(self._watched(run, pieces))
            manifest = reader.manifest()
            self._check_room(manifest)
            images = manifest.image_blobs
            sizes = {image.blob: (image.width, image.height) for image in manifest.images}
            for digest, content in reader.blobs(manifest):
                if digest in images:
                    _check_image(content, sizes[digest])
                self._context.blobs.put(content)
                stored.add(digest)
            self._check_models(manifest)
            self._fill(run, manifest)

        policy = replace(
            self._context.fetch_policy,
            max_bytes=_LARGEST_ARCHIVE,
            timeout_seconds=_LONGEST_TRANSFER_SECONDS,
        )
        try:
            fetching.fetch_pieces(
                run.token.data_url, policy, consume, longest_silence=_LONGEST_SILENCE_SECONDS
            )
        except BaseException:
            sweep_blobs(self._context, stored)
            raise

    def _watched(self, run: _Run, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._stopping or run.project_id in self._cancelled:
                raise _Stopped
            yield piece

    def _check_room(self, manifest: "Manifest") -> None:
        needed = sum(manifest.blobs.values()) + _FREE_BYTES_KEPT
        free = shutil.disk_usage(self._context.folder).free
        if needed > free:
            raise _Unusable(
                f"The disk has {free // MEGABYTE} MB left, and {needed // MEGABYTE} MB are needed."
            )

    def _check_models(self, manifest: "Manifest") -> None:
        from emulator.vision.evaluation.classification import Evaluation
        from emulator.vision.evaluation.detection import DetectionEvaluation

        for iteration in manifest.iterations:
            try:
                domain = domains.find(iteration.domain_id)
                detects = domain is not None and domain.type == "ObjectDetection"
                models = self._context.models
                session = (models.detector if detects else models.classifier)(iteration.model)
                labels = session.labels
                if iteration.evaluation is not None:
                    evaluation = DetectionEvaluation if detects else Evaluation
                    evaluation.load(self._context.blobs.path(iteration.evaluation))
            except Exception as error:
                # A file that somebody else wrote can be wrong in any way.
                raise _Unusable(f"The model of '{iteration.name}' does not load: {error}") from error
            if len(labels) != len(iteration.model_tags):
                raise _Unusable(f"The model of '{iteration.name}' has other tags than its iteration.")

    def _fill(self, run: _Run, manifest: "Manifest") -> None:
        unknown = project_copies.unknown_domain(manifest)
        if unknown is not None:
            raise _Unusable(f"The domain {unknown[:40]} is not known here.")
        try:
            with self._context.database.write() as session:
                project = _alive(session, run)
                # As a writer: from here on nobody sweeps.
                if not all(self._context.blobs.exists(blob) for blob in manifest.blobs):
                    raise _Again("Some bytes were removed meanwhile.")
                quotas.check_import(
                    self._context,
                    sum(image.removed is None for image in manifest.images),
                    sum(tag.removed is None for tag in manifest.tags),
                )
                project_copies.fill(self._context, session, project, manifest)
                session.delete(session.get_one(Job, run.job_id))
        except IntegrityError:
            raise _Unusable("The archive contradicts itself.") from None
        except ServiceError as error:
            raise _Unusable(error.message) from None

    def _fail(self, run: _Run, reason: str) -> None:
        with self._context.database.write() as session:
            self._note_failure(session, run.project_id, run.job_id, reason)

    def _note_failure(self, session: Session, project_id: str, job_id: str, reason: str) -> None:
        _log.warning("Import of project %s failed: %s", project_id, reason)
        project, job = session.get(Project, project_id), session.get(Job, job_id)
        if project is not None and job is not None:
            project.status = FAILED
            project.last_modified = self._context.clock.now()
            # Kept as long as the project: the service's own answers have no place for the reason.
            job.kind, job.details = _FAILED_KIND, {"reason": reason}
            session.add_all((project, job))


def _alive(session: Session, run: _Run) -> Project:
    project = session.get(Project, run.project_id)
    if project is None or session.get(Job, run.job_id) is None:
        raise _Stopped
    return project


def _check_image(content: bytes, size: tuple[int, int]) -> None:
    from emulator.vision.imaging.decode import ImageRejected, inspect_image, stored_size

    try:
        if stored_size(inspect_image(content)) == size:
            return
        reason = "It has another size than announced."
    except ImageRejected as rejected:
        reason = str(rejected)
    raise _Unusable(f"One of the images is not acceptable. {reason}")
