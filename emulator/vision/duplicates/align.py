"""Moving and scaling one thumbnail until it fits another best.

Thumbnails are grey and square, (B, S, S) many at once. A place is (B, 4): by how much x and y are stretched
about the middle, and by how much they are moved, in sides of the thumbnail. What lies beyond the edge of the
moved thumbnail does not count.

The way is that of Lucas and Kanade (1981), with the correlation as the measure, as Evangelidis and Psarakis
do (Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization, 2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.float32]

# So much of both must lie on each other, and no side be stretched by more.
_LEAST_COMMON = 0.6
_MOST_STRETCHED = 0.3
# One side more than the other: round things would fit long ones.
_MOST_DISTORTED = 0.15
_LONGEST_STEP = 0.05
_DAMPING = 1e-3
# What is finer than a mean over so many pixels to each side is detail.
_DETAIL_RADIUS = 2


def aligned(fixed: Array, moved: Array, places: Array, steps: int) -> tuple[Array, Array]:
    """The highest correlation found within `steps` steps from the given places, (B,), and where, (B, 4); -1
    for pairs that have too little in common there."""
    import numpy

    count = len(fixed)
    x, y = _grid(fixed.shape[1])
    best = numpy.full(count, -1, numpy.float32)
    best_places = places.copy()
    for step in range(steps + 1):
        seen, slope_x, slope_y, common = _seen(moved, places)
        here, there, scale, correlation = _normalised(fixed, seen, common)
        usable = (
            (common.mean(axis=(1, 2)) >= _LEAST_COMMON)
            & (numpy.abs(places[:, :2]).max(axis=1, initial=0) <= _MOST_STRETCHED)
            & (numpy.abs(places[:, 0] - places[:, 1]) <= _MOST_DISTORTED)
        )
        correlation = numpy.where(usable, correlation, -1)
        better = correlation > best
        best = numpy.where(better, correlation, best)
        best_places[better] = places[better]
        if step == steps:
            break
        slopes = numpy.stack([slope_x * x, slope_y * y, slope_x, slope_y], axis=1)
        slopes = (slopes * (common / scale)[:, None]).reshape(count, 4, -1)
        weights, line = common.reshape(count, 1, -1), there.reshape(count, 1, -1)
        # Without what brightness and contrast explain.
        slopes -= slopes.sum(axis=2, keepdims=True) / weights.sum(axis=2, keepdims=True) * weights
        slopes -= (slopes * line).sum(axis=2, keepdims=True) * line
        wanted = here.reshape(count, 1, -1)
        wanted = wanted - (wanted * line).sum(axis=2, keepdims=True) * line
        system = slopes @ slopes.transpose(0, 2, 1)
        size = numpy.trace(system, axis1=1, axis2=2)[:, None, None]
        system += (_DAMPING * size / 4 + 1e-9) * numpy.eye(4, dtype=numpy.float32)
        change = numpy.linalg.solve(system, slopes @ wanted.transpose(0, 2, 1))[:, :, 0]
        change /= numpy.maximum(correlation, 0.2)[:, None]
        places = (places + change.clip(-_LONGEST_STEP, _LONGEST_STEP)).astype(numpy.float32)
    return best, best_places


def detail_correlation(fixed: Array, moved: Array, places: Array) -> Array:
    """The correlation, (B,), of what is brighter or darker than its surroundings, at these places."""
    seen, _, _, common = _seen(moved, places)
    correlation: Array = _normalised(_details(fixed), _details(seen), common)[3]
    return correlation


def halved(thumbnails: Array) -> Array:
    """At half the size."""
    count, side, _ = thumbnails.shape
    result: Array = thumbnails.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4))
    return result


def _grid(side: int) -> tuple[Array, Array]:
    """x and y of the middles of pixels, from -0.5 to 0.5, (S, S)."""
    import numpy

    along = (numpy.arange(side, dtype=numpy.float32) + 0.5) / side - 0.5
    x: Array
    y: Array
    x, y = numpy.meshgrid(along, along)
    return x, y


def _seen(moved: Array, places: Array) -> tuple[Array, Array, Array, Array]:
    """The thumbnails at their places: their pixels, their slopes along x and y, and where they are (1 or 0).

    Between pixels is interpolated linearly.
    """
    import numpy

    count, side, _ = moved.shape
    x, y = _grid(side)
    stretched_x, stretched_y, moved_x, moved_y = (places[:, part, None, None] for part in range(4))
    x, y = (1 + stretched_x) * x + moved_x, (1 + stretched_y) * y + moved_y
    common = ((numpy.abs(x) <= 0.5) & (numpy.abs(y) <= 0.5)).astype(numpy.float32)
    x, y = (x + 0.5) * side - 0.5, (y + 0.5) * side - 0.5
    left = numpy.floor(x).clip(0, side - 2)
    top = numpy.floor(y).clip(0, side - 2)
    part_x, part_y = (x - left).clip(0, 1), (y - top).clip(0, 1)
    pixels = moved.reshape(count, -1)
    first = (top * side + left).astype(numpy.int32).reshape(count, -1)
    corners = [
        numpy.take_along_axis(pixels, first + offset, 1).reshape(moved.shape)
        for offset in (0, 1, side, side + 1)
    ]
    upper = corners[0] + (corners[1] - corners[0]) * part_x
    lower = corners[2] + (corners[3] - corners[2]) * part_x
    upper_slope, lower_slope = corners[1] - corners[0], corners[3] - corners[2]
    slope_x = upper_slope + (lower_slope - upper_slope) * part_y
    # Per side of the thumbnail, as places are.
    return upper + (lower - upper) * part_y, slope_x * side, (lower - upper) * side, common


def _normalised(fixed: Array, seen: Array, common: Array) -> tuple[Array, Array, Array, Array]:
    """Both without their mean and of length 1 where both are, the length that the second had, and their
    correlation (B,)."""
    import numpy

    weight = numpy.maximum(common.sum(axis=(1, 2), keepdims=True), 1)
    both = [(each - (each * common).sum((1, 2), keepdims=True) / weight) * common for each in (fixed, seen)]
    lengths = [numpy.sqrt((each**2).sum(axis=(1, 2), keepdims=True)) + 1e-3 for each in both]
    here, there = both[0] / lengths[0], both[1] / lengths[1]
    return here, there, lengths[1], (here * there).sum(axis=(1, 2))


def _details(thumbnails: Array) -> Array:
    import numpy

    wide = 2 * _DETAIL_RADIUS + 1
    edge = (_DETAIL_RADIUS, _DETAIL_RADIUS)
    windows = numpy.lib.stride_tricks.sliding_window_view(
        numpy.pad(thumbnails, ((0, 0), edge, edge), mode="edge"), wide, axis=1
    ).mean(axis=-1)
    means = numpy.lib.stride_tricks.sliding_window_view(windows, wide, axis=2).mean(axis=-1)
    result: Array = thumbnails - means
    return result
