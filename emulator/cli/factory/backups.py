"""The commands `backup` and `restore`, for the data folder of a running or a stopped emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    from emulator.store.opening import ServerStore, Store


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
    """Copy all that is stored into a new folder in FOLDER, also while emulators use it.

    That is the data folder, and the database and object store of --database and --blobs.
    """
    from emulator.core.backups import saving

    try:
        with server_store(settings) as server:
            saved = saving.save(settings.data, folder, now=datetime.now(UTC), keep=keep, server=server)
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

    The emulator may be running; the command then needs its port and its training key. With --database and
    --blobs, they get the rows, images and models, wherever those of the backup were.
    """
    from emulator.core.backups import restoring
    from emulator.core.backups.hash_list import BackupRejected
    from emulator.store.database import FILE_NAME, DatabaseRefused, StorageFull, StoreUnreachable, TextRefused

    try:
        folder = restoring.chosen(backup)
        if check:
            print(f"{folder}  {_described(restoring.verified(folder))}: all files are intact")
            return
        if settings.database is not None:
            from emulator.store.postgresql import parsed, shown

            places = f"{shown(parsed(settings.database))} and {settings.blobs or settings.data}"
            confirm(f"Replace everything in {places} by {folder}, for all servers?", is_agreed=yes)
        elif (settings.data / FILE_NAME).exists():
            confirm(f"Replace everything in {settings.data} by {folder}?", is_agreed=yes)
        manifest = _restore(settings, folder)
    except (
        BackupRejected,
        DatabaseRefused,
        StorageFull,
        StoreUnreachable,
        TextRefused,
        OSError,
    ) as error:
        raise CommandFailed(f"the backup was not restored: {error}") from None
    print(f"{folder}  {_described(manifest)}: restored to {settings.data}")


def _restore(settings: Settings, backup: Path) -> Manifest:
    from emulator.core.backups import restoring
    from emulator.server.data_folder import DataFolderInUse, exclusive_data_folder

    try:
        with exclusive_data_folder(settings):
            if settings.database is None:
                return restoring.restore(backup, settings.data)

            def opened() -> Store:
                from emulator.app import opened_store

                return opened_store(settings, exclusive=True)

            return restoring.restore(backup, settings.data, opened)
    except DataFolderInUse:
        return _restore_through_server(settings, backup)


def _restore_through_server(settings: Settings, backup: Path) -> Manifest:
    from emulator.core.backups import restoring

    with restoring.as_named_snapshot(backup, settings.data) as snapshot:
        path = f"/_emulator/snapshots/{snapshot.name}/restore"
        control_emulator(settings, "POST", path, timeout=WORK_TIMEOUT_SECONDS)
    return snapshot.manifest


@contextmanager
def server_store(settings: Settings) -> Iterator[ServerStore | None]:
    """The store of the options to read; None when it is in the data folder. Raises CommandFailed."""
    if settings.database is None:
        yield None
        return
    from emulator.store.database import DatabaseRefused, StoreUnreachable
    from emulator.store.opening import read_server_store

    try:
        server = read_server_store(settings.data, settings.database, settings.blobs)
    except (DatabaseRefused, StoreUnreachable) as error:
        raise CommandFailed(str(error)) from None
    try:
        yield server
    finally:
        server.database.close()


def _described(manifest: Manifest) -> str:
    created = datetime.fromtimestamp(manifest.created / 1e6, UTC).isoformat(timespec="seconds")
    counts = f"{manifest.projects} projects, {manifest.images} images, {manifest.iterations} iterations"
    return f"of {created}: {counts}, {manifest.size / MEGABYTE:.1f} MB"
