"""Exports of iterations: requesting and listing them, and the signed URIs of their files.

A request adds the row of the export; `runner` writes its file. The path of a file is
``/m-<project>/<iteration>.<platform>[.<flavor>].zip``, ids without dashes, signed as in `signed_uris`.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from sqlmodel import Session, col, select

from emulator.core import lookup, signed_uris
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.jobs.traces import with_traceparent
from emulator.core.rules import domains
from emulator.core.rules.validation import in_any_case
from emulator.store.references import raise_if_missing
from emulator.store.tables import Export, ExportStatus, Iteration, IterationStatus, Job, JobKind

# Incremented when files are written differently, so that older exports can be requested again.
EXPORTER = 3
LINK_LIFETIME = timedelta(hours=24)
_PATH = re.compile(
    r"/m-(?P<project>[0-9a-f]{32})/(?P<iteration>[0-9a-f]{32})"
    r"\.(?P<platform>[A-Z]\w*)(?:\.(?P<flavor>[A-Z]\w*))?(?P<suffix>\.[a-z]\w*)",
    re.ASCII,
)


class ExportFile(NamedTuple):
    """The file of an export, and the name under which it is downloaded."""

    path: Path
    name: str


def request_export(
    context: Context, base: str, project_id: str, iteration_id: str, platform: str, flavor: str | None = None
) -> Export:
    """Request an export of the iteration, which a job writes. `base` is scheme and host of the emulator.

    Platform and flavor match in any case. An export without a flavor is distinct from those with one. An
    export that is running or done is not requested again (BadRequestExportAlreadyInProgress), unless this
    program would write it differently or its file is damaged.
    """
    platform, flavor = _as_in_formats(platform, flavor)
    with context.database.write() as session:
        iteration = lookup.iteration(session, project_id, iteration_id)
        _check_exportable(iteration, platform, flavor)
        now = context.clock.now()
        export = _find(session, iteration_id, platform, flavor or "")
        if export is None:
            export = Export(
                id=context.ids.new(),
                iteration_id=iteration_id,
                platform=platform,
                flavor=flavor or "",
                status=ExportStatus.EXPORTING,
                exporter=EXPORTER,
            )
        elif export.status != ExportStatus.FAILED and not _needs_another(context, export):
            raise ServiceError(
                "BadRequestExportAlreadyInProgress", f"{iteration_id} is already queued for export"
            )
        export.status, export.created, export.exporter, export.failure = (
            ExportStatus.EXPORTING,
            now,
            EXPORTER,
            None,
        )
        session.add(export)
        session.flush()
        details = {"export": export.id, "base": base}
        job = Job(
            id=context.ids.new(),
            kind=JobKind.EXPORT,
            iteration_id=iteration_id,
            created=now,
            details=with_traceparent(context.job_traces, details),
        )
        session.add(job)
        if context.choreography.in_use:
            context.choreography.begin(session, job, "export", export.id, project_id)
    context.jobs.notify(JobKind.EXPORT)
    if context.choreography.in_use:
        context.choreography.requested(job.id)
    return export


def list_all(context: Context, project_id: str, iteration_id: str) -> list[Export]:
    """The exports of an iteration in the order of their requests."""
    with context.database.read() as session:
        lookup.iteration(session, project_id, iteration_id)
        statement = select(Export).where(Export.iteration_id == iteration_id).order_by(col(Export.created))
        return list(session.exec(statement))


def newer_version_available(export: Export) -> bool:
    """Whether this version of the program would write the file differently."""
    return export.status == ExportStatus.DONE and export.exporter < EXPORTER


def file_name(export: Export) -> str:
    """The name of the file, as in the URIs of the service."""
    parts = (export.iteration_id.replace("-", ""), export.platform, export.flavor)
    return ".".join(part for part in parts if part) + (export.suffix or ".zip")


def download_uri(context: Context, base: str, project_id: str, export: Export) -> str | None:
    """A signed URI of the file, valid for a day; None while the export is not done."""
    if export.status != ExportStatus.DONE:
        return None
    path = f"/m-{project_id.replace('-', '')}/{file_name(export)}"
    return signed_uris.signed(context, base, path, LINK_LIFETIME)


def open_signed(context: Context, path: str, signature: str, expires: str) -> ExportFile | None:
    """The file at a signed path; None when it was deleted. Raises LinkRejected."""
    signed_uris.check(context, path, signature, expires)
    return open_file(context, path)


def open_file(context: Context, path: str, project_id: str | None = None) -> ExportFile | None:
    """The file at a path; None when there is none, or not in the project `project_id`. Raises BlobDamaged."""
    match = _PATH.fullmatch(path)
    if match is None or project_id not in (None, signed_uris.format_guid(match["project"])):
        return None
    with context.database.read() as session:
        export = _find(
            session, signed_uris.format_guid(match["iteration"]), match["platform"], match["flavor"] or ""
        )
        iteration = session.get(Iteration, signed_uris.format_guid(match["iteration"]))
    if export is None or iteration is None or export.status != ExportStatus.DONE or export.blob is None:
        return None
    if iteration.project_id != signed_uris.format_guid(match["project"]) or not path.endswith(
        file_name(export)
    ):
        return None
    try:
        return ExportFile(context.blobs.verified_path(export.blob), file_name(export))
    except FileNotFoundError:
        raise_if_missing(context.database, export.blob)
        return None  # deleted between the look-up and now


def is_path(path: str) -> bool:
    """Whether a path has the form of the path of an export."""
    return _PATH.fullmatch(path) is not None


def _find(session: Session, iteration_id: str, platform: str, flavor: str) -> Export | None:
    return session.exec(
        select(Export).where(
            Export.iteration_id == iteration_id, Export.platform == platform, Export.flavor == flavor
        )
    ).first()


def _needs_another(context: Context, export: Export) -> bool:
    """Whether the file of a finished export is to be written again."""
    if export.status != ExportStatus.DONE or export.blob is None:
        return False
    return newer_version_available(export) or not context.blobs.is_intact(export.blob)


def _as_in_formats(platform: str, flavor: str | None) -> tuple[str, str | None]:
    """Platform and flavor in the contract's spelling; unknown ones as they are."""
    from emulator.core.exports.formats import FORMATS

    known = {name for name, _ in FORMATS}
    flavors = {name for _, name in FORMATS if name is not None}
    return in_any_case(platform, known) or platform, flavor and (in_any_case(flavor, flavors) or flavor)


def _check_exportable(iteration: Iteration, platform: str, flavor: str | None) -> None:
    from emulator.core.exports.formats import FORMATS
    from emulator.vision.exports.formats import refusal

    if iteration.status != IterationStatus.COMPLETED:
        raise ServiceError(
            "BadRequestIterationIsNotTrained",
            f"Iteration is not trained: its status is {iteration.status}.",
        )
    if iteration.is_pulled:
        raise _refusal(
            "The iteration was pulled from another resource: it has the exports that existed there. Train "
            "the project here to export another format."
        )
    if iteration.is_imported:
        raise _refusal("The iteration is an imported model, which is not exported again; its export exists.")
    domain = domains.get(iteration.domain_id or "")
    if not iteration.exportable or not domain.exportable:
        raise _refusal(
            "The iteration is not exportable. Iterations are that were trained in a compact domain; "
            f"this one's is {domain.name}."
        )
    reason = refusal(domain, platform, flavor, FORMATS)
    if reason is not None:
        raise _refusal(reason)


def _refusal(message: str) -> ServiceError:
    return ServiceError("BadRequestExportValidationFailed", message)
