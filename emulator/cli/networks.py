"""The commands `models add`, `models list` and `models remove`: networks that trainings start from."""

from __future__ import annotations

import errno
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.settings import SettingError, Settings
from emulator.vision.backbones import registry
from emulator.vision.backbones.registry import Backbone
from emulator.vision.networks.bundled import BUNDLED_NETWORKS

if TYPE_CHECKING:
    from emulator.vision.backbones.published import PublishedWeights

_TORCHVISION = "install the version of torchvision that belongs to your torch (pip install torchvision)"
_TRAIN = "install custom-vision-emulator[train]"
_SHORT_DIGEST = 16
_PUBLISHED_NAME = re.compile(r"[A-Za-z0-9_-]+(:[A-Za-z0-9_]+)?")
# In the data folder, for files that are being downloaded.
_DOWNLOADS = "backbone-downloads"


@click.group()
def models() -> None:
    """Networks that trainings start from: those that come with the program, and your own."""


@models.command("add")
@with_settings
@click.argument("file", help="Weights of a classification network of torchvision, or its name: resnet50.")
@click.option(
    "--from", "mirror", metavar="URL", help="Where to download a named network; default: torchvision's."
)
@click.option("--architecture", metavar="NAME", help="torchvision's name of the network; default: detected.")
@click.option("--name", metavar="NAME", help="Name of the network here; default: the architecture.")
@click.option(
    "--licence", metavar="TEXT", default="", help="The licence of the weights; stored with them and listed."
)
@click.option("--resolution", metavar="PIXELS", type=int, help="Side of input images; default: as published.")
def add_model(
    settings: Settings,
    file: str,
    mirror: str | None,
    architecture: str | None,
    name: str | None,
    licence: str,
    resolution: int | None,
) -> None:
    """Give advanced trainings another network to try: a file of weights (.pth, .safetensors), or one that
    torchvision publishes, which is downloaded by its name."""
    is_published = _is_published_name(Path(file), file) or mirror is not None
    lines = (partial(add_published, mirror=mirror) if is_published else add)(
        file,
        folder_of(settings),
        now=lambda: datetime.now(UTC),
        architecture=architecture,
        name=name,
        licence=licence,
        resolution=resolution,
    )
    print("\n".join(lines))


@models.command("list")
@with_settings
@click.option("--json", "as_json", is_flag=True, help="Print all details as JSON.")
def list_models(settings: Settings, as_json: bool) -> None:
    """Show the networks that trainings start from."""
    print("\n".join(listing(folder_of(settings), as_json=as_json)))


@models.command("remove")
@with_settings
@click.argument("name", help="The name that it was added under.")
def remove_model(settings: Settings, name: str) -> None:
    """Remove a network of your own; models that were trained with it keep working."""
    remove(folder_of(settings), name)
    print(f"removed  {name}")


def folder_of(settings: Settings) -> Path:
    """The folder of an emulator's own networks."""
    if settings.ephemeral:
        raise SettingError("--ephemeral: networks are kept in a data folder; give one with --data")
    return settings.data / registry.FOLDER_NAME


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
    """Add a network; returns lines that describe it. Raises `CommandFailed`."""
    from emulator.vision.backbones.add import add_backbone
    from emulator.vision.backbones.weights_files import WeightsRejected

    path = Path(file)
    with _errors_in_one_line(path.name):
        try:
            added = add_backbone(
                path,
                folder,
                now=now,
                architecture=architecture,
                name=name,
                licence=licence,
                resolution=resolution,
                progress=_show_step,
            )
        except WeightsRejected as rejected:
            raise CommandFailed(f"{path.name}: {' '.join(str(rejected).split())}") from None
    return _description(added)


def add_published(
    published_name: str,
    folder: Path,
    *,
    now: Callable[[], datetime],
    mirror: str | None,
    architecture: str | None,
    name: str | None,
    licence: str,
    resolution: int | None,
) -> list[str]:
    """Download weights that torchvision publishes, and add them; returns lines. Raises `CommandFailed`.

    Args:
        published_name: "resnet50" or "resnet50:IMAGENET1K_V1".
        mirror: the URL of the file, or ending in "/", of a folder with it; None: torchvision's.
    """
    from emulator.vision.backbones.add import check_free
    from emulator.vision.backbones.weights_files import WeightsRejected

    if architecture is not None:
        raise CommandFailed("--architecture is for files; a published network has one already")
    with _errors_in_one_line(published_name):
        try:
            _check_converter()
            from emulator.vision.backbones.published import published_weights_of

            published = published_weights_of(published_name)
            check_free(folder, name or published.architecture)
        except WeightsRejected as rejected:
            raise CommandFailed(" ".join(str(rejected).split())) from None
        path = _downloaded(published, folder.parent / _DOWNLOADS, mirror)
    lines = add(
        str(path),
        folder,
        now=now,
        architecture=published.architecture,
        name=name,
        licence=licence or published.licence,
        resolution=resolution,
    )
    path.unlink(missing_ok=True)
    with suppress(OSError):  # other downloads are in it
        path.parent.rmdir()
    return lines


def _downloaded(published: PublishedWeights, folder: Path, mirror: str | None) -> Path:
    """The file of published weights. Raises `CommandFailed`, and OSError."""
    from filelock import FileLock, Timeout

    from emulator.cli.download import DownloadFailed, Unreachable, download
    from emulator.vision.backbones.weights_files import MAX_FILE_BYTES

    url = published.url if mirror is None else mirror
    url = f"{url}{published.file_name}" if url.endswith("/") else url
    if sys.stderr.isatty():
        print(f"{published.architecture} {published.version}: {published.licence}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / published.file_name
    lock = FileLock(folder / f".{published.file_name}.lock", timeout=0)
    try:
        with lock, progress_bar(published.file_name, published.size) as show:
            download(url, path, sha256=published.sha256, most_bytes=MAX_FILE_BYTES, show=show)
    except Timeout:
        raise CommandFailed(f"another program is downloading {published.file_name}") from None
    except Unreachable as failed:
        raise CommandFailed(
            f"{failed} Name a mirror with --from URL, or get {published.url} on another machine and give the "
            "file: models add FILE"
        ) from None
    except DownloadFailed as failed:
        raise CommandFailed(str(failed)) from None
    Path(lock.lock_file).unlink(missing_ok=True)
    return path


@contextmanager
def progress_bar(label: str, size: int | None) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if it is a terminal; yields its function of the bytes there and of all."""
    with click.progressbar(
        length=size or 1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty(), show_eta=True
    ) as bar:

        def show(there: int, total: int) -> None:
            bar.length = total or max(size or 1, there)
            bar.update(there - bar.pos)

        yield show


def _check_converter() -> None:
    """Import what converting needs, before anything is downloaded. Raises ImportError."""
    import onnx  # noqa: F401
    import onnxscript  # noqa: F401
    import torch  # noqa: F401


def _is_published_name(path: Path, text: str) -> bool:
    """Whether the text is the name of a network instead of a file's."""
    if path.exists() or path.suffix.lower() in (".pth", ".pt", ".safetensors", ".bin"):
        return False
    return _PUBLISHED_NAME.fullmatch(text) is not None


def remove(folder: Path, name: str) -> None:
    """Remove a network. Raises `CommandFailed`."""
    with _errors_in_one_line(name):
        try:
            registry.remove(folder, name)
        except FileNotFoundError:
            if any(bundled.name == name for bundled in BUNDLED_NETWORKS):
                raise CommandFailed(f"{name} comes with the program and cannot be removed") from None
            known = ", ".join(registry.names(folder)) or "there are none"
            raise CommandFailed(f"no network of yours is named {name!r} (yours: {known})") from None


def listing(folder: Path, *, as_json: bool) -> list[str]:
    """All networks, as the lines of a table or as JSON with all details."""
    with _errors_in_one_line(str(folder)):
        yours = registry.summary(folder)
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
        known["licence"] or "not given",
        note,
    )


def _description(added: Backbone) -> list[str]:
    return [
        f"added         {added.name}",
        f"architecture  {added.architecture}, {added.parameters / 1e6:.1f} million parameters",
        f"input         {added.resolution} x {added.resolution} pixels",
        f"features      {added.features}",
        f"SHA-256       {added.source_sha256}",
        f"licence       {_one_line(added.licence) or 'not given; --licence stores it'}",
        "Advanced trainings of domains that are not compact try it from now on.",
    ]


def _one_line(text: str) -> str:
    """The text without line breaks and other control characters, at most 80 characters."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= 80 else f"{line[:77]}..."


def _show_step(step: str) -> None:
    """Print the name of a long step if standard error is a terminal."""
    if sys.stderr.isatty():
        print(f"{step} ...", file=sys.stderr)


@contextmanager
def _errors_in_one_line(what: str) -> Iterator[None]:
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
