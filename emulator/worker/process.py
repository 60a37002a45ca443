"""The server's side of one worker process: start, pipes, log and end."""

import contextlib
import logging
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any, BinaryIO, cast

from emulator.worker.messages import Message, receive, send

logger = logging.getLogger("emulator.worker")

_BOOT = "import sys; sys.path[:] = sys.argv[1:]; from emulator.worker.child import main; main()"
_LINES_KEPT = 20
_LINE_BYTES = 16_384
_SECONDS_TO_DIE = 5
# Signals that the system kills processes with, and probable reasons. Writes to a memory-mapped file on a full
# disk end in SIGBUS.
_HINTS = {"SIGKILL": "the machine may have run out of memory", "SIGBUS": "the disk may be full"}
# Windows has two priority classes below normal. From this niceness on, the lower one is used.
_IDLE_FROM = 10


class WorkerDied(Exception):
    """The worker process ended during a job, or could not be started. The job itself raised no exception.

    Attributes:
        exit_code: as in `subprocess`: negative for a signal; None when no process was started.
        last_lines: the end of its standard error, which is also in the log of "emulator.worker".
    """

    def __init__(self, message: str, exit_code: int | None = None, last_lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.last_lines = last_lines


class WorkerProcess:
    """A worker process and the pipes to it. One thread exchanges messages with it; any thread may kill it."""

    def __init__(self, nice: int) -> None:
        """Start the process. Raises OSError when that is impossible."""
        if getattr(sys, "frozen", False):
            raise OSError("a frozen program has no Python interpreter to run it with")
        path = [entry or str(Path.cwd()) for entry in sys.path]
        options: dict[str, Any] = {}
        if sys.platform == "win32":
            options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            if nice > 0:
                low = nice >= _IDLE_FROM
                options["creationflags"] |= (
                    subprocess.IDLE_PRIORITY_CLASS if low else subprocess.BELOW_NORMAL_PRIORITY_CLASS
                )
        else:
            options["start_new_session"] = True  # a Ctrl-C in the terminal is for the server only
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            [sys.executable, "-c", _BOOT, *path], stdin=pipe, stdout=pipe, stderr=pipe, **options
        )
        self._requests = cast(BinaryIO, self.process.stdin)
        self._responses = cast(BinaryIO, self.process.stdout)
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._forwarder = threading.Thread(target=self._forward_log, name="worker-log", daemon=True)
        self._forwarder.start()

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: Message) -> None:
        send(self._requests, message)

    def receive(self) -> Message:
        return receive(self._responses)

    def kill(self) -> None:
        """Kill the process and wait for its exit. `send` and `receive` then raise OSError or EOFError."""
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # the process is stuck in a system call
            self.process.wait(timeout=_SECONDS_TO_DIE)

    def reap(self) -> WorkerDied:
        """Wait for the exit of the process, or kill it, and close the pipes; returns how it ended.

        Called by the thread that exchanges messages with the process, after the last message.
        """
        try:
            how = _describe_exit(self.process.wait(timeout=1))
        except subprocess.TimeoutExpired:  # alive but sends no messages
            self.kill()
            how = "stopped answering and was ended"
        self._forwarder.join(timeout=1)  # a grandchild may hold the pipe open, hence the limit
        for stream in (self._requests, self._responses):
            with contextlib.suppress(OSError):  # the rest of a message cannot be sent
                stream.close()
        lines = tuple(self._lines)
        if lines and self.process.returncode > 0:  # a Python traceback ends with the exception
            how = f"{how}: {lines[-1]}"
        return WorkerDied(f"The worker process {how}", self.process.returncode, lines)

    def _forward_log(self) -> None:
        """The thread that turns the child's standard error into log records."""
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            while line := stream.readline(_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self._lines.append(text)
                    level, separator, rest = text.partition(": ")
                    number = logging.getLevelNamesMapping().get(level) if separator else None
                    logger.log(
                        logging.INFO if number is None else number, "%s", text if number is None else rest
                    )


def _describe_exit(code: int) -> str:
    """The predicate of a sentence about a process that ended with this `subprocess` return code."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = _HINTS.get(name)
    return f"was killed by {name}; {hint}" if hint else f"was killed by {name}"
