"""The command `doctor`, which examines a data folder."""

from __future__ import annotations

import json

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.factory.backups import server_store
from emulator.cli.flags import with_settings
from emulator.settings import Settings


@click.command()
@with_settings
@click.option("--no-hashes", is_flag=True, help="Do not read all images and models, to be faster.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each finding.")
def doctor(settings: Settings, no_hashes: bool, as_json: bool) -> None:
    """Examine all that is stored, also while it is in use, and say what to do: exit status 1 for problems.

    That is the data folder, and the database and object store of --database and --blobs.
    """
    from emulator.core.status.doctor import examine

    problems = 0
    with server_store(settings) as server:
        for finding in examine(settings.data, hashes=not no_hashes, server=server):
            problems += finding.state == "problem"
            if as_json:
                print(json.dumps(finding._asdict(), ensure_ascii=False))
                continue
            print(f"{finding.state:<8} {finding.check:<18} {finding.text}")
            if finding.remedy:
                print(f"{'':<28}{finding.remedy}")
    if problems:
        raise CommandFailed(f"{problems} problem{'' if problems == 1 else 's'} in {settings.data}")
