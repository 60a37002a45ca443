"""The server in a process of its own, which ends with the process that started it."""

from __future__ import annotations

import contextlib
import json
import pickle
import signal
import subprocess
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from emulator.settings import Settings

_STOP_SECONDS = 10
# The child gets the parent's `sys.path` and nothing else; see `emulator.worker.executor`.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from emulator.testing.server_process import main; main()"


class ServerProcess:
    """An emulator in a child process. Its standard input is open as long as it is to run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Start the process and wait until the server is ready. Raises StartRefused."""
        from emulator.settings import StartRefused

        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(self._settings, self._process.stdin)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BaseException:  # a Ctrl-C, for example
            self.stop()
            raise
        outcome: dict[str, Any] = json.loads(line) if line else {}
        if "port" not in outcome:
            self.stop()
            raise StartRefused(outcome.get("refused", "the process of the server ended at its start"))
        self.port = outcome["port"]

    def stop(self) -> None:
        """Stop the server and wait for the end of its process."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # it has ended
            process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main() -> None:
    """Serve until standard input ends. Does not return."""
    import logging

    from emulator.server.background import BackgroundServer
    from emulator.server.run import prepare_process
    from emulator.server.uvicorn_server import exit_now
    from emulator.settings import StartRefused

    # A Ctrl-C in a terminal goes to this process, too, while the tests still need it to clean up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    settings: Settings = pickle.load(sys.stdin.buffer)  # noqa: S301  (of the parent)
    prepare_process(settings)
    server = BackgroundServer(settings, owns_process=True)
    try:
        server.start()
        print(json.dumps({"port": server.port}), flush=True)
        sys.stdin.buffer.read()
    except StartRefused as refused:
        print(json.dumps({"refused": str(refused)}), flush=True)
    finally:
        server.stop()
        logging.shutdown()
    exit_now(0)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
