"""Region proposals without a network: connected areas that differ from the color at the border of the image.

Axes: H and W cells of a grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.instant.features import CELL, GRID, RESOLUTION

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# Sums of the differences of the three channels, 0..765 for a cell: smaller ones are noise.
_LEAST_DIFFERENCE = 30
# An area differs at least half as much as the cell that differs most.
_SHARE_OF_MOST = 2
_LEAST_CELLS = 2
_MOST_PROPOSALS = 100
_MOST_CONFIDENCE = 0.95


def propose_regions(data: bytes) -> list[DetectedBox]:
    """Boxes of tag 0 in an image, the most probable first; at most 100.

    Raises:
        ImageRejected: the bytes are not an acceptable image.
    """
    import numpy

    pixels = resize_to_square(data, RESOLUTION).astype(numpy.int64)
    cells_HW3 = pixels.reshape(GRID, CELL, GRID, CELL, 3).sum(axis=(1, 3)) // CELL**2
    border = numpy.concatenate([cells_HW3[0], cells_HW3[-1], cells_HW3[:, 0], cells_HW3[:, -1]])
    background = numpy.sort(border, axis=0)[len(border) // 2]
    differences_HW = numpy.abs(cells_HW3 - background).sum(axis=2)
    most = int(differences_HW.max())
    if most < _LEAST_DIFFERENCE:
        return []
    threshold = max(_LEAST_DIFFERENCE, most // _SHARE_OF_MOST)
    found = []
    for area in _areas(differences_HW >= threshold):
        rows, columns = numpy.array(area).T
        mean = int(differences_HW[rows, columns].sum()) / len(area)
        left, top = int(columns.min()) / GRID, int(rows.min()) / GRID
        right, bottom = (int(columns.max()) + 1) / GRID, (int(rows.max()) + 1) / GRID
        found.append(DetectedBox(0, _MOST_CONFIDENCE * mean / most, left, top, right - left, bottom - top))
    return sorted(found, key=lambda box: (-box.probability, box.left, box.top))[:_MOST_PROPOSALS]


def _areas(mask_HW: NDArray[numpy.bool_]) -> list[list[tuple[int, int]]]:
    """The cells, row and column, of each connected area of a mask; without the smallest areas."""
    import numpy

    left = {(row, column) for row, column in numpy.argwhere(mask_HW).tolist()}
    areas = []
    for start in sorted(left):
        if start not in left:
            continue
        left.remove(start)
        area = [start]
        for row, column in area:  # it grows meanwhile
            near = {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)} & left
            area += near
            left -= near
        if len(area) >= _LEAST_CELLS:
            areas.append(area)
    return areas
