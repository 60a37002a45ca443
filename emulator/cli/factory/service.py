"""The command `service install`, which writes unit files for systemd."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.durable_files import write_atomically
from emulator.settings import Settings, options

_ENVIRONMENT = Path("/etc/custom-vision-emulator.conf")
_DATA = Path("/var/lib/custom-vision-emulator")


@click.group()
def service() -> None:
    """Run the emulator as a service of systemd, with a nightly backup."""


@service.command()
@with_settings
@click.option(
    "--user", metavar="NAME", help="The user that it runs as; default: you, or custom-vision-emulator."
)
@click.option("--backups", metavar="FOLDER", help="Make a backup in this folder every night.")
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
    default="/etc/systemd/system",
    show_default=True,
    help="Where the unit files are written.",
)
@click.option(
    "--environment",
    metavar="FILE",
    default=str(_ENVIRONMENT),
    show_default=True,
    help="Where the options are written, keys included, readable by its owner alone.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the files instead.")
def install(
    settings: Settings,
    user: str | None,
    backups: str | None,
    keep: int,
    gpu: bool,
    units: str,
    environment: str,
    only_print: bool,
) -> None:
    """Write the unit files; all options of serve can be given, and --profile is factory by default."""
    from emulator.server.systemd.unit_files import NAME, Service, environment_file, unit_files

    variables = _variables()
    data = Path(variables[options(Settings)["data"].variable])
    writable = [] if settings.log_file is None else [settings.log_file.parent]
    described = Service(
        program=_program(),
        user=user or _user(),
        data=data,
        environment=Path(environment).absolute(),
        writable=[path for path in writable if not path.is_relative_to(data)],
        backups=None if backups is None else Path(backups).expanduser().absolute(),
        keep=keep,
        gpu=gpu,
    )
    files = {Path(units) / name: text for name, text in unit_files(described).items()}
    files[described.environment] = environment_file(variables)
    if only_print:
        for path, text in files.items():
            print(f"# {path}\n{text}")
        return
    for path, text in files.items():
        _write(path, text, 0o600 if path == described.environment else 0o644)
    folders = [data, *described.writable, *([] if described.backups is None else [described.backups])]
    print("To start it, as root:")
    print(
        f"  id {described.user} || useradd --system --home-dir / --shell /usr/sbin/nologin {described.user}"
    )
    print(f"  install -d -m 700 -o {described.user} {' '.join(map(str, folders))}")
    timer = "" if described.backups is None else f" {NAME}-backup.timer"
    print(f"  systemctl daemon-reload && systemctl enable --now {NAME}.service{timer}")


def _variables() -> dict[str, str]:
    """The options of the command line as variables of the environment, with the defaults of a service."""
    given = click.get_current_context().params
    variables = {}
    for name, option in options(Settings).items():
        value = given.get(name)
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            value = (option.separator or ",").join(value)
        variables[option.variable] = "on" if value is True else str(value)
    described = options(Settings)
    variables.setdefault(described["profile"].variable, "factory")
    variables.setdefault(described["data"].variable, str(_DATA))
    variables.setdefault(described["quiet"].variable, "on")
    return variables


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
