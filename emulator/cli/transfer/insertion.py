"""Inserting archives of projects, one after the other, into the data folder or into the running emulator."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.cli.errors import CommandFailed
from emulator.settings import Settings, StartRefused

if TYPE_CHECKING:
    from emulator.core.context import Context
    from emulator.core.pulled.archive import PullArchive
    from emulator.core.pulled.insert import Inserted

# A project of 100,000 images takes minutes.
_INSERT_SECONDS = 3600.0


class Insertion:
    """The insertion of the projects of a command, each of which may fail without ending the others.

    Args:
        is_running: whether the target is the running emulator instead of the data folder.
        replace: whether projects that are in the target are replaced.
        retrain: whether projects whose last iteration has no model are trained in the target.

    Attributes:
        total: number of projects. The error of a single one is that of the command.
    """

    def __init__(self, settings: Settings, *, is_running: bool, replace: bool, retrain: bool = False) -> None:
        self.total = 0
        self._settings = settings
        self._is_running = is_running
        self._replace = replace
        self._retrain = retrain
        self._present: frozenset[str] | None = None
        self._inserted = self._left = self._failed = 0

    def check(self) -> None:
        """Read which projects are in the target. Raises CommandFailed when it cannot be used."""
        read = _projects_of_running if self._is_running else _projects_of_data_folder
        self._present = frozenset(read(self._settings))

    def keeps(self, project_id: str) -> bool:
        """Whether the project is in the target, and is to stay as it is."""
        return project_id in (self._present or ()) and not self._replace

    def insert(self, folder: Path) -> None:
        """Insert the project of an archive. Raises CommandFailed."""
        insert = _insert_into_running if self._is_running else _insert_archive
        insert(self._settings, folder, replace=self._replace, retrain=self._retrain)
        self._inserted += 1

    def leave(self) -> None:
        """Say that the project is here already and stays as it is."""
        print("  already here: not changed; --replace replaces it, with what was changed in it here")
        self._left += 1

    @contextmanager
    def project(self, project_id: str) -> Iterator[None]:
        """The work on one project: an error that is of it alone is printed, unless there is one project."""
        from emulator.core.pulled.journal import ArchiveUnusable
        from emulator.pulling.service import Refused

        try:
            yield
        except (ArchiveUnusable, CommandFailed, Refused) as error:
            text = f"the service refused a request: {error}" if isinstance(error, Refused) else str(error)
            if self.total == 1:
                raise CommandFailed(text) from None
            print(f"  {project_id}: {text}", file=sys.stderr)
            self._failed += 1

    def end(self) -> None:
        """Print how many projects were inserted. Raises CommandFailed when there were errors."""
        if self.total > 1 and self._present is not None:
            rest = self.total - self._inserted - self._left
            print(
                f"{self.total:,} projects: inserted {self._inserted:,}, already here {self._left:,}, "
                f"not inserted {rest:,}"
            )
        if self._failed:
            raise CommandFailed(f"{counted(self._failed, 'project')} with an error, see above")


def _projects_of_running(settings: Settings) -> list[str]:
    from emulator.cli.control import control_emulator

    listed = json.loads(control_emulator(settings, "GET", "/customvision/v3.3/training/projects"))
    return [project["id"] for project in listed]


def _projects_of_data_folder(settings: Settings) -> list[str]:
    from sqlmodel import select

    from emulator.store.tables import Project

    with _opened(settings) as context, context.database.read() as session:
        return list(session.exec(select(Project.id)))


@contextmanager
def _opened(settings: Settings) -> Iterator[Context]:
    """The data folder, which no other process uses meanwhile. Raises CommandFailed."""
    from emulator.app import make_parts
    from emulator.core.clock import Clock
    from emulator.core.ids import Ids
    from emulator.server.data_folder import exclusive_data_folder

    try:
        with exclusive_data_folder(settings) as locked:
            parts = make_parts(locked, Clock(), Ids())
            try:
                yield parts.context
            finally:
                parts.end_workers(wait=True)
                parts.context.database.close()
    except StartRefused as refused:
        hint = "; or insert into that emulator with --running" if "in use" in str(refused) else ""
        raise CommandFailed(f"not inserted: {refused}{hint}") from None


def _insert_archive(settings: Settings, folder: Path, *, replace: bool, retrain: bool = False) -> None:
    """Insert the project of an archive into the data folder. Raises CommandFailed.

    retrain: whether to request a training, which then begins when an emulator starts on the folder.
    """
    from emulator.core.pulled.archive import PullArchive
    from emulator.core.pulled.insert import InsertRefused, insert
    from emulator.store.database import StorageFull

    archive: PullArchive = PullArchive(folder, read_only=True)
    try:
        with _opened(settings) as context:
            result = insert(context, archive, replace=replace)
            imported = _imported_compact(context, archive, result)
            trained = _retrained(context, result) if retrain else None
    except InsertRefused as refused:
        raise CommandFailed(f"not inserted: {refused}; the archive is {str(folder)!r}") from None
    except StorageFull:
        raise CommandFailed("not inserted: the disk of the data folder is full") from None
    finally:
        archive.close()
    _print_inserted(str(settings.data), result.images, result.iterations, result.notes)
    _print_compact(imported)
    if trained is not None:
        print(f"  training here: {trained}, which begins when the emulator starts")


def _imported_compact(context: Context, archive: PullArchive, result: Inserted) -> str | None:
    """The name of the iteration of the model of a copy in a compact domain; None without such a model."""
    from emulator.core.disk_space import UploadRefused
    from emulator.core.errors import ServiceError
    from emulator.core.iterations.import_model import import_model
    from emulator.core.pulled.archive import COMPACT_MODEL_NAME

    path = archive.folder / COMPACT_MODEL_NAME
    if not path.is_file():
        return None
    try:
        return import_model(context, path.read_bytes(), project_id=result.project_id).iteration.name
    except (ServiceError, UploadRefused) as error:
        result.notes.append(f"the model {path} is not imported: {error}")
        return None


def _print_compact(iteration: str | None) -> None:
    if iteration is not None:
        print(f"  model of a copy in a compact domain: {iteration}, to be published under the old name")


def _retrained(context: Context, result: Inserted) -> str | None:
    """The name of the iteration whose training was requested; None when none was."""
    from emulator.core.errors import ServiceError
    from emulator.core.pulled.retrain import retrain

    try:
        iteration = retrain(context, result.project_id)
    except ServiceError as error:
        result.notes.append(f"no training was requested: {error.message}")
        return None
    return None if iteration is None else iteration.name


def _insert_into_running(settings: Settings, folder: Path, *, replace: bool, retrain: bool = False) -> None:
    """Insert the project of an archive into the running emulator. Raises CommandFailed."""
    from emulator.cli.control import control_emulator
    from emulator.core.pulled.archive import COMPACT_MODEL_NAME

    wanted = {"folder": str(folder.absolute()), "replace": replace, "retrain": retrain}
    body = json.dumps(wanted).encode()
    answer = control_emulator(settings, "POST", "/_emulator/pulledProjects", body, timeout=_INSERT_SECONDS)
    result = json.loads(answer)
    _print_inserted("the running emulator", result["imageCount"], result["iterationCount"], result["notes"])
    model = folder / COMPACT_MODEL_NAME
    if model.is_file():
        content, address = model.read_bytes(), f"/_emulator/models?project={folder.name}"
        sent = control_emulator(settings, "POST", address, content, subject=model.name)
        _print_compact(json.loads(sent)["iterationName"])
    if result["trainingIterationName"] is not None:
        print(f"  training here: {result['trainingIterationName']}")


def _print_inserted(place: str, images: int, iterations: int, notes: list[str]) -> None:
    for note in notes:
        print(f"  note: {note}")
    print(f"  inserted into {place}: {counted(images, 'image')}, {counted(iterations, 'iteration')}")


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the singular or plural."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
