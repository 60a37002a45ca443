"""A pull of 10,000 images and 20 iterations from an emulator with the limits of S0, faults and kills.

The source refuses 5 % of the calls for their rate and loses the connection of 2 %; its image URIs expire in
the middle. The archive is complete at the end of each pull, or the benchmark fails.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import image_rows, load, programs
from bench.image_rows import Seen
from bench.programs import EMULATOR, TRAINING, BenchFailed, Running
from bench.report import Measurement

IMAGES = 10_000
ITERATIONS = 20
PREDICTIONS = 200
KILLS = 50
CALLS_PER_SECOND = 8
TIME_RATIO = 1.05
MEGABYTES = 150
_SECONDS_BETWEEN_READINGS = 0.2
# After a kill, the source has noted all that it has sent.
_SETTLED_SECONDS = 0.5
_DAY_SECONDS = 25 * 3600
_EVALUATED_FOLDS = 5
_CALL = re.compile(r"emulator\.access: (GET|POST) (/customvision/\S+) (\d+|-) ")
_FILE = re.compile(r"emulator\.access: GET /i-[0-9a-f]{32}/i-([0-9a-f]{32}) 200 \S+ ms [1-9]\d* bytes")


def measure() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "source"
        data.mkdir()
        project = _fill(data)
        yield from _uninterrupted(Path(folder), data, project)
        yield from _with_kills(Path(folder), data, project)


def _uninterrupted(folder: Path, data: Path, project: Seen) -> Iterator[Measurement]:
    with _source(data) as source:
        started = time.monotonic()
        process = _begin(source, folder / "whole", ())
        output, megabytes = _ended(process, expire=source)
        seconds = time.monotonic() - started
        _check(output)
    calls, refused, files = _requests(data)
    what = f"pull of {project.images:,} images and {ITERATIONS} iterations"
    yield Measurement(
        f"{what}, {calls:,} calls",
        seconds,
        "s",
        f"{CALLS_PER_SECOND} calls a second",
        calls / CALLS_PER_SECOND,
        judged="ratio",
        at_most=TIME_RATIO,
    )
    yield Measurement(f"{what}: calls that failed and were repeated", refused, "calls")
    yield Measurement(f"{what}: files that were sent twice", _repeated(files), "files", at_most=0)
    yield Measurement(f"{what}: memory", megabytes, "MB", at_most=MEGABYTES)


def _with_kills(folder: Path, data: Path, project: Seen) -> Iterator[Measurement]:
    chance = random.Random(0)
    longest = 2 * _expected_seconds() / (KILLS + 1)
    target = ("--data", str(folder / "target"))
    with _source(data) as source:
        started = time.monotonic()
        sent_again = 0
        complete: set[str] = set()
        before: Counter[str] = Counter()
        for number in range(KILLS):
            process = _begin(source, folder / "killed", target)
            try:
                process.wait(chance.uniform(0.3, longest))
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            paused = time.monotonic()
            time.sleep(_SETTLED_SECONDS)
            files = _requests(data)[2]
            sent_again += sum(files[name] - before[name] for name in complete)
            complete, before = _complete_files(folder / "killed" / project.id), files
            started += time.monotonic() - paused
            if number == KILLS // 2:
                _expire(source)
        process = _begin(source, folder / "killed", (*target, "--replace"))
        output, megabytes = _ended(process)
        seconds = time.monotonic() - started
        _check(output)
        if f"{project.images:,} images, {ITERATIONS} iterations" not in output:
            raise BenchFailed(f"it was not inserted: {output}")
    calls, _, files = _requests(data)
    sent_again += sum(files[name] - before[name] for name in complete)
    what = f"the same with {KILLS} kills, inserted at the end"
    yield Measurement(
        f"{what}, {calls:,} calls",
        seconds,
        "s",
        f"{CALLS_PER_SECOND} calls a second",
        calls / CALLS_PER_SECOND,
    )
    yield Measurement(
        f"{what}: files that were sent again although they were there", sent_again, "files", at_most=0
    )
    # Six transfers run at a time. One that a kill interrupts is sent again.
    yield Measurement(
        f"{what}: files that were sent again since a kill interrupted their transfer",
        _repeated(files) - sent_again,
        "files",
        at_most=6 * KILLS,
    )
    yield Measurement(f"{what}: memory", megabytes, "MB", at_most=MEGABYTES)


def _expected_seconds() -> float:
    pages = IMAGES / 256
    return (pages + ITERATIONS * (1.2 * pages + 23)) / CALLS_PER_SECOND


# --- the source ---------------------------------------------------------------------------------------------


def _fill(data: Path) -> Seen:
    """A project with iterations that differ in some images, their evaluations, and stored predictions."""
    import numpy
    from sqlalchemy import text
    from sqlmodel import select

    from emulator.store.sqlite import SqliteDatabase
    from emulator.store.tables import Image, Iteration, Project, StoredPrediction, Tag
    from emulator.vision.evaluation.classification import Evaluation

    seen = image_rows.fill(data, IMAGES)
    generator = numpy.random.default_rng(0)
    now = datetime.now(UTC)
    database = SqliteDatabase(data)
    with database.write() as session:
        # Every hundredth image came with one of the iterations, all others before the first.
        for table, number in (("image", "number"), ("image_tag", "image_number")):
            born = f"CASE WHEN {number} % 100 = 0 THEN {number} / 100 % {ITERATIONS} + 1 ELSE 1 END"
            session.execute(text(f"UPDATE {table} SET born = {born}"))
        tags = [
            {"id": tag.id, "name": tag.name, "type": "Regular"}
            for tag in session.exec(select(Tag).order_by(Tag.name))
        ]
        blobs = list(session.exec(select(Image.blob)))
        evaluation = Evaluation(
            keys=tuple(blobs),
            folds=(numpy.arange(len(blobs)) % _EVALUATED_FOLDS).astype(numpy.int8),
            probabilities_NT=generator.random((len(blobs), len(tags)), numpy.float32),
            targets_NT=generator.random((len(blobs), len(tags))) < 0.1,
        )
        blob = image_rows._put(data, evaluation.content())
        project = session.get_one(Project, seen.id)
        project.revision = ITERATIONS
        for number in range(1, ITERATIONS + 1):
            moment = now - timedelta(days=30 - number)
            session.add(
                Iteration(
                    id=str(uuid.uuid4()),
                    project_id=seen.id,
                    number=number,
                    name=f"Iteration {number}",
                    status="Completed",
                    created=moment,
                    last_modified=moment,
                    trained_at=moment,
                    revision=number,
                    domain_id=project.domain_id,
                    classification_type="Multilabel",
                    training_time_in_minutes=1,
                    model_tags=tags,
                    model_blob=blob,
                    evaluation_blob=blob,
                )
            )
        for number in range(PREDICTIONS):
            session.add(
                StoredPrediction(
                    id=str(uuid.uuid4()),
                    project_id=seen.id,
                    iteration_id="",
                    created=now - timedelta(minutes=number),
                    blob=blobs[number],
                    predictions=[],
                    domain_id=project.domain_id,
                )
            )
    database.close()
    return seen


@contextmanager
def _source(data: Path) -> Iterator[Running]:
    """The emulator on the folder, with quotas and faults."""

    def command(port: int, folder: Path) -> list[str]:
        return [*EMULATOR.command(port, folder), "--tier", "s0", "--access-log"]

    with programs.running(replace(EMULATOR, command=command), data) as running:
        for kinds, probability in ((["throttle"], 0.05), (["reset", "close"], 0.02)):
            faults = {"seed": 1, "probability": probability, "kinds": kinds}
            _control(running, "POST", "/_emulator/faults", {"operation": "*", "random": faults})
        yield running


def _control(source: Running, method: str, path: str, body: dict[str, Any]) -> None:
    client = load.Client(source.port)
    headers = {**TRAINING, "Content-Type": "application/json"}
    client.ask(programs.request(method, path, headers, json.dumps(body).encode()))
    client.close()


def _expire(source: Running) -> None:
    """Let all image URIs expire that were given out."""
    _control(source, "POST", "/_emulator/clock/advance", {"seconds": _DAY_SECONDS})


# --- the pull -----------------------------------------------------------------------------------------------


def _begin(source: Running, archive: Path, more: tuple[str, ...]) -> subprocess.Popen[str]:
    environment = {
        **programs.ENVIRONMENT,
        "VISION_TRAINING_ENDPOINT": source.endpoint,
        "VISION_TRAINING_KEY": TRAINING["Training-Key"],
    }
    options = ["--tps", str(CALLS_PER_SECOND), "--archive", str(archive), *(more or ("--archive-only",))]
    return subprocess.Popen(
        [sys.executable, "-m", "emulator", "pull", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def _ended(process: subprocess.Popen[str], expire: Running | None = None) -> tuple[str, float]:
    """What a pull printed, and its largest resident memory in MB."""
    if expire is not None:
        time.sleep(_expected_seconds() / 20)
        _expire(expire)
    megabytes = 0.0
    while process.poll() is None:
        megabytes = max(megabytes, _peak_megabytes(process.pid))
        time.sleep(_SECONDS_BETWEEN_READINGS)
    output, _ = process.communicate()
    if process.returncode != 0:
        raise BenchFailed(f"the pull ended with status {process.returncode}: {output[-500:]}")
    return output, megabytes


def _peak_megabytes(pid: int) -> float:
    """The largest resident memory of a process so far. `wait4` adds that of the process that started it."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def _check(output: str) -> None:
    if f"images {IMAGES:,} of {IMAGES:,}" not in output or "missing 0" not in output:
        raise BenchFailed(f"the pull is not complete: {output[-1000:]}")


def _requests(data: Path) -> tuple[int, int, Counter[str]]:
    """Calls to the API, those of them that failed, and how often each file was sent."""
    text = (data / "bench.log").read_text("utf-8", "replace")
    calls = [match[3] for match in _CALL.finditer(text)]
    files = Counter(match[1] for match in _FILE.finditer(text))
    return len(calls), sum(status != "200" for status in calls), files


def _complete_files(archive: Path) -> set[str]:
    """The ids, without hyphens, of the images that are completely in an archive: noted or not."""
    found = set()
    for path in (archive / "files").glob("*/*image-*"):
        name, _, digest = path.name.removeprefix(".new-").partition(".")
        if not digest or hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            found.add(name.removeprefix("image-").replace("-", ""))
    return found


def _repeated(files: Counter[str]) -> int:
    return sum(count - 1 for count in files.values())
