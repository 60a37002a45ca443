"""Classifiers that look at tiles of large images: the tiles, and the score of an image from those of its
windows. NumPy alone.

The network scores overlapping windows of each tile for every tag. An image shows a tag if any of its
windows does, so its score is the smooth maximum of those of all windows: log-sum-exp (Pinheiro and
Collobert, *From image-level to pixel-level labeling with convolutional networks*, 2015).

Axes: K tiles, W windows of a tile, R windows of all tiles, T tags.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Upper limit of the tiles of an image.
MAX_TILES = 256
_BISECTIONS = 30


@dataclass(frozen=True)
class TileLayout:
    """How images are divided into tiles, which are squares of the resolution of the network.

    Attributes:
        overlap: smallest overlap of neighbouring tiles in pixels of the network's input.
        most: largest number of tiles of an image, which is scaled down where it would have more.
    """

    overlap: int
    most: int

    def scale(self, width: int, height: int, tile: int) -> float:
        """The factor by which an image of this size is scaled before it is cut into tiles of `tile` pixels.

        1 unless these are too many. An image that is smaller than a tile is enlarged to it.
        """
        largest = max(1.0, tile / max(width, height))
        if self._count(width, height, tile, largest) <= self.most:
            return largest
        low, high = tile / max(width, height), largest
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if self._count(width, height, tile, middle) <= self.most:
                low = middle
            else:
                high = middle
        return low

    def count(self, width: int, height: int, tile: int) -> int:
        """The number of tiles of an image of this size."""
        return self._count(width, height, tile, self.scale(width, height, tile))

    def windows(self, width: int, height: int, tile: int) -> Array:
        """The tiles of an image of this size in its pixels, row by row: left, top, right, bottom, (K, 4).

        They may reach beyond the edges of an image whose shorter side is less than that of a tile.
        """
        import numpy

        scale = self.scale(width, height, tile)
        columns, rows = (self._starts(length * scale, tile) for length in (width, height))
        corners = numpy.array([(left, top) for top in rows for left in columns])
        found: Array = numpy.concatenate([corners, corners + tile], axis=1) / scale
        return found

    def shorter_side(self, tile: int) -> int:
        """The shorter side in pixels of the largest images that are cut into tiles without being scaled down,
        for decoders: more pixels are not used."""
        per_side = math.isqrt(self.most) + 1
        return per_side * (tile - self.overlap) + self.overlap

    def _count(self, width: int, height: int, tile: int, scale: float) -> int:
        columns, rows = (self._along(length * scale, tile) for length in (width, height))
        return columns * rows

    def _along(self, length: float, tile: int) -> int:
        # Without the tolerance, rounding of the scale could add a tile.
        return max(1, math.ceil((length - self.overlap) / (tile - self.overlap) - 1e-6))

    def _starts(self, length: float, tile: int) -> list[float]:
        count = self._along(length, tile)
        if count == 1:
            # Centred, where the image is smaller.
            return [(length - tile) / 2]
        return [number * (length - tile) / (count - 1) for number in range(count)]


@dataclass(frozen=True)
class TileScoring:
    """From the scores of windows to the probabilities of an image.

    Attributes:
        layout: the tiles.
        scale, shifts: calibration of the pooled scores: each is multiplied by `scale`, and the shift of its
            tag is added.
        negative: index of the tag of images that show none of the others. Nothing in an image speaks for it:
            it is probable where all others are not.
    """

    layout: TileLayout
    scale: float
    shifts: tuple[float, ...]
    negative: int | None = None

    def to_json(self) -> str:
        """For the metadata of a model."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, tile: int, tag_count: int) -> TileScoring:
        """From the metadata of a model with tiles of `tile` pixels and this many tags.

        Raises:
            ValueError: the text was not written by `to_json`, or has too many tiles.
        """
        try:
            content = json.loads(text)
            layout = TileLayout(int(content["layout"]["overlap"]), int(content["layout"]["most"]))
            shifts = tuple(float(shift) for shift in content["shifts"])
            negative = content["negative"]
            scoring = cls(
                layout, float(content["scale"]), shifts, None if negative is None else int(negative)
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no tiles of a classifier: {text[:100]}") from error
        if not (0 <= layout.overlap <= tile // 2 and 1 <= layout.most <= MAX_TILES):
            raise ValueError(f"tiles of {tile} pixels cannot be used as {layout}")
        if len(shifts) != tag_count or not (negative is None or 0 <= negative < tag_count):
            raise ValueError(f"the scoring of tiles is not one for {tag_count} tags")
        return scoring

    def probabilities(self, scores_RT: Array, *, multilabel: bool) -> NDArray[numpy.float64]:
        """Probabilities (T,) of an image with these scores of its windows."""
        import numpy

        logits_T = pooled(scores_RT, self.negative, multilabel=multilabel) * self.scale
        logits_T += numpy.array(self.shifts)
        if multilabel:
            independent: NDArray[numpy.float64] = numpy.exp(-numpy.logaddexp(0, -logits_T))
            return independent
        exponentials = numpy.exp(logits_T - logits_T.max())
        normalized: NDArray[numpy.float64] = exponentials / exponentials.sum()
        return normalized


def pooled(scores_RT: Array, negative: int | None, *, multilabel: bool) -> NDArray[numpy.float64]:
    """Scores (T,) of an image from those of its windows, before calibration."""
    import numpy

    scores_RT = numpy.asarray(scores_RT, numpy.float64)
    highest_T = scores_RT.max(axis=0)
    result_T: NDArray[numpy.float64] = highest_T + numpy.log(numpy.exp(scores_RT - highest_T).sum(axis=0))
    if negative is not None:
        others = numpy.delete(result_T, negative)
        # With a softmax, a constant is compared with the others.
        result_T[negative] = -others.max() if multilabel and len(others) else 0.0
    return result_T
