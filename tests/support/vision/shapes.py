"""Images of one colored shape each, at a random place on a light background, and datasets of them."""

import hashlib
import io
import random
from pathlib import Path

from PIL import Image, ImageDraw

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.detection.dataset import BoxedImage, DetectionDataset

SHAPES = ("circle", "square", "triangle")
_COLORS = {"circle": (200, 30, 30), "square": (30, 60, 200), "triangle": (30, 150, 50)}
_SIDE = 128


def shape_image(shape: str, number: int, *, format: str = "PNG") -> tuple[bytes, tuple[float, ...]]:
    """The file, and left, top, width and height of the shape; each `number` gives another image."""
    chance = random.Random(f"{shape} {number}")
    image = Image.new("RGB", (_SIDE, _SIDE), tuple(chance.randrange(190, 255) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    size = chance.randrange(40, 64)
    left, top = (chance.randrange(4, _SIDE - size - 4) for _ in range(2))
    place = (left, top, left + size, top + size)
    match shape:
        case "circle":
            draw.ellipse(place, _COLORS[shape])
        case "square":
            draw.rectangle(place, _COLORS[shape])
        case _:
            draw.polygon(
                [(left, top + size), (left + size / 2, top), (left + size, top + size)], _COLORS[shape]
            )
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue(), tuple(value / _SIDE for value in (left, top, size, size))


def stored(folder: Path, data: bytes) -> tuple[str, str]:
    """Path and key of a file of these bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(data).hexdigest()
    (folder / key).write_bytes(data)
    return str(folder / key), key


def classified_shapes(folder: Path, each: int, *, multilabel: bool = False) -> ClassificationDataset:
    images = [
        LabelledImage(*stored(folder, shape_image(shape, number)[0]), (tag,))
        for tag, shape in enumerate(SHAPES)
        for number in range(each)
    ]
    return ClassificationDataset(tuple(images), SHAPES, multilabel)


def boxed_shapes(folder: Path, each: int) -> DetectionDataset:
    images = []
    for tag, shape in enumerate(SHAPES):
        for number in range(each):
            data, box = shape_image(shape, number)
            images.append(BoxedImage(*stored(folder, data), (TaggedBox(tag, *box),)))
    return DetectionDataset(tuple(images), SHAPES)
