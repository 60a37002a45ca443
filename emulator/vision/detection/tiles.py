"""Large pictures in overlapping tiles: where the tiles lie, and how what is found in them becomes the boxes
of the whole picture. NumPy alone.

A picture is thought of as scaled, without changing its aspect ratio, until it has the area of a square of
`Tiling.side` pixels. Boxes and tiles are (left, top, right, bottom) in pixels of that scaled picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox, detected_from_arrays, to_xyxy
from emulator.vision.boxes.geometry import MAX_CANDIDATES, non_max_suppression

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# No picture is scaled to more. In tiles of 960 pixels, overlapping by a third, no picture has more of them.
MAX_SIDE, MAX_TILES = 5120, 80
# A box that comes so near to an edge of its tile, as a share of the tile's side, is cut by it.
_NEAR_EDGE = 0.005
# As a share of the overlap: so far from its core a tile still answers for boxes.
_BOTH_ANSWER = 0.25
# A cut box goes where a whole one of its tag covers so much of it and is not much less probable.
_COVERED, _AS_PROBABLE = 0.5, 0.5


@dataclass(frozen=True)
class Tiling:
    """How a model looks at pictures that are too large for one look.

    Attributes:
        side: side in pixels of the square whose area pictures are scaled to.
        overlap: neighbouring tiles share at least so many pixels: what is no longer is seen whole by one.
        whole: whether the model also looks at the whole picture, for what is longer.
    """

    side: int
    overlap: int
    whole: bool

    def to_json(self) -> str:
        """For the metadata of a model."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, tile: int) -> Tiling:
        """From the metadata of a model whose network looks at `tile` pixels.

        Raises:
            ValueError: no tiling that this program writes.
        """
        try:
            content = json.loads(text)
            tiling = cls(int(content["side"]), int(content["overlap"]), bool(content["whole"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no tiling: {text[:100]}") from error
        if not (tile <= tiling.side <= MAX_SIDE and 0 <= tiling.overlap <= tile // 2):
            raise ValueError(f"tiles of {tile} pixels cannot be used as {tiling}")
        if len(make_tiles(1, 1, tile, tiling)) > MAX_TILES:
            raise ValueError(f"tiles of {tile} pixels would be too many for {tiling}")
        return tiling

    def scaled(self, width: int, height: int) -> tuple[float, float]:
        """Width and height of a picture of this size after scaling; fractions of pixels are kept."""
        stretch = math.sqrt(width / height)
        return self.side * stretch, self.side / stretch


@dataclass(frozen=True)
class Tile:
    """A part of a scaled picture.

    Attributes:
        place: left, top, right, bottom. It may reach beyond the right and the lower edge of the picture.
        core: this tile sees best the boxes whose centres lie in here. Cores do not overlap.
        inner: which of its edges (left, top, right, bottom) cut through the picture.
    """

    place: tuple[float, float, float, float]
    core: tuple[float, float, float, float]
    inner: tuple[bool, bool, bool, bool]


def make_tiles(width: int, height: int, tile: int, tiling: Tiling) -> list[Tile]:
    """The tiles, of `tile` pixels each, of a picture of this size, line by line; they cover all of it."""
    columns, rows = (_spans(length, tile, tiling.overlap) for length in tiling.scaled(width, height))
    return [
        Tile(
            (left, top, left + tile, top + tile),
            (column[0], row[0], column[1], row[1]),
            (column[0] > -math.inf, row[0] > -math.inf, column[1] < math.inf, row[1] < math.inf),
        )
        for top, row in rows
        for left, column in columns
    ]


def whole_image_window(width: int, height: int, tiling: Tiling) -> tuple[float, float, float, float]:
    """The square around the whole picture, whose corner is the picture's."""
    longest = max(tiling.scaled(width, height))
    return 0.0, 0.0, longest, longest


def merge_tiles(
    width: int,
    height: int,
    tiling: Tiling,
    tiles: Sequence[Tile],
    found: Sequence[Sequence[DetectedBox]],
    in_whole: Sequence[DetectedBox],
) -> list[DetectedBox]:
    """The boxes of a picture of this size, the most probable first.

    A tile answers for the boxes whose centres lie in its core or just beside it. Where an object is no longer
    than tiles overlap, the one whose core has its centre sees all of it, and its pieces in other tiles have
    their centres far from the cores of those. Crops of longer objects are dropped where a whole box covers
    them, and doubles are suppressed as in pictures that need no tiles.

    Args:
        found: what was found in each tile, in fractions of it.
        in_whole: what was found in the square around the picture, in fractions of it; of this only what is
            too long for the tiles counts.
    """
    import numpy

    size = tiling.scaled(width, height)
    sets = [
        _of_tile(tile, boxes, _BOTH_ANSWER * tiling.overlap) for tile, boxes in zip(tiles, found, strict=True)
    ]
    if in_whole:
        boxes, tags, scores = _arrays(in_whole, whole_image_window(width, height, tiling))
        long = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) > tiling.overlap
        sets.append((boxes[long], tags[long], scores[long], numpy.zeros(int(long.sum()), bool)))
    boxes, tags, scores, cut = (numpy.concatenate(parts) for parts in zip(*sets, strict=True))
    boxes = boxes.clip(0, numpy.tile(numpy.array(size), 2))
    visible = numpy.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    order = visible[numpy.argsort(-scores[visible], kind="stable")][:MAX_CANDIDATES]
    boxes, tags, scores, cut = boxes[order], tags[order], scores[order], cut[order]
    stays = ~(cut & _covered(boxes, tags, scores, ~cut))
    boxes, tags, scores = boxes[stays] / numpy.tile(numpy.array(size), 2), tags[stays], scores[stays]
    kept = non_max_suppression(boxes, tags)
    return detected_from_arrays(boxes[kept], tags[kept], scores[kept])


def _spans(length: float, tile: int, overlap: int) -> list[tuple[float, tuple[float, float]]]:
    """Where tiles begin along a side of the picture, and from where to where their cores reach."""
    count = max(1, math.ceil((length - overlap) / (tile - overlap)))
    if count == 1:
        return [(0.0, (-math.inf, math.inf))]
    starts = [number * (length - tile) / (count - 1) for number in range(count)]
    middles = [(before + tile + after) / 2 for before, after in pairwise(starts)]
    return list(zip(starts, zip([-math.inf, *middles], [*middles, math.inf], strict=True), strict=True))


def _arrays(
    found: Sequence[DetectedBox], place: tuple[float, float, float, float]
) -> tuple[NDArray[numpy.float64], NDArray[numpy.int64], NDArray[numpy.float64]]:
    """Boxes in pixels of the scaled picture, tags and probabilities of what was found in a part of it."""
    import numpy

    corner = numpy.tile(numpy.array(place[:2]), 2)
    boxes = to_xyxy(found) * (place[2] - place[0]) + corner
    tags = numpy.array([box.tag_index for box in found], numpy.int64)
    return boxes, tags, numpy.array([box.probability for box in found], numpy.float64)


def _of_tile(
    tile: Tile, found: Sequence[DetectedBox], near: float
) -> tuple[NDArray[numpy.float64], NDArray[numpy.int64], NDArray[numpy.float64], NDArray[numpy.bool_]]:
    """The boxes that a tile answers for, and which of them an edge of it cuts."""
    import numpy

    boxes, tags, scores = _arrays(found, tile.place)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    # Two tiles do not agree on a centre to the pixel: near the line between two cores both may answer.
    own = (
        (middles >= numpy.array(tile.core[:2]) - near) & (middles < numpy.array(tile.core[2:]) + near)
    ).all(axis=1)
    slack = _NEAR_EDGE * (tile.place[2] - tile.place[0])
    at_edge = numpy.abs(boxes - numpy.array(tile.place)) <= slack
    cut = (at_edge & numpy.array(tile.inner)).any(axis=1)
    return boxes[own], tags[own], scores[own], cut[own]


def _covered(
    boxes: NDArray[numpy.float64],
    tags: NDArray[numpy.int64],
    scores: NDArray[numpy.float64],
    whole: NDArray[numpy.bool_],
) -> NDArray[numpy.bool_]:
    """Which boxes lie for the most part in one of the whole ones of the same tag."""
    import numpy

    others, of_tag, as_probable = boxes[whole], tags[whole], scores[whole]
    low = numpy.maximum(boxes[:, None, :2], others[None, :, :2])
    high = numpy.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    over = shared > _COVERED * areas[:, None]
    alike = (tags[:, None] == of_tag) & (as_probable >= _AS_PROBABLE * scores[:, None])
    result: NDArray[numpy.bool_] = (over & alike).any(axis=1)
    return result
