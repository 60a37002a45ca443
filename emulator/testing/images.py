"""Sample images, made on the spot: the same arguments give the same pixels on every system.

Sizes are (width, height) in pixels, at least 8 each; formats are PNG, JPEG, BMP or GIF. Others raise
ValueError. Boxes are fractions of the image's size, as the service has them.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Color = tuple[int, int, int]
Size = tuple[int, int]

COLORS: dict[str, Color] = {
    "black": (25, 25, 25),
    "blue": (50, 70, 200),
    "brown": (130, 85, 45),
    "gray": (128, 128, 128),
    "green": (45, 165, 70),
    "orange": (235, 140, 40),
    "pink": (235, 130, 170),
    "purple": (125, 60, 165),
    "red": (200, 45, 45),
    "white": (235, 235, 235),
    "yellow": (235, 215, 60),
}
SHAPES = ("circle", "square", "triangle", "diamond")
_BACKGROUND = (190, 190, 190)
_SIZE = (96, 72)
_SCENE_SIZE = (160, 120)
_SMALLEST = 8  # pixels of a side
_FORMATS = ("PNG", "JPEG", "BMP", "GIF")  # those of the service
_CACHED = 4096


@dataclass(frozen=True)
class Box:
    """An object in an image: its tag, and its box as fractions of the image's size."""

    tag: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Scene:
    """An image for object detection, and the objects in it."""

    data: bytes
    boxes: tuple[Box, ...]


def color_of(tag: str) -> Color:
    """The color of a tag's images: that of its name, or one that depends on the name."""
    chance = random.Random(zlib.crc32(tag.encode()))
    return COLORS.get(tag.lower()) or (chance.randrange(256), chance.randrange(256), chance.randrange(256))


def shape_of(tag: str) -> str:
    """The shape of a tag's objects: the one that its name contains, or one that depends on the name."""
    named = [shape for shape in SHAPES if shape in tag.lower()]
    return named[0] if named else SHAPES[zlib.crc32(tag.encode()) % len(SHAPES)]


@lru_cache(_CACHED)
def solid(color: str = "red", size: Size = _SIZE, format: str = "PNG") -> bytes:
    """An image of one color."""
    return _encoded(_new(color_of(color), size), format)


@lru_cache(_CACHED)
def gradient(start: str = "white", end: str = "black", size: Size = _SIZE, format: str = "PNG") -> bytes:
    """An image whose color changes from the left to the right."""
    from PIL import Image

    first, last = _new(color_of(start), size), _new(color_of(end), size)
    ramp = Image.linear_gradient("L").rotate(90).resize(size)
    return _encoded(Image.composite(last, first, ramp), format)


@lru_cache(_CACHED)
def sample(
    tag: str = "red", number: int = 0, *, size: Size = _SIZE, seed: int = 0, format: str = "PNG"
) -> bytes:
    """An image of a tag, for classification: most of it has the tag's color.

    Args:
        number: each one gives another image of the same tag.
    """
    from PIL import ImageDraw

    chance = random.Random(f"{seed} {tag} {number}")
    color = color_of(tag)
    image = _new(_varied(color, chance, 12), size)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = chance.randrange(size[0]), chance.randrange(size[1])
        right, bottom = left + 2 + chance.randrange(size[0] // 5), top + 2 + chance.randrange(size[1] // 5)
        draw.rectangle((left, top, right, bottom), fill=_varied(color, chance, 40))
    return _encoded(image, format)


def samples(tag: str, count: int, *, start: int = 0, size: Size = _SIZE, seed: int = 0) -> list[bytes]:
    """Different images of a tag, numbered from `start`."""
    return [sample(tag, number, size=size, seed=seed) for number in range(start, start + count)]


@lru_cache(_CACHED)
def scene(*tags: str, number: int = 0, size: Size = _SCENE_SIZE, seed: int = 0, format: str = "PNG") -> Scene:
    """An image with an object of each tag, for detection. The objects do not overlap.

    Args:
        tags: a tag may be repeated; at most 12 in all. Its objects have the color of the tag, and its shape.
        number: each one gives another image of the same tags.

    Raises:
        ValueError: there are no tags, or too many.
    """
    from PIL import ImageDraw

    columns, rows = 4, 3
    if not 0 < len(tags) <= columns * rows:
        raise ValueError(f"a scene has 1 to {columns * rows} objects, not {len(tags)}")
    if len(tags) <= 2:
        columns, rows = 2, 1
    chance = random.Random(f"{seed} {' '.join(tags)} {number}")
    image = _new(_varied(_BACKGROUND, chance, 15), size)
    draw = ImageDraw.Draw(image)
    cells = chance.sample([(column, row) for row in range(rows) for column in range(columns)], len(tags))
    boxes = []
    for tag, (column, row) in zip(tags, cells, strict=True):
        cell_width, cell_height = size[0] / columns, size[1] / rows
        side = int(min(cell_width, cell_height) * chance.uniform(0.55, 0.85))
        left = int(column * cell_width + chance.uniform(0, cell_width - side))
        top = int(row * cell_height + chance.uniform(0, cell_height - side))
        _draw_shape(draw, shape_of(tag), (left, top, left + side - 1, top + side - 1), color_of(tag))
        boxes.append(Box(tag, left / size[0], top / size[1], side / size[0], side / size[1]))
    return Scene(_encoded(image, format), tuple(boxes))


def _draw_shape(draw: ImageDraw, shape: str, box: tuple[int, int, int, int], color: Color) -> None:
    left, top, right, bottom = box
    middle, center = (left + right) // 2, (top + bottom) // 2
    if shape == "circle":
        draw.ellipse(box, fill=color)
    elif shape == "triangle":
        draw.polygon([(middle, top), (right, bottom), (left, bottom)], fill=color)
    elif shape == "diamond":
        draw.polygon([(middle, top), (right, center), (middle, bottom), (left, center)], fill=color)
    else:
        draw.rectangle(box, fill=color)


def _new(color: Color, size: Size) -> Image:
    from PIL import Image

    if min(size) < _SMALLEST:
        raise ValueError(
            f"a sample image has at least {_SMALLEST} x {_SMALLEST} pixels, not {size[0]} x {size[1]}"
        )
    return Image.new("RGB", size, color)


def _varied(color: Color, chance: random.Random, most: int) -> Color:
    red, green, blue = (min(255, max(0, value + chance.randint(-most, most))) for value in color)
    return red, green, blue


def _encoded(image: Image, format: str) -> bytes:
    file = BytesIO()
    name = {"JPG": "JPEG"}.get(format.upper(), format.upper())
    if name not in _FORMATS:
        raise ValueError(f"the format of a sample image is one of {', '.join(_FORMATS)}, not {format!r}")
    image.save(file, name)
    return file.getvalue()
