"""Trainings on a Dask cluster, with two workers and with one: two quick ones, and one advanced one.

Besides the time, the processor time of the busiest worker is compared, since other programs do not change it.
Each worker has one processor of its own, as if it were a machine. Each run has a new data folder and new
workers, which have computed no features. BENCH_CLUSTER_IMAGES sets the number of images of a quick training,
BENCH_CLUSTER_ADVANCED_IMAGES that of the advanced one, whose plan is the same with one worker and with two.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.photographs import photographs
from bench.programs import ENVIRONMENT, PATIENCE_SECONDS, TRAINING, TRAINING_PATH, BenchFailed
from bench.report import Measurement

IMAGES = int(os.environ.get("BENCH_CLUSTER_IMAGES", "600"))
ADVANCED_IMAGES = int(os.environ.get("BENCH_CLUSTER_ADVANCED_IMAGES", "40"))
LEAST_SPEED_UP = 1.7
LEAST_ADVANCED_SPEED_UP = 1.3
ROUNDS = 2
_OPTIONS = ("--quick-training-seconds", "0", "--number-format", "float32")
_SCHEDULER = ("--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0", "--no-show")
_TAGS = 2
# The network and resolution of models for exports, which has one network to fine-tune.
_COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
_BATCH = 50
_LONGEST_SECONDS = 3600


def measure() -> Iterator[Measurement]:
    if not hasattr(os, "sched_getaffinity"):
        raise BenchFailed("workers are bound to processors on Linux only: run this there")
    if len(os.sched_getaffinity(0)) < 2:
        raise BenchFailed("two workers need two processors")
    quick = _Trainings("two trainings", photographs(IMAGES, _TAGS), 2, {}, {})
    yield from _compared(quick, ROUNDS, LEAST_SPEED_UP)
    mixed = _mixed(photographs(ADVANCED_IMAGES, _TAGS))
    # More than enough for the longest plan.
    hour = {"trainingType": "Advanced", "reservedBudgetInHours": 1}
    advanced = _Trainings("an advanced training", mixed, 1, {"domainId": _COMPACT}, hour)
    yield from _compared(advanced, 1, LEAST_ADVANCED_SPEED_UP)


@dataclass(frozen=True)
class _Trainings:
    """Trainings of different projects at the same time, each of `images`, by tag.

    project, order: further parameters of the request for a project and for its training.
    """

    name: str
    images: list[list[bytes]]
    count: int
    project: dict[str, Any]
    order: dict[str, Any]


def _mixed(images: list[list[bytes]]) -> list[list[bytes]]:
    """Every fifth image has the tag of another one: a training without errors would not be continued."""
    first, second = (list(of_tag) for of_tag in images)
    for index in range(0, min(len(first), len(second)), 5):
        first[index], second[index] = second[index], first[index]
    return [first, second]


def _compared(trainings: _Trainings, rounds: int, at_least: float) -> Iterator[Measurement]:
    runs: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, of_workers in runs.items():
            of_workers.append(_run(trainings, workers))
    images = sum(map(len, trainings.images))
    for column, what in enumerate(("time", "processor time of the busiest worker")):
        one, two = (min(run[column] for run in runs[workers]) for workers in (1, 2))
        samples = {f"{workers} workers": [run[column] for run in runs[workers]] for workers in runs}
        name = f"{what}, {trainings.name} of {images} images"
        yield Measurement(f"{name}, one worker", one, "s", samples=samples)
        yield Measurement(f"{name}, two workers", two, "s")
        yield Measurement(f"{name}, one over two", one / two, "times", at_least=at_least)


def _run(trainings: _Trainings, workers: int) -> tuple[float, float]:
    """Seconds from the request of the trainings until all are completed, and of a processor."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        _, scheduler = stack.enter_context(
            _started(["-m", "distributed.cli.dask_scheduler", *_SCHEDULER], r"Scheduler at:\s+(tcp://\S+)")
        )
        pids = []
        for number, processor in zip(range(workers), sorted(os.sched_getaffinity(0)), strict=False):
            place = ["--folder", str(folder / f"worker-{number}"), "--listen", "127.0.0.1"]
            command = ["-m", "emulator", "cluster-worker", scheduler, *place]
            pids.append(stack.enter_context(_started(command, r"has joined (tcp://\S+)", processor))[0])
        serve = ["-m", "emulator", "serve", "--port", "0", "--data", str(folder / "data"), "--quiet"]
        _, endpoint = stack.enter_context(
            _started([*serve, *_OPTIONS, "--cluster", scheduler], r"ready at (http://\S+)")
        )
        client = stack.enter_context(
            httpx.Client(
                base_url=f"{endpoint}{TRAINING_PATH}",
                headers=TRAINING,
                timeout=PATIENCE_SECONDS,
                trust_env=False,
            )
        )
        # Different images, so that no training has the features of the other one.
        projects = [_project(client, number, trainings) for number in range(trainings.count)]
        started = time.perf_counter()
        iterations = [
            f"{path}/iterations/{_sent(client, 'POST', f'{path}/train', params=trainings.order)['id']}"
            for path in projects
        ]
        for iteration in iterations:
            _await(client, iteration)
        return time.perf_counter() - started, max(_processor_seconds(pid) for pid in pids)


def _processor_seconds(pid: int) -> float:
    """Of a process and its children, since they began."""
    from psutil import Process  # which Dask needs

    worker = Process(pid)
    times = [process.cpu_times() for process in (worker, *worker.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _project(client: httpx.Client, number: int, trainings: _Trainings) -> str:
    named = {"name": f"{number}", "classificationType": "Multiclass", **trainings.project}
    made = _sent(client, "POST", "/projects", params=named)
    path = f"/projects/{made['id']}"
    for index, of_tag in enumerate(trainings.images):
        tag = _sent(client, "POST", f"{path}/tags", params={"name": f"tag {index}"})["id"]
        for start in range(0, len(of_tag), _BATCH):
            batch = [
                # Bytes after the end of a JPEG do not change its picture, but its SHA-256.
                {"contents": base64.b64encode(image + bytes([number])).decode("ascii"), "tagIds": [tag]}
                for image in of_tag[start : start + _BATCH]
            ]
            _sent(client, "POST", f"{path}/images/files", json={"images": batch})
    return path


def _await(client: httpx.Client, iteration: str) -> None:
    latest = time.monotonic() + _LONGEST_SECONDS
    while (found := _sent(client, "GET", iteration))["status"] == "Training":
        if time.monotonic() > latest:
            raise BenchFailed(f"a training took more than {_LONGEST_SECONDS} s")
        time.sleep(0.05)
    if found["status"] != "Completed":
        raise BenchFailed(str(found["trainingErrorDetails"]))


def _sent(client: httpx.Client, method: str, path: str, **more: Any) -> Any:
    response = client.request(method, path, **more)
    if response.is_error:
        raise BenchFailed(f"{method} {path}: {response.status_code} {response.text}")
    return response.json()


@contextmanager
def _started(arguments: list[str], expected: str, processor: int | None = None) -> Iterator[tuple[int, str]]:
    """A Python program, until the end: its process id, and the group in the expected line of its output.

    processor: the only one that it uses; None for all.
    """
    bound = [] if processor is None else ["taskset", "--cpu-list", str(processor)]
    process = subprocess.Popen(
        [*bound, sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if match := re.search(expected, line):
                break
        else:
            raise BenchFailed(f"a program did not start: {''.join(lines)}")
        # Else the program would wait when the pipe is full.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process.pid, match[1]
    finally:
        process.terminate()
        process.wait()
