"""The cost of the request log: processor time of small requests with it, compared with none.

Four applications are in this process, two of each kind. Single requests to them alternate in random order, so
that other programs on the machine slow down all of them, and two that are alike show the error of the
measurement. The figures are first deciles, because other programs and garbage collections only add time;
there are as many collections without the log.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from bench.programs import TRAINING_PATH
from bench.report import Measurement
from emulator.app import create_app
from emulator.settings import DEFAULT_TRAINING_KEYS, Settings

REQUESTS = 3000  # to each application, in each case
RATIO = 1.02
# Of two applications that are alike; with a larger difference, the other figures mean nothing.
CONTROL_RATIO = 1.01
_KEPT = 1000
CASES = {
    "GET a project": "",
    "GET the images": "/images?take=10&skip=0",
    "GET a count of images": "/images/count",
}
# As an official client sends them.
_HEADERS = {
    "host": "127.0.0.1",
    "training-key": DEFAULT_TRAINING_KEYS[0],
    "user-agent": "python-requests/2.32 msrest/0.7.1 azure-cognitiveservices-vision-customvision/3.1.1",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
}


def measure() -> Iterator[Measurement]:
    return iter(asyncio.run(_measure()))


async def _measure() -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        applications = [
            create_app(Settings(data=Path(folder) / str(number), request_log=kept))
            for number, kept in enumerate((_KEPT, 0, _KEPT, 0))
        ]
        projects = [await _project(application) for application in applications]
        rows = []
        for name, path in CASES.items():
            targets = [
                (application, f"{project}{path}")
                for application, project in zip(applications, projects, strict=True)
            ]
            await _samples(targets, _KEPT)  # loads modules and fills the logs
            log, none, other_log, other_none = await _samples(targets, REQUESTS)
            faster, slower = sorted((none, other_none), key=_decile)
            rows += [
                _compared(f"{name}, processor time", log + other_log, none + other_none, RATIO),
                _compared("  control: no log", slower, faster, CONTROL_RATIO),
            ]
        for application in applications:
            application.state.parts.close()
    return rows


def _compared(what: str, ours: list[float], none: list[float], ratio: float) -> Measurement:
    return Measurement(
        what,
        _decile(ours),
        "µs",
        "no log",
        _decile(none),
        judged="ratio",
        at_most=ratio,
        samples={"ours": ours, "theirs": none},
    )


def _decile(samples: Sequence[float]) -> float:
    return statistics.quantiles(samples, n=10)[0]


async def _samples(targets: Sequence[tuple[FastAPI, str]], requests: int) -> list[list[float]]:
    """The processor time of each request to each application, in microseconds."""
    samples: list[list[float]] = [[] for _ in targets]
    chance = random.Random(0)
    order = list(range(len(targets)))
    for _ in range(requests):
        chance.shuffle(order)
        for number in order:
            application, target = targets[number]
            started = time.process_time()
            await _send(application, "GET", target)
            samples[number].append(round((time.process_time() - started) * 1e6, 1))
    return samples


async def _project(application: FastAPI) -> str:
    made = json.loads(await _send(application, "POST", f"{TRAINING_PATH}/projects?name=bench"))
    return f"{TRAINING_PATH}/projects/{made['id']}"


async def _send(application: FastAPI, method: str, target: str) -> bytes:
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in _HEADERS.items()],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    body = b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        nonlocal body
        assert message.get("status", 200) == 200, message
        body += message.get("body", b"")

    await application(scope, receive, send)
    return body
