"""The command `service install`, which writes unit files for systemd."""

from __future__ import annotations

import getpass
import shlex
import sys
from pathlib import Path

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import absolute_path, with_settings
from emulator.durable_files import write_atomically
from emulator.settings import Settings, load_settings, options
from emulator.settings.readers import SAME_FOLDER

_DATA = Path("/var/lib/custom-vision-emulator")


@click.group()
def service() -> None:
    """Run the emulator as a service of systemd, with a nightly backup."""


@service.command()
@with_settings
@click.option(
    "--user", metavar="NAME", help="The user that it runs as; default: you, or custom-vision-emulator."
)
@click.option(
    "--backups", metavar="FOLDER", type=absolute_path, help="Make a backup in this folder every night."
)
@click.option(
    "--keep",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    default=14,
    show_default=True,
    help="The number of backups that stay.",
)
@click.option("--gpu", is_flag=True, help="Leave the devices of GPUs accessible.")
@click.option(
    "--units",
    metavar="FOLDER",
    type=absolute_path,
    default="/etc/systemd/system",
    show_default=True,
    help="Where the unit files are written.",
)
@click.option(
    "--environment",
    metavar="FILE",
    type=absolute_path,
    default="/etc/custom-vision-emulator.conf",
    show_default=True,
    help="Where the options are written, keys included, readable by its owner alone.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the files instead.")
def install(
    settings: Settings,
    user: str | None,
    backups: Path | None,
    keep: int,
    gpu: bool,
    units: Path,
    environment: Path,
    only_print: bool,
) -> None:
    """Write the unit files; all options of serve can be given, and --profile is factory by default."""
    from emulator.server.systemd.unit_files import NAME, Service, environment_file, unit_files

    variables = _variables(settings)
    environment, backups = environment.resolve(), backups and backups.resolve()
    # As the service reads them, with the defaults of its profile.
    served = load_settings(environment=variables)
    data = served.data
    written = [
        None if served.log_file is None else served.log_file.parent,
        served.export_folder,
        served.authority_folder if served.https == "auto" else None,
    ]
    described = Service(
        program=_program(),
        user=user or _user(),
        data=data,
        environment=environment,
        writable=[path for path in written if path is not None and not path.is_relative_to(data)],
        backups=backups,
        keep=keep,
        gpu=gpu,
    )
    files = {units / name: text for name, text in unit_files(described).items()}
    files[environment] = environment_file(variables)
    if only_print:
        for path, text in files.items():
            print(f"# {path}\n{text}")
        return
    for path, text in files.items():
        _write(path, text, 0o600 if path == environment else 0o644)
    folders = [data, *described.writable, *([] if backups is None else [backups])]
    print("To start it, as root:")
    print(
        f"  id {described.user} || useradd --system --home-dir / --shell /usr/sbin/nologin {described.user}"
    )
    print(f"  install -d -m 700 -o {described.user} {shlex.join(map(str, folders))}")
    timer = "" if backups is None else f" {NAME}-backup.timer"
    print(f"  systemctl daemon-reload && systemctl enable --now {NAME}.service{timer}")


def _variables(settings: Settings) -> dict[str, str]:
    """The options of the command line as variables of the environment, with the defaults of a service."""
    described = options(Settings)
    given = click.get_current_context().params
    variables = {
        described["profile"].variable: "factory",
        described["data"].variable: str(_DATA),
        described["quiet"].variable: "on",
    }
    for name, option in described.items():
        value, read = given.get(name), getattr(settings, name)
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            texts = [_text(*each) for each in zip(value, read, strict=True)]
            variables[option.variable] = (option.separator or ",").join(texts)
        else:
            variables[option.variable] = _text(value, read)
    return variables


def _text(given: str | bool, read: object) -> str:
    """The text of a variable. Paths are absolute, since the service has another working folder, and have no
    "..", which systemd refuses.
    """
    match read:
        case True:
            return "on"
        case Path() if read != SAME_FOLDER:
            return str(read.resolve())
        case (str() as prefix, Path() as folder):  # of --url-map
            return f"{prefix}={folder.resolve()}"
        case _:
            return str(given)


def _user() -> str:
    name = getpass.getuser()
    return "custom-vision-emulator" if name == "root" else name


def _program() -> list[str]:
    installed = Path(sys.executable).with_name("custom-vision-emulator")
    if installed.exists():
        return [str(installed)]
    return [sys.executable, "-m", "emulator"]


def _write(path: Path, text: str, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
        path.chmod(mode)
    except OSError as error:
        raise CommandFailed(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    print(path)
