"""Small images generated for tests; the same arguments give the same bytes."""

import random
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 200), "grey": (120, 120, 120)}


def picture(
    number: int = 0,
    colour: str = "red",
    size: tuple[int, int] = (48, 36),
    format: str = "PNG",
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """The file of a small image in shades of `colour`; each `number` gives another image."""
    chance = random.Random(f"{number} {colour}")
    image = Image.new("RGB", size, COLOURS[colour])
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = chance.randrange(size[0]), chance.randrange(size[1])
        tint = tuple(min(255, max(0, value + chance.randrange(-30, 30))) for value in COLOURS[colour])
        draw.rectangle((left, top, left + chance.randrange(1, 9), top + chance.randrange(1, 9)), fill=tint)
    file = BytesIO()
    (image if mode == "RGB" else image.convert(mode)).save(file, format, **options)
    return file.getvalue()


def pictures(count: int, colour: str = "red", start: int = 0) -> list[bytes]:
    return [picture(number, colour) for number in range(start, start + count)]
