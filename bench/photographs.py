"""Different photographs of about 100 KB: crops of those in scikit-image, with sensor noise."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from io import BytesIO

import numpy
from numpy.typing import NDArray
from PIL import Image

SOURCES = (
    "astronaut",
    "brick",
    "chelsea",
    "coffee",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "rocket",
    "grass",
)
SIZE = (800, 600)
BYTES = 100_000
_QUALITIES = range(95, 40, -3)


def photographs(number: int, tags: int) -> list[list[bytes]]:
    """`number` JPEGs in total, divided equally among the tags; the same ones every time."""
    numbers = [(tag, index) for tag in range(tags) for index in range(number // tags)]
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        made = list(processes.map(partial(_photograph, tags), numbers, chunksize=16))
    each = number // tags
    return [made[tag * each : (tag + 1) * each] for tag in range(tags)]


def with_comment(photograph: bytes, comment: bytes) -> bytes:
    """A JPEG with the same pixels and other bytes.

    Not with bytes after its end: their JPEGs are decoded in the threads of images that take long.
    """
    return photograph[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photograph[2:]


def _photograph(tags: int, number: tuple[int, int]) -> bytes:
    tag, index = number
    generator = numpy.random.default_rng([tags, tag, index])
    source = _source(SOURCES[tag % len(SOURCES)])
    height, width = source.shape[:2]
    scale = generator.uniform(0.6, 0.95)
    rows, columns = int(height * scale), int(width * scale)
    top, left = generator.integers(height - rows), generator.integers(width - columns)
    crop = Image.fromarray(source[top : top + rows, left : left + columns]).resize(SIZE)
    noise = generator.integers(-6, 7, (*SIZE[::-1], 1), dtype=numpy.int16)
    picture = Image.fromarray((numpy.asarray(crop) + noise).clip(0, 255).astype(numpy.uint8))
    for quality in _QUALITIES:
        encoded = BytesIO()
        picture.save(encoded, "JPEG", quality=quality)
        if encoded.tell() <= 1.1 * BYTES:
            break
    return encoded.getvalue()


@cache
def _source(name: str) -> NDArray[numpy.uint8]:
    import skimage.data

    pixels: NDArray[numpy.uint8] = getattr(skimage.data, name)()
    return numpy.asarray(Image.fromarray(pixels).convert("RGB"))
