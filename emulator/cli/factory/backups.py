"""The commands `backup` and `restore`, for the data folder of a running or a stopped emulator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.cli.control import WORK_TIMEOUT_SECONDS, control_emulator
from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.settings import SettingError, Settings

if TYPE_CHECKING:
    from emulator.core.snapshots.manifest import Manifest

_MEGABYTE = 2**20


@click.command()
@with_settings
@click.argument("folder")
@click.option(
    "--keep",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=0,
    help="Delete older backups in the folder beyond this number; 0 (default) deletes none.",
)
def backup(settings: Settings, folder: str, keep: int) -> None:
    """Copy the whole data folder into a new folder in FOLDER, also while an emulator uses it."""
    from emulator.core.backups import saving

    try:
        saved = saving.save(settings.data, _path(folder), now=datetime.now(UTC), keep=keep)
    except saving.BackupFailed as failed:
        raise CommandFailed(f"no backup was made: {failed}") from None
    copied = "" if saved.copied is None else f", {saved.copied / _MEGABYTE:.1f} MB of it new"
    print(f"{saved.folder}  {_described(saved.manifest)}{copied}")


@click.command()
@with_settings
@click.argument("backup")
@click.option(
    "--check", is_flag=True, help="Compare the files of the backup with its list, and change nothing."
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
def restore(settings: Settings, backup: str, check: bool, yes: bool) -> None:
    """Replace all that is stored by BACKUP, or by the newest backup in that folder.

    The emulator may be running; the command then needs its port and its training key.
    """
    from emulator.core.backups import restoring
    from emulator.core.backups.hash_list import BackupRejected
    from emulator.store.database import DatabaseRefused, StorageFull

    try:
        folder = restoring.chosen(_path(backup))
        if check:
            print(f"{folder}  {_described(restoring.verified(folder))}: all files are intact")
            return
        _confirm(settings, folder, yes)
        manifest = _restore(settings, folder)
    except (BackupRejected, DatabaseRefused, StorageFull, OSError) as error:
        raise CommandFailed(f"nothing was restored: {error}") from None
    print(f"{folder}  {_described(manifest)}: restored to {settings.data}")


def _confirm(settings: Settings, backup: Path, yes: bool) -> None:
    from emulator.store.database import FILE_NAME

    if yes or not (settings.data / FILE_NAME).exists():
        return
    import sys

    if not sys.stdin.isatty():
        raise SettingError("--yes: required when standard input is not a terminal")
    click.confirm(f"Replace everything in {settings.data} by {backup}?", abort=True)


def _restore(settings: Settings, backup: Path) -> Manifest:
    from emulator.core.backups import restoring
    from emulator.server.data_folder import DataFolderInUse, exclusive_data_folder

    try:
        with exclusive_data_folder(settings):
            return restoring.restore(backup, settings.data)
    except DataFolderInUse:
        return _restore_through_server(settings, backup)


def _restore_through_server(settings: Settings, backup: Path) -> Manifest:
    """Place the backup as a named snapshot, which the server restores and deletes."""
    from emulator.core.backups import hash_list, restoring
    from emulator.core.snapshots.manage import FOLDER_NAME
    from emulator.store.blobs import FolderBlobStore

    listed = hash_list.verify(backup)
    with restoring.staged(backup, settings.data, FolderBlobStore(settings.data)) as staged:
        name = f"restore-{staged.manifest.folder[:12]}"
        target = settings.data / FOLDER_NAME / name
        target.parent.mkdir(exist_ok=True)
        staged.data.parent.rename(target)
        path = f"/_emulator/snapshots/{name}"
        try:
            control_emulator(settings, "POST", f"{path}/restore", timeout=WORK_TIMEOUT_SECONDS)
            control_emulator(settings, "DELETE", path)
        except BaseException:
            import shutil

            shutil.rmtree(target, ignore_errors=True)
            raise
    restoring.place_others(backup, settings.data, listed, replace=False)
    return staged.manifest


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _described(manifest: Manifest) -> str:
    created = datetime.fromtimestamp(manifest.created / 1e6, UTC).isoformat(timespec="seconds")
    counts = f"{manifest.projects} projects, {manifest.images} images, {manifest.iterations} iterations"
    return f"of {created}: {counts}, {manifest.size / _MEGABYTE:.1f} MB"
