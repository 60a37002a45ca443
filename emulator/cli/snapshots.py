"""Commands for the snapshots of a running emulator: `snapshot save`, `restore`, `list` and others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from emulator.cli.control import WORK_TIMEOUT_SECONDS, control_emulator
from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.durable_files import write_atomically
from emulator.settings import Settings

_FOLDER = "/_emulator/snapshots"


@click.group()
def snapshot() -> None:
    """Save everything in a running emulator under a name, restore it, move it to another emulator."""


@snapshot.command()
@with_settings
@click.argument("name")
def save(settings: Settings, name: str) -> None:
    """Save everything as the snapshot NAME, in place of an older one."""
    _print([json.loads(_call(settings, "PUT", _path(name)))])


@snapshot.command()
@with_settings
@click.argument("name")
def restore(settings: Settings, name: str) -> None:
    """Replace everything by the snapshot NAME."""
    _print([json.loads(_call(settings, "POST", f"{_path(name)}/restore"))])


@snapshot.command("list")
@with_settings
def list_snapshots(settings: Settings) -> None:
    """List the snapshots, with the numbers of their projects, images and iterations and their size."""
    _print(json.loads(_call(settings, "GET", _FOLDER)))


@snapshot.command()
@with_settings
@click.argument("name")
def delete(settings: Settings, name: str) -> None:
    """Delete the snapshot NAME."""
    _call(settings, "DELETE", _path(name))
    print(f"{name} is deleted")


@snapshot.command()
@with_settings
@click.argument("name")
@click.argument("file")
def download(settings: Settings, name: str, file: str) -> None:
    """Write the snapshot NAME to the zip file FILE."""
    content = _call(settings, "GET", f"{_path(name)}/archive")
    try:
        write_atomically(Path(file).absolute(), content)
    except OSError as error:
        raise CommandFailed(f"cannot write {file!r}: {error.strerror or error}") from None
    print(f"{file} ({len(content)} bytes)")


@snapshot.command()
@with_settings
@click.argument("name")
@click.argument("file")
def upload(settings: Settings, name: str, file: str) -> None:
    """Store the zip file FILE as the snapshot NAME, to be restored."""
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise CommandFailed(f"cannot read {file!r}: {error.strerror or error}") from None
    _print([json.loads(_call(settings, "PUT", f"{_path(name)}/archive", content))])


def _path(name: str) -> str:
    return f"{_FOLDER}/{quote(name, safe='')}"


def _call(settings: Settings, method: str, path: str, body: bytes = b"") -> bytes:
    return control_emulator(settings, method, path, body, timeout=WORK_TIMEOUT_SECONDS)


def _print(snapshots: list[dict[str, Any]]) -> None:
    for item in snapshots:
        counts = f"{item['projectCount']} projects, {item['imageCount']} images, "
        counts += f"{item['iterationCount']} iterations"
        print(f"{item['name']:<24} {item['created']}  {counts}, {item['size']} bytes")
