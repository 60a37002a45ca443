"""Crops of large pictures at the scale of the tiles that they are scored in: what a detector learns from.

A photograph of twenty megapixels is sixty megabytes large and takes a quarter of a second to decode: too much
to do it for every view. Crops around its objects, and a few of its background, are cut out once and kept as
JPEG of high quality.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.concurrency import processor_count
from emulator.vision.detection.augment import MIN_VISIBLE_SHARE
from emulator.vision.detection.dataset import Example
from emulator.vision.detection.tiles import Tiling, whole_image_window
from emulator.vision.imaging.decode import ImageRejected, crop_resize, open_rgb

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image

    Array = NDArray[numpy.float64]

_JPEG_QUALITY = 95
# Of all pictures together; a crop takes a few hundred kilobytes.
_MAX_CROPS = 2000
# So many crops with objects have one without beside them; a picture without objects gives so many.
_OBJECTS_A_BACKGROUND, _OF_EMPTY_PICTURE = 3, 2
_TRIES = 8
# A stream of random numbers: the others of a training are other ones.
_PLACES = 20


class Crops:
    """Crops of pictures, cut once and kept."""

    def __init__(self, tiling: Tiling, tile: int, side: int, seed: int) -> None:
        """
        Args:
            tiling: how the pictures will be scored.
            tile: side in pixels of the tiles.
            side: of the crops, in pixels.
            seed: decides where they lie.
        """
        self._tiling, self._tile, self._side, self._seed = tiling, tile, side, seed
        self._kept: dict[str, bytes] = {}

    def load(self, examples: Sequence[Example], progress: Callable[[float], None]) -> list[list[Example]]:
        """The crops of each picture: at least one, but of pictures that are not there any more and, where
        there are more pictures than crops can be kept, of those that chance leaves out.

        What `progress` raises ends it.
        """
        import numpy

        order = numpy.random.default_rng([self._seed, _PLACES]).permutation(len(examples))
        chosen = set(order[:_MAX_CROPS].tolist())
        most = max(1, _MAX_CROPS // max(1, len(examples)))
        results = []

        def crops(number: int) -> list[tuple[Example, bytes]]:
            return self._of_picture(examples[number], number, most) if number in chosen else []

        with ThreadPoolExecutor(processor_count(), thread_name_prefix="crops") as pool:
            try:
                for done, found in enumerate(pool.map(crops, range(len(examples))), 1):
                    self._kept.update((example.key, content) for example, content in found)
                    results.append([example for example, _ in found])
                    progress(done / len(examples))
            finally:
                # When the time is over, nothing is begun any more.
                pool.shutdown(wait=False, cancel_futures=True)
        return results

    def get(self, example: Example) -> Image:
        """The picture of a crop."""
        return open_rgb(self._kept[example.key])

    def _of_picture(self, example: Example, number: int, most: int) -> list[tuple[Example, bytes]]:
        import numpy
        from PIL import Image as Pillow

        try:
            picture = open_rgb(Path(example.path).read_bytes(), target=self._tiling.side)
        except (ImageRejected, OSError):
            return []
        random = numpy.random.default_rng([self._seed, _PLACES, number])
        size = numpy.array(self._tiling.scaled(*picture.size))
        boxes = example.boxes * numpy.tile(size, 2)
        places = crop_windows(boxes, size, self._side, random, most)
        if self._tiling.whole:
            # The same crops of the whole picture as its one look shows it.
            shrunk = whole_image_window(*picture.size, self._tiling)[2] / self._tile
            long = boxes[(boxes[:, 2:] - boxes[:, :2]).max(axis=1) > self._tiling.overlap]
            if len(long):
                around = crop_windows(long / shrunk, size / shrunk, self._side, random, most)
                places += [place * shrunk for place in around]
        results: list[tuple[Example, bytes]] = []
        for place in places:
            pixels = crop_resize(picture, place * (picture.width / size[0]), self._side)[0]
            encoded = BytesIO()
            Pillow.fromarray(pixels).save(encoded, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
            key = f"{example.key}/{len(results)}"
            results.append((_part(example, boxes, place, key), encoded.getvalue()))
        return results


def crop_windows(
    boxes: Array, size: Array, side: int, random: numpy.random.Generator, most: int
) -> list[Array]:
    """Squares that together show every box, each at a place that chance chose, and some that show none.

    Args:
        boxes: (B, 4) as left, top, right, bottom, in pixels.
        size: width and height of the picture. A square lies inside, or begins at the left or upper edge.
        most: squares; then some boxes are not shown.

    Returns:
        Places as left, top, right, bottom: at least one.
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
    empty = -(-len(corners) // _OBJECTS_A_BACKGROUND) if len(boxes) else _OF_EMPTY_PICTURE
    for _ in range(min(empty, max(0, most - len(corners)))):
        for _ in range(_TRIES):
            corner = random.uniform(0, last)
            if not ((boxes[:, :2] < corner + side) & (boxes[:, 2:] > corner)).all(axis=1).any():
                corners.append(corner)
                break
    return [numpy.concatenate([corner, corner + side]) for corner in corners]


def _part(example: Example, boxes: Array, place: Array, key: str) -> Example:
    """The crop as an example of its own: boxes that show enough of themselves in it."""
    import numpy

    visible = numpy.clip(boxes, numpy.tile(place[:2], 2), numpy.tile(place[2:], 2))
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    shown = (visible[:, 2:] - visible[:, :2]).prod(axis=1) > MIN_VISIBLE_SHARE * areas
    fractions = (visible[shown] - numpy.tile(place[:2], 2)) / (place[2] - place[0])
    return Example(key, example.path, fractions, example.tags[shown])
