"""Recording traffic: exchanges become archives of projects, whose images are fetched meanwhile.

Archives contain no URIs and no keys. A file is fetched once, without a key, soon after its URI was received,
which is valid for a day.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.contract.gateway_responses import guid
from emulator.core.context import Context
from emulator.core.pulled.archive import WORKSPACE
from emulator.core.pulled.insert import InsertRefused
from emulator.core.pulled.journal import FILE_NAME, ArchiveUnusable
from emulator.core.pulled.refresh import delete, refresh
from emulator.pulling.files import IMAGE_BYTES, Wanted, checked_image
from emulator.pulling.iterations import EXPORT_BYTES
from emulator.pulling.recording.archive import RecordedArchive
from emulator.pulling.recording.exchanges import Exchange
from emulator.pulling.recording.rules import Content, apply, has_other_projects, projects_in
from emulator.store.database import StorageFull

_log = logging.getLogger(__name__)
_IMAGES_AT_A_TIME = 4
_SECONDS_TO_END = 20.0


class FileNotFetched(Exception):
    """The file of an image cannot be had. str() is the reason."""


# Fetches a URI. Arguments: the URI, and the most bytes to receive. Raises FileNotFetched.
Fetch = Callable[[str, int], bytes]


@dataclass(frozen=True)
class Recorded:
    """How much of a project was recorded.

    images: listed ones. total: of the project, if the service was asked for it. files: of images, exports and
    predictions. missing: files that cannot be had. note: why it is not inserted; may be empty.
    """

    id: str
    name: str
    images: int
    total: int | None
    files: int
    missing: int
    iterations: int
    is_inserted: bool
    note: str


class Recorder:
    """The archives of recorded projects in a folder. Methods may be called from several threads.

    fetch: the bytes of a URI. Raises ArchiveUnusable, such as while a pull uses an archive.
    """

    def __init__(self, folder: Path, fetch: Fetch) -> None:
        self._folder = folder
        self._fetch = fetch
        self._archives: dict[str, RecordedArchive] = {}
        self._notes: dict[str, str] = {}
        self._domains: list[dict[str, Any]] | None = None
        self._lock = threading.RLock()
        self._pending: set[tuple[str, str]] = set()
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(_IMAGES_AT_A_TIME, "recorded images")
        try:
            for found in sorted(folder.glob(f"*/{FILE_NAME}")):
                with suppress(ValueError):  # a folder that is no project's
                    self._archive(guid(found.parent.name))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End, after files that wait were fetched, which may take 20 seconds.

        The others are fetched when their images are listed again, since URIs are not kept.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, timeout=_SECONDS_TO_END)
        self._pool.shutdown(wait=True, cancel_futures=True)
        for archive in self._archives.values():
            archive.close()

    @property
    def pending(self) -> int:
        """The number of files that wait, or are fetched."""
        return len(self._pending)

    def wait(self) -> None:
        """Wait until no file waits."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending)

    def note(self, exchange: Exchange) -> bool:
        """Record an exchange; returns whether it is of the form of the contract, as far as it is read.

        Raises ArchiveUnusable when the disk is full.
        """
        with self._lock:
            if exchange.operation == "GetDomains" and isinstance(exchange.response, list):
                self._domains = exchange.response
                for archive in self._archives.values():
                    archive.put_document("domains", self._domains)
            for project in projects_in(exchange):
                project_id = guid(project["id"])
                archive = self._archive(project_id)
                archive.put_project(project)
                archive.change(project_id)
            if has_other_projects(exchange):
                return False
            if exchange.project_id is None:
                return True
            try:
                archive = self._archive(guid(exchange.project_id))
            except ValueError:
                return True
            wanted = apply(archive, exchange)
        for item in wanted or ():
            self._want(archive, item)
        return wanted is not None

    def insert(self, context: Context) -> None:
        """Insert the projects of which something was recorded since the last time, with all their files."""
        self.wait()
        with self._lock:
            for project_id, archive in self._archives.items():
                if archive.is_changed:
                    self._insert(context, project_id, archive)

    def projects(self) -> list[Recorded]:
        """What was recorded of each project."""
        with self._lock:
            return [
                self._described(project_id, archive) for project_id, archive in sorted(self._archives.items())
            ]

    def archives(self) -> Sequence[Path]:
        """The folders of the archives."""
        return [archive.folder for archive in self._archives.values()]

    def _insert(self, context: Context, project_id: str, archive: RecordedArchive) -> None:
        try:
            if archive.is_deleted:
                delete(context, archive, project_id)
            else:
                refresh(context, archive)
            archive.settle()
            self._notes.pop(project_id, None)
        except (InsertRefused, ArchiveUnusable, StorageFull) as error:
            self._notes[project_id] = str(error)
            _log.warning("The recorded project %s is not inserted: %s", project_id, error)

    def _described(self, project_id: str, archive: RecordedArchive) -> Recorded:
        state = archive.state()
        project = state["project"] or {}
        return Recorded(
            id=project_id,
            name=str(project.get("name", "")),
            images=archive.listed_count(WORKSPACE),
            total=state["counts"].get("total"),
            files=sum(archive.file_totals(kind)[0] for kind in ("image", "export", "prediction")),
            missing=len(archive.reasons()),
            iterations=len(state["iterations"]),
            is_inserted=not archive.is_changed,
            note=self._notes.get(project_id, ""),
        )

    def _archive(self, project_id: str) -> RecordedArchive:
        found = self._archives.get(project_id)
        if found is None:
            found = RecordedArchive(self._folder / guid(project_id))
            found.forget_reasons()
            if not found.has_document("domains"):
                found.put_document("domains", self._domains or [])
            self._archives[project_id] = found
        return found

    # Files

    def _want(self, archive: RecordedArchive, item: Wanted | Content) -> None:
        key = item.kind, item.id
        if archive.is_settled(*key):
            return
        if isinstance(item, Content):
            self._put(archive, item.kind, item.id, item.data, None)
            return
        with self._changed:
            if key in self._pending:
                return
            self._pending.add(key)
        self._pool.submit(self._fetch_into, archive, item)

    def _fetch_into(self, archive: RecordedArchive, wanted: Wanted) -> None:
        try:
            most = EXPORT_BYTES if wanted.kind == "export" else IMAGE_BYTES
            self._put(archive, wanted.kind, wanted.id, self._fetch(wanted.uri, most), wanted.size)
        except FileNotFetched as error:
            archive.put_reason(wanted.kind, wanted.id, f"its file: {error}")
        except ArchiveUnusable as error:
            _log.warning("The file of the %s %s is not kept: %s", wanted.kind, wanted.id, error)
        finally:
            with self._changed:
                self._pending.discard((wanted.kind, wanted.id))
                self._changed.notify_all()

    def _put(
        self, archive: RecordedArchive, kind: str, id: str, data: bytes, size: tuple[int, int] | None
    ) -> None:
        # Exports are checked when they are loaded.
        reason, found = ("", (0, 0)) if kind == "export" else checked_image(data, size)
        if reason:
            archive.put_reason(kind, id, reason)
            return
        archive.write_file(kind, id, data)
        archive.put_file(kind, id, data, *found)
