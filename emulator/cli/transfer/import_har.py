"""The command `import-har`: projects from recorded traffic of the service."""

from __future__ import annotations

import sys

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import absolute_path, with_settings
from emulator.cli.transfer.insertion import Insertion, counted
from emulator.settings import Settings

_FOLDER_NAME = "recorded"


@click.command()
@with_settings
@click.argument("file", help="The HAR file.")
@click.option(
    "--archive",
    metavar="FOLDER",
    help=f"Folder for what is read, one folder in it for each project. [default: {_FOLDER_NAME} in --data]",
)
@click.option("--archive-only", is_flag=True, help="Fill the archive and insert nothing into the emulator.")
@click.option(
    "--running",
    is_flag=True,
    help="Insert into the running emulator (--port), which must be able to read the archive.",
)
@click.option("--replace", is_flag=True, help="Replace a project that is here.")
def import_har(
    settings: Settings, file: str, archive: str | None, archive_only: bool, running: bool, replace: bool
) -> None:
    """Insert projects that a program or a browser has seen at the service, from recorded traffic.

    A HAR file (HTTP Archive) is what browsers and proxies save. It has what was requested, and seldom all of
    a project: a pull into the same archive requests the rest. Entries that cannot be read are left out and
    listed, the first of the file as entry 1; the exit status is then 1.
    """
    from emulator.core.pulled.archive import private_files
    from emulator.core.pulled.journal import ArchiveUnusable
    from emulator.pulling.recording.har import HarUnusable, import_har

    folder = settings.data / _FOLDER_NAME if archive is None else absolute_path(archive)
    insertion = Insertion(settings, is_running=running, replace=replace)
    try:
        if not archive_only:
            insertion.check()
        with private_files():
            recorder, found = import_har(absolute_path(file), folder)
            try:
                projects = recorder.projects()
            finally:
                recorder.close()
        print(f"{counted(found.exchanges, 'call')} of the service in {found.entries} entries")
        for entry in found.unusable:
            print(f"  entry {entry.number} is left out: {entry.reason}", file=sys.stderr)
        insertion.total = len(projects)
        for project in projects:
            total = "?" if project.total is None else str(project.total)
            print(
                f"{project.name or 'a project without its name'} ({project.id}): images {project.images} of "
                f"{total}, files {project.files}, missing {project.missing}, iterations {project.iterations}"
            )
            if archive_only:
                continue
            if not project.name:
                print("  not inserted: the project itself was not requested", file=sys.stderr)
                continue
            with insertion.project(project.id):
                if len(projects) > 1 and insertion.keeps(project.id):
                    insertion.leave()
                else:
                    insertion.insert(folder / project.id)
        insertion.end()
    except (ArchiveUnusable, HarUnusable) as error:
        raise CommandFailed(str(error)) from None
    if not projects:
        raise CommandFailed("the file has no successful call of the service that describes a project")
    if found.unusable:
        raise CommandFailed(
            f"{len(found.unusable)} of {found.entries} entries cannot be read and are left out, see above"
        )
