"""Uploaded data sets and the states of their imports: files, a folder for each import.

The archive is deleted when the import has ended; the state is kept, so that clients see how it ended. Servers
of one database have the states there and the archives in the object store; a file is then there for the time
of the upload and of the import.
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.durable_files import write_atomically
from emulator.store.blobs import Uploads
from emulator.store.database import full_disk_noticed
from emulator.store.tables import DEFAULT_RESOURCE, Job, microseconds, moment

FOLDER_NAME = "data-sets"
# Imports that have ended; further ones are forgotten, the oldest first.
MOST_KEPT = 50
# How long the archive of a dry run is kept, so that it can be imported without being sent again.
_CHECKED_LIFETIME = timedelta(hours=1)
# How long an archive without a state is left: its server may be about to write the state.
_UNKNOWN_SECONDS = 24 * 3600
_NOT_BEGUN = "The import could not begin; upload the data set again."
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


def _uploads(context: Context) -> Uploads | None:
    """The archives of all servers; None for a single one."""
    return None if context.database.shared is None else context.blobs.uploads


def keep_archive(context: Context, id: str) -> None:
    """The archive of an import is complete: other servers may import it, too. Raises StoreUnreachable."""
    uploads = _uploads(context)
    if uploads is not None:
        uploads.put(id, archive_path(context, id))
        shutil.rmtree(folder(context) / id, ignore_errors=True)


def has_archive(context: Context, id: str) -> bool:
    """Whether the archive of an import is there. Raises StoreUnreachable."""
    uploads = _uploads(context)
    return archive_path(context, id).exists() if uploads is None else uploads.exists(id)


@contextmanager
def opened_archive(context: Context, id: str) -> Iterator[Path]:
    """The file of the archive of an import. Raises FileNotFoundError, StorageFull, StoreUnreachable."""
    path, uploads = archive_path(context, id), _uploads(context)
    if uploads is None:
        yield path
        return
    try:
        uploads.fetch(id, path)
        yield path
    finally:
        shutil.rmtree(folder(context) / id, ignore_errors=True)


def write(context: Context, state: ImportState) -> None:
    """Store a state. Raises StorageFull, StoreUnreachable."""
    shared = context.database.shared
    if shared is not None:
        content = orjson.dumps(asdict(state)).decode()
        shared.data_sets.write(state.id, created=state.created, status=state.status, content=content)
        return
    with full_disk_noticed():
        (folder(context) / state.id).mkdir(parents=True, exist_ok=True)
        write_atomically(folder(context) / state.id / _STATE, orjson.dumps(asdict(state)), durable=False)


def replace(context: Context, state: ImportState, before: str) -> bool:
    """Store a state in place of one with the status `before`; False if another server was earlier."""
    shared = context.database.shared
    if shared is None:
        write(context, state)
        return True
    content = orjson.dumps(asdict(state)).decode()
    return shared.data_sets.replace(state.id, before=before, status=state.status, content=content)


def find(context: Context, id: str) -> ImportState | None:
    """The state of an import; None when there is none."""
    if context.database.shared is not None:
        found = context.database.shared.data_sets.find(id)
        return None if found is None else ImportState(**orjson.loads(found))
    return _find_file(context, id)


def _find_file(context: Context, id: str) -> ImportState | None:
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
    if context.database.shared is not None:
        return [ImportState(**orjson.loads(one)) for one in context.database.shared.data_sets.contents()]
    names = [path.name for path in folder(context).glob("*")]
    found = [state for name in names if (state := find(context, name)) is not None]
    return sorted(found, key=lambda state: (-state.created, state.id))


def remove(context: Context, id: str) -> None:
    """Forget an import, with its archive."""
    if context.database.shared is not None:
        context.database.shared.data_sets.remove(id)
        remove_archive(context, id)
    shutil.rmtree(folder(context) / id, ignore_errors=True)


def remove_archive(context: Context, id: str) -> None:
    """Delete the archive of an import, if it has one."""
    uploads = _uploads(context)
    if uploads is not None:
        uploads.remove(id)
        return
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
    """Remove the archives of old dry runs, and the oldest imports that have ended.

    Also what a server left that was killed when an upload was complete: an archive without a state, and an
    import that waits without a job, which fails.
    """
    with lock:
        latest = microseconds(context.clock.reading - _CHECKED_LIFETIME)
        states = list_all(context)
        _fail_unexecuted(context, [state for state in states if state.status == WAITING])
        ended = [state for state in states if state.status != WAITING]
        for state in ended[MOST_KEPT:]:
            remove(context, state.id)
        uploads = _uploads(context)
        present = None if uploads is None else uploads.ages()  # one request for all
        if uploads is not None and present is not None:
            for unknown in present.keys() - {state.id for state in states}:
                if present[unknown] > _UNKNOWN_SECONDS:
                    uploads.remove(unknown)
        for state in ended[:MOST_KEPT]:
            is_old = state.status != CHECKED or state.created < latest
            if is_old and (present is None or state.id in present):
                remove_archive(context, state.id)


def _fail_unexecuted(context: Context, waiting: list[ImportState]) -> None:
    """Let those of the waiting imports fail that have no job."""
    if all(has_job(context, state) for state in waiting):
        return
    # State and job are written in one transaction of a writer, so that none is between the two.
    with context.database.write() as session:
        for one in waiting:
            state = find(context, one.id)
            if state is None or state.status != WAITING or session.get(Job, state.job_id or "") is not None:
                continue
            state.status, state.failure = FAILED, _NOT_BEGUN
            if replace(context, state, WAITING):
                remove_archive(context, state.id)


def remove_unused(context: Context) -> None:
    """At the start, before any upload: forget what an earlier process left, except for waiting imports.

    An archive that a server of an earlier version has kept for itself is handed to all.
    """
    is_shared = context.database.shared is not None
    for path in folder(context).glob("*"):
        state = _find_file(context, path.name)
        is_needed = state is not None and state.status == WAITING and has_job(context, state)
        if is_shared and is_needed and (path / _ARCHIVE).exists():
            assert state is not None
            keep_archive(context, state.id)
            write(context, state)
        elif is_shared or not is_needed:
            shutil.rmtree(path, ignore_errors=True)


def has_job(context: Context, state: ImportState) -> bool:
    """Whether the job of an import waits or runs."""
    with context.database.read() as session:
        return session.get(Job, state.job_id or "") is not None


def clear(context: Context) -> None:
    """Forget all imports."""
    uploads = _uploads(context)
    if uploads is not None and context.database.shared is not None:
        context.database.shared.data_sets.clear()
        uploads.clear()
    shutil.rmtree(folder(context), ignore_errors=True)
