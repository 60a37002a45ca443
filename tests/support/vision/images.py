"""Generated images for the tests, so that they need no files; those of a tag have a common pattern."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy
from PIL import Image

from emulator.vision.classification.dataset import LabelledImage

# Photographs that are not part of this repository; tests that need them are skipped without.
DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"

PATTERNS = ("stripes", "dots", "noise")


def encoded(image: Image.Image, picture_format: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, picture_format, **options)
    return buffer.getvalue()


def drawn(pattern: str, number: int, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """An image of a pattern in random colours; each `number` gives another one."""
    random = numpy.random.default_rng([PATTERNS.index(pattern), number])
    width, height = size
    rows, columns = numpy.mgrid[0:height, 0:width]
    if pattern == "stripes":
        shade = numpy.sin((columns * random.uniform(0.5, 1) + rows * random.uniform(-0.1, 0.1)) * 0.9)
    elif pattern == "dots":
        step = random.uniform(10, 16)
        distance = numpy.hypot((columns % step) - step / 2, (rows % step) - step / 2)
        shade = numpy.where(distance < step * 0.3, 1.0, -1.0)
    else:
        shade = random.uniform(-1, 1, (height, width))
    ink, paper = random.integers(0, 80, 3), random.integers(150, 256, 3)
    share = (shade[:, :, None] + 1) / 2
    return Image.fromarray((share * ink + (1 - share) * paper).astype(numpy.uint8))


def photograph(size: tuple[int, int] = (400, 300), seed: int = 0) -> Image.Image:
    """An image with smooth areas and detail, like a photograph, so that JPEG compression matters."""
    random = numpy.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), numpy.uint8))
    smooth = numpy.asarray(coarse.resize(size, Image.Resampling.BICUBIC), numpy.int16)
    return Image.fromarray((smooth + random.integers(-12, 13, smooth.shape)).clip(0, 255).astype(numpy.uint8))


def quarters() -> Image.Image:
    """Four flat colours, one in each corner, wider than tall: every rotation and reflection is distinct."""
    image = Image.new("RGB", (80, 48))
    for corner, colour in (((0, 0), "red"), ((40, 0), "lime"), ((0, 24), "blue"), ((40, 24), "white")):
        image.paste(Image.new("RGB", (40, 24), colour), corner)
    return image


def kept(folder: Path, data: bytes, labels: tuple[int, ...]) -> LabelledImage:
    """Write a file under its checksum, as a store would, and label it."""
    key = hashlib.sha256(data).hexdigest()
    path = folder / key
    path.write_bytes(data)
    return LabelledImage(str(path), key, labels)
