"""What the windows of tiles contribute to the score of an image.

Axes: K tiles, W windows of a tile; H and W: rows and columns of a map, where they stand after values.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from emulator.vision.classification.tiles.scoring import ScoredTiles

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

# Windows are around every second place of the last layer of a tile, and show three places a side.
_EVERY = 2


def tile_map(found: ScoredTiles, tag: int) -> Floats:
    """The share of each place in the score of a tag, as a fraction of the greatest: 0..1, from the top left.

    The score of an image is the log-sum-exp of those of its windows, so each of them has a share of the
    softmax over all. A place has that of the greatest of its windows.
    """
    import numpy

    scores_KW = found.scores_KWT[..., tag].astype(float)
    shares_KW = numpy.exp(scores_KW - scores_KW.max())
    across = round(math.sqrt(scores_KW.shape[1]))
    left, top, right, _ = found.windows_K4[0].tolist()
    # A tile has one place less than twice its windows, or as many.
    places = _EVERY * across - 1
    place = (right - left) / places
    rows, columns = (max(1, math.ceil(side / place)) for side in (found.height, found.width))
    values_HW = numpy.zeros((rows, columns))
    spans = [(max(0, first - 1), min(places, first + 2)) for first in range(0, _EVERY * across, _EVERY)]
    for (left, top, _, _), shares in zip(found.windows_K4.tolist(), shares_KW, strict=True):
        for number, share in enumerate(shares.tolist()):
            down, over = (
                slice(*(max(0, round(start / place + edge)) for edge in spans[index]))
                for start, index in zip((top, left), divmod(number, across), strict=True)
            )
            part = values_HW[down, over]
            numpy.maximum(part, share, out=part)
    return values_HW
