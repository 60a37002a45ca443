"""One worker process as the server sees it: the process, the pipes to it, its log, and how it ended."""

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
# What systems end processes by, and why. A file that is mapped to memory ends in SIGBUS on a full disk.
_HINTS = {"SIGKILL": "the machine may have run out of memory", "SIGBUS": "the disk may be full"}
# Windows has two classes below normal. From this niceness on it is the lower one.
_IDLE_FROM = 10


class WorkerDied(Exception):
    """The worker process ended under a job, or could not be started for one. The job itself raised nothing.

    `exit_code` is as in `subprocess`: negative for a signal; None where no process was started. `last_lines`
    is what it wrote to standard error in the end, which is in the log of "emulator.worker" too.
    """

    def __init__(self, message: str, exit_code: int | None = None, last_lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.last_lines = last_lines


class WorkerProcess:
    """A worker process and the pipes to it. One thread talks to it; any thread may kill it."""

    def __init__(self, nice: int) -> None:
        """Start the process. Raises OSError where that is impossible."""
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
            options["start_new_session"] = True  # a Ctrl-C in the terminal is the server's business
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            [sys.executable, "-c", _BOOT, *path], stdin=pipe, stdout=pipe, stderr=pipe, **options
        )
        self._requests = cast(BinaryIO, self.process.stdin)
        self._answers = cast(BinaryIO, self.process.stdout)
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._forwarder = threading.Thread(target=self._forward_log, name="worker-log", daemon=True)
        self._forwarder.start()

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def send(self, message: Message) -> None:
        send(self._requests, message)

    def receive(self) -> Message:
        return receive(self._answers)

    def kill(self) -> None:
        """End the process at once and wait until it is gone. Who talks to it gets EOFError or OSError."""
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel: nothing more can be done
            self.process.wait(timeout=_SECONDS_TO_DIE)

    def reap(self) -> WorkerDied:
        """Make sure that the process is gone, close the pipes, and tell how it ended.

        For the thread that talks to the process, when it is done with that.
        """
        try:
            how = _describe_exit(self.process.wait(timeout=1))
        except subprocess.TimeoutExpired:  # alive but not talking
            self.kill()
            how = "stopped answering and was ended"
        self._forwarder.join(timeout=1)  # a grandchild may hold the pipe open, hence the limit
        for stream in (self._requests, self._answers):
            with contextlib.suppress(OSError):  # what was left to send cannot be sent
                stream.close()
        lines = tuple(self._lines)
        if lines and self.process.returncode > 0:  # a Python traceback ends with the exception
            how = f"{how}: {lines[-1]}"
        return WorkerDied(f"The worker process {how}", self.process.returncode, lines)

    def _forward_log(self) -> None:
        """The thread that turns what the child writes to standard error into log records."""
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
