"""Images with known objects for the tests of detection: squares and discs on a noisy background."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy
from PIL import Image, ImageDraw

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset
from emulator.vision.recipes.recipes import DetectorRecipe
from tests.support.vision.images import encoded

SHAPES = ("square", "disc")
COLOURS = ("red", "blue")
# The smallest training that runs all parts; it learns nothing.
TINY = DetectorRecipe(resolution=64, batch=4, min_steps=3, max_steps=3, warm_up_steps=1)


def scene(
    number: int, objects: int = 2, size: tuple[int, int] = (160, 120)
) -> tuple[Image.Image, list[TaggedBox]]:
    """An image with one object in each column, none touching another, and their boxes."""
    random = numpy.random.default_rng([7, number])
    width, height = size
    ground = random.integers(90, 150, (height // 4, width // 4, 3), numpy.uint8)
    picture = Image.fromarray(ground).resize(size)
    draw = ImageDraw.Draw(picture)
    boxes = []
    for column in range(objects):
        tag = int(random.integers(0, 2)) if number >= 2 else number
        side = int(random.integers(24, min(56, width // objects - 4)))
        left = column * (width // objects) + int(random.integers(0, width // objects - side))
        top = int(random.integers(0, height - side))
        place = (left, top, left + side - 1, top + side - 1)
        (draw.rectangle if tag == 0 else draw.ellipse)(place, fill=COLOURS[tag])
        boxes.append(TaggedBox(tag, left / width, top / height, side / width, side / height))
    return picture, boxes


def kept(folder: Path, data: bytes, boxes: list[TaggedBox]) -> BoxedImage:
    """Write a file under its checksum, as a store would, with the objects in it."""
    key = hashlib.sha256(data).hexdigest()
    path = folder / key
    path.write_bytes(data)
    return BoxedImage(str(path), key, tuple(boxes))


def scenes(folder: Path, numbers: range, objects: int = 2) -> DetectionDataset:
    images = []
    for number in numbers:
        picture, boxes = scene(number, objects)
        images.append(kept(folder, encoded(picture), boxes))
    return DetectionDataset(tuple(images), SHAPES)


def with_images(dataset: DetectionDataset, *more: BoxedImage) -> DetectionDataset:
    return replace(dataset, images=(*dataset.images, *more))
