"""The command `exec`: an emulator for the duration of one command."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType

import click

from emulator.cli.errors import CommandFailed
from emulator.cli.flags import with_settings
from emulator.cli.requests import request_lines
from emulator.settings import SettingError, Settings
from emulator.settings.client_variables import program_variables

# As shells report them.
NOT_FOUND, NOT_EXECUTABLE, KILLED_BY_SIGNAL = 127, 126, 128
# SIGBREAK (Ctrl-Break) exists on Windows only, SIGHUP (the terminal was closed) on POSIX only.
_FORWARDED = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
]
_SHOWN_REQUESTS = 50


class CommandAfterDashes(click.Command):
    """A command whose arguments follow ``--``, so that none of them is taken for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = args.index("--") if "--" in args else len(args)
        options, command = args[:place], args[place + 1 :]
        if not command and not {"-h", "--help"} & {*options}:
            raise click.UsageError("give the command after --, such as: exec -- pytest", ctx)
        ctx.obj = command
        return super().parse_args(ctx, options)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[OPTIONS]", "--", "COMMAND", "[ARGUMENTS]"]


@click.command("exec", cls=CommandAfterDashes)
@with_settings
@click.pass_context
def exec(ctx: click.Context, settings: Settings) -> None:  # noqa: A001  (the name of the command)
    """Run a command with an emulator of its own: exec --trainer instant -- pytest

    The emulator listens on a free port, or on that of the flag --port, and its state is temporary. The
    command gets its endpoint and keys in the variables of the quickstarts. The exit status is the command's;
    if it failed, the last requests are printed.
    """
    from emulator.server.background import BackgroundServer
    from emulator.server.run import prepare_process
    from emulator.server.uvicorn_server import exit_now

    if ctx.params.get("data") is not None:
        raise SettingError("--data: exec keeps its state in a temporary folder; use serve for a lasting one")
    # Variables that describe another emulator do not apply: two commands at once must not share a port.
    port = 0 if ctx.params.get("port") is None else settings.port
    command = _found(ctx.obj)
    prepare_process(settings)
    server = BackgroundServer(replace(settings, ephemeral=True, port=port), owns_process=True)
    runner = CommandRunner()
    with runner.handling_signals():
        server.start()
        in_use = replace(server.settings, port=server.port)
        status = runner.run(command, {**os.environ, **program_variables(in_use)})
        if status and not runner.interrupted and sys.stderr is not None:
            # Whatever happens to the output, the status is the command's.
            with contextlib.suppress(OSError):
                print_requests(in_use)
    if settings.export_on_exit is None:
        server.abandon()
    else:
        server.stop()
    exit_now(status)


def _found(command: list[str]) -> list[str]:
    """The command with the path of its program. Ends the process with 127 or 126 when it cannot be run."""
    # On Windows this also finds programs such as npm, which is `npm.cmd`.
    path = shutil.which(command[0])
    if path is None:
        is_there = os.path.sep in command[0] and os.path.exists(command[0])  # noqa: PTH110
        reason = "is not executable" if is_there else "was not found"
        print(f"custom-vision-emulator: exec: the command {command[0]!r} {reason}", file=sys.stderr)
        sys.exit(NOT_EXECUTABLE if is_there else NOT_FOUND)
    return [path, *command[1:]]


class CommandRunner:
    """Runs a command to its end and passes on the signals that this process receives.

    In a terminal, the command is in the process group of this process: the terminal sends Ctrl-C to both.
    Otherwise it has a group of its own, to which signals are forwarded, so that the processes that it
    started receive them too.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pending: int | None = None
        self._has_group = os.name == "posix" and not _is_in_foreground()

    @contextlib.contextmanager
    def handling_signals(self) -> Iterator[None]:
        """Handle the signals of this process within the context, except those that it ignores."""
        previous = {
            number: signal.signal(number, self._receive)
            for number in _FORWARDED
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def run(self, command: list[str], environment: dict[str, str]) -> int:
        """Run the command; returns its exit status, or 128 and the number of the signal that ended it."""
        if (early := self._early_signal()) is not None:
            return KILLED_BY_SIGNAL + early
        try:
            process = subprocess.Popen(command, env=environment, process_group=self._group())  # noqa: S603  (the user's)
        except OSError as error:
            print(
                f"custom-vision-emulator: exec: cannot run {command[0]!r}: {error.strerror or error}",
                file=sys.stderr,
            )
            return NOT_EXECUTABLE
        self._process = process
        if (early := self._early_signal()) is not None:
            self._send(process, early)
        status = process.wait()
        self._process = None
        return KILLED_BY_SIGNAL - status if status < 0 else status

    def _early_signal(self) -> int | None:
        """The signal that arrived before the command ran."""
        return self._pending

    def _group(self) -> int | None:
        return 0 if self._has_group else None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        if self._process is None:
            self._pending = number
        else:
            self._send(self._process, number)

    def _send(self, process: subprocess.Popen[bytes], number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            if self._has_group:
                os.killpg(process.pid, number)
            elif number == signal.SIGTERM:  # others come from the terminal, which sends them to the command
                process.terminate()


def _is_in_foreground() -> bool:
    """Whether this process reads from a terminal, which then sends signals to its process group."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def print_requests(settings: Settings) -> None:
    """Print the last requests that the emulator received to standard error, the newest last."""
    from emulator.cli.requests import logged_requests

    try:
        found = logged_requests(settings, {"limit": str(_SHOWN_REQUESTS)})
    except CommandFailed:  # the log is off, for example
        return
    shown = found["requests"]
    if shown:
        counts = f"requests: {found['matching']}, shown: {len(shown)}"
        print(f"custom-vision-emulator: the command failed; {counts}", file=sys.stderr)
    for request in reversed(shown):
        for line in request_lines(request):
            print(line, file=sys.stderr)
