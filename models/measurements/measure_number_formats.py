"""Times the layers that trainings compute, in each number format, as trainings do to choose one.

``python models/measurements/measure_number_formats.py``: a table of milliseconds of processor time for one
run of a slice of a batch, or of two images, and the choice. Nothing is stored.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from measuring import row
from PIL import Image

from emulator.vision.classification.finetune import TrainingImages, measure_step
from emulator.vision.detection.dataset import Example
from emulator.vision.detection.finetune import measure_step as measure_detector_step
from emulator.vision.detection.finetune import new_class_layers
from emulator.vision.detection.scale import Scale
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.recipes import (
    ADVANCED_DETECTOR,
    FINE_TUNING,
    QUICK_DETECTOR,
    AdvancedDetectorRecipe,
    DetectorRecipe,
)
from emulator.vision.training.number_formats import (
    NumberFormat,
    number_formats_from,
    processor_model,
)

FORMATS = [NumberFormat(bfloat16, last) for last in (True, False) for bfloat16 in (False, True)]
TAGS = 3


class OneImage:
    """The same image for every example."""

    def __init__(self) -> None:
        pixels = numpy.random.default_rng(0).integers(0, 256, (480, 640, 3), numpy.uint8)
        self._image = Image.fromarray(pixels)

    def get(self, example: Example) -> Image.Image:
        return self._image


def classifier(side: int) -> None:
    images = TrainingImages(
        numpy.random.default_rng(0).integers(0, 256, (16, side, side, 3), numpy.uint8),
        numpy.eye(TAGS)[numpy.arange(16) % TAGS],
        multilabel=False,
    )
    network = backbone_network("efficientnet-lite0", side)
    measure_step(network, TAGS, images, FINE_TUNING, time.perf_counter)


def examples() -> list[Example]:
    box = numpy.array([[0.2, 0.2, 0.6, 0.7]])
    return [Example(str(number), "", box, numpy.array([number % TAGS])) for number in range(8)]


def detector(recipe: DetectorRecipe | AdvancedDetectorRecipe) -> None:
    fine_tuning = recipe.fine_tuning(8)
    start = {**published_weights(), **new_class_layers(TAGS, 0)}
    scale = Scale(fine_tuning.window_size, 1.0)
    measure_detector_step(examples(), OneImage(), start, TAGS, fine_tuning, scale, time.perf_counter)


def measured(layers: Callable[[], None]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder, number_formats_from(Path(folder)):
        layers()
        return [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]


def main() -> None:
    print(processor_model())
    print(row(("Layers", *(f"{each}, ms" for each in FORMATS), "Chosen")))
    print(row(("---",) * (len(FORMATS) + 2)))
    measurements: list[Callable[[], None]] = [
        lambda: classifier(160),
        lambda: classifier(256),
        lambda: detector(QUICK_DETECTOR),
        lambda: detector(ADVANCED_DETECTOR),
    ]
    for layers in measurements:
        for found in measured(layers):
            seconds = found["seconds"]
            cells = [f"{1000 * seconds[str(each)]:.0f}" if str(each) in seconds else "" for each in FORMATS]
            choice = NumberFormat(**found["choice"])
            print(row((found["layers"].partition(";")[0], *cells, choice)), flush=True)


if __name__ == "__main__":
    main()
