"""A server with https, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.harness import PATIENCE_SECONDS
from tests.support.program import clean_environment


class HttpsServer:
    """A command that serves, on free ports.

    Attributes:
        endpoints: as the first line names them.
        log: the file that standard error is appended to.
    """

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self.log = log
        with log.open("ab") as standard_error:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "emulator", *arguments, "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=standard_error,
                text=True,
                env=clean_environment(**environment),
            )
        overdue = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        overdue.start()
        assert self.process.stdout is not None
        first_line = self.process.stdout.readline()
        overdue.cancel()
        self.endpoints = re.findall(r"https?://127\.0\.0\.1:\d+", first_line)
        if not re.search(r" ready at \S+( and \S+)?\n$", first_line):
            self.stop()
            raise AssertionError(f"did not start: {first_line!r} {log.read_text(encoding='utf-8')}")

    @property
    def endpoint(self) -> str:
        """The one that speaks https."""
        (found,) = (one for one in self.endpoints if one.startswith("https:"))
        return found

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE_SECONDS)
