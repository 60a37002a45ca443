"""Statistics of the colors and shapes of an image, as a vector of integers.

All arithmetic is on integers, so that an image has the same features on every operating system and processor.
`network` has the same statistics as operations of a network, for exports.

Axes: F features, H and W cells of a grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.vision.imaging.decode import resize_to_square

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Integers = NDArray[numpy.int64]

# Side in pixels of the square that images are stretched to, and of its cells, whose mean color is used.
RESOLUTION = 224
CELL = 7
GRID = RESOLUTION // CELL
# Cells per side of the parts of the image whose statistics are kept apart, and number of parts per side.
PART = 8
PARTS = GRID // PART
# Gray is 0: a gray image has no color.
MIDDLE = 128

# Luma, red - green and yellow - blue, of red, green and blue.
COLORS = ((1, 2, 1), (6, -6, 0), (3, 3, -6))
# Haar wavelets of luma: vertical edges, horizontal edges, diagonals; their positive and negative parts count
# separately. Sides in cells of the squares on which they are computed.
EDGE_SIDES = (2, 4)
# Mixtures of the three colors of squares of this side whose positive parts are averaged over the image.
MIX_SIDE = 4
MIXES = (
    (1, 0, 0),
    (-1, 0, 0),
    (0, 1, 0),
    (0, -1, 0),
    (0, 0, 1),
    (0, 0, -1),
    (0, 1, 1),
    (0, 1, -1),
    (0, -1, 1),
    (0, -1, -1),
)
# Divisors of the sums of each kind of statistic: they weigh the kinds, and bound features to 16 bits.
LAYOUT_DIVISOR = 4096
EDGE_DIVISORS = (384, 768)
MIX_DIVISOR, MIX_PARTS = 8192, 4
# The last feature of every image, so that an image without any color or edge has a direction too.
CONSTANT = 40
FEATURE_COUNT = PARTS**2 * (len(COLORS) + 6 * len(EDGE_SIDES)) + len(MIXES) + 1


def image_features(data: bytes) -> NDArray[numpy.int16]:
    """The features of an image file, (F,).

    Raises:
        ImageRejected: the bytes are not an acceptable image.
    """
    return features_of_pixels(resize_to_square(data, RESOLUTION))


def features_of_pixels(pixels: NDArray[numpy.uint8]) -> NDArray[numpy.int16]:
    """The features (F,) of an image (RESOLUTION, RESOLUTION, 3), RGB."""
    import numpy

    # In 16 bits, which hold the sum of a cell, and along contiguous memory: a tenth of the time.
    rows = pixels.reshape(GRID, CELL, -1).sum(axis=1, dtype=numpy.uint16)
    # `sum` over an axis of a few short rows takes five times as long.
    sums_HW3 = numpy.einsum("hwpc->hwc", rows.reshape(GRID, GRID, CELL, 3))
    cells_HW3 = sums_HW3.astype(numpy.int64) - CELL * CELL * MIDDLE
    colors_3HW = numpy.moveaxis(cells_HW3 @ numpy.array(COLORS).T, 2, 0)
    found = [_divided(_by_part(colors_3HW), LAYOUT_DIVISOR)]
    for side, divisor in zip(EDGE_SIDES, EDGE_DIVISORS, strict=True):
        found.append(_divided(_by_part(_edges(colors_3HW[0], side)), divisor))
    squares_3HW = _summed(colors_3HW, MIX_SIDE)
    mixed = numpy.tensordot(numpy.array(MIXES), squares_3HW, 1).clip(0).sum(axis=(1, 2))
    found += [_divided(mixed, MIX_DIVISOR * MIX_PARTS), numpy.array([CONSTANT])]
    return numpy.concatenate([part.ravel() for part in found]).astype(numpy.int16)


def _divided(sums: Integers, divisor: int) -> Integers:
    """Quotients, rounded to the nearest integer."""
    return (sums + divisor // 2) // divisor


def _edges(luma_HW: Integers, side: int) -> Integers:
    """Positive and negative parts of the wavelets of squares of `side` cells, (6, H, W)."""
    import numpy

    quarters = luma_HW if side == 2 else _summed(luma_HW[None], side // 2)[0]
    a, b = quarters[::2, ::2], quarters[::2, 1::2]
    c, d = quarters[1::2, ::2], quarters[1::2, 1::2]
    waves = numpy.stack([a - b + c - d, a + b - c - d, a - b - c + d])
    return numpy.concatenate([waves, -waves]).clip(0)


def _by_part(maps: Integers) -> Integers:
    """Sums of maps (C, H, W) over the parts of the image, (C, PARTS, PARTS)."""
    return _summed(maps, maps.shape[1] // PARTS)


def _summed(maps: Integers, side: int) -> Integers:
    """Sums of maps (C, H, W) over squares of a side, (C, H / side, W / side)."""
    count, height, width = maps.shape
    result: Integers = maps.reshape(count, height // side, side, width // side, side).sum(axis=(2, 4))
    return result
