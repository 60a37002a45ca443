"""Alignment of pairs of thumbnails by scale and translation.

Thumbnails are grey and square, (B, S, S): B pairs of S x S pixels. A transform is (B, 4): the change of scale
of x and y about the centre, and their translation, in sides of the thumbnail. Pixels without a counterpart
are ignored.

The method is that of Lucas and Kanade (1981) with the correlation coefficient as its objective, as by
Evangelidis and Psarakis (*Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization*,
2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.float32]

# Limits of usable transforms: share of the pixels that overlap, change of scale, and its difference between x
# and y (which would fit round objects to long ones).
_MIN_OVERLAP = 0.6
_MAX_SCALE_CHANGE = 0.3
_MAX_ASPECT_CHANGE = 0.15
_MAX_STEP = 0.05
_DAMPING = 1e-3
# Details are the difference from a mean over this many pixels to each side.
_DETAIL_RADIUS = 2


def align(fixed: Array, moved: Array, transforms: Array, steps: int) -> tuple[Array, Array]:
    """The highest correlation (B,) in a number of steps from the given transforms, and its transform (B, 4);
    -1 for pairs without a usable transform."""
    import numpy

    count = len(fixed)
    x, y = _grid(fixed.shape[1])
    best = numpy.full(count, -1, numpy.float32)
    best_transforms = transforms.copy()
    for step in range(steps + 1):
        warped, slope_x, slope_y, overlap = _transformed(moved, transforms)
        here, there, scale, correlation = _normalized(fixed, warped, overlap)
        usable = (
            (overlap.mean(axis=(1, 2)) >= _MIN_OVERLAP)
            & (numpy.abs(transforms[:, :2]).max(axis=1, initial=0) <= _MAX_SCALE_CHANGE)
            & (numpy.abs(transforms[:, 0] - transforms[:, 1]) <= _MAX_ASPECT_CHANGE)
        )
        correlation = numpy.where(usable, correlation, -1)
        better = correlation > best
        best = numpy.where(better, correlation, best)
        best_transforms[better] = transforms[better]
        if step == steps:
            break
        slopes = numpy.stack([slope_x * x, slope_y * y, slope_x, slope_y], axis=1)
        slopes = (slopes * (overlap / scale)[:, None]).reshape(count, 4, -1)
        weights, line = overlap.reshape(count, 1, -1), there.reshape(count, 1, -1)
        # Remove the part that changes of brightness and contrast explain.
        slopes -= slopes.sum(axis=2, keepdims=True) / weights.sum(axis=2, keepdims=True) * weights
        slopes -= (slopes * line).sum(axis=2, keepdims=True) * line
        wanted = here.reshape(count, 1, -1)
        wanted = wanted - (wanted * line).sum(axis=2, keepdims=True) * line
        system = slopes @ slopes.transpose(0, 2, 1)
        size = numpy.trace(system, axis1=1, axis2=2)[:, None, None]
        system += (_DAMPING * size / 4 + 1e-9) * numpy.eye(4, dtype=numpy.float32)
        change = numpy.linalg.solve(system, slopes @ wanted.transpose(0, 2, 1))[:, :, 0]
        change /= numpy.maximum(correlation, 0.2)[:, None]
        transforms = (transforms + change.clip(-_MAX_STEP, _MAX_STEP)).astype(numpy.float32)
    return best, best_transforms


def detail_correlation(fixed: Array, moved: Array, transforms: Array) -> Array:
    """The correlation (B,) of the details under these transforms."""
    warped, _, _, overlap = _transformed(moved, transforms)
    correlation: Array = _normalized(_details(fixed), _details(warped), overlap)[3]
    return correlation


def downscaled(thumbnails: Array) -> Array:
    """The thumbnails at half the size."""
    count, side, _ = thumbnails.shape
    result: Array = thumbnails.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4))
    return result


def _grid(side: int) -> tuple[Array, Array]:
    """x and y of the centres of pixels, -0.5 to 0.5, (S, S) each."""
    import numpy

    along = (numpy.arange(side, dtype=numpy.float32) + 0.5) / side - 0.5
    x: Array
    y: Array
    x, y = numpy.meshgrid(along, along)
    return x, y


def _transformed(moved: Array, transforms: Array) -> tuple[Array, Array, Array, Array]:
    """The transformed thumbnails, by linear interpolation.

    Returns:
        Their pixels, gradients along x and y, and whether they have a pixel there (1 or 0), (B, S, S) each.
    """
    import numpy

    count, side, _ = moved.shape
    x, y = _grid(side)
    scale_x, scale_y, moved_x, moved_y = (transforms[:, part, None, None] for part in range(4))
    x, y = (1 + scale_x) * x + moved_x, (1 + scale_y) * y + moved_y
    overlap = ((numpy.abs(x) <= 0.5) & (numpy.abs(y) <= 0.5)).astype(numpy.float32)
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
    # Gradients per side of the thumbnail, the unit of transforms.
    return upper + (lower - upper) * part_y, slope_x * side, (lower - upper) * side, overlap


def _normalized(fixed: Array, warped: Array, overlap: Array) -> tuple[Array, Array, Array, Array]:
    """Both thumbnails, where they overlap, without their mean and of norm 1; the former norm of the second;
    and their correlation (B,)."""
    import numpy

    weight = numpy.maximum(overlap.sum(axis=(1, 2), keepdims=True), 1)
    both = [
        (each - (each * overlap).sum((1, 2), keepdims=True) / weight) * overlap for each in (fixed, warped)
    ]
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
