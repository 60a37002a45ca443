"""Commands for the resources of a running emulator: `resources add`, `list`, `rotate`, `remove`, and keys."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from emulator.cli.control import confirm, control_emulator
from emulator.cli.flags import absolute_path, with_settings
from emulator.settings import SettingError, Settings
from emulator.settings.option_fields import read_keys_file, read_secret_file

_PATH = "/_emulator/resources"
_DEFAULT = "default"
# A line of a file for --new-keys.
_LINE_OF_KEYS = re.compile(r"(training|prediction)-key\s*=")


@click.group()
def resources() -> None:
    """Resources of a running emulator: groups of projects with keys of their own, and keys with roles."""


@resources.command()
@with_settings
@click.argument("name")
@click.option("--resource-tier", metavar="TIER", help="Its tier: unlimited, s0 or f0.")
@click.option(
    "--new-keys",
    metavar="FILE",
    type=absolute_path,
    help="Keys in place of random ones: lines training-key=KEY[,KEY] and prediction-key=KEY[,KEY].",
)
def add(settings: Settings, name: str, resource_tier: str | None, new_keys: Path | None) -> None:
    """Add the resource NAME and print its keys, which are not shown again, except those of --new-keys."""
    fields = {"training-key": "trainingKeys", "prediction-key": "predictionKeys"}
    read = {} if new_keys is None else read_keys_file(new_keys, fields, flag="--new-keys")
    given = {field: list(dict.fromkeys(keys)) for field, keys in read.items()}
    added = _call(settings, "POST", "", {"name": name, "tier": resource_tier, **given})
    print(f"{added['name']}  tier {added['tier']}")
    _print_keys(added["keys"], given={key for keys in given.values() for key in keys})
    print(f"predictionId  {added['predictionResourceId']}")


@resources.command("list")
@with_settings
def list_resources(settings: Settings) -> None:
    """List the resources with their tiers, numbers of projects and names of keys."""
    for one in _call(settings, "GET", "")["resources"]:
        unit = "project" if one["projectCount"] == 1 else "projects"
        print(f"{one['name']}  tier {one['tier']}, {one['projectCount']} {unit}")
        for key in one["keys"]:
            print(f"  {_label(key):<32} {key['created']}")


@resources.command()
@with_settings
@click.argument("name")
@click.argument("kind", help="training, prediction or role.")
@click.argument("key", help="1 or 2, or the name of a key with a role.")
def rotate(settings: Settings, name: str, kind: str, key: str) -> None:
    """Replace a key of the resource NAME and print the new one; the old one is no longer valid."""
    path = f"/{_quoted(name)}/keys/{_quoted(kind)}/{_quoted(key)}/rotate"
    _print_keys([_call(settings, "POST", path)])


@resources.command("add-key")
@with_settings
@click.argument("key", help="The name of the key, such as that of a person.")
@click.argument("role", help="Contributor, Trainer, Labeler, Deployment or Reader.")
@click.option("--resource", metavar="NAME", default=_DEFAULT, help="By default the default resource.")
@click.option(
    "--new-key", metavar="FILE", type=absolute_path, help="A file with the key, in place of a random one."
)
def add_key(settings: Settings, key: str, role: str, resource: str, new_key: Path | None) -> None:
    """Add a key with a role and print it; it is not shown again, and not printed if it was in a file."""
    given = None if new_key is None else _key_in(new_key)
    body = {"name": key, "role": role, "key": given}
    added = _call(settings, "POST", f"/{_quoted(resource)}/keys", body)
    _print_keys([added], given={given})


@resources.command("remove-key")
@with_settings
@click.argument("key", help="The name of the key.")
@click.option("--resource", metavar="NAME", default=_DEFAULT, help="By default the default resource.")
def remove_key(settings: Settings, key: str, resource: str) -> None:
    """Remove a key with a role."""
    _call(settings, "DELETE", f"/{_quoted(resource)}/keys/{_quoted(key)}")
    print(f"{key} is removed")


@resources.command()
@with_settings
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
def remove(settings: Settings, name: str, yes: bool) -> None:
    """Remove the resource NAME, which must have no projects, and its keys."""
    confirm(f"Remove the resource {name} and its keys?", is_agreed=yes)
    _call(settings, "DELETE", f"/{_quoted(name)}")
    print(f"{name} is removed")


def _key_in(file: Path) -> str:
    """The key in a file, without the white space around it. Raises SettingError, which does not quote it."""
    key = read_secret_file(file, flag="--new-key").strip()
    if not key:
        raise SettingError(f"--new-key: {str(file)!r} has no key")
    if _LINE_OF_KEYS.match(key):
        raise SettingError(f"--new-key: {str(file)!r} has a name before the key; give nothing but the key")
    return key


def _print_keys(keys: list[dict[str, Any]], given: Collection[str | None] = ()) -> None:
    for key in keys:
        print(f"{_label(key):<32} {'as given' if key['key'] in given else key['key']}")


def _label(key: dict[str, Any]) -> str:
    if key["role"] is None:
        return f"{key['kind'].lower()} key {key['name']}"
    return f"{key['role']} key {key['name']}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _call(settings: Settings, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    answer = control_emulator(settings, method, _PATH + path, content)
    return json.loads(answer) if answer else None
