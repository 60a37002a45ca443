"""Files that would occupy a decoder are refused from their bytes; real ones are not."""

import time

import pytest
from PIL import Image

from emulator.vision.imaging.decode import ImageRejected, inspect_image, open_rgb, resize_to_square, to_jpeg
from emulator.vision.imaging.work_limits import check_jpeg
from tests.support.hostile_images import ODD_BUT_USABLE, TOO_MUCH_WORK, UNUSABLE, after_start, with_scans
from tests.support.vision.images import encoded, photograph

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
# A hundred times what the check takes, a tenth of what decoding would.
PATIENCE_SECONDS = 0.5


@pytest.mark.parametrize("name", TOO_MUCH_WORK)
def test_too_much_work_is_refused_before_it_is_done(name: str) -> None:
    data = TOO_MUCH_WORK[name]
    for decode in (inspect_image, open_rgb, lambda data: resize_to_square(data, 32)):
        begun = time.thread_time()
        with pytest.raises(ImageRejected, match=r"It has|Its coefficients") as refusal:
            decode(data)
        assert refusal.value.reason == "format"
        assert time.thread_time() - begun < PATIENCE_SECONDS


@pytest.mark.parametrize("name", ODD_BUT_USABLE)
def test_odd_images_are_accepted_by_all_functions(name: str) -> None:
    data = ODD_BUT_USABLE[name]
    info = inspect_image(data)
    assert open_rgb(data).size == (info.width, info.height)
    assert resize_to_square(data, 32).shape == (32, 32, 3)
    for longest in (4, 256):
        assert inspect_image(to_jpeg(data, longest)).format == "JPEG"


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_images_are_refused_by_all_functions(name: str) -> None:
    data = UNUSABLE[name]
    for decode in (
        inspect_image,
        open_rgb,
        lambda data: resize_to_square(data, 32),
        lambda data: to_jpeg(data, 99),
    ):
        with pytest.raises(ImageRejected):
            decode(data)


def test_metadata_do_not_get_into_the_jpeg_copy() -> None:
    image = Image.new("RGB", (80, 60), "grey")
    exif = Image.Exif()
    exif[0x010E] = "a secret description"
    for image_format, options in (
        ("PNG", {"exif": exif, "icc_profile": b"a secret profile"}),
        ("GIF", {"comment": b"a secret comment"}),
        ("JPEG", {"exif": exif, "comment": b"a secret comment", "icc_profile": b"a secret profile"}),
    ):
        assert b"secret" not in to_jpeg(encoded(image, image_format, **options), 40)


def test_markers_outside_of_the_image_are_no_scans() -> None:
    """A thumbnail in a segment, bytes after the image, and the second image of an MPO file."""
    image = encoded(photograph((64, 48)), "JPEG", progressive=True)
    segment = b"\xff\xe2" + (2 + 600).to_bytes(2, "big") + b"\xff\xda\0" * 200
    for data in (after_start(image, segment), image + b"\xff\xda\0\x08" * 1000, with_scans(image, 100)):
        assert inspect_image(data).width == 64


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 5}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_without_its_end_marker_is_accepted(mode: str, options: dict[str, object]) -> None:
    image = photograph((123, 77)).convert(mode)
    data = encoded(image, "JPEG", **options)
    for missing in (1, 2):
        shortened = data[:-missing]
        assert not check_jpeg(shortened).has_end
        assert inspect_image(shortened) == inspect_image(data)
        assert open_rgb(shortened).tobytes() == open_rgb(data).tobytes()
        assert inspect_image(to_jpeg(shortened, 60)).width == 60


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("missing", [40, 200, 2000])
def test_a_jpeg_that_lacks_pixels_too_is_refused(options: dict[str, object], missing: int) -> None:
    data = encoded(photograph(), "JPEG", **options)[:-missing]
    for decode in (inspect_image, open_rgb):
        with pytest.raises(ImageRejected):
            decode(data)
