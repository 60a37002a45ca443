"""64 clients with all kinds of requests for two minutes, then a check of what the server confirmed.

Each client keeps a ledger of what the server confirmed. When all have ended, lists, counts and filters are
compared with the ledgers over HTTP, and after the server's end the database and the blobs are checked.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import programs, soak_audit
from bench.programs import EMULATOR
from bench.report import Measurement
from bench.soak_calls import Calls, Record
from bench.soak_clients import Client, Stage, set_up

CLIENTS = int(os.environ.get("BENCH_SOAK_CLIENTS", "64"))
SECONDS = float(os.environ.get("BENCH_SOAK_SECONDS", "120"))
SEED = 1
# For requests that are in progress at the end of the run.
_PATIENCE_SECONDS = 120
_SHOWN = 20


@dataclass
class Soaked:
    """The result of a run: the stage, the clients with their ledgers, their requests, and the errors."""

    stage: Stage
    clients: list[Client]
    record: Record
    seconds: float
    wrong: list[str] = field(default_factory=list)


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with programs.running(EMULATOR, data) as server:
            soaked = Soaking(server.port, CLIENTS, SEED)
            before = programs.own_megabytes(server.process.pid)
            done = soaked.run(SECONDS)
            after = programs.own_megabytes(server.process.pid)
            done.wrong += soak_audit.over_http(server.port, done.stage, done.clients)
        done.wrong += soak_audit.on_disk(data, done.clients)
        log = (data / "bench.log").read_text("utf-8", "replace")
        done.wrong += [f"the server's log: {line}" for line in log.splitlines() if " ERROR " in line]
    for line in done.wrong[:_SHOWN]:
        print(f"soak: {line}", file=sys.stderr)
    total = sum(map(len, done.record.milliseconds.values()))
    yield Measurement(f"all requests, {CLIENTS} clients, {done.seconds:.0f} s", total / done.seconds, "/s")
    for name, taken in sorted(done.record.milliseconds.items()):
        middle, late = statistics.median(taken), sorted(taken)[len(taken) * 99 // 100]
        yield Measurement(
            f"  {name}: half within {middle:.0f} ms, 99% within {late:.0f} ms",
            len(taken) / done.seconds,
            "/s",
            samples={"p50": [middle], "p99": [late]},
        )
    yield Measurement("answers and facts that are wrong", len(done.wrong), "", at_most=0)
    yield Measurement(
        "memory of the server afterwards, its worker not counted",
        after,
        "MB",
        "at the beginning",
        before,
        judged="ratio",
    )


class Soaking:
    """The projects of a run and its clients. port: of a server on this machine."""

    def __init__(self, port: int, clients: int, seed: int) -> None:
        self._port = port
        self._record = Record()
        calls = Calls(port, self._record)
        try:
            self._stage = set_up(calls)
        finally:
            calls.close()
        self._clients = [
            Client(Calls(port, self._record), self._stage, number, seed) for number in range(clients)
        ]
        self._record.milliseconds.clear()

    def run(self, seconds: float) -> Soaked:
        """Run all clients for this time, and wait for the end of their last requests."""
        started = time.monotonic()
        threads = [
            threading.Thread(target=client.work, args=(started + seconds,), name=f"client {client.number}")
            for client in self._clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + _PATIENCE_SECONDS)
        taken = time.monotonic() - started
        wrong = list(self._record.wrong)
        wrong += [f"{thread.name} got no answer any more" for thread in threads if thread.is_alive()]
        return Soaked(self._stage, self._clients, self._record, taken, wrong)
