"""What a detector sees while it learns: pictures with their boxes, and views of them that chance has
changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.detection.dataset import BoxedImage, Example
from emulator.vision.imaging.decode import ImageRejected, crop_resize, open_rgb

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image

    Array = NDArray[numpy.floating]

# Pictures are kept decoded at this size: enough for a view that shows half of one.
CACHED_SIDE = 640
_MOST_KEPT_BYTES = 512 * 2**20
# Pillow keeps a fourth byte beside red, green and blue.
_BYTES_A_PIXEL = 4

# Ranges from which chance chooses.
_LARGEST_ZOOM_OUT, _LARGEST_ZOOM_IN = 0.55, 1.45
_LOGARITHM_OF_ASPECT = 0.25
MIN_VISIBLE_SHARE = 0.4
_TRIES = 8
_CONTRAST, _BRIGHTNESS, _SATURATION = (0.7, 1.3), 25.0, (0.6, 1.4)


class ImageCache:
    """Decoded pictures, kept as far as memory allows; the others are decoded again each time."""

    def __init__(self, side: int = CACHED_SIDE) -> None:
        """
        Args:
            side: longest side of the pictures, in pixels, unless they are smaller.
        """
        self._side = side
        self._kept: dict[str, Image] = {}
        self._bytes = 0

    def load(self, images: Sequence[BoxedImage], progress: Callable[[float], None]) -> list[Example]:
        """The pictures that can be read, in the same order."""
        examples = []
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="pictures") as pool:
            decoded = ordered(pool, lambda image: _readable(image.path, self._side), images)
            for done, (image, picture) in enumerate(decoded, 1):
                if picture is not None:
                    examples.append(Example.of(image))
                    self._keep(image.key, picture)
                progress(done / len(images))
        return examples

    def get(self, example: Example) -> Image:
        """The picture, upright, its longest side as long as was asked for, or less.

        Raises:
            ImageRejected, OSError: the file is not there any more.
        """
        kept = self._kept.get(example.key)
        return kept if kept is not None else _decoded(example.path, self._side)

    def _keep(self, key: str, picture: Image) -> None:
        size = _BYTES_A_PIXEL * picture.width * picture.height
        if self._bytes + size <= _MOST_KEPT_BYTES:
            self._kept[key] = picture
            self._bytes += size


def random_crop(
    picture: Image,
    example: Example,
    resolution: int,
    random: numpy.random.Generator,
    magnification: float = 1.0,
) -> tuple[NDArray[numpy.uint8], NDArray[numpy.float32], NDArray[numpy.int64]]:
    """A window on the picture, perhaps mirrored, in other light.

    The window shows between a half and twice the picture and may reach beyond its edges. Boxes of which less
    than 40% are visible are left out; there are windows without any only of pictures without any.

    Args:
        magnification: the window shows a smaller part of the picture by this factor, around one of the boxes.

    Returns:
        Pixels (resolution, resolution, 3), boxes (G, 4) in pixels of them, tags (G,).
    """
    import numpy

    size = numpy.array([picture.width, picture.height])
    boxes = example.boxes * numpy.tile(size, 2)
    window, visible, shown = _window(size, boxes, random, magnification)
    pixels, placed = _cut(picture, window, visible, resolution)
    tags = example.tags[shown]
    placed = placed[shown]
    if random.random() < 0.5:
        pixels = pixels[:, ::-1]
        placed = numpy.stack(
            [resolution - placed[:, 2], placed[:, 1], resolution - placed[:, 0], placed[:, 3]], 1
        )
    light = pixels.astype(numpy.float32)
    mean = light.mean()
    light = (light - mean) * random.uniform(*_CONTRAST) + mean + random.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    if random.random() < 0.5:
        grey = light.mean(axis=2, keepdims=True)
        light = grey + (light - grey) * random.uniform(*_SATURATION)
    return light.clip(0, 255).astype(numpy.uint8), placed.astype(numpy.float32), tags


def _window(
    size: NDArray[numpy.int64], boxes: Array, random: numpy.random.Generator, magnification: float
) -> tuple[Array, Array, NDArray[numpy.bool_]]:
    """A window (4,) in pixels of the picture, the parts of the boxes inside of it, and which count as
    shown."""
    import numpy

    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    for _ in range(_TRIES):
        zoom = magnification * numpy.exp(
            random.uniform(numpy.log(_LARGEST_ZOOM_OUT), numpy.log(_LARGEST_ZOOM_IN))
        )
        aspect = numpy.exp(random.uniform(-_LOGARITHM_OF_ASPECT, _LOGARITHM_OF_ASPECT))
        half = size / zoom * numpy.array([aspect**0.5, aspect**-0.5]) / 2
        nearest, farthest = numpy.minimum(half, size - half), numpy.maximum(half, size - half)
        if magnification > 1 and len(boxes):
            # Small windows at any place would mostly show nothing.
            box = boxes[random.integers(len(boxes))]
            nearest = numpy.maximum(nearest, box[2:] - half)
            farthest = numpy.maximum(nearest, numpy.minimum(farthest, box[:2] + half))
        centre = random.uniform(nearest, farthest)
        window = numpy.concatenate([centre - half, centre + half])
        visible = numpy.clip(boxes, numpy.tile(window[:2], 2), numpy.tile(window[2:], 2))
        shown = (visible[:, 2:] - visible[:, :2]).prod(axis=1) > MIN_VISIBLE_SHARE * areas
        if shown.any() or not len(boxes):
            return window, visible, shown
    return numpy.array([0.0, 0.0, *size]), boxes, numpy.ones(len(boxes), bool)


def _cut(picture: Image, window: Array, boxes: Array, resolution: int) -> tuple[NDArray[numpy.uint8], Array]:
    """The window as a square of pixels, and the boxes in it."""
    import numpy

    pixels, source, target = crop_resize(picture, window, resolution)
    # Exactly where the part was put, not where an unrounded window would have put it.
    factor = (target[2:] - target[:2]) / (source[2:] - source[:2])
    placed: Array = (boxes - numpy.tile(source[:2], 2)) * numpy.tile(factor, 2) + numpy.tile(target[:2], 2)
    return pixels, placed


def _readable(path: str, side: int) -> Image | None:
    try:
        return _decoded(path, side)
    except (ImageRejected, OSError):
        return None


def _decoded(path: str, side: int) -> Image:
    from PIL.Image import Resampling

    image = open_rgb(Path(path).read_bytes(), target=side)
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Resampling.BILINEAR)
