"""Training on 10,000 small images: peak memory of the worker, and time with and without cached features.

BENCH_TRAINING_IMAGES sets another number of images. The worker is the server's, without the server.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
from PIL import Image

from bench.programs import BenchFailed
from bench.report import Measurement
from emulator.vision.boxes.box import TaggedBox
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.classification.train import train_classifier
from emulator.vision.detection.advanced import train_advanced_detector
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.detection.train import train_detector
from emulator.vision.recipes.recipes import ADVANCED, ADVANCED_DETECTOR, QUICK, QUICK_DETECTOR
from emulator.vision.warm_up import warm_up
from emulator.worker.executor import WorkerExecutor

IMAGES = int(os.environ.get("BENCH_TRAINING_IMAGES", "10000"))
TAGS = ("stripes", "dots", "noise", "squares", "waves")
MOST_MEGABYTES = 2000
# Enough to try other networks and to begin fine-tuning.
_BUDGET_SECONDS = 60.0
_SIZE = (200, 150)


def measure() -> Iterator[Measurement]:
    if sys.platform == "win32":
        raise BenchFailed("peak memory is measured on POSIX only: run this on Linux or macOS")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _pictures(folder / "pictures")
        images = tuple(LabelledImage(path, key, (row % len(TAGS),)) for row, (path, key) in enumerate(files))
        classes = ClassificationDataset(images, TAGS, multilabel=False)
        cache = {"feature_cache": folder / "features"}
        yield from _figures(
            "quick classification", folder, partial(_run, train_classifier, classes, QUICK, **cache)
        )
        seconds, _ = _run(train_classifier, classes, QUICK, output=folder / "again", **cache)
        yield Measurement("quick classification, no new image", seconds, "s")
        advanced = {**cache, "budget_seconds": _BUDGET_SECONDS}
        yield from _figures(
            f"advanced classification, {_BUDGET_SECONDS:g} s",
            folder,
            partial(_run, train_advanced_classifier, classes, QUICK, ADVANCED, **advanced),
        )
        boxed = tuple(
            BoxedImage(path, key, (TaggedBox(row % len(TAGS), 0.25, 0.25, 0.5, 0.5),))
            for row, (path, key) in enumerate(files)
        )
        objects = DetectionDataset(boxed, TAGS)
        yield from _figures(
            "quick detection", folder, partial(_run, train_detector, objects, QUICK_DETECTOR, **cache)
        )
        more = {**cache, "budget_seconds": 2 * _BUDGET_SECONDS}
        yield from _figures(
            f"advanced detection, {2 * _BUDGET_SECONDS:g} s",
            folder,
            partial(_run, train_advanced_detector, objects, QUICK_DETECTOR, ADVANCED_DETECTOR, **more),
        )


def peak_megabytes(*, progress: object) -> float:
    """Peak memory of this process, in MB. A job of the worker."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _figures(what: str, folder: Path, run: Callable[..., tuple[float, float]]) -> Iterator[Measurement]:
    seconds, megabytes = run(output=folder / what)
    yield Measurement(f"{what}: most memory of the worker", megabytes, "MB", at_most=MOST_MEGABYTES)
    yield Measurement(f"{what}: {IMAGES} images", seconds, "s")


def _run(train: Callable[..., Any], *arguments: Any, **keywords: Any) -> tuple[float, float]:
    """Duration in seconds, and peak memory in MB of a new worker."""
    with WorkerExecutor(initializer=warm_up) as worker:
        started = time.perf_counter()
        worker.submit(train, *arguments, seed=0, **keywords).result()
        seconds = time.perf_counter() - started
        return seconds, worker.submit(peak_megabytes).result()


def _pictures(folder: Path) -> list[tuple[str, str]]:
    """Paths and keys of `IMAGES` JPEGs; the tags alternate."""
    folder.mkdir()
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        return list(processes.map(partial(_picture, folder), range(IMAGES), chunksize=64))


def _picture(folder: Path, number: int) -> tuple[str, str]:
    random = numpy.random.default_rng(number)
    width, height = _SIZE
    rows, columns = numpy.mgrid[0:height, 0:width]
    period = random.uniform(6, 14)
    kind = TAGS[number % len(TAGS)]
    if kind == "stripes":
        shade = numpy.sin(columns / period * 6)
    elif kind == "dots":
        shade = numpy.sin(columns / period * 6) * numpy.sin(rows / period * 6)
    elif kind == "squares":
        shade = ((columns // period + rows // period) % 2) * 2 - 1
    elif kind == "waves":
        shade = numpy.sin((columns + 10 * numpy.sin(rows / period)) / period * 6)
    else:
        shade = random.uniform(-1, 1, (height, width))
    # Noise makes some images ambiguous, so that the training has something to improve.
    shade = shade + random.normal(0, 1.2, (height, width))
    tint = random.uniform(0.4, 1, 3)
    pixels = ((shade[:, :, None] * 40 + 128) * tint).clip(0, 255).astype(numpy.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    content = file.getvalue()
    key = hashlib.sha256(content).hexdigest()
    path = folder / key
    path.write_bytes(content)
    return str(path), key
