"""The edges of regions: rounding is forgiven, and what is stored lies within the image."""

import math
import struct

# A box may exceed the edges of the image by rounding. Values with six decimals, as in YOLO's label files
# (centre and size), put an edge up to 7.5e-7 outside; sums of values in single precision are off by another
# 6e-8.
_ROUNDING = 1e-6 + 1e-7
# The spacing of numbers in single precision between 0.5 and 1.
_SPACING = 2.0**-24
_TWO_SINGLES = struct.Struct("<2f")


def clipped(start: float, length: float) -> tuple[float, float] | None:
    """Start and length of one side of a box as they are stored: start >= 0, start < sum <= 1.

    They are rounded to single precision. None if the side is empty, exceeds the image (0 to 1) by more than
    rounding, or is not finite.
    """
    # Comparisons with NaN are false.
    if not (start >= -_ROUNDING and start + length <= 1 + _ROUNDING):
        return None
    if start < 0:
        start, length = 0.0, start + length
    length = min(length, 1 - start)
    if not length > 0:  # before packing, which raises OverflowError for large negative numbers
        return None
    start, length = _TWO_SINGLES.unpack(_TWO_SINGLES.pack(start, length))
    if start + length > 1:
        length -= _SPACING
    # A length that a sum does not show has no area in trainings. + 0.0: no negative zero.
    return (start + 0.0, length) if start + length > start else None


def edge_problem(start_name: str, start: float, length_name: str, length: float) -> str:
    """Why `clipped` returns None for one side, in words; empty if it does not."""
    if clipped(start, length) is not None:
        return ""
    if not (math.isfinite(start) and math.isfinite(length)):
        return f"{start_name} and {length_name} must be finite"
    if start < -_ROUNDING:
        return f"{start_name} is {start:g}, less than 0"
    if start + length > 1 + _ROUNDING:
        return f"{start_name} + {length_name} is {start + length:.9g}, more than 1 (the size of the image)"
    return f"{length_name} is {length:g}, which leaves nothing within the image"
