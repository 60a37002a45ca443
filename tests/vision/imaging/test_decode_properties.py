"""Arbitrary bytes give a result or `ImageRejected`, nothing else, and the results agree."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from emulator.vision.imaging.decode import (
    ImageRejected,
    inspect_image,
    open_rgb,
    resize_to_square,
    stored_size,
    to_jpeg,
)
from tests.support.hostile_images import ODD_BUT_USABLE, UNUSABLE
from tests.support.vision.images import encoded, photograph

SEEDS = [
    encoded(photograph((48, 40)), "JPEG"),
    encoded(photograph((48, 40)), "JPEG", progressive=True),
    encoded(photograph((48, 40)).convert("CMYK"), "JPEG"),
    encoded(photograph((48, 40)), "PNG"),
    encoded(photograph((48, 40)).convert("RGBA"), "PNG"),
    encoded(photograph((48, 40)).convert("P"), "PNG"),
    encoded(Image.new("I;16", (48, 40), 40_000), "PNG"),
    encoded(photograph((48, 40)), "GIF"),
    encoded(photograph((48, 40)), "BMP"),
    encoded(photograph((48, 40)).convert("P"), "BMP"),
    *(data for data in {**ODD_BUT_USABLE, **UNUSABLE}.values() if len(data) < 3000),
]
# Pillow warns about damage that it can read. As errors, these warnings would hide the results.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

MAGIC = (b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM")
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A real file with some bytes changed, a piece cut out or the end missing."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    # Mostly in the headers, which are in the first bytes.
    places = st.one_of(st.integers(0, min(80, len(data) - 1)), st.integers(0, len(data) - 1))
    for place, value in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        data[place] = value
    if draw(st.booleans()):
        start = draw(places)
        del data[start : start + draw(st.integers(0, 60))]
    return bytes(data)


def check(data: bytes) -> None:
    """The first function that decodes the bytes decides; the others agree."""
    try:
        info = inspect_image(data)
    except ImageRejected as rejected:
        for decode in (open_rgb, lambda data: resize_to_square(data, 32), lambda data: to_jpeg(data, 30)):
            with pytest.raises(ImageRejected) as refusal:
                decode(data)
            assert refusal.value.reason == rejected.reason
        return
    assert 1 <= min(info.width, info.height) <= max(info.width, info.height) <= 10_240
    assert max(info.width, info.height) <= 25 * min(info.width, info.height)
    assert 1 <= min(stored_size(info)) <= max(stored_size(info)) <= 1600
    assert open_rgb(data).size == (info.width, info.height)
    assert resize_to_square(data, 32).shape == (32, 32, 3)
    for longest in (30, 1600):
        small = inspect_image(to_jpeg(data, longest))
        assert (small.format, max(small.width, small.height)) == (
            "JPEG",
            min(longest, max(info.width, info.height)),
        )


@patient
@given(st.sampled_from(MAGIC), st.binary(max_size=300))
def test_arbitrary_bytes(magic: bytes, rest: bytes) -> None:
    check(magic + rest)


@patient
@given(damaged_files())
def test_damaged_files(data: bytes) -> None:
    check(data)


@patient
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["JPEG", "PNG", "GIF", "BMP"]))
def test_sizes(width: int, height: int, image_format: str) -> None:
    data = encoded(Image.new("RGB", (width, height), "teal"), image_format)
    if max(width, height) > 25 * min(width, height):
        with suppress(ImageRejected):
            inspect_image(data)
            raise AssertionError("a picture that is too thin was accepted")
    else:
        assert (inspect_image(data).width, inspect_image(data).height) == (width, height)
        check(data)
