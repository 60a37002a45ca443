"""Boxes of label files with a few decimals: all that lie within the image are stored within it."""

import math

from hypothesis import given
from hypothesis import strategies as st

from emulator.core.labels.regions import RegionBox

SIDE = st.integers(16, 10_240)


@st.composite
def intervals(draw: st.DrawFn) -> tuple[float, float]:
    """Start and end of a box in pixels, as fractions of the side; often at the edges."""
    side = draw(SIDE)
    start = draw(st.one_of(st.just(0), st.integers(0, side - 1)))
    end = draw(st.one_of(st.just(side), st.integers(start + 1, side)))
    return start / side, end / side


def stored(start: float, length: float) -> tuple[float, float]:
    """One side of the box as it is stored, once as its width and once as its height."""
    across = RegionBox("tag", start, 0.25, length, 0.5).rounded()
    down = RegionBox("tag", 0.25, start, 0.5, length).rounded()
    assert across is not None and down is not None
    assert (across.left, across.width) == (down.top, down.height)
    return across.left, across.width


def check(start: float, length: float, true_start: float, true_end: float) -> None:
    at, size = stored(start, length)
    assert at >= 0 and size > 0 and at + size <= 1
    assert math.copysign(1, at) == 1
    assert abs(at - true_start) < 1e-6 and abs(at + size - true_end) < 1e-6
    assert stored(at, size) == (at, size)


@given(intervals())
def test_yolo_boxes(interval: tuple[float, float]) -> None:
    start, end = interval
    centre, length = round((start + end) / 2, 6), round(end - start, 6)
    check(centre - length / 2, length, start, end)


@given(intervals())
def test_corners_with_six_decimals(interval: tuple[float, float]) -> None:
    start, end = round(interval[0], 6), round(interval[1], 6)
    check(start, end - start, *interval)


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32, exclude_min=True))
def test_single_precision_stays_as_it_is(start: float, length: float) -> None:
    if start < start + length <= 1:
        assert stored(start, length) == (start, length)


@given(st.floats(1e-3, 0.5), st.floats(1e-320, 1e-20))
def test_lengths_that_leave_no_area_are_refused(start: float, length: float) -> None:
    # With such regions alone, a training would have no box of the tag.
    assert RegionBox("tag", start, 0.25, length, 0.5).rounded() is None
    assert RegionBox("tag", 0.25, start, 0.5, length).rounded() is None
