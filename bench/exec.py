"""`exec -- true`, compared with the bare start of the server.

Both in turns: from the start of the process to its end, and from the start of `serve` to its first response.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import programs
from bench.programs import EMULATOR, BenchFailed
from bench.report import Measurement, compared

RUNS = 15
_COMMAND = [sys.executable, "-c", "pass"] if sys.platform == "win32" else ["true"]


def measure() -> Iterator[Measurement]:
    ours: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        # The first round warms the disk cache and is discarded.
        for round_number in range(RUNS + 1):
            taken = _exec(Path(folder))
            with (
                tempfile.TemporaryDirectory(dir=folder) as data,
                programs.running(EMULATOR, Path(data), EMULATOR.health) as server,
            ):
                started = server.seconds
            if round_number:
                ours.append(taken * 1000)
                bare.append(started * 1000)
    yield compared("exec -- true, start to end", "ms", ours, "bare start", bare, at_most=1.2)


def _exec(folder: Path) -> float:
    script = EMULATOR.command(0, folder)[0]
    started = time.perf_counter()
    ran = subprocess.run([script, "exec", "--", *_COMMAND], stdin=subprocess.DEVNULL, cwd=folder)
    if ran.returncode:
        raise BenchFailed(f"exec ended with status {ran.returncode}")
    return time.perf_counter() - started
