"""Import of a data set of 10,000 photographs with 50,000 boxes, the same once more, and its export.

BENCH_IMPORT_IMAGES sets another number of images. The photographs differ by bytes after their end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy

from bench import programs
from bench.hostile import PeakMemory
from bench.photographs import SIZE, photographs
from bench.programs import EMULATOR, BenchFailed
from bench.report import Measurement

IMAGES = int(os.environ.get("BENCH_IMPORT_IMAGES", "10000"))
SECONDS, MEGABYTES = 60, 200
_DIFFERENT, _TAGS, _BOXES = 50, 10, 5


def measure() -> Iterator[Measurement]:
    if sys.platform != "linux":
        raise BenchFailed("peak memory is measured on Linux only")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = folder / "set.zip"
        (folder / "data").mkdir()
        _write(archive)
        with programs.running(EMULATOR, folder / "data") as server:
            port = str(server.port)
            memory = PeakMemory(server.process.pid)
            seconds = _run("import-data", str(archive), "--project", "bench", "--port", port)
            yield Measurement(f"import of {IMAGES:,} images, COCO", seconds, "s", at_most=SECONDS)
            yield Measurement("  most memory of the server", memory.peak(), "MB", at_most=MEGABYTES)
            seconds = _run("import-data", str(archive), "--project", "bench", "--port", port)
            yield Measurement("the same once more, which adds nothing", seconds, "s")
            seconds = _run("import-data", str(archive), "--project", "bench", "--dry-run", "--port", port)
            yield Measurement("dry run of it", seconds, "s")
            exported = str(folder / "exported.zip")
            seconds = _run("export-data", "bench", exported, "--format", "yolo", "--port", port)
            yield Measurement("export, YOLO", seconds, "s")
            yield Measurement(
                "  most memory of the server, after all of it",
                memory.peak(),
                "MB",
                at_most=MEGABYTES,
            )


def _run(*arguments: str) -> float:
    """Duration of a command in seconds."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "emulator", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BenchFailed(ran.stderr.strip())
    return time.perf_counter() - started


def _write(archive: Path) -> None:
    made = [image for of_tag in photographs(_DIFFERENT, _TAGS) for image in of_tag]
    random = numpy.random.default_rng(0)
    images, annotations = [], []
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(IMAGES):
            name = f"{number:06}.jpg"
            packed.writestr(f"images/{name}", made[number % len(made)] + f"{number}".encode())
            images.append({"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
            for left, top in random.uniform(0, 400, (_BOXES, 2)).tolist():
                annotations.append(
                    {
                        "id": len(annotations),
                        "image_id": number,
                        "category_id": number % _TAGS,
                        "bbox": [left, top, 150.5, 120.25],
                        "iscrowd": 0,
                        "area": 150.5 * 120.25,
                    }
                )
        categories = [{"id": number, "name": f"tag{number}"} for number in range(_TAGS)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        packed.writestr("annotations.json", json.dumps(content))
