"""The command `pull`: projects of a resource of the service, into archives and into the emulator."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import absolute_path, with_settings
from emulator.cli.transfer.insertion import Insertion
from emulator.settings import SettingError, Settings

if TYPE_CHECKING:
    from emulator.core.pulled.originals import Attached
    from emulator.pulling.project import Choice, ProjectPull
    from emulator.pulling.service import Service

# The names that Microsoft's quickstarts read.
_ENDPOINT_VARIABLE, _KEY_VARIABLE = "VISION_TRAINING_ENDPOINT", "VISION_TRAINING_KEY"
_FOLDER_NAME = "pulled"
_NOT_COMPLETE = "  not inserted; repeat the command, or insert what is there with --accept-missing"
_COPY_LEFT = (
    "note: a copy that --retrain-compact has made; it is not pulled. The command with the archive in which "
    "it was begun ends it; without that archive, delete it at the service"
)
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_UPDATES = 0.5


endpoint_option = click.option(
    "--endpoint",
    metavar="URL",
    help=f"The resource, such as https://NAME.cognitiveservices.azure.com. [{_ENDPOINT_VARIABLE}]",
)
key_file_option = click.option(
    "--key-file",
    metavar="FILE",
    help=f"File with the training key of the resource, - for standard input. [{_KEY_VARIABLE}, or a prompt]",
)
tps_option = click.option(
    "--tps",
    type=click.FloatRange(0.1, 1000),
    default=8.0,
    show_default=True,
    help="Calls a second, of the 10 that the service allows; the rest is left for your programs.",
)


@click.command()
@with_settings
@endpoint_option
@key_file_option
@click.option(
    "--project",
    "projects",
    metavar="NAME|ID",
    multiple=True,
    help="A project of the resource; repeatable. [default: all]",
)
@click.option(
    "--archive",
    metavar="FOLDER",
    help=f"Folder for what is pulled, one folder in it for each project. [default: {_FOLDER_NAME} in --data]",
)
@tps_option
@click.option("--no-iterations", is_flag=True, help="Pull images, tags and settings alone.")
@click.option("--no-predictions", is_flag=True, help="Leave out the stored predictions.")
@click.option("--archive-only", is_flag=True, help="Fill the archive and insert nothing into the emulator.")
@click.option(
    "--running",
    is_flag=True,
    help="Insert into the running emulator (--port), which must be able to read the archive.",
)
@click.option("--replace", is_flag=True, help="Replace a project that was pulled before.")
@click.option("--accept-missing", is_flag=True, help="Insert a project although some of it is missing.")
@click.option(
    "--retrain-local",
    is_flag=True,
    help="Train projects here whose last iteration has no model; begins at the next start of the emulator.",
)
@click.option(
    "--originals",
    metavar="FOLDER",
    help="Find the originals of images that the service has scaled down, in this folder and those below it.",
)
@click.option(
    "--retrain-compact",
    is_flag=True,
    help="Train a copy of each project in a compact domain at the service, which charges for it, export its "
    "model, and delete the copy. The project itself is not changed.",
)
def pull(
    settings: Settings,
    endpoint: str | None,
    key_file: str | None,
    projects: tuple[str, ...],
    archive: str | None,
    tps: float,
    no_iterations: bool,
    no_predictions: bool,
    archive_only: bool,
    running: bool,
    replace: bool,
    accept_missing: bool,
    retrain_local: bool,
    originals: str | None,
    retrain_compact: bool,
) -> None:
    """Copy projects out of Azure Custom Vision, with their ids, into the emulator's data folder.

    Nothing is changed at the service, unless --retrain-compact is given. A pull that ends early goes on where
    it was when it is repeated. The exit status is 0 when nothing is missing.
    """
    from emulator.core.pulled.archive import private_files
    from emulator.core.pulled.journal import ArchiveUnusable
    from emulator.pulling.compact import is_copy
    from emulator.pulling.project import Choice, chosen_projects
    from emulator.pulling.service import Endpoint, PullFailed, Refused, Service, opened
    from emulator.pulling.throttle import Throttle
    from emulator.vision.imaging.memory import limit_malloc_arenas, trim_heap

    limit_malloc_arenas()
    folder = Path(archive) if archive else settings.data / _FOLDER_NAME
    if originals is not None and not originals.strip():
        raise SettingError("--originals: give a folder")
    photographs = None if originals is None else absolute_path(originals)
    if photographs is not None and not photographs.is_dir():
        raise SettingError(f"--originals: {originals!r} is no folder")
    choice = Choice(iterations=not no_iterations, predictions=not no_predictions)
    insertion = Insertion(settings, is_running=running, replace=replace, retrain=retrain_local)
    complete = True
    try:
        address = Endpoint.parse(read_endpoint(endpoint))
        with private_files(), opened(Service(address, read_key(key_file), Throttle(tps))) as service:
            found = list(chosen_projects(service, projects))
            if not archive_only:
                insertion.check()
            if not projects:
                ids = [project["id"] for project in found]
                copies = [project for project in found if is_copy(project, ids)]
                for project in copies:
                    print(f"{project['name']} ({project['id']})\n  {_COPY_LEFT}")
                found = [project for project in found if project not in copies]
            insertion.total = len(found)
            for project in found:
                with insertion.project(project["id"]):
                    place = folder / project["id"]
                    is_kept = not archive_only and insertion.keeps(project["id"])
                    is_complete = _pull_one(service, place, project["id"], choice, tps)
                    complete = complete and is_complete
                    attached = None if photographs is None else _attach_originals(place, photographs)
                    if retrain_compact:
                        if is_kept:
                            _check_compact_model(place)
                        else:
                            complete = _retrain_compact(service, place) and complete
                    trim_heap()  # what lists of images have left is as much as their insertion needs
                    if archive_only:
                        continue
                    if not is_complete and not accept_missing:
                        print(_NOT_COMPLETE, file=sys.stderr)
                    elif is_kept and not projects:
                        _check_originals(attached)
                        insertion.leave()
                    else:
                        insertion.insert(place)
            if not found:
                print("the resource has no projects")
        insertion.end()
    except (ArchiveUnusable, PullFailed, LookupError) as error:
        raise CommandFailed(error.args[0] if isinstance(error, LookupError) else str(error)) from None
    except Refused as refused:
        raise CommandFailed(f"the service refused a request: {refused}") from None
    except KeyboardInterrupt:
        raise CommandFailed("stopped; what was pulled is kept, repeat the command to go on") from None
    if not complete:
        raise CommandFailed("the pull is not complete; repeat the command to try again what is missing")


def read_endpoint(given: str | None) -> str:
    """The endpoint of the resource. Raises SettingError without one."""
    endpoint = given or os.environ.get(_ENDPOINT_VARIABLE)
    if not endpoint:
        raise SettingError(f"--endpoint: give the endpoint of the resource, or set {_ENDPOINT_VARIABLE}")
    return endpoint


def read_key(file: str | None) -> str:
    """The training key. Not an option: options are shown in lists of processes and kept by shells."""
    if file is not None:
        try:
            text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"--key-file: cannot read {file!r}: {error}") from None
        return text.strip()
    key = os.environ.get(_KEY_VARIABLE, "").strip()
    if not key and sys.stdin.isatty():
        key = click.prompt("Training key", hide_input=True, err=True).strip()
    if not key:
        raise SettingError(f"--key-file: give a file with the training key, or set {_KEY_VARIABLE}")
    return key


def _pull_one(service: Service, folder: Path, project_id: str, choice: Choice, tps: float) -> bool:
    """Pull a project into its archive and print the manifest; returns whether it is complete."""
    from emulator.core.pulled.archive import PullArchive
    from emulator.pulling.compact import copy_left
    from emulator.pulling.manifest import manifest_of
    from emulator.pulling.project import ProjectPull

    archive = PullArchive(folder)
    try:
        pulling = ProjectPull(service, archive, project_id, choice)
        with shown(pulling, tps):
            differences = pulling.run()
        manifest = manifest_of(archive, differences)
        archive.write_manifest(manifest.to_json())
        for line in manifest.lines():
            print(line)
        left = copy_left(archive)
        if left is not None:
            print(f"  note: the copy {left!r} is at the service; --retrain-compact ends it and deletes it")
        return manifest.is_complete
    finally:
        archive.close()


def _attach_originals(folder: Path, photographs: Path) -> Attached:
    """Exchange images of an archive for their originals, and say for how many there were some."""
    from emulator.core.pulled.archive import PullArchive
    from emulator.core.pulled.originals import attach_originals

    archive = PullArchive(folder)
    try:
        found = attach_originals(archive, photographs)
    except OSError as error:
        raise CommandFailed(f"--originals: {error.filename or photographs}: {error.strerror}") from None
    finally:
        archive.close()
    print(f"  originals: {found.exchanged:,} of {found.images:,} images with 1,600 pixels")
    if found.unreadable:
        print(f"  note: {found.unreadable:,} of {found.files:,} files are no images, or of a single colour")
    for image in found.ambiguous:
        print(f"  note: image {image}: several files may be its original; none is taken")
    return found


def _check_originals(attached: Attached | None) -> None:
    """Raises CommandFailed when an archive has originals, and the project here keeps its images."""
    if attached is not None and attached.exchanged:
        raise CommandFailed(
            "the originals are in the archive alone, since the project is here already; --replace inserts "
            "them, and what was changed in the project here is lost"
        )


def _check_compact_model(folder: Path) -> None:
    """Raises CommandFailed unless the archive has the model of a copy, so that there is nothing to train."""
    from emulator.core.pulled.archive import COMPACT_MODEL_NAME

    if not (folder / COMPACT_MODEL_NAME).is_file():
        raise CommandFailed(
            "no copy is trained: the project is here already, and the model would not be inserted; --replace "
            "replaces the project, with what was changed in it here, and --archive-only leaves it as it is"
        )


def _retrain_compact(service: Service, folder: Path) -> bool:
    """Get a model of a project by a copy in a compact domain; returns whether that is complete."""
    from emulator.core.pulled.archive import COMPACT_MODEL_NAME, PullArchive
    from emulator.pulling.compact import CompactRetraining, RetrainingFailed

    archive = PullArchive(folder)
    try:
        retraining = CompactRetraining(service, archive, lambda step: print(f"  {step}", file=sys.stderr))
        if retraining.run():
            print(f"  model of a copy in a compact domain: {folder / COMPACT_MODEL_NAME}")
        else:
            print("  no copy is trained: the domain of the project is compact; export its iterations there")
    except RetrainingFailed as failed:
        print(f"  no model of a copy in a compact domain: {failed}", file=sys.stderr)
        return False
    finally:
        archive.close()
    return True


@contextmanager
def shown(pulling: ProjectPull, tps: float) -> Iterator[None]:
    """Show the progress of a pull on standard error."""
    ended = threading.Event()

    def show() -> None:
        from emulator.pulling.progress import Remaining

        remaining, is_terminal = Remaining(tps), sys.stderr.isatty()
        while not ended.wait(_SECONDS_BETWEEN_UPDATES if is_terminal else _SECONDS_BETWEEN_LINES):
            line = remaining.line(pulling)
            print(
                f"\r{line[:119]:<119}" if is_terminal else line,
                end="" if is_terminal else "\n",
                file=sys.stderr,
            )
        if is_terminal:
            print(f"\r{'':<119}\r", end="", file=sys.stderr)

    thread = threading.Thread(target=show, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
