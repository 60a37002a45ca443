"""The commands `backup` and `restore`, for the data folder of a running or a stopped emulator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.control import WORK_TIMEOUT_SECONDS, confirm, control_emulator
from emulator.cli.errors import CommandFailed
from emulator.cli.flags import absolute_path, with_settings
from emulator.core.rules.limits import MEGABYTE
from emulator.settings import Settings

if TYPE_CHECKING:
    from emulator.core.snapshots.manifest import Manifest


@click.command()
@with_settings
@click.argument("folder", type=absolute_path)
@click.option(
    "--keep",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=0,
    help="Delete older backups in the folder beyond this number; 0 (default) deletes none.",
)
def backup(settings: Settings, folder: Path, keep: int) -> None:
    """Copy the whole data folder into a new folder in FOLDER, also while an emulator uses it."""
    from emulator.core.backups import saving

    try:
        saved = saving.save(settings.data, folder, now=datetime.now(UTC), keep=keep)
    except saving.BackupFailed as failed:
        raise CommandFailed(f"no backup was made: {failed}") from None
    print(f"{saved.folder}  {_described(saved.manifest)}, {saved.copied / MEGABYTE:.1f} MB of it new")


@click.command()
@with_settings
@click.argument("backup", type=absolute_path)
@click.option(
    "--check", is_flag=True, help="Compare the files of the backup with its list, and change nothing."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
def restore(settings: Settings, backup: Path, check: bool, yes: bool) -> None:
    """Replace all that is stored by BACKUP, or by the newest backup in that folder.

    The emulator may be running; the command then needs its port and its training key.
    """
    from emulator.core.backups import restoring
    from emulator.core.backups.hash_list import BackupRejected
    from emulator.store.database import FILE_NAME, DatabaseRefused, StorageFull

    try:
        folder = restoring.chosen(backup)
        if check:
            print(f"{folder}  {_described(restoring.verified(folder))}: all files are intact")
            return
        if (settings.data / FILE_NAME).exists():
            confirm(f"Replace everything in {settings.data} by {folder}?", is_agreed=yes)
        manifest = _restore(settings, folder)
    except (BackupRejected, DatabaseRefused, StorageFull, OSError) as error:
        raise CommandFailed(f"nothing was restored: {error}") from None
    print(f"{folder}  {_described(manifest)}: restored to {settings.data}")


def _restore(settings: Settings, backup: Path) -> Manifest:
    from emulator.core.backups import restoring
    from emulator.server.data_folder import DataFolderInUse, exclusive_data_folder
    from emulator.store.database import DatabaseRefused
    from emulator.store.server_mark import is_marked

    try:
        with exclusive_data_folder(settings):
            if settings.database is not None or is_marked(settings.data):
                raise DatabaseRefused(
                    "while no emulator runs, only folders with a database of their own can be restored; "
                    "start the emulator with --database, and repeat the command"
                )
            return restoring.restore(backup, settings.data)
    except DataFolderInUse:
        return _restore_through_server(settings, backup)


def _restore_through_server(settings: Settings, backup: Path) -> Manifest:
    from emulator.core.backups import restoring

    with restoring.as_named_snapshot(backup, settings.data) as snapshot:
        path = f"/_emulator/snapshots/{snapshot.name}/restore"
        control_emulator(settings, "POST", path, timeout=WORK_TIMEOUT_SECONDS)
    return snapshot.manifest


def _described(manifest: Manifest) -> str:
    created = datetime.fromtimestamp(manifest.created / 1e6, UTC).isoformat(timespec="seconds")
    counts = f"{manifest.projects} projects, {manifest.images} images, {manifest.iterations} iterations"
    return f"of {created}: {counts}, {manifest.size / MEGABYTE:.1f} MB"
