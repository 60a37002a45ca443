"""Small requests and predictions of this checkout, compared with an earlier commit: processor time.

The commit is that of the variable BENCH_SINCE, by default the last one before the test kit (faults, scripts,
request log and more, none of which is in use here). Three processes have copies of one data folder: two of
the earlier commit, which show the error of the measurement, and one of this checkout. They receive few
requests at a time, in random order, so that other programs on the machine slow down all of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.photographs import photographs
from bench.programs import BenchFailed
from bench.report import Measurement

SINCE = os.environ.get("BENCH_SINCE", "cd6f6a6")
CASES = (
    "GET a project",
    "GET a tag",
    "GET the images",
    "GET a count of images",
    "create and delete a tag",
    "prediction",
)
ROUNDS = 60
REQUESTS = 20  # of each process, in each round
RATIO = 1.02
# Of two processes that are alike; with a larger difference, the other figures mean nothing.
CONTROL_RATIO = 1.02
_CHILD = Path(__file__).parent / "since_process.py"
_ROOT = Path(__file__).parents[1]


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _check_out(folder / "then")
        image = folder / "image.jpg"
        image.write_bytes(photographs(2, 2)[0][0])
        first = _Process(folder / "then", folder / "data 0", image)
        first.close()  # it has trained
        processes = []
        for number, code in enumerate((_ROOT, folder / "then", folder / "then"), start=1):
            data = folder / f"data {number}"
            shutil.copytree(folder / "data 0", data)
            processes.append(_Process(code, data, image))
        try:
            for case in CASES:
                yield from _case(case, processes)
        finally:
            for process in processes:
                process.close()


def _case(case: str, processes: Sequence[_Process]) -> Iterator[Measurement]:
    samples: list[list[float]] = [[] for _ in processes]
    chance = random.Random(0)
    order = list(range(len(processes)))
    for process in processes:
        process.sample(case, 10 * REQUESTS)
    for _ in range(ROUNDS):
        chance.shuffle(order)
        for number in order:
            samples[number] += processes[number].sample(case, REQUESTS)
    now, *before = samples
    yield _compared(case, now, f"commit {SINCE}", before[0] + before[1], RATIO)
    faster, slower = sorted(before, key=_decile)
    yield _compared("  control", slower, "the same", faster, CONTROL_RATIO)


def _compared(what: str, ours: list[float], against: str, theirs: list[float], ratio: float) -> Measurement:
    return Measurement(
        what,
        _decile(ours),
        "µs",
        against,
        _decile(theirs),
        judged="ratio",
        at_most=ratio,
        samples={"ours": ours, "theirs": theirs},
    )


def _decile(samples: Sequence[float]) -> float:
    """Other programs and garbage collections only add time."""
    return statistics.quantiles(samples, n=10)[0]


def _check_out(folder: Path) -> None:
    folder.mkdir()
    archive = folder / "archive.tar"
    packed = subprocess.run(
        ["git", "-C", str(_ROOT), "archive", "--output", str(archive), SINCE, "emulator", "models"],
        capture_output=True,
        text=True,
    )
    if packed.returncode:
        raise BenchFailed(f"the commit {SINCE} is not in this checkout: {packed.stderr.strip()}")
    shutil.unpack_archive(archive, folder)


class _Process:
    """A process with the application of one checkout, see `since_process`."""

    def __init__(self, code: Path, data: Path, image: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD), str(data), str(image)],
            env={**os.environ, "PYTHONPATH": str(code)},
            cwd=code,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._receive()

    def sample(self, case: str, requests: int) -> list[float]:
        """The processor time of each request, in microseconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([case, requests]) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> list[float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(f"the process of a checkout has ended with status {self._process.wait()}")
        samples: list[float] = json.loads(line)
        return samples

    def close(self) -> None:
        self._process.communicate()
