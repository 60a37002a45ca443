"""1,000 runs of clients whose calls fail at random, with a check of the effect of each call."""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import fault_runs, programs
from bench.programs import EMULATOR
from bench.report import Measurement

RUNS = int(os.environ.get("BENCH_FAULTS_RUNS", "1000"))
CLIENTS = 4
_SHOWN = 20


def measure() -> Iterator[Measurement]:
    instant = dataclasses.replace(
        EMULATOR, command=lambda port, data: [*EMULATOR.command(port, data), "--trainer", "instant"]
    )
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with programs.running(instant, data) as server:
            origin = server.endpoint.rstrip("/")
            started = time.perf_counter()
            outcome = fault_runs.run(origin, RUNS, CLIENTS)
            seconds = time.perf_counter() - started
            wrong = outcome.wrong + fault_runs.what_is_left(origin)
        log = (data / "bench.log").read_text("utf-8", "replace")
        wrong += [f"the server's log: {line}" for line in log.splitlines() if " ERROR " in line]
    for line in wrong[:_SHOWN]:
        print(f"faults: {line}", file=sys.stderr)
    yield Measurement(f"runs of {CLIENTS} clients, {outcome.attempts} calls", outcome.runs / seconds, "/s")
    for kind, count in outcome.faults.most_common():
        yield Measurement(f"  calls with the fault {kind}", count, "")
    yield Measurement("calls with another effect than once or none, or stuck", len(wrong), "", at_most=0)
