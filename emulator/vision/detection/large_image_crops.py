"""Crops of large images, at the scale of their tiles, for training.

An image of 20 megapixels takes 60 MB and 0.25 s to decode: too much for every step of a training. Crops
around its objects, and a few of its background, are cut once and kept in memory as JPEG of high quality. They
are scaled by the function that scales tiles in scoring (`imaging.decode.crop_resize`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING

from emulator.vision.concurrency import processor_count
from emulator.vision.detection.augment import MIN_VISIBLE_SHARE
from emulator.vision.detection.dataset import Example
from emulator.vision.detection.tiles import Tiling, whole_image_window
from emulator.vision.imaging.decode import ImageRejected, crop_resize, open_rgb
from emulator.vision.imaging.image_file import read_image_file

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image

    Array = NDArray[numpy.float64]

_JPEG_QUALITY = 95
# Of all images together; a crop takes a few hundred kilobytes.
_MAX_CROPS = 2000
# 3 object crops per background crop; 2 crops from an image without objects.
_OBJECT_CROPS_PER_BACKGROUND, _CROPS_OF_EMPTY_IMAGE = 3, 2
_TRIES = 8
# A stream of random numbers that no other part of a training uses.
_WINDOWS = 20


class Crops:
    """Crops of images, cut once and kept in memory."""

    def __init__(self, tiling: Tiling, tile: int, side: int, seed: int) -> None:
        """
        Args:
            tiling: how images are divided into tiles in scoring.
            tile: side in pixels of the tiles.
            side: of the crops, in pixels.
            seed: of their windows.
        """
        self._tiling, self._tile, self._side, self._seed = tiling, tile, side, seed
        self._kept: dict[str, bytes] = {}

    def load(self, examples: Sequence[Example], progress: Callable[[float], None]) -> list[list[Example]]:
        """Cut the crops of each image.

        An image has at least one crop. It has none if it cannot be read, or if there are more than
        `_MAX_CROPS` images and it is not among those drawn at random.

        Args:
            progress: called with the share that is done, 0..1; its exceptions end the work and are raised.
        """
        import numpy

        order = numpy.random.default_rng([self._seed, _WINDOWS]).permutation(len(examples))
        chosen = set(order[:_MAX_CROPS].tolist())
        most = max(1, _MAX_CROPS // max(1, len(examples)))
        results = []

        def crops(number: int) -> list[tuple[Example, bytes]]:
            return self._cut(examples[number], number, most) if number in chosen else []

        with ThreadPoolExecutor(processor_count(), thread_name_prefix="crops") as pool:
            try:
                for done, found in enumerate(pool.map(crops, range(len(examples))), 1):
                    self._kept.update((example.key, content) for example, content in found)
                    results.append([example for example, _ in found])
                    progress(done / len(examples))
            finally:
                # After an exception of `progress` no further image is started.
                pool.shutdown(wait=False, cancel_futures=True)
        return results

    def get(self, example: Example) -> Image:
        """The pixels of a crop."""
        return open_rgb(self._kept[example.key])

    def _cut(self, example: Example, number: int, most: int) -> list[tuple[Example, bytes]]:
        import numpy
        from PIL import Image as Pillow

        try:
            image = open_rgb(read_image_file(example), target=self._tiling.side)
        except (ImageRejected, OSError):
            return []
        random = numpy.random.default_rng([self._seed, _WINDOWS, number])
        size = numpy.array(self._tiling.scaled(*image.size))
        boxes = example.boxes * numpy.tile(size, 2)
        windows = crop_windows(boxes, size, self._side, random, most)
        if self._tiling.whole:
            # Crops at the scale at which the whole image is scored, of its long objects.
            shrunk = whole_image_window(*image.size, self._tiling)[2] / self._tile
            long = boxes[(boxes[:, 2:] - boxes[:, :2]).max(axis=1) > self._tiling.overlap]
            if len(long):
                around = crop_windows(long / shrunk, size / shrunk, self._side, random, most)
                windows += [window * shrunk for window in around]
        results: list[tuple[Example, bytes]] = []
        for window in windows:
            pixels = crop_resize(image, window * (image.width / size[0]), self._side)[0]
            encoded = BytesIO()
            Pillow.fromarray(pixels).save(encoded, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
            key = f"{example.key}/{len(results)}"
            results.append((_part(example, boxes, window, key), encoded.getvalue()))
        return results


def crop_windows(
    boxes: Array, size: Array, side: int, random: numpy.random.Generator, most: int
) -> list[Array]:
    """Random squares that together contain every box, and some without boxes.

    Args:
        boxes: (B, 4) as left, top, right, bottom, in pixels.
        size: width and height of the image. A square lies inside of it, or starts at its left or upper edge.
        most: largest number of squares; further boxes are not in any.

    Returns:
        Windows as left, top, right, bottom: at least one.
    """
    import numpy

    last = (size - side).clip(0)
    seen = numpy.zeros(len(boxes), bool)
    corners: list[Array] = []
    for number in random.permutation(len(boxes)).tolist():
        if seen[number] or len(corners) >= most:
            continue
        box = boxes[number]
        nearest = (box[2:] - side).clip(0, last)
        corner = random.uniform(nearest, numpy.maximum(nearest, numpy.minimum(box[:2], last)))
        corners.append(corner)
        seen |= ((boxes[:, :2] >= corner) & (boxes[:, 2:] <= corner + side)).all(axis=1)
    empty = -(-len(corners) // _OBJECT_CROPS_PER_BACKGROUND) if len(boxes) else _CROPS_OF_EMPTY_IMAGE
    for _ in range(min(empty, max(0, most - len(corners)))):
        for _ in range(_TRIES):
            corner = random.uniform(0, last)
            if not ((boxes[:, :2] < corner + side) & (boxes[:, 2:] > corner)).all(axis=1).any():
                corners.append(corner)
                break
    return [numpy.concatenate([corner, corner + side]) for corner in corners]


def _part(example: Example, boxes: Array, window: Array, key: str) -> Example:
    """The crop as an example, with the boxes of which at least `MIN_VISIBLE_SHARE` is visible."""
    import numpy

    visible = numpy.clip(boxes, numpy.tile(window[:2], 2), numpy.tile(window[2:], 2))
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    shown = (visible[:, 2:] - visible[:, :2]).prod(axis=1) > MIN_VISIBLE_SHARE * areas
    fractions = (visible[shown] - numpy.tile(window[:2], 2)) / (window[2] - window[0])
    return Example(key, example.path, fractions, example.tags[shown])
