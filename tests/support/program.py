"""The program `custom-vision-emulator` in processes of its own, started and stopped by tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.support.harness import PATIENCE_SECONDS

PROGRAM = [sys.executable, "-m", "emulator"]
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals of this kind exist on POSIX systems only")

Start = Callable[..., "Running"]


class Running:
    """An emulator in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        found = re.fullmatch(
            r"custom-vision-emulator \S+ ready at (http://127\.0\.0\.1:(\d+))\n", self.first_line
        )
        if found is None:
            self.process.kill()
            raise AssertionError(f"did not start: {self.first_line!r} {self.process.communicate()[1]!r}")
        self.endpoint, self.port = found[1], int(found[2])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit status, standard output and standard error after a signal."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE_SECONDS)
        # `communicate` would lose what is in the buffer since the first line was read.
        output = self.process.stdout.read() if self.process.stdout else ""
        errors = self.process.stderr.read() if self.process.stderr else ""
        return status, output, errors


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without options of the emulator."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CUSTOM_VISION_", "VISION_"))
    }
    return {**kept, **more}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=clean_environment(**environment),
        timeout=PATIENCE_SECONDS,
    )
