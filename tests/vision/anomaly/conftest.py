"""A small anomaly detector, and images of one kind of good part, some with a defect."""

from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageDraw

from emulator.vision.anomaly.train import train_anomaly_detector
from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier
from emulator.vision.recipes.recipes import AnomalyRecipe
from tests.support.vision.images import encoded, kept

SMALL = AnomalyRecipe(resolution=96, references=32, sampled_patches=600)
GOOD = 15


def part(number: int, *, defect: bool = False) -> bytes:
    """A plate with rows of holes in slightly different places and light; a defect is a scratch."""
    random = numpy.random.default_rng(number)
    light = int(random.integers(150, 170))
    image = Image.new("RGB", (96, 96), (light, light, light + 10))
    draw = ImageDraw.Draw(image)
    left, top = random.integers(6, 10, 2).tolist()
    for row in range(4):
        for column in range(4):
            x, y = left + 22 * column, top + 22 * row
            draw.ellipse((x, y, x + 10, y + 10), fill=(60, 60, 70))
    if defect:
        x, y = random.integers(20, 60, 2).tolist()
        draw.line((x, y, x + 25, y + 12), fill=(250, 240, 230), width=3)
    noisy = numpy.asarray(image, numpy.int16) + random.integers(-4, 5, (96, 96, 1))
    return encoded(Image.fromarray(noisy.clip(0, 255).astype(numpy.uint8)))


@pytest.fixture(scope="session")
def good_parts(tmp_path_factory: pytest.TempPathFactory) -> ClassificationDataset:
    folder = tmp_path_factory.mktemp("parts")
    images = tuple(kept(folder, part(number), (1,)) for number in range(GOOD))
    return ClassificationDataset(images, ("anomaly", "good"), multilabel=False, negative=0)


def trained_on(dataset: ClassificationDataset, output: Path, seed: int = 0) -> TrainedClassifier:
    return train_anomaly_detector(dataset, SMALL, seed=seed, output=output, progress=lambda share, step: None)


@pytest.fixture(scope="session")
def detector(
    good_parts: ClassificationDataset, tmp_path_factory: pytest.TempPathFactory
) -> TrainedClassifier:
    return trained_on(good_parts, tmp_path_factory.mktemp("detector"))
