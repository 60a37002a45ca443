"""The cost of the request log: processor time of small requests with it, compared with none.

The applications are in this process and take turns, so that other programs on the machine slow down both.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from bench.programs import TRAINING_PATH
from bench.report import Measurement
from emulator.app import create_app
from emulator.settings import DEFAULT_TRAINING_KEYS, Settings

ROUNDS = 60
REQUESTS = 100
RATIO = 1.02
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
            create_app(Settings(data=Path(folder) / str(kept), request_log=kept)) for kept in (1000, 0)
        ]
        projects = [await _project(application) for application in applications]
        rows = []
        for name, path in CASES.items():
            samples: list[list[float]] = [[], []]
            for number in range(ROUNDS + 1):
                for index in (0, 1) if number % 2 else (1, 0):
                    taken = await _microseconds(applications[index], f"{projects[index]}{path}")
                    samples[index] += [taken] if number else []  # the first round loads modules
            rows.append(
                Measurement(
                    f"{name}, processor time",
                    min(samples[0]),  # other programs only add to it
                    "µs",
                    "no log",
                    min(samples[1]),
                    judged="ratio",
                    at_most=RATIO,
                    samples={"ours": samples[0], "theirs": samples[1]},
                )
            )
        for application in applications:
            application.state.parts.close()
    return rows


async def _microseconds(application: FastAPI, target: str) -> float:
    started = time.process_time()
    for _ in range(REQUESTS):
        await _send(application, "GET", target)
    return (time.process_time() - started) / REQUESTS * 1e6


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
