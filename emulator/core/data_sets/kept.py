"""Uploaded data sets and the states of their imports: files, a folder for each import.

The archive is deleted when the import has ended; the state is kept, so that clients see how it ended.
"""

import shutil
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlmodel import Session, col, select

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.durable_files import write_atomically
from emulator.store.database import full_disk_noticed
from emulator.store.tables import DEFAULT_RESOURCE, Job, JobKind, microseconds, moment

FOLDER_NAME = "data-sets"
# Imports that have ended; further ones are forgotten, the oldest first.
MOST_KEPT = 50
# How long the archive of a dry run is kept, so that it can be imported without being sent again.
_CHECKED_LIFETIME = timedelta(hours=1)
# How long a job waits for the server that has its archive.
_LONGEST_ELSEWHERE = timedelta(days=1)
_STATE, _ARCHIVE = "state.json", "upload.zip"
# Held while states are read, and then written or removed.
lock = threading.Lock()

WAITING, CHECKED, COMPLETED, FAILED = "Waiting", "Checked", "Completed", "Failed"


@dataclass
class ImportState:
    """An import of a data set.

    Attributes:
        status: Waiting (also while it runs), Checked (the end of a dry run), Completed or Failed.
        created: in microseconds since 1970.
        project_id: of the project; of a new one the id that it gets.
        report: made by `reports.report_of`; None until the data set is checked.
        resource: of the project.
    """

    id: str
    created: int
    status: str
    project_id: str
    project_name: str
    project_is_new: bool
    format: str | None
    domain_id: str | None = None
    classification_type: str | None = None
    dry_run: bool = False
    missing_allowed: bool = False
    job_id: str | None = None
    failure: str | None = None
    report: dict[str, Any] | None = None
    parts: list[str] = field(default_factory=list)
    resource: str = DEFAULT_RESOURCE

    @property
    def created_at(self) -> datetime:
        return moment(self.created)


def folder(context: Context) -> Path:
    return context.folder / FOLDER_NAME


def archive_path(context: Context, id: str) -> Path:
    """The file of the uploaded archive of an import."""
    return folder(context) / id / _ARCHIVE


def write(context: Context, state: ImportState) -> None:
    """Store a state. Raises StorageFull."""
    with full_disk_noticed():
        (folder(context) / state.id).mkdir(parents=True, exist_ok=True)
        write_atomically(folder(context) / state.id / _STATE, orjson.dumps(asdict(state)), durable=False)


def find(context: Context, id: str) -> ImportState | None:
    """The state of an import; None when there is none."""
    try:
        content = (folder(context) / id / _STATE).read_bytes()
        return ImportState(**orjson.loads(content))
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError, TypeError):
        return None


def get(context: Context, id: str, resource: str = DEFAULT_RESOURCE) -> ImportState:
    """The state of an import of a resource. Raises ServiceError when there is none."""
    state = find(context, id)
    if state is None or state.resource != resource:
        raise ServiceError("NotFound", f"There is no import of a data set {id}.")
    return state


def list_all(context: Context) -> list[ImportState]:
    """All imports, the latest first."""
    names = [path.name for path in folder(context).glob("*")]
    found = [state for name in names if (state := find(context, name)) is not None]
    return sorted(found, key=lambda state: (-state.created, state.id))


def remove(context: Context, id: str) -> None:
    """Forget an import, with its archive."""
    shutil.rmtree(folder(context) / id, ignore_errors=True)


def remove_archive(context: Context, id: str) -> None:
    """Delete the archive of an import, if it has one."""
    # Windows cannot delete the file while a cancelled import still reads it; `remove_old` does it later.
    with suppress(PermissionError):
        archive_path(context, id).unlink(missing_ok=True)


def remove_of(context: Context, resource: str) -> None:
    """Forget the imports of a resource."""
    with lock:
        for state in list_all(context):
            if state.resource == resource:
                remove(context, state.id)


def remove_old(context: Context) -> None:
    """Remove the archives of old dry runs, and the oldest imports that have ended."""
    with lock:
        latest = microseconds(context.clock.reading - _CHECKED_LIFETIME)
        ended = [state for state in list_all(context) if state.status != WAITING]
        for state in ended[MOST_KEPT:]:
            remove(context, state.id)
        for state in ended[:MOST_KEPT]:
            if state.status != CHECKED or state.created < latest:
                remove_archive(context, state.id)


def remove_unused(context: Context) -> None:
    """At the start, before any upload: forget what an earlier process left, except for waiting imports."""
    for path in folder(context).glob("*"):
        state = find(context, path.name)
        if state is None or state.status != WAITING or not _has_job(context, state):
            shutil.rmtree(path, ignore_errors=True)


def elsewhere(context: Context, session: Session) -> list[str]:
    """The ids of the jobs whose archive another server has.

    After a day, they are not among them: their server is gone, and they fail wherever they are executed.
    """
    if context.database.shared is None:
        return []
    oldest = context.clock.reading - _LONGEST_ELSEWHERE
    recent = select(Job).where(Job.kind == JobKind.DATA_SET, col(Job.created) > oldest)
    return [
        job.id
        for job in session.exec(recent)
        if not archive_path(context, (job.details or {})["dataSet"]).exists()
    ]


def _has_job(context: Context, state: ImportState) -> bool:
    with context.database.read() as session:
        return session.get(Job, state.job_id or "") is not None


def clear(context: Context) -> None:
    """Forget all imports."""
    shutil.rmtree(folder(context), ignore_errors=True)
