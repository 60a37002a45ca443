"""The command line: its commands, and how errors end it."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from emulator import __version__
from emulator.cli.errors import CommandFailed
from emulator.settings.errors import SettingError, StartRefused

PROGRAM = "custom-vision-emulator"

# The module of this package that defines each command, in the order of the help.
_MODULES = {
    "serve": "serve",
    "serve-model": "serve",
    "exec": "exec",
    "import-model": "control",
    "import-data": "transfer.data_sets",
    "export-data": "transfer.data_sets",
    "pull": "transfer.pull",
    "push": "transfer.push",
    "leave-report": "transfer.leave_report",
    "import-har": "transfer.import_har",
    "env": "control",
    "trust": "trust",
    "health": "control",
    "reset": "control",
    "snapshot": "snapshots",
    "backup": "factory.backups",
    "restore": "factory.backups",
    "migrate-store": "factory.stores",
    "doctor": "factory.doctor",
    "service": "factory.service",
    "watch": "factory.watch",
    "cluster-worker": "factory.cluster_worker",
    "rollout": "factory.rollouts",
    "resources": "resources",
    "requests": "requests",
    "usage": "requests",
    "evaluate": "evaluate",
    "models": "networks",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used, so that each command starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_MODULES, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"emulator.cli.{_MODULES[cmd_name]}")
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with; the error names a similar command where there is one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            similar = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not similar:
                raise
            message = f"{error.message.rstrip('.')}. Did you mean {similar[0]!r}?"
            raise click.UsageError(message, ctx) from None


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
def app() -> None:
    """A local emulator of Azure Custom Vision."""


@app.command()
def version() -> None:
    """Print the version."""
    print(f"{PROGRAM} {__version__}")


def run_command_line() -> None:
    """Run the command in `sys.argv` and end the process. A user's error is one line, never a traceback."""
    try:
        app()
    except SettingError as error:
        _exit(2, str(error))
    except (StartRefused, CommandFailed) as error:
        _exit(1, str(error))
    except BrokenPipeError:
        # The reader of our output has gone. The flush at exit would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _exit(status: int, message: str) -> NoReturn:
    print(f"{PROGRAM}: {message}", file=sys.stderr)
    sys.exit(status)
