"""The command `migrate-store`, between data folders, PostgreSQL and object stores."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import absolute_path, with_settings
from emulator.settings import ENVIRONMENT_PREFIX, SettingError, Settings
from emulator.settings.readers import read_blobs, read_database


@click.command("migrate-store")
@with_settings
@click.option(
    "--to-data", metavar="FOLDER", type=absolute_path, required=True, help="The data folder to copy to."
)
@click.option("--to-database", metavar="URL", help="Its PostgreSQL database, see --database.")
@click.option("--to-blobs", metavar="URL", help="Its object store, see --blobs.")
def migrate_store(settings: Settings, to_data: Path, to_database: str | None, to_blobs: str | None) -> None:
    """Copy everything that is stored to another data folder, database and object store.

    Both are locked meanwhile: no emulator may be running. The target must have no projects; the source stays
    as it is. A copy that was interrupted is repeated.
    """
    from emulator.app import opened_store
    from emulator.core.signed_uris import SECRET_FILE
    from emulator.server.data_folder import exclusive_data_folder
    from emulator.store.blobs import BlobDamaged
    from emulator.store.database import (
        FILE_NAME,
        DatabaseRefused,
        StorageFull,
        StoreUnreachable,
        TextRefused,
    )
    from emulator.store.moving import copy_store

    target_settings = replace(
        settings,
        data=to_data,
        database=_read("--to-database", to_database, read_database),
        blobs=_read("--to-blobs", to_blobs, read_blobs),
    )
    if to_data == settings.data:
        raise SettingError("--to-data: is the data folder itself")
    if to_data.resolve().is_relative_to(settings.data.resolve()):
        raise SettingError("--to-data: is in the data folder, which would be changed")
    if settings.database is not None and (settings.data / FILE_NAME).exists():
        raise SettingError(
            f"--database: {settings.data} has a database of its own; leave out --database and --blobs, and "
            f"unset {ENVIRONMENT_PREFIX}DATABASE and {ENVIRONMENT_PREFIX}BLOBS"
        )
    if not settings.data.is_dir():
        raise CommandFailed(f"nothing was copied: there is no folder {settings.data}")
    try:
        with ExitStack() as stack:
            stack.enter_context(exclusive_data_folder(settings))
            source = opened_store(settings, exclusive=True)
            stack.callback(source.database.close)
            stack.enter_context(exclusive_data_folder(target_settings))
            target = opened_store(target_settings, exclusive=True)
            stack.callback(target.database.close)
            moved = copy_store(source, target, to_data)
            secret = settings.data / SECRET_FILE
            if secret.exists():  # so that URIs of images that were issued stay valid
                shutil.copy(secret, to_data / SECRET_FILE)
    except (DatabaseRefused, StorageFull, StoreUnreachable, TextRefused, BlobDamaged, OSError) as error:
        raise CommandFailed(f"nothing was copied: {error}") from None
    print(f"{moved.projects} projects with {moved.blobs} images, models and exports: copied to {to_data}")


def _read(flag: str, text: str | None, read: Any) -> str | None:
    """The checked value of an option. Raises SettingError."""
    try:
        return None if text is None else str(read(text))
    except ValueError as error:
        raise SettingError(f"{flag}: {error}") from None
