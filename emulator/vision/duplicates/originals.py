"""Finding the originals of images that were scaled down: the same picture with more pixels.

Candidates are the originals with the most similar thumbnails and the same shape. A candidate is confirmed
pixel by pixel over the whole picture, both at the same size, so that frames of a fixed camera are
distinguished although they differ in one place only. An image for which several originals match about
equally well gets none.

Letters of shapes: N images, M originals, T numbers of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.imaging.decode import ImageRejected, inspect_image, open_rgb

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_SIDE = 32
# Thumbnails of a lower contrast (standard deviation of grey, 0..255) are not compared.
_MIN_CONTRAST = 2.0
_MIN_THUMBNAIL_CORRELATION = 0.97
# Sides of a picture that was scaled down are rounded to whole pixels.
_SAME_SHAPE = 0.01
_CANDIDATES = 5
_ROWS_AT_A_TIME = 256
# Confirmed are pictures at this longer side, in fields.
_COMPARED_SIDE = 384
_FIELDS = 8
# Grey levels, 0..255: the largest mean difference of a field. JPEG and other filters of scaling give 1 to 4.
_MOST_DIFFERENCE = 7.0
# How much more the next candidate must differ, over the whole picture.
_MARGIN = 1.5


@dataclass(frozen=True)
class Look:
    """What is kept of a picture. width, height: in pixels, upright. thumbnail: (T,), of length 1."""

    width: int
    height: int
    thumbnail: NDArray[numpy.float32]


def look_at(data: bytes) -> Look | None:
    """A picture as it is compared; None when it is no image, or of a single colour."""
    import numpy

    try:
        info = inspect_image(data)
        small = open_rgb(data, 4 * _SIDE).convert("L")
    except ImageRejected:
        return None
    from PIL.Image import Resampling

    pixels = numpy.asarray(small.resize((_SIDE, _SIDE), Resampling.BOX), numpy.float32).ravel()
    if pixels.std() < _MIN_CONTRAST:
        return None
    pixels = pixels - pixels.mean()
    return Look(info.width, info.height, pixels / numpy.linalg.norm(pixels))


def candidates(images: Sequence[Look], originals: Sequence[Look]) -> list[list[int]]:
    """For each of N images the indexes of the M originals that may be its own, the most similar first.

    An original has more pixels than the image, and the same shape.
    """
    import numpy

    if not images or not originals:
        return [[] for _ in images]
    theirs_MT = numpy.stack([one.thumbnail for one in originals])
    shapes_M = numpy.array([one.width / one.height for one in originals])
    widths_M = numpy.array([one.width for one in originals])
    count = min(_CANDIDATES, len(originals))
    found: list[list[int]] = []
    for begin in range(0, len(images), _ROWS_AT_A_TIME):
        some = images[begin : begin + _ROWS_AT_A_TIME]
        similar_NM = numpy.stack([one.thumbnail for one in some]) @ theirs_MT.T
        shapes_N = numpy.array([[one.width / one.height] for one in some])
        widths_N = numpy.array([[one.width] for one in some])
        is_possible_NM = (numpy.abs(shapes_M / shapes_N - 1) < _SAME_SHAPE) & (widths_M > widths_N)
        similar_NM[~is_possible_NM] = -1
        for row in similar_NM:
            nearest = numpy.argsort(-row, kind="stable")[:count]
            found.append([int(index) for index in nearest if row[index] >= _MIN_THUMBNAIL_CORRELATION])
    return found


@dataclass(frozen=True)
class Difference:
    """How two pictures differ, in levels, 0..255. worst: of the field that differs most. mean: of all."""

    worst: float
    mean: float

    @property
    def is_none(self) -> bool:
        return self.worst <= _MOST_DIFFERENCE


def difference(image: bytes, original: bytes) -> Difference:
    """The difference of an image and an original of the same shape. Raises ImageRejected."""
    import numpy
    from PIL.Image import Resampling

    opened = [open_rgb(data, _COMPARED_SIDE) for data in (image, original)]
    scale = _COMPARED_SIDE / max(opened[0].size)
    width, height = (max(_FIELDS, round(side * scale)) for side in opened[0].size)
    first, second = (
        numpy.asarray(one.resize((width, height), Resampling.BOX), numpy.float32) for one in opened
    )
    apart = numpy.abs(first - second).mean(axis=2)
    rows = numpy.linspace(0, height, _FIELDS + 1).astype(int)[:-1]
    columns = numpy.linspace(0, width, _FIELDS + 1).astype(int)[:-1]
    sums = numpy.add.reduceat(numpy.add.reduceat(apart, rows, axis=0), columns, axis=1)
    sizes = numpy.outer(numpy.diff([*rows, height]), numpy.diff([*columns, width]))
    return Difference(float((sums / sizes).max()), float(apart.mean()))


def chosen(differences: Sequence[Difference]) -> int | None:
    """The index of the candidate that is the original; None when none is, or several may be."""
    same = sorted((one.mean, index) for index, one in enumerate(differences) if one.is_none)
    if not same or (len(same) > 1 and same[1][0] < _MARGIN * same[0][0]):
        return None
    return same[0][1]
