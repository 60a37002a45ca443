"""Snapshots of a project of the size that tests have: 50 images and one trained, published model."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bench import load, programs
from bench.photographs import photographs
from bench.programs import EMULATOR, PREDICTION, PREDICTION_PATH, TRAINING, TRAINING_PATH, BenchFailed
from bench.report import Measurement
from emulator.settings import DEFAULT_PREDICTION_RESOURCE_ID

IMAGES = 50
TAGS = 2
ROUNDS = 30
RESTORE_MS = 30
RESET_MS = 10
_TRAINING_SECONDS = 300
_SNAPSHOT = "/_emulator/snapshots/base"
_IMAGE = {"Content-Type": "application/octet-stream"}


def measure() -> Iterator[Measurement]:
    saves: list[float] = []
    restores: list[float] = []
    after_reset: list[float] = []
    resets: list[float] = []
    with tempfile.TemporaryDirectory() as folder, programs.running(EMULATOR, Path(folder)) as emulator:
        client = load.Client(emulator.port)
        path, tag = _trained_project(client)
        changes = _changes(path, tag)
        save = programs.request("PUT", _SNAPSHOT, TRAINING)
        restore = programs.request("POST", f"{_SNAPSHOT}/restore", TRAINING)
        reset = programs.request("POST", "/_emulator/reset", TRAINING)
        for _ in range(ROUNDS):
            saves += client.timed([save])
        for _ in range(ROUNDS):
            for change in changes:
                client.ask(change)
            restores += client.timed([restore])
        for _ in range(ROUNDS):
            resets += client.timed([reset])
            after_reset += client.timed([restore])
        client.close()
    size = f"{IMAGES} images and a model"
    yield _row(f"restore of {size}, after changes", restores, RESTORE_MS)
    yield _row(f"restore of {size}, after a reset", after_reset, RESTORE_MS)
    yield _row(f"reset of {size}", resets, RESET_MS)
    yield _row(f"save of {size}", saves, None)


def _row(what: str, samples: list[float], at_most: float | None) -> Measurement:
    return Measurement(what, statistics.median(samples), "ms", at_most=at_most, samples={"ours": samples})


def _trained_project(client: load.Client) -> tuple[str, str]:
    """The path of a project with a published iteration, and the id of one of its tags."""

    def ask(method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> str:
        answer = client.ask(programs.request(method, target, {**TRAINING, **(headers or {})}, body))
        return str(json.loads(answer)["id"]) if answer.startswith(b'{"id"') else ""

    made = ask("POST", f"{TRAINING_PATH}/projects?name=bench&classificationType=Multiclass")
    path = f"{TRAINING_PATH}/projects/{made}"
    for number, images in enumerate(photographs(IMAGES, TAGS)):
        tag = ask("POST", f"{path}/tags?name=tag{number}")
        for image in images:
            ask("POST", f"{path}/images?tagIds={tag}", image, _IMAGE)
    iteration = ask("POST", f"{path}/train")
    _await_training(client, f"{path}/iterations/{iteration}")
    resource = quote(DEFAULT_PREDICTION_RESOURCE_ID, safe="")
    target = f"{path}/iterations/{iteration}/publish?publishName=bench&predictionId={resource}"
    ask("POST", target)
    return path, tag


def _await_training(client: load.Client, iteration: str) -> None:
    deadline = time.monotonic() + _TRAINING_SECONDS
    request = programs.request("GET", iteration, TRAINING)
    while (status := json.loads(client.ask(request))["status"]) == "Training":
        if time.monotonic() > deadline:
            raise BenchFailed("the training did not end")
        time.sleep(0.1)
    if status != "Completed":
        raise BenchFailed(f"the training ended as {status}")


def _changes(path: str, tag: str) -> list[bytes]:
    """Requests of a test: an upload, a new tag, a prediction that is stored."""
    (image,), (other,), _ = photographs(3, 3)
    address = f"{PREDICTION_PATH}/{path.rpartition('/')[2]}/classify/iterations/bench/image"
    return [
        programs.request("POST", f"{path}/tags?name=new", TRAINING),
        programs.request("POST", f"{path}/images?tagIds={tag}", {**TRAINING, **_IMAGE}, image),
        programs.request("POST", address, {**PREDICTION, **_IMAGE}, other),
    ]
