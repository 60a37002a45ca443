"""Which images are decoded in threads of their own; only the header decides."""

import pytest
from PIL import Image

from emulator.vision.imaging.work_limits import is_costly
from tests.support.hostile_images import TOO_MUCH_WORK, encoded, jpeg, png, run_length_bmp, with_scans
from tests.support.vision.images import photograph

SMALL = {
    "JPEG": encoded(photograph((640, 480)), "JPEG"),
    "progressive JPEG": encoded(photograph((640, 480)), "JPEG", progressive=True),
    "JPEG of a camera": jpeg(4000, 3000),
    "PNG": encoded(photograph((640, 480)), "PNG"),
    "GIF": encoded(Image.new("P", (64, 64)), "GIF"),
    "BMP": encoded(photograph((640, 480)), "BMP"),
    "no image": b"no image",
    **{
        f"only the beginning of {magic!r}": magic
        for magic in (b"", b"BM", b"GIF89a", b"\x89PNG", b"\xff\xd8")
    },
}
LARGE = {
    "JPEG": jpeg(10_240, 10_240),
    "progressive JPEG": jpeg(4000, 3000, progressive=True),
    "JPEG with scans": with_scans(jpeg(progressive=True), 100),
    "JPEG without its end": encoded(photograph((64, 48)), "JPEG")[:-2],
    "PNG": png(2000, 1500),
    "GIF": encoded(photograph((200, 200)).convert("P"), "GIF"),
    "BMP": encoded(Image.new("1", (2000, 1500)), "BMP"),
    "BMP with run lengths": run_length_bmp(16, 16),
}


@pytest.mark.parametrize("name", SMALL)
def test_ordinary_images_are_not_costly(name: str) -> None:
    assert not is_costly(SMALL[name])


@pytest.mark.parametrize("name", LARGE)
def test_large_and_unusual_images_are_costly(name: str) -> None:
    assert is_costly(LARGE[name])


@pytest.mark.parametrize("name", TOO_MUCH_WORK)
def test_any_file_has_an_answer(name: str) -> None:
    assert is_costly(TOO_MUCH_WORK[name]) in (True, False)
