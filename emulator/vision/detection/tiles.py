"""Overlapping tiles of large images: their places, and the merging of their detections. NumPy alone.

Coordinates are those of the scaled image: the image, with its aspect ratio, scaled to the area of a square
of `Tiling.side` pixels. Boxes and windows are (left, top, right, bottom) in its pixels. Letters of shapes: B
boxes.
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

# Upper limits. 80 tiles are enough for MAX_SIDE with tiles of 960 pixels that overlap by a third.
MAX_SIDE, MAX_TILES = 5120, 80
# A box within this share of the tile's side of an edge of its tile is cut by the edge.
_EDGE_MARGIN = 0.005
# Boxes with their centre at most this far outside of the tile's core are kept: a share of the overlap.
_CORE_MARGIN = 0.25
# A cut box is dropped if an uncut one of its tag covers this share of it, and has at least this multiple of
# its probability.
_MIN_COVERED, _MIN_RELATIVE_PROBABILITY = 0.5, 0.5


@dataclass(frozen=True)
class Tiling:
    """How images are divided into tiles.

    Attributes:
        side: side in pixels of the square whose area images are scaled to.
        overlap: smallest overlap of neighbouring tiles in pixels; objects that are no longer lie whole in one
            tile.
        whole: whether the whole image is scored too, for longer objects.
    """

    side: int
    overlap: int
    whole: bool

    def to_json(self) -> str:
        """For the metadata of a model."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, tile: int) -> Tiling:
        """From the metadata of a model with tiles of `tile` pixels.

        Raises:
            ValueError: the text is not a tiling written by `to_json`, or has too many tiles.
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
        """Width and height of the scaled image, in fractional pixels."""
        stretch = math.sqrt(width / height)
        return self.side * stretch, self.side / stretch


@dataclass(frozen=True)
class Tile:
    """A part of a scaled image.

    Attributes:
        window: its place; it may reach beyond the right and the lower edge of the image.
        core: the part whose boxes are taken from this tile. Cores do not overlap, and cover the image.
        inner_edges: which of its edges (left, top, right, bottom) lie inside of the image.
    """

    window: tuple[float, float, float, float]
    core: tuple[float, float, float, float]
    inner_edges: tuple[bool, bool, bool, bool]


def make_tiles(width: int, height: int, tile: int, tiling: Tiling) -> list[Tile]:
    """The tiles of `tile` pixels that cover an image of this size, row by row."""
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
    """The square around the whole image, from its upper left corner."""
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
    """The boxes of an image of this size, the most probable first.

    Boxes are taken from a tile if their centres lie in its core or close to it. An object no longer than the
    overlap lies whole in the tile whose core contains its centre; parts of it in other tiles have their
    centres far from the cores. Cut boxes of longer objects are dropped if an uncut box covers them, and
    non-maximum suppression follows, as for images without tiles.

    Args:
        found: detections in each tile, in fractions of it.
        in_whole: detections in the square around the image, in fractions of it; those no longer than the
            overlap are ignored.
    """
    import numpy

    size = tiling.scaled(width, height)
    sets = [
        _of_tile(tile, boxes, _CORE_MARGIN * tiling.overlap) for tile, boxes in zip(tiles, found, strict=True)
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
    """Where tiles start along a side of the image, and where their cores start and end."""
    count = max(1, math.ceil((length - overlap) / (tile - overlap)))
    if count == 1:
        return [(0.0, (-math.inf, math.inf))]
    starts = [number * (length - tile) / (count - 1) for number in range(count)]
    middles = [(before + tile + after) / 2 for before, after in pairwise(starts)]
    return list(zip(starts, zip([-math.inf, *middles], [*middles, math.inf], strict=True), strict=True))


def _arrays(
    found: Sequence[DetectedBox], window: tuple[float, float, float, float]
) -> tuple[NDArray[numpy.float64], NDArray[numpy.int64], NDArray[numpy.float64]]:
    """Boxes (B, 4), tags (B,) and probabilities (B,) of the detections in a window."""
    import numpy

    corner = numpy.tile(numpy.array(window[:2]), 2)
    boxes = to_xyxy(found) * (window[2] - window[0]) + corner
    tags = numpy.array([box.tag_index for box in found], numpy.int64)
    return boxes, tags, numpy.array([box.probability for box in found], numpy.float64)


def _of_tile(
    tile: Tile, found: Sequence[DetectedBox], near: float
) -> tuple[NDArray[numpy.float64], NDArray[numpy.int64], NDArray[numpy.float64], NDArray[numpy.bool_]]:
    """Boxes (B, 4), tags (B,) and probabilities (B,) taken from a tile, and which boxes an edge cuts (B,)."""
    import numpy

    boxes, tags, scores = _arrays(found, tile.window)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    # Two tiles place a centre slightly differently: near the border of two cores both keep the box.
    own = (
        (middles >= numpy.array(tile.core[:2]) - near) & (middles < numpy.array(tile.core[2:]) + near)
    ).all(axis=1)
    slack = _EDGE_MARGIN * (tile.window[2] - tile.window[0])
    at_edge = numpy.abs(boxes - numpy.array(tile.window)) <= slack
    cut = (at_edge & numpy.array(tile.inner_edges)).any(axis=1)
    return boxes[own], tags[own], scores[own], cut[own]


def _covered(
    boxes: NDArray[numpy.float64],
    tags: NDArray[numpy.int64],
    scores: NDArray[numpy.float64],
    whole: NDArray[numpy.bool_],
) -> NDArray[numpy.bool_]:
    """Which boxes (B,) are covered by one of the uncut boxes of the same tag."""
    import numpy

    others, of_tag, as_probable = boxes[whole], tags[whole], scores[whole]
    low = numpy.maximum(boxes[:, None, :2], others[None, :, :2])
    high = numpy.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    over = shared > _MIN_COVERED * areas[:, None]
    alike = (tags[:, None] == of_tag) & (as_probable >= _MIN_RELATIVE_PROBABILITY * scores[:, None])
    result: NDArray[numpy.bool_] = (over & alike).any(axis=1)
    return result
