"""What `--upstream` adds to the response times of a client, compared with the upstream alone.

The upstream is another emulator with the same project. Single requests to it, and through an emulator
in the modes shadow and record, alternate in random order, so that other programs on the machine slow down all
of them. The pause after each request is that of a client that does something with its responses; the emulator
compares or records meanwhile. BENCH_UPSTREAM_REQUESTS sets another number of requests.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench import image_rows, load, programs
from bench.programs import EMULATOR, TRAINING, TRAINING_PATH, Program
from bench.report import Measurement

IMAGES = 1000
REQUESTS = int(os.environ.get("BENCH_UPSTREAM_REQUESTS", "400"))  # to each server, in each case
MODES = ("shadow", "record")
ADDED_MS = 5.0
_WARM_UP = 30
_PAUSE_SECONDS = 0.01
CASES = {
    "GET a project": "",
    "GET a count of images": "/images/count",
    "GET 50 images": "/images?take=50&skip=100",
}


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "upstream"
        source.mkdir()
        project = image_rows.fill(source, IMAGES)
        with programs.running(EMULATOR, source) as upstream:
            for mode in MODES:
                data = folder / mode
                if mode == "shadow":
                    shutil.copytree(
                        source, data, ignore=shutil.ignore_patterns("*.lock", ".lock", "bench.log")
                    )
                data.mkdir(exist_ok=True)
                with programs.running(_front(upstream.endpoint, mode), data) as front:
                    yield from _compared(mode, upstream.port, front.port, project.id)


def _front(endpoint: str, mode: str) -> Program:
    options = ["--upstream", endpoint.rstrip("/"), "--upstream-mode", mode]
    return replace(EMULATOR, command=lambda port, data: [*EMULATOR.command(port, data), *options])


def _compared(mode: str, upstream_port: int, front_port: int, project: str) -> Iterator[Measurement]:
    clients = {"through": load.Client(front_port), "alone": load.Client(upstream_port)}
    chance = random.Random(0)
    for name, path in CASES.items():
        request = programs.request("GET", f"{TRAINING_PATH}/projects/{project}{path}", TRAINING)
        taken: dict[str, list[float]] = {which: [] for which in clients}
        turns = [*clients] * (REQUESTS + _WARM_UP)
        warm, rest = turns[: 2 * _WARM_UP], turns[2 * _WARM_UP :]
        chance.shuffle(rest)
        for number, which in enumerate([*warm, *rest]):
            (milliseconds,) = clients[which].timed([request])
            if number >= len(warm):
                taken[which].append(milliseconds)
            time.sleep(_PAUSE_SECONDS)
        for title, percent in (("median", 50), ("95th percentile", 95)):
            yield Measurement(
                f"{name} in the mode {mode}, {title}",
                _percentile(taken["through"], percent),
                "ms",
                "the upstream alone",
                _percentile(taken["alone"], percent),
                judged="difference",
                at_most=ADDED_MS if percent == 95 else None,
                samples=taken,
            )
    for client in clients.values():
        client.close()
    if mode == "shadow":
        yield from _check(front_port)


def _check(front_port: int) -> Iterator[Measurement]:
    """Calls that were compared, and those that differ: servers with the same data do not."""
    client = load.Client(front_port)
    request = programs.request("GET", "/_emulator/upstream/differences?limit=1", TRAINING)
    found = json.loads(client.ask(request))
    client.close()
    yield Measurement(
        f"calls that differ, of {found['comparedCount']:,} that were compared",
        found["differentCount"],
        "calls",
        at_most=0,
    )


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]
