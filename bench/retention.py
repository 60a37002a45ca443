"""100,000 stored predictions with retention: memory and disk space of the server while they come.

BENCH_RETENTION_PREDICTIONS sets another number, of which a tenth is kept. The model is that of the instant
trainer, so that most of the time is that of storing. BENCH_RETENTION_FOLDER is a data folder that is kept: a
run that was stopped goes on with it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from bench import load, programs
from bench.photographs import photographs, with_comment
from bench.programs import (
    EMULATOR,
    PREDICTION,
    PREDICTION_PATH,
    TRAINING,
    TRAINING_PATH,
    BenchFailed,
    Program,
)
from bench.report import Measurement
from emulator.settings import DEFAULT_PREDICTION_RESOURCE_ID
from emulator.store.database import FILE_NAME

PREDICTIONS = int(os.environ.get("BENCH_RETENTION_PREDICTIONS", "100000"))
FOLDER = os.environ.get("BENCH_RETENTION_FOLDER")
KEPT = PREDICTIONS // 10
CLIENTS = 8
# Memory and disk space are those of the time when the number that is kept has been stored twice.
FULL = 2 * KEPT
GROWTH = 1.05
_SIDE = 240
_SAMPLES = 50
_IMAGE = {"Content-Type": "application/octet-stream"}


@dataclass
class Progress:
    """What was measured. done: number of stored predictions, also of earlier runs in the same folder."""

    path: str = ""
    done: int = 0
    seconds: float = 0.0
    number: list[int] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)


def measure() -> Iterator[Measurement]:
    with ExitStack() as stack:
        folder = Path(FOLDER or stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / "retention.json"
        progress = Progress(**json.loads(record.read_text())) if record.exists() else Progress()
        server = stack.enter_context(programs.running(_program(), folder))
        if not progress.path:
            progress.path = _published(server.port)
        _predict(server, folder, progress, record)
        kept = _kept(folder)
    full = [index for index, number in enumerate(progress.number) if number >= FULL]
    if not full:
        raise BenchFailed("too few predictions")
    for what, unit, values in (
        ("memory of the server", "MB", progress.memory),
        ("disk space", "MB", progress.disk),
    ):
        later = values[full[0] :]
        yield Measurement(
            f"{what} after {progress.done:,} stored predictions",
            statistics.median(later[-5:]),
            unit,
            f"after {progress.number[full[0]]:,}",
            statistics.median(later[:5]),
            judged="ratio",
            at_most=GROWTH,
            samples={"ours": later, "all": values},
        )
    yield Measurement("rows and images that are kept", kept, "", at_most=KEPT)
    yield Measurement(f"{CLIENTS} clients, stored", progress.done / progress.seconds, "/s")


def _program() -> Program:
    def command(port: int, data: Path) -> list[str]:
        options = ["--trainer", "instant", "--most-predictions", str(KEPT)]
        return [*EMULATOR.command(port, data), *options]

    return Program("emulator", command, EMULATOR.health, EMULATOR.operation)


def _published(port: int) -> str:
    """The path for predictions of a new project with an instant classifier."""
    client = load.Client(port)

    def ask(method: str, target: str, body: bytes = b"") -> Any:
        answer = client.ask(programs.request(method, target, {**TRAINING, **_IMAGE}, body))
        return json.loads(answer) if answer else None

    project = f"{TRAINING_PATH}/projects/{ask('POST', f'{TRAINING_PATH}/projects?name=retention')['id']}"
    for number, of_tag in enumerate(photographs(10, 2)):
        tag = ask("POST", f"{project}/tags?name=tag{number}")["id"]
        for image in of_tag:
            ask("POST", f"{project}/images?tagIds={tag}", image)
    iteration = f"{project}/iterations/{ask('POST', f'{project}/train')['id']}"
    while (status := ask("GET", iteration)["status"]) == "Training":
        time.sleep(0.05)
    if status != "Completed":
        raise BenchFailed(f"the training ended as {status}")
    resource = quote(DEFAULT_PREDICTION_RESOURCE_ID, safe="")
    ask("POST", f"{iteration}/publish?publishName=bench&predictionId={resource}")
    client.close()
    return f"{PREDICTION_PATH}/{project.rpartition('/')[2]}/classify/iterations/bench/image"


def _predict(server: programs.Running, folder: Path, progress: Progress, record: Path) -> None:
    """Store predictions up to PREDICTIONS, with samples in between."""
    image = _small_photograph()
    while progress.done < PREDICTIONS:
        step = min(PREDICTIONS // _SAMPLES, PREDICTIONS - progress.done)
        started = time.monotonic()
        _store(server.port, progress.path, image, progress.done, step)
        progress.seconds += time.monotonic() - started
        progress.done += step
        progress.number.append(progress.done)
        progress.memory.append(programs.own_megabytes(server.process.pid))
        progress.disk.append(_megabytes(folder))
        record.write_text(json.dumps(vars(progress)))
        if sys.stderr.isatty() or FOLDER:
            memory, disk = progress.memory[-1], progress.disk[-1]
            line = f"{progress.done:,}: {memory:.1f} MB of memory, {disk:.1f} MB on the disk"
            print(line, file=sys.stderr, flush=True)


def _store(port: int, path: str, image: bytes, first: int, count: int) -> None:
    """Send `count` different images by several clients."""
    numbers = iter(range(first, first + count))
    lock = threading.Lock()
    errors: list[Exception] = []

    def work() -> None:
        client = load.Client(port)
        try:
            while not errors:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                body = with_comment(image, number.to_bytes(8, "big"))
                client.ask(programs.request("POST", path, {**PREDICTION, **_IMAGE}, body))
        except Exception as error:  # noqa: BLE001  (raised below)
            errors.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _small_photograph() -> bytes:
    """A photograph of about 10 KB."""
    written = BytesIO()
    with Image.open(BytesIO(photographs(2, 2)[0][0])) as photograph:
        photograph.resize((_SIDE, _SIDE)).save(written, "JPEG")
    return written.getvalue()


def _megabytes(folder: Path) -> float:
    """Size of all files of a folder that other threads may change."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(path, name).stat().st_size
    return total / 1024**2


def _kept(folder: Path) -> int:
    """The larger one of the numbers of rows, and of the images of predictions in the folder."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM stored_prediction").fetchone()
        (others,) = connection.execute("SELECT count(*) FROM image").fetchone()
        models = connection.execute("SELECT model_blob, evaluation_blob FROM iteration").fetchone()
    files = sum(len(names) for _, _, names in os.walk(folder / "blobs"))
    return int(max(rows, files - others - sum(name is not None for name in models)))
