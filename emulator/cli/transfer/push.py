"""The command `push`: a project of the emulator, or of an archive, into another resource."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.cli.transfer.pull import (
    endpoint_option,
    key_file_option,
    read_endpoint,
    read_key,
    shown,
    tps_option,
)
from emulator.settings import SettingError, Settings
from emulator.settings.client_variables import NO_PORT

if TYPE_CHECKING:
    from emulator.pulling.service import Service

_FOLDER_NAME = "pushed"
_IDS_NAME = "ids.json"
# The emulator's own API has no limit that a push could reach.
_OWN_CALLS_PER_SECOND = 1000.0


@click.command()
@with_settings
@endpoint_option
@key_file_option
@click.option("--project", metavar="NAME|ID", help="The project of the running emulator (--port).")
@click.option(
    "--archive",
    metavar="FOLDER",
    help="The folder of one project that was pulled, in place of a project of the running emulator.",
)
@click.option("--name", metavar="NAME", help="Name of the new project. [default: that of the project]")
@tps_option
def push(
    settings: Settings,
    endpoint: str | None,
    key_file: str | None,
    project: str | None,
    archive: str | None,
    name: str | None,
    tps: float,
) -> None:
    """Copy a project into another resource: Azure Custom Vision, or another emulator.

    The resource creates a new project with new ids, which are written to a file. Images, tags, regions and
    metadata are copied; iterations are not, since a resource accepts no models: train there. A push that ends
    early goes on where it was when it is repeated. The exit status is 0 when everything is there.
    """
    from emulator.core.pulled.archive import PullArchive, private_files
    from emulator.core.pulled.journal import ArchiveUnusable
    from emulator.pulling.push import Push
    from emulator.pulling.service import Endpoint, PullFailed, Refused, Service, opened
    from emulator.pulling.throttle import Throttle

    if (project is None) == (archive is None):
        raise SettingError("--project or --archive: give one of them")
    try:
        address = Endpoint.parse(read_endpoint(endpoint))
        with private_files(), opened(Service(address, read_key(key_file), Throttle(tps))) as target:
            target.get("projects")  # a wrong key is noticed before the project is read
            folder = _own(settings, project) if project is not None else Path(str(archive))
            opened_archive = PullArchive(folder, read_only=True)
            try:
                pushing = Push(target, opened_archive, name)
                project_id = pushing.run()
                ids = pushing.mapping()
                text = json.dumps(ids, indent=2)
                (folder / _IDS_NAME).write_text(f"{text}\n", "utf-8")
            finally:
                opened_archive.close()
    except (ArchiveUnusable, PullFailed) as error:
        raise CommandFailed(str(error)) from None
    except LookupError as error:
        raise CommandFailed(str(error.args[0])) from None
    except OSError as error:
        raise CommandFailed(f"cannot write {_IDS_NAME}: {error.strerror or error}") from None
    except Refused as refused:
        raise CommandFailed(f"the resource refused a request: {refused}") from None
    except KeyboardInterrupt:
        raise CommandFailed("stopped; repeat the command to go on") from None
    print(f"project {project_id}: {len(ids['image']):,} images; ids in {folder / _IDS_NAME}")
    for failure in pushing.failures:
        print(f"  missing: {failure}", file=sys.stderr)
    if pushing.failures:
        raise CommandFailed("the push is not complete; repeat the command to try again what is missing")


def _own(settings: Settings, name: str) -> Path:
    """The archive of a project of the running emulator, up to date."""
    from emulator.core.pulled.archive import PullArchive
    from emulator.pulling.project import Choice, ProjectPull, chosen_projects
    from emulator.pulling.service import Endpoint, Service, opened
    from emulator.pulling.throttle import Throttle

    if settings.port == 0:
        raise SettingError(NO_PORT)
    address = Endpoint.parse(settings.training_endpoint())
    throttle = Throttle(_OWN_CALLS_PER_SECOND)
    source: Service
    with opened(Service(address, settings.training_keys[0], throttle, attempts=4)) as source:
        (found,) = chosen_projects(source, [name])
        folder = settings.data / _FOLDER_NAME / str(found["id"])
        archive = PullArchive(folder)
        try:
            pulling = ProjectPull(source, archive, found["id"], Choice(iterations=False, predictions=False))
            with shown(pulling, _OWN_CALLS_PER_SECOND):
                pulling.run()
        finally:
            archive.close()
    return folder
