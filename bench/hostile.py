"""Response times of other clients (health/live, GET projects, predictions) beside one hostile client.

For each kind of hostile request: the 99th percentile of the others' response times, compared with that of the
same requests without the hostile client, and the peak memory of the server's process.
BENCH_HOSTILE_SECONDS is the time for each kind; BENCH_HOSTILE_CASES selects kinds by parts of their names,
separated by semicolons.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import load, programs
from bench.clients import PUBLISHED_NAME, Trainer
from bench.hostile_clients import CASES, LARGEST_BATCH, Target, attacking
from bench.photographs import photographs
from bench.programs import EMULATOR
from bench.report import Measurement

SECONDS = float(os.environ.get("BENCH_HOSTILE_SECONDS", "20"))
SELECTED = os.environ.get("BENCH_HOSTILE_CASES", "")
AT_MOST_MS = 1000
AT_MOST_MEGABYTES = 1000
# The others are timed when a first hostile request has ended, or after this time.
_WARM_UP_SECONDS = 15
_PAUSE_SECONDS = 0.01

# The emulator with permission to fetch from this machine, for the case of a silent host.
_SERVER = dataclasses.replace(
    EMULATOR, command=lambda port, data: [*EMULATOR.command(port, data), "--url-allow", "127.0.0.1"]
)


def measure() -> Iterator[Measurement]:
    images = photographs(10, 2)
    wanted = [part.strip() for part in SELECTED.split(";") if part.strip()]
    with (
        tempfile.TemporaryDirectory() as folder,
        programs.running(_SERVER, Path(folder)) as server,
        _silent_host() as silent_port,
    ):
        trainer = Trainer(server, 2)
        trainer.upload(images)
        trainer.train()
        trainer.publish()
        model = f"{programs.PREDICTION_PATH}/{trainer.project_id}/classify/iterations/{PUBLISHED_NAME}"
        project = f"{programs.TRAINING_PATH}/projects/{trainer.project_id}"
        target = Target(server.port, project, model, silent_port)
        headers = {**programs.PREDICTION, "Content-Type": "application/octet-stream"}
        others = {
            "health/live": programs.request("GET", "/_emulator/health/live"),
            "GET projects": EMULATOR.operation,
            "prediction": programs.request("POST", f"{model}/image/nostore", headers, images[0][0]),
        }
        memory = PeakMemory(server.process.pid)
        alone = _timed_together(server.port, others)
        for case in CASES:
            if wanted and not any(part in case for part in wanted):
                continue
            memory.reset()
            with attacking(case, target) as ended:
                begun = time.perf_counter()
                while not ended() and time.perf_counter() < begun + _WARM_UP_SECONDS:
                    time.sleep(_PAUSE_SECONDS)
                before = ended()
                taken = _timed_together(server.port, others)
                hostile, peak = ended() - before, memory.peak()
            for name in others:
                yield _compared(f"{case}: {name}", taken[name], alone[name])
            most = None if case == LARGEST_BATCH else AT_MOST_MEGABYTES
            yield Measurement(f"{case}: memory", peak, "MB", at_most=most)
            yield Measurement(f"{case}: hostile requests", hostile / SECONDS, "/s")


def _compared(what: str, taken: list[float], alone: list[float]) -> Measurement:
    return Measurement(
        f"{what} (p50 {statistics.median(taken):.0f}, max {max(taken):.0f} ms), p99",
        _percentile_99(taken),
        "ms",
        "without it",
        _percentile_99(alone),
        at_most=AT_MOST_MS,
        samples={"ours": taken, "alone": alone},
    )


def _percentile_99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1) + 0.5)]


def _timed_together(port: int, requests: dict[str, bytes]) -> dict[str, list[float]]:
    """The response times in ms of each request, each sent by a client of its own for SECONDS.

    A request without a response counts with the time until it failed, and at least with a second.
    """
    taken: dict[str, list[float]] = {name: [] for name in requests}
    deadline = time.perf_counter() + SECONDS
    threads = [
        threading.Thread(target=_time, args=(port, data, deadline, taken[name]))
        for name, data in requests.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def _time(port: int, data: bytes, deadline: float, taken: list[float]) -> None:
    client: load.Client | None = None
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        try:
            client = client or load.Client(port)
            client.ask(data)
            taken.append((time.perf_counter() - started) * 1000)
        except (OSError, load.UnexpectedResponse):
            taken.append(max(AT_MOST_MS + 1, (time.perf_counter() - started) * 1000))
            client = None
        time.sleep(_PAUSE_SECONDS)


class PeakMemory:
    """The peak memory of a process: as Linux counts it; elsewhere the current memory."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._folder = Path(f"/proc/{pid}")

    def reset(self) -> None:
        if self._folder.exists():
            (self._folder / "clear_refs").write_text("5", "ascii")

    def peak(self) -> float:
        if not self._folder.exists():
            return programs.resident_megabytes(self._pid)
        lines = (self._folder / "status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@contextmanager
def _silent_host() -> Iterator[int]:
    """The port of a host that accepts connections and never sends anything."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:

        def accept() -> None:
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        port: int = listener.getsockname()[1]
        try:
            yield port
        finally:
            # Wakes the thread, which closing does not on every system.
            listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in accepted:
        connection.close()
