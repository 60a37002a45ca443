"""Requests for imports of data sets: receiving the archive, importing after a dry run, forgetting one."""

from contextlib import suppress
from dataclasses import dataclass, replace

from sqlmodel import Session, select

from emulator.core import lookup
from emulator.core.context import Context
from emulator.core.data_sets import kept
from emulator.core.data_sets.format_names import known_format
from emulator.core.data_sets.kept import ImportState
from emulator.core.errors import ServiceError
from emulator.core.jobs.traces import with_traceparent
from emulator.core.projects.manage import CLASSIFICATION_TYPES
from emulator.core.rules import domains
from emulator.core.rules.limits import MEGABYTE
from emulator.core.rules.validation import checked_name, in_any_case
from emulator.store.database import full_disk_noticed
from emulator.store.tables import DEFAULT_RESOURCE, Job, JobKind, Project, microseconds

# Received bytes between two checks of the free space, since a body need not have a Content-Length.
_CHECKED_BYTES = 64 * MEGABYTE


@dataclass(frozen=True)
class ImportOptions:
    """What a client asks for.

    Attributes:
        project_id: of the project that gets the images.
        project_name: of the project, if no id is given: the only one with this name, or else a new one.
        format: a name in `emulator.data_sets.formats.FORMATS`, in any case; None: it is recognized.
        domain: name or id of the domain of a new project; None: General, for boxes or for tags.
        dry_run: nothing is written; the import can be carried out afterwards.
        missing_allowed: labels of images that are not there are left out.
        parts: only these parts of a divided data set, such as "train"; empty: all.
        resource: of the project.
    """

    project_id: str | None = None
    project_name: str | None = None
    format: str | None = None
    domain: str | None = None
    classification_type: str | None = None
    dry_run: bool = False
    missing_allowed: bool = False
    parts: tuple[str, ...] = ()
    resource: str = DEFAULT_RESOURCE


class Upload:
    """An archive that is being received. Raises StorageFull, ServiceError; `discard` it then."""

    def __init__(self, context: Context, state: ImportState) -> None:
        self._context, self.state = context, state
        self._path = kept.archive_path(context, state.id)
        self._received = 0
        with full_disk_noticed():
            self._path.parent.mkdir(parents=True)
            self._file = self._path.open("wb")

    def write(self, chunk: bytes) -> None:
        """Append bytes of the archive."""
        if self._received // _CHECKED_BYTES != (self._received + len(chunk)) // _CHECKED_BYTES:
            self._context.disk.check_room(0)
        self._received += len(chunk)
        with full_disk_noticed():
            self._file.write(chunk)

    def finish(self) -> ImportState:
        """The archive is complete: its check begins."""
        self._file.close()
        if not self._received:
            raise ServiceError("BadRequest", "The request has no data set: its body is empty.")
        kept.keep_archive(self._context, self.state.id)
        with self._context.database.write() as session:
            _add_job(self._context, session, self.state)
            kept.write(self._context, self.state)
        self._context.jobs.notify(JobKind.DATA_SET)
        return self.state

    def discard(self) -> None:
        """The archive will not be complete."""
        with suppress(OSError):
            self._file.close()
        kept.remove(self._context, self.state.id)


def begin(context: Context, options: ImportOptions) -> Upload:
    """Begin to receive an archive. Raises ServiceError when the options are not valid."""
    kept.remove_old(context)
    if not options.dry_run:
        context.disk.check_upload()
    chosen = None if options.format is None else known_format(options.format)
    classification_type = in_any_case(options.classification_type or "", CLASSIFICATION_TYPES)
    if options.classification_type is not None and classification_type is None:
        raise ServiceError(
            "BadRequestProjectUnknownClassification",
            f"Unknown classification type '{options.classification_type[:100]}'; there are Multiclass and "
            "Multilabel.",
        )
    domain = None if options.domain is None else _domain(options.domain)
    with context.database.read() as session:
        if options.project_id is not None:
            project: Project | None = lookup.project_of(session, options.resource, options.project_id)
        else:
            project = project_named(session, options.resource, options.project_name or "")
        name = (
            project.name
            if project
            else checked_name(options.project_name, "BadRequestProjectName", "project")
        )
    state = ImportState(
        id=context.ids.new(),
        created=microseconds(context.clock.now()),
        status=kept.WAITING,
        project_id=project.id if project else context.ids.new(),
        project_name=name,
        project_is_new=project is None,
        format=chosen,
        domain_id=domain,
        classification_type=classification_type,
        dry_run=options.dry_run,
        missing_allowed=options.missing_allowed,
        parts=list(options.parts),
        resource=options.resource,
    )
    return Upload(context, state)


def project_named(session: Session, resource: str, name: str) -> Project | None:
    """The project of a resource with a name; None if there is none. Raises ServiceError for several."""
    statement = select(Project).where(Project.name == name.strip(), Project.resource == resource)
    found = session.exec(statement).all()
    if len(found) > 1:
        raise ServiceError("BadRequestProjectName", f"{len(found)} projects are named '{name}'; give an id.")
    return found[0] if found else None


def import_checked(context: Context, id: str, resource: str = DEFAULT_RESOURCE) -> ImportState:
    """Carry out an import of which only a dry run was made. Raises ServiceError."""
    with kept.lock:
        state = kept.get(context, id, resource)
        before = replace(state)
        if state.status != kept.CHECKED or not kept.has_archive(context, id):
            raise _not_checked()
        state.dry_run, state.status, state.report = False, kept.WAITING, None
        is_replaced = False
        try:
            with context.database.write() as session:
                _add_job(context, session, state)
                is_replaced = kept.replace(context, state, kept.CHECKED)
                if not is_replaced:
                    raise _not_checked()
        except BaseException:
            if is_replaced and not kept.has_job(context, state):  # it can be imported again
                kept.write(context, before)
            raise
    context.jobs.notify(JobKind.DATA_SET)
    return state


def forget(context: Context, id: str, resource: str = DEFAULT_RESOURCE) -> None:
    """End an import that waits or runs, or forget one that has ended. Raises ServiceError."""
    state = kept.get(context, id, resource)
    with context.database.write() as session:
        job = session.get(Job, state.job_id or "")
        if job is not None:
            session.delete(job)
    with kept.lock:
        kept.remove(context, id)
    context.jobs.changes.note()


def _not_checked() -> ServiceError:
    return ServiceError("Conflict", "Only a data set that was checked within the last hour can be imported.")


def _add_job(context: Context, session: Session, state: ImportState) -> None:
    """Add the job of an import; the state is then written in the same transaction of `session`."""
    state.job_id = context.ids.new()
    session.add(
        Job(
            id=state.job_id,
            kind=JobKind.DATA_SET,
            project_id=None if state.project_is_new else state.project_id,
            created=context.clock.now(),
            details=with_traceparent(
                context.job_traces,
                {
                    "dataSet": state.id,
                    "projectId": state.project_id,
                    "projectName": state.project_name,
                    "dryRun": state.dry_run,
                    "resource": state.resource,
                },
            ),
        )
    )
    session.flush()


def _domain(text: str) -> str:
    """The id of a domain that is named or given by its id. A name is looked up again for boxes or tags."""
    if domains.find(text) is not None:
        return text
    kinds: tuple[domains.DomainType, ...] = ("Classification", "ObjectDetection")
    for kind in kinds:
        with suppress(ValueError):
            return domains.named(text, kind).id
    raise ServiceError("BadRequestProjectUnknownDomain", f"There is no domain '{text[:100]}'.")
