"""What `custom-vision-emulator models` does: networks that trainings start from, added, shown and removed."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.settings import CommandFailed, SettingError, Settings
from emulator.vision.backbones import registry as registered_backbones
from emulator.vision.networks.bundled import BUNDLED_NETWORKS

if TYPE_CHECKING:
    from emulator.vision.backbones.registry import Backbone

# Package by the module that is missing: what to tell whoever lacks it.
_TORCHVISION = "install the version of torchvision that belongs to your torch (pip install torchvision)"
_TRAIN = "install custom-vision-emulator[train]"
_SHORT_DIGEST = 16


def folder_of(settings: Settings) -> Path:
    """Where the networks of an emulator are kept."""
    if settings.ephemeral:
        raise SettingError("--ephemeral: networks are kept in a data folder; give one with --data")
    return settings.data / registered_backbones.FOLDER_NAME


def add(
    file: str,
    folder: Path,
    *,
    now: Callable[[], datetime],
    architecture: str | None,
    name: str | None,
    licence: str,
    resolution: int | None,
) -> list[str]:
    """Add a network; what to print about it. Raises `CommandFailed`."""
    from emulator.vision.backbones.add import add_backbone
    from emulator.vision.backbones.weights_files import WeightsRejected

    path = Path(file)
    with _failing_in_one_line(path.name):
        try:
            added = add_backbone(
                path,
                folder,
                now=now,
                architecture=architecture,
                name=name,
                licence=licence,
                resolution=resolution,
                progress=_tell,
            )
        except WeightsRejected as rejected:
            raise CommandFailed(f"{path.name}: {' '.join(str(rejected).split())}") from None
    return _description(added)


def remove(folder: Path, name: str) -> None:
    """Remove a network. Raises `CommandFailed`."""
    with _failing_in_one_line(name):
        try:
            registered_backbones.remove(folder, name)
        except FileNotFoundError:
            if any(bundled.name == name for bundled in BUNDLED_NETWORKS):
                raise CommandFailed(f"{name} comes with the program and cannot be removed") from None
            known = ", ".join(registered_backbones.names(folder)) or "there are none"
            raise CommandFailed(f"no network of yours is named {name!r} (yours: {known})") from None


def listing(folder: Path, *, as_json: bool) -> list[str]:
    """All networks: a table for people, or everything that is known as JSON."""
    with _failing_in_one_line(str(folder)):
        yours = registered_backbones.summary(folder)
    if as_json:
        content = {"bundled": [vars(bundled) for bundled in BUNDLED_NETWORKS], "registered": yours}
        return [json.dumps(content, indent=2, ensure_ascii=False)]
    rows = [("NAME", "ARCHITECTURE", "PIXELS", "SHA-256", "LICENCE", "")]
    rows += [
        (each.name, each.architecture, str(each.resolution), each.sha256, each.licence, f"card: {each.card}")
        for each in BUNDLED_NETWORKS
    ]
    rows += [_row(each) for each in yours]
    shown = [(*row[:3], row[3][:_SHORT_DIGEST], *(_one_line(text) for text in row[4:])) for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in shown]


def _row(known: Any) -> tuple[str, str, str, str, str, str]:
    problem = known["problem"]
    if "architecture" not in known:
        return known["name"], "?", "?", "?", "?", f"DAMAGED: {problem}"
    note = f"DAMAGED: {problem}" if problem else f"from {known['source']}, added {known['added'][:10]}"
    return (
        known["name"],
        known["architecture"],
        str(known["resolution"]),
        known["source_sha256"],
        known["licence"] or "not said",
        note,
    )


def _description(added: Backbone) -> list[str]:
    return [
        f"added         {added.name}",
        f"architecture  {added.architecture}, {added.parameters / 1e6:.1f} million parameters",
        f"looks at      {added.resolution} x {added.resolution} pixels and says {added.features} numbers",
        f"SHA-256       {added.source_sha256}",
        f"licence       {_one_line(added.licence) or 'not said; --licence keeps it with the network'}",
        "Advanced trainings of domains that are not compact try it from now on.",
    ]


def _one_line(text: str) -> str:
    """Without line breaks and what else would move a terminal's cursor."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= 80 else f"{line[:77]}..."


def _tell(step: str) -> None:
    """What takes long is told to people; programs read the end."""
    if sys.stderr.isatty():
        print(f"{step} ...", file=sys.stderr)


@contextmanager
def _failing_in_one_line(what: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        missing = (error.name or "a package").partition(".")[0]
        hint = _TORCHVISION if missing == "torchvision" else _TRAIN
        raise CommandFailed(f"{missing} is needed and not usable; {hint} ({_one_line(str(error))})") from None
    except MemoryError:
        raise CommandFailed(f"{what}: there is not enough memory for this network") from None
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or error
        raise CommandFailed(f"{what}: {reason}") from None
