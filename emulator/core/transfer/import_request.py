"""Requests to import a project by the token of an export, and the imports that have not succeeded.

The new project exists at once, empty, with status ``Importing``. A job (`import_runner`) fills it, and it
becomes ``Succeeded``, or stays empty and becomes ``Failed``.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlmodel import col, select

from emulator.core import quotas, signed_uris
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.fetching import client as fetching
from emulator.core.jobs.traces import with_traceparent
from emulator.core.rules import domains
from emulator.core.rules.limits import NAME_LENGTH
from emulator.core.rules.validation import checked_name
from emulator.core.transfer.export import Token, info_of, parse_token
from emulator.store.tables import DEFAULT_RESOURCE, Job, JobKind, Project, ProjectStatus

if TYPE_CHECKING:
    from emulator.core.transfer.archive import Info


def request_import(
    context: Context, base: str, token: str, name: str | None = None, resource: str = DEFAULT_RESOURCE
) -> Project:
    """Create a project with status Importing, which a job fills.

    Args:
        base: scheme and host of this emulator.
        resource: of the new project. The token gives access to the project that it is of, whatever its
            resource is.

    Raises ServiceError: BadRequestInvalidImportToken for a token that is malformed, forged, expired or of a
    deleted project; the message has the reason when another emulator could not be reached.
    """
    if name is not None:
        name = checked_name(name, "BadRequestProjectName", "project")
    parsed = parse_token(token)
    if parsed is None:
        raise _invalid(
            detail="The token is not one of ExportProject: it is cut off, or decoded once too often."
        )
    info = _info(context, base, parsed)
    if domains.find(info.project.domain_id) is None:
        raise _invalid(f"Its domain {info.project.domain_id[:40]} is not known here.")
    quotas.check_import(context, info.image_count, info.tag_count, resource)
    context.disk.check_upload()
    now = context.clock.now()
    part = info.project
    project = Project(
        id=context.ids.new(),
        name=name or _copied_name(part.name),
        created=now,
        last_modified=now,
        new_iteration_created=now,
        status=ProjectStatus.IMPORTING,
        resource=resource,
        **part.model_dump(exclude={"name", "revision", "next_iteration"}),
    )
    job = Job(
        id=context.ids.new(),
        kind=JobKind.IMPORT,
        project_id=project.id,
        created=now,
        details=with_traceparent(context.job_traces, {"token": token}),
    )
    with context.database.write() as session:
        quotas.check_project(context, session, resource)
        session.add(project)
        session.flush()
        session.add(job)
        if context.choreography.in_use:
            context.choreography.begin(
                session, job, "import", project.id, project.id, planned_by=parsed.project_id
            )
    context.jobs.notify(JobKind.IMPORT)
    if context.choreography.in_use:
        context.choreography.requested(job.id)
    return project


def _copied_name(name: str) -> str:
    suffix = " (1)"
    return f"{name[: NAME_LENGTH - len(suffix)]}{suffix}"


def is_ours(context: Context, token: Token) -> bool:
    """Whether this emulator issued the token, and it has not expired."""
    try:
        signed_uris.check(context, token.path, token.signature, token.expires)
    except signed_uris.LinkRejected:
        return False
    return True


def _info(context: Context, base: str, token: Token) -> "Info":
    from emulator.core.transfer.archive import INFO_BYTES, ArchiveRejected, parse_info

    if is_ours(context, token):
        with context.database.read() as session:
            project = session.get(Project, token.project_id)
            if project is None:
                raise _invalid(detail="The exported project was deleted.")
            return info_of(session, project)
    if token.base == base:
        raise _invalid(detail="This emulator did not sign the token, or it has expired.")
    try:
        text = fetching.fetch(token.info_url, replace(context.fetch_policy, max_bytes=INFO_BYTES))
        return parse_info(text)
    except fetching.FetchRejected as rejected:
        raise _invalid("" if rejected.status in (403, 404) else str(rejected)) from rejected
    except ArchiveRejected as rejected:
        raise _invalid(str(rejected)) from rejected


def _invalid(reason: str = "", detail: str = "") -> ServiceError:
    message = f"Invalid Token. {reason}" if reason else "Invalid Token"
    return ServiceError("BadRequestInvalidImportToken", message, detail)


class ImportState(NamedTuple):
    """An import that waits, runs or has failed. attempts: how often it was begun. reason: why it failed."""

    project_id: str
    name: str
    status: str
    attempts: int
    reason: str | None


def unfinished(context: Context, resource: str = DEFAULT_RESOURCE) -> list[ImportState]:
    """The imports of a resource that have not succeeded, oldest first, without those of deleted projects."""
    with context.database.read() as session:
        rows = session.exec(
            select(Project, Job)
            .where(
                Job.project_id == Project.id,
                Project.resource == resource,
                col(Job.kind).in_((JobKind.IMPORT, JobKind.FAILED_IMPORT)),
            )
            .order_by(col(Job.created))
        ).all()
    return [
        ImportState(
            project_id=project.id,
            name=project.name,
            status=project.status,
            attempts=job.attempts,
            reason=(
                str(job.details["reason"]) if job.kind == JobKind.FAILED_IMPORT and job.details else None
            ),
        )
        for project, job in rows
    ]
