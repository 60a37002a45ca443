"""Time from the start of a program to its first response, and memory when idle.

The emulator, Azurite and moto in turns, each from the start of its process to the first byte of a response:
to its health check, and to an ordinary operation.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import load, programs
from bench.programs import AZURITE_ALL, AZURITE_BLOB, EMULATOR, MOTO_SERVER
from bench.report import Measurement, compared

RUNS = 7
MEMORY_RUNS = 3
STOPS = 5
IDLE_MEGABYTES = 90
STOP_SECONDS = 1.0
_SETTLE_SECONDS = 1.0

LABELS = {
    "operation": "start to a first operation, new data folder",
    "operation used": "start to a first operation, used data folder",
    "health": "start to a first answer (health), new data folder",
    "health used": "start to a first answer (health), used data folder",
}


def measure() -> Iterator[Measurement]:
    peers = programs.installed(AZURITE_ALL, AZURITE_BLOB, MOTO_SERVER)
    starts: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        used = Path(folder, "used")
        used.mkdir()
        _use(used)
        turns = [(EMULATOR, used), *((program, None) for program in (EMULATOR, *peers))]
        # The first round warms the disk cache and is discarded.
        for round_number in range(RUNS + 1):
            for program, data in turns:
                for kind, first in (("health", program.health), ("operation", program.operation)):
                    name = f"{program.name} {kind}{' used' if data else ''}"
                    with (
                        tempfile.TemporaryDirectory(dir=folder) as empty,
                        programs.running(program, data or Path(empty), first) as server,
                    ):
                        if round_number:
                            starts.setdefault(name, []).append(server.seconds * 1000)
                        if kind == "operation" and 0 < round_number <= MEMORY_RUNS:
                            time.sleep(_SETTLE_SECONDS)
                            size = programs.resident_megabytes(server.process.pid)
                            memory.setdefault(name, []).append(size)
    for kind, label in LABELS.items():
        for peer in peers:
            theirs = starts[f"{peer.name} {kind.removesuffix(' used')}"]
            yield compared(label, "ms", starts[f"emulator {kind}"], peer.name, theirs, at_most=1.0)
    ours = memory["emulator operation used"]
    yield Measurement(
        "memory when idle", statistics.median(ours), "MB", at_most=IDLE_MEGABYTES, samples={"ours": ours}
    )
    for peer in peers:
        yield compared("memory when idle", "MB", ours, peer.name, memory[f"{peer.name} operation"])
    yield _stop()


def _use(data: Path) -> None:
    """Create a project, so that the data folder is a used one."""
    with programs.running(EMULATOR, data) as server:
        client = load.Client(server.port)
        client.ask(
            programs.request("POST", f"{programs.TRAINING_PATH}/projects?name=used", programs.TRAINING)
        )
        client.close()


def _stop() -> Measurement:
    """Time from SIGTERM to the end of the process, with a client connected."""
    taken = []
    for _ in range(STOPS):
        with tempfile.TemporaryDirectory() as data, programs.running(EMULATOR, Path(data)) as server:
            client = load.Client(server.port)
            client.ask(EMULATOR.operation)
            taken.append(server.stop())
            client.close()
    return Measurement(
        "SIGTERM to the end, a client connected",
        statistics.median(taken),
        "s",
        at_most=STOP_SECONDS,
        samples={"ours": taken},
    )
