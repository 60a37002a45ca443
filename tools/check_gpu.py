"""Check that trainings on the GPU of this machine work: their speed and results beside the processor's.

``python tools/check_gpu.py``. Trains a classifier and a detector on drawn images, quick and advanced, on the
processor and on CUDA, scores both on other images, times single steps, and prints a table. It takes about six
budgets; ``--budget`` sets one, in seconds.

The exit status is 0 if all is well, 1 if a result differs or the GPU was given up amid a training, and 2 if
PyTorch finds no CUDA device. ``--device cpu`` trains on the processor in place of the GPU, to test this
program.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageDraw

from emulator import vision
from emulator.vision.classification.finetune import TrainingImages, measure_step
from emulator.vision.concurrency import processor_count
from emulator.vision.detection.dataset import Example
from emulator.vision.detection.finetune import measure_step as measure_detector_step
from emulator.vision.detection.finetune import new_class_layers
from emulator.vision.detection.scale import Scale
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.networks.torch_runner import training_device, without_gpu
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.recipes import ADVANCED_DETECTOR, FINE_TUNING

SHAPES = ("circle", "cross", "square")
SIDE = 160
# Largest difference of a figure (accuracy, mean average precision) that counts as equal.
TOLERANCE = 0.1
NO_GPU = """\
PyTorch {version} finds no CUDA device, so nothing was checked.
{reason}"""
NO_CUDA_BUILD = (
    "This PyTorch was built without CUDA; in a new environment, "
    "TORCH_BACKEND=auto python tools/install_torch.py installs the build for the GPU."
)
NO_DRIVER = "It was built for CUDA {cuda}: is there an NVIDIA GPU, and does nvidia-smi show it?"


@dataclass(frozen=True)
class Row:
    """A line of the table: what was done, the seconds and the figure on either device."""

    what: str
    processor_seconds: float
    device_seconds: float
    processor_figure: float | None = None
    device_figure: float | None = None

    @property
    def agrees(self) -> bool:
        if self.processor_figure is None or self.device_figure is None:
            return True
        return self.device_figure >= self.processor_figure - TOLERANCE


class Failures(logging.Handler):
    """Collects the warnings of trainings: a GPU that was given up, memory that was too small."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--images", type=int, default=120, help="images to train on")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of each advanced training")
    parser.add_argument("--steps-only", action="store_true", help="only time single steps")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        cuda = torch.version.cuda
        reason = NO_CUDA_BUILD if cuda is None else NO_DRIVER.format(cuda=cuda)
        print(NO_GPU.format(version=torch.__version__, reason=reason), file=sys.stderr)
        return 2
    failures = Failures()
    logging.getLogger("emulator").addHandler(failures)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "the processor again"
    print(f"PyTorch {torch.__version__}; {name}; {processor_count()} processors\n", flush=True)
    rows = list(step_rows(options.device))
    if not options.steps_only:
        rows += training_rows(options.device, options.images, options.budget)
    print_table(rows)
    for message in failures.messages:
        print(f"warning: {message}")
    bad = [row.what for row in rows if not row.agrees]
    if bad:
        print(f"The results differ: {', '.join(bad)}")
    given_up = any("GPU" in message for message in failures.messages)
    return 1 if bad or given_up else 0


def on(device: str) -> AbstractContextManager[None]:
    """Train on the processor, or on the GPU if there is one."""
    return without_gpu() if device == "cpu" else nullcontext()


def step_rows(device: str) -> Iterator[Row]:
    """The duration of a step of fine-tuning and of a step on all layers of the detector."""
    images = TrainingImages(
        numpy.random.default_rng(0).integers(0, 256, (16, 256, 256, 3), numpy.uint8),
        numpy.eye(4)[numpy.arange(16) % 4],
        multilabel=False,
    )
    backbone = backbone_network("efficientnet-lite0", 256)
    box = numpy.array([[0.2, 0.2, 0.6, 0.7]])
    examples = [Example(str(number), "", box, numpy.array([number % 3])) for number in range(8)]
    scale = Scale(ADVANCED_DETECTOR.window_size, 1.0)
    start = {**published_weights(), **new_class_layers(3, 0)}
    for what, measure in {
        "a step of fine-tuning, 16 images": lambda: measure_step(backbone, 4, images, FINE_TUNING, _clock),
        "a step on all layers of the detector, 8 images": lambda: measure_detector_step(
            examples, OneImage(), start, 3, ADVANCED_DETECTOR.fine_tuning(8), scale, _clock
        ),
    }.items():
        seconds = []
        for each in ("cpu", device):
            with on(each):
                seconds.append(measure())
        yield Row(what, *seconds)


def _clock() -> float:
    """Seconds, after the GPU has done what it was given."""
    if torch.cuda.is_available() and training_device().type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


class OneImage:
    """The same image for every example."""

    def __init__(self) -> None:
        pixels = numpy.random.default_rng(0).integers(0, 256, (480, 640, 3), numpy.uint8)
        self._image = Image.fromarray(pixels)

    def get(self, example: Example) -> Image.Image:
        return self._image


def training_rows(device: str, count: int, budget: float) -> Iterator[Row]:
    """Trainings on the processor and on the device, and their figures on other images."""
    for kind, drawn in {"classifier": classification, "detector": detection}.items():
        trained_on, tested = drawn(count, 0), drawn(max(60, count // 2), 1)
        for length, seconds in {"quick": None, "advanced": budget}.items():
            results = []
            for each in ("cpu", device):
                with on(each), tempfile.TemporaryDirectory() as folder:
                    started = time.perf_counter()
                    trained = vision.train(trained_on, Path(folder), budget=seconds)
                    taken = time.perf_counter() - started
                    results.append((taken, figure(vision.evaluate(trained, tested))))
            (processor_seconds, processor), (device_seconds, own) = results
            yield Row(f"{length} {kind}, {count} images", processor_seconds, device_seconds, processor, own)


def figure(report: vision.Report) -> float:
    """Mean average precision."""
    return float(report.average_precision)


def classification(count: int, seed: int) -> vision.Dataset:
    images, labels = [], []
    random = numpy.random.default_rng([seed, 0])
    for number in range(count):
        image, regions = drawing(random, 1, SHAPES[number % len(SHAPES)])
        images.append(numpy.asarray(image))
        labels.append(regions[0].tag)
    return vision.Dataset.of_arrays(images, labels)


def detection(count: int, seed: int) -> vision.Dataset:
    images, regions = [], []
    random = numpy.random.default_rng([seed, 1])
    for number in range(count):
        image, objects = drawing(random, 1 + number % 3, None)
        images.append(numpy.asarray(image))
        regions.append(objects)
    return vision.Dataset.of_arrays(images, regions=regions)


def drawing(
    random: numpy.random.Generator, count: int, shape: str | None
) -> tuple[Image.Image, list[vision.Region]]:
    """Shapes on noise, and where they are; each is in a column of its own."""
    noise = random.integers(60, 200, (SIDE // 8, SIDE // 8, 3), numpy.uint8)
    image = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    draw, regions = ImageDraw.Draw(image), []
    column = SIDE // count
    for place in range(count):
        size = int(random.integers(24, min(60, column - 4)))
        left = place * column + int(random.integers(0, column - size))
        top = int(random.integers(0, SIDE - size))
        name = shape or SHAPES[int(random.integers(len(SHAPES)))]
        color = tuple(random.integers(0, 256, 3).tolist())
        box = (left, top, left + size - 1, top + size - 1)
        if name == "circle":
            draw.ellipse(box, fill=color, outline="black", width=2)
        elif name == "square":
            draw.rectangle(box, fill=color, outline="black", width=2)
        else:
            draw.line(box, fill=color, width=8)
            draw.line((box[2], box[1], box[0], box[3]), fill=color, width=8)
        regions.append(vision.Region(name, left / SIDE, top / SIDE, size / SIDE, size / SIDE))
    return image, regions


def print_table(rows: list[Row]) -> None:
    cells = [("", "processor, s", "device, s", "faster by", "processor, mAP", "device, mAP")]
    for row in rows:
        figures = (row.processor_figure, row.device_figure)
        cells.append(
            (
                row.what,
                f"{row.processor_seconds:.3g}",
                f"{row.device_seconds:.3g}",
                f"{row.processor_seconds / max(row.device_seconds, 1e-9):.1f}",
                *("" if each is None else f"{each:.3f}" for each in figures),
            )
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
