"""Images of every accepted kind are decoded correctly, and all others are rejected."""

import errno
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from unittest.mock import Mock

import numpy
import pytest
from PIL import Image

from emulator.vision.imaging.decode import (
    ImageInfo,
    ImageRejected,
    inspect_image,
    open_rgb,
    resize_to_square,
    stored_size,
    to_jpeg,
)
from tests.support.vision.images import encoded, photograph, quarters

ORIENTATION = 0x0112
UPRIGHT = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"}


def corners(image: Image.Image) -> str:
    """The colours of the corners, as letters: top left, top right, bottom left, bottom right."""
    names = {(255, 0, 0): "R", (0, 255, 0): "G", (0, 0, 255): "B", (255, 255, 255): "W"}
    right, bottom = image.width - 3, image.height - 3
    pixels = [image.getpixel(place) for place in ((2, 2), (right, 2), (2, bottom), (right, bottom))]
    return "".join(
        min(names.items(), key=lambda item: sum((a - b) ** 2 for a, b in zip(item[0], pixel, strict=True)))[1]
        for pixel in pixels
    )


def png_declaring(width: int, height: int, bit_depth: int = 8, colour_type: int = 2) -> bytes:
    """A PNG of a few bytes whose header promises an image of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(b"\0" * 100)),
            chunk(b"IEND", b""),
        )
    )


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_the_four_formats_are_accepted(image_format: str) -> None:
    data = encoded(photograph((400, 300)), image_format)

    assert inspect_image(data) == ImageInfo(image_format, 400, 300)
    assert open_rgb(data).mode == "RGB"


@pytest.mark.parametrize("image_format", ["WEBP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(image_format: str) -> None:
    with pytest.raises(ImageRejected, match="not a JPEG, PNG, BMP or GIF") as refusal:
        inspect_image(encoded(photograph((64, 64)), image_format))

    assert refusal.value.reason == "format"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"BM", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"\0" * 99]
)
def test_what_is_not_an_image_is_rejected(data: bytes) -> None:
    with pytest.raises(ImageRejected) as refusal:
        inspect_image(data)

    assert refusal.value.reason == "format"


@pytest.mark.parametrize(
    ("image_format", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {})],
)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(image_format: str, options: dict[str, bool], share: float) -> None:
    data = encoded(photograph(), image_format, **options)

    with pytest.raises(ImageRejected) as refusal:
        inspect_image(data[: int(len(data) * share)])

    assert refusal.value.reason == "format"


def test_a_baseline_jpeg_is_refused_when_its_last_scan_line_is_missing() -> None:
    data = encoded(photograph((64, 64)), "JPEG")

    with pytest.raises(ImageRejected):
        inspect_image(data[:-20])


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (60_000, 60_000, "dimensions"),
        (10_241, 10_241, "dimensions"),
        (10_241, 600, "dimensions"),
        (2**31 - 1, 2**31 - 1, "dimensions"),
        (1, 26, "aspect_ratio"),
        (2600, 100, "aspect_ratio"),
        (10_240, 409, "aspect_ratio"),
    ],
)
def test_sizes_beyond_the_limits_are_refused_from_the_header(width: int, height: int, reason: str) -> None:
    """The few bytes of pixel data cannot be decoded to this size, so the header alone must decide."""
    with pytest.raises(ImageRejected) as refusal:
        inspect_image(png_declaring(width, height))

    assert refusal.value.reason == reason
    assert str(width) in str(refusal.value)


def test_an_image_without_pixels_is_refused() -> None:
    bmp = bytearray(encoded(photograph((4, 4)), "BMP"))
    bmp[18:22] = b"\0\0\0\0"  # width

    with pytest.raises(ImageRejected):
        inspect_image(bytes(bmp))


def test_a_header_that_promises_more_than_the_file_holds_is_refused() -> None:
    with pytest.raises(ImageRejected) as refusal:
        inspect_image(png_declaring(10_240, 10_240))

    assert refusal.value.reason == "format"


def test_sizes_at_the_limits_are_accepted() -> None:
    assert inspect_image(encoded(Image.new("L", (10_240, 410)))).width == 10_240
    assert inspect_image(encoded(Image.new("L", (25, 1)))) == ImageInfo("PNG", 25, 1)
    assert open_rgb(encoded(Image.new("L", (25, 1))), target=224).size == (25, 1)


def test_a_small_file_with_very_many_pixels_is_scaled_while_it_is_read() -> None:
    data = encoded(Image.new("1", (10_240, 10_240), 1))

    assert inspect_image(data) == ImageInfo("PNG", 10_240, 10_240)
    small = open_rgb(data, target=224)
    assert 224 <= min(small.size) < 1000
    assert small.getpixel((0, 0)) == (255, 255, 255)


def test_large_images_do_not_block_each_other_forever() -> None:
    data = encoded(Image.new("1", (7000, 6000)))

    with ThreadPoolExecutor(3) as pool:
        infos = list(pool.map(inspect_image, [data] * 3, timeout=60))

    assert [info.width for info in infos] == [7000] * 3


def test_a_rejected_large_image_releases_its_memory() -> None:
    with pytest.raises(ImageRejected):
        inspect_image(png_declaring(10_000, 10_000))

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(inspect_image, encoded(Image.new("1", (7000, 6000))))
        assert future.result(timeout=60).height == 6000


@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(orientation: int, image_format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(quarters(), image_format, exif=exif)
    size = (48, 80) if orientation >= 5 else (80, 48)

    assert inspect_image(data) == ImageInfo(image_format, *size)
    upright = open_rgb(data)
    assert upright.size == size
    assert corners(upright) == UPRIGHT[orientation]
    assert corners(Image.open(BytesIO(to_jpeg(data, 40)))) == UPRIGHT[orientation]


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation

    assert corners(open_rgb(encoded(quarters(), "JPEG", exif=exif))) == "RGBW"


def test_errors_of_the_system_do_not_make_a_broken_image(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENOMEM, "no"), MemoryError()):
        monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", Mock(side_effect=error))
        with pytest.raises(type(error)) as raised:
            inspect_image(encoded(quarters()))
        assert raised.value is error


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_make_a_broken_image() -> None:
    data = encoded(quarters(), "JPEG")
    segment = b"Exif\0\0II*\0\xff\xff\xff\xff garbage"
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]

    assert inspect_image(data) == ImageInfo("JPEG", 80, 48)
    assert corners(open_rgb(data)) == "RGBW"


def test_cmyk_as_adobe_stores_it_is_not_shown_as_its_negative() -> None:
    """Adobe's programs, and Pillow, store CMYK inverted and mark it in an APP14 segment."""
    data = encoded(quarters().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data

    assert inspect_image(data) == ImageInfo("JPEG", 80, 48)
    assert corners(open_rgb(data)) == "RGBW"
    assert corners(open_rgb(data, target=8)) == "RGBW"


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = numpy.tile(numpy.linspace(0, 65_535, 64).astype(numpy.uint16), (64, 1))
    data = encoded(Image.fromarray(ramp))

    assert inspect_image(data) == ImageInfo("PNG", 64, 64)
    grey = numpy.asarray(open_rgb(data))[0, :, 0]
    assert numpy.abs(grey - numpy.linspace(0, 255, 64)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_png_becomes_rgb(mode: str) -> None:
    data = encoded(quarters().convert("L").convert(mode))

    assert open_rgb(data).mode == "RGB"
    assert resize_to_square(data, 32).shape == (32, 32, 3)


def test_transparent_pixels_lie_over_white() -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 40))

    opened = open_rgb(encoded(image))

    assert opened.getpixel((5, 5)) == (255, 0, 0)
    assert opened.getpixel((35, 5)) == (255, 255, 255)


@pytest.mark.parametrize("image_format", ["GIF", "PNG"])
def test_a_transparent_colour_of_a_palette_becomes_white(image_format: str) -> None:
    image = Image.new("P", (40, 40), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (0, 0, 20, 40))

    opened = open_rgb(encoded(image, image_format, transparency=0))

    assert opened.getpixel((5, 5)) == (255, 0, 0)
    assert opened.getpixel((35, 5)) == (255, 255, 255)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("P", (30, 30), 0) for _ in range(3)]
    for frame, colour in zip(frames, ([255, 0, 0], [0, 255, 0], [0, 0, 255]), strict=True):
        frame.putpalette(colour)
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert inspect_image(data) == ImageInfo("GIF", 30, 30)
    assert open_rgb(data).getpixel((3, 3)) == (255, 0, 0)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_scaling_while_decoding_keeps_the_pixels_that_are_needed(image_format: str) -> None:
    data = encoded(photograph((1900, 1300)), image_format)

    for target in (64, 224, 1000, 5000):
        opened = open_rgb(data, target)
        assert min(opened.size) >= min(target, 1300)
        assert opened.width / opened.height == pytest.approx(1900 / 1300, rel=0.02)
    assert open_rgb(data, 64).width < 1000


def test_scaling_during_decoding_gives_the_same_image() -> None:
    image = photograph((1600, 1200))
    whole = numpy.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), numpy.int16)

    for image_format, tolerance in (("PNG", 2), ("JPEG", 4)):
        shown = resize_to_square(encoded(image, image_format), 224)
        assert shown.dtype == numpy.uint8
        assert numpy.abs(shown - whole).mean() < tolerance


@pytest.mark.parametrize(
    ("original", "stored"),
    [
        ((1080, 1920), (900, 1600)),
        ((1920, 1080), (1600, 900)),
        ((816, 612), (816, 612)),
        ((1600, 1600), (1600, 1600)),
        ((1601, 1600), (1600, 1599)),
        ((10_240, 410), (1600, 64)),
        ((25, 1), (25, 1)),
    ],
)
def test_stored_size(original: tuple[int, int], stored: tuple[int, int]) -> None:
    assert stored_size(ImageInfo("JPEG", *original)) == stored


def test_a_jpeg_copy_fits_and_keeps_its_aspect_ratio() -> None:
    data = encoded(photograph((1900, 1300)), "PNG")

    small = inspect_image(to_jpeg(data, 256))

    assert small == ImageInfo("JPEG", 256, 175)


def test_a_jpeg_copy_is_never_larger_than_the_image() -> None:
    assert inspect_image(to_jpeg(encoded(photograph((90, 60)), "PNG"), 400)) == ImageInfo("JPEG", 90, 60)


def test_a_jpeg_that_is_small_enough_is_returned_as_it_is() -> None:
    data = encoded(photograph((300, 200)), "JPEG")

    assert to_jpeg(data, 300) is data
    assert to_jpeg(data, 299) is not data


@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_copy_has_the_end_marker_that_the_image_lacks(missing: int) -> None:
    data = encoded(photograph((64, 48)), "JPEG")[:-missing]
    with Image.open(BytesIO(to_jpeg(data, 100))) as copy:
        copy.load()  # Pillow refuses a JPEG without its end
        assert copy.size == (64, 48)


def test_jpeg_copies_of_cmyk_are_rgb() -> None:
    data = encoded(quarters().convert("CMYK"), "JPEG")

    assert Image.open(BytesIO(to_jpeg(data, 400))).mode == "RGB"


def test_a_truncated_file_gets_no_jpeg_copy() -> None:
    data = encoded(photograph(), "JPEG")

    with pytest.raises(ImageRejected):
        to_jpeg(data[: len(data) // 2], 100)
