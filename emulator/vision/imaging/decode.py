"""Checking, decoding and scaling of images. The only module that calls Pillow to decode.

All functions take the bytes of a file and raise `ImageRejected`, and nothing else, for bytes that cannot or
must not be decoded. Pillow releases the GIL while it decodes and scales, so the functions may run in threads.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_SIDE = 10_240
MAX_ASPECT_RATIO = 25
STORED_LONGEST_SIDE = 1600
JPEG_QUALITY = 90

# Padding outside of an image.
PADDING_GREY = 114

# A decoded image above this size takes hundreds of megabytes, so these are decoded one at a time.
_LARGE_IMAGE_PIXELS = 40_000_000
_large_image_lock = threading.Lock()

_EXIF_ORIENTATION = 0x0112
_ORIENTATIONS_THAT_SWAP_SIDES = frozenset({5, 6, 7, 8})

Format = Literal["JPEG", "PNG", "GIF", "BMP"]
Reason = Literal["format", "dimensions", "aspect_ratio"]


class ImageRejected(ValueError):
    """The bytes are not an acceptable image. `reason` is the rule that they break; `str()` explains it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True)
class ImageInfo:
    """The format of an image, and its width and height in pixels after its EXIF orientation is applied."""

    format: Format
    width: int
    height: int


def inspect_image(data: bytes) -> ImageInfo:
    """Check an image completely and return its format and size.

    The whole file is decoded, so that a truncated one is rejected. A JPEG is decoded at an eighth of its size
    and in grey: this reads every scan of the file and costs a fraction of a full decode.

    Raises:
        ImageRejected: not a JPEG, PNG, BMP or GIF, damaged, larger than the limits, or too thin.
    """
    with _opened(data) as (source, image_format):
        width, height = source.size
        if image_format == "JPEG":
            source.draft("L", (max(1, width // 8), max(1, height // 8)))
        source.load()
        if _orientation(source) in _ORIENTATIONS_THAT_SWAP_SIDES:
            width, height = height, width
        return ImageInfo(image_format, width, height)


def stored_size(info: ImageInfo) -> tuple[int, int]:
    """Width and height in pixels after the service's own resize: the longest side is at most 1600."""
    return _fitted((info.width, info.height), STORED_LONGEST_SIDE)


def open_rgb(data: bytes, target: int | None = None) -> Image:
    """Decode an image to RGB, upright, 8 bits a channel.

    Transparent pixels are blended with white, 16-bit grey is scaled to 8 bits, CMYK is converted (also where
    the file stores it inverted, as Adobe's programs do), and of an animation the first frame is taken.

    Args:
        data: the file.
        target: the shorter side needs at least this many pixels. A larger image may be returned scaled down
            by an integer factor, which is several times cheaper. It is never scaled up.

    Raises:
        ImageRejected: as for `inspect_image`.
    """
    from PIL import Image as Pillow

    with _opened(data) as (source, image_format):
        if target is not None and image_format == "JPEG":
            source.draft(None, (target, target))
        source.load()
        image: Image = source
        if image.mode.startswith("I"):
            image = _eight_bits(image)
        elif image.mode in ("P", "PA", "1"):
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        if target is not None:
            # Averaging first keeps copies of huge images small. A factor of 2 is left to the final bilinear
            # resize.
            factor = min(image.size) // (2 * target)
            if factor > 1:
                image = image.reduce(factor)
        if image.has_transparency_data:
            transparent = image.convert("RGBA")
            image = Pillow.new("RGB", transparent.size, "white")
            image.paste(transparent, mask=transparent.getchannel("A"))
        image = image.convert("RGB")
        turn = {
            2: Pillow.Transpose.FLIP_LEFT_RIGHT,
            3: Pillow.Transpose.ROTATE_180,
            4: Pillow.Transpose.FLIP_TOP_BOTTOM,
            5: Pillow.Transpose.TRANSPOSE,
            6: Pillow.Transpose.ROTATE_270,
            7: Pillow.Transpose.TRANSVERSE,
            8: Pillow.Transpose.ROTATE_90,
        }.get(_orientation(source))
        return image if turn is None else image.transpose(turn)


def resize_to_square(data: bytes, resolution: int) -> NDArray[numpy.uint8]:
    """The image as the networks take it, in training and in scoring.

    The whole image is stretched to a square; its aspect ratio is not kept.

    Returns:
        RGB, shape (resolution, resolution, 3), 0..255.

    Raises:
        ImageRejected: as for `inspect_image`.
    """
    import numpy
    from PIL.Image import Resampling

    image = open_rgb(data, target=resolution)
    return numpy.asarray(image.resize((resolution, resolution), Resampling.BILINEAR))


def crop_resize(
    image: Image, window: NDArray[numpy.floating], resolution: int
) -> tuple[NDArray[numpy.uint8], NDArray[numpy.floating], NDArray[numpy.int64]]:
    """Crop an image and resize the crop to a square, with the same filter as `resize_to_square`.

    Args:
        window: left, top, right, bottom in pixels of the image. Parts outside of the image become grey.

    Returns:
        RGB, shape (resolution, resolution, 3), 0..255; the part of the image that it shows; and the place of
        that part in the square. Both are left, top, right, bottom in pixels.
    """
    import numpy
    from PIL.Image import Resampling

    size = numpy.array([image.width, image.height])
    source = numpy.concatenate([window[:2].clip(0), numpy.minimum(window[2:], size)])
    scale = resolution / (window[2:] - window[:2])
    target = numpy.rint((source - numpy.tile(window[:2], 2)) * numpy.tile(scale, 2)).astype(int)
    target[2:] = numpy.maximum(target[2:], target[:2] + 1).clip(max=resolution)
    target[:2] = numpy.minimum(target[:2], target[2:] - 1)
    left, top, right, bottom = target.tolist()
    pixels = numpy.full((resolution, resolution, 3), PADDING_GREY, numpy.uint8)
    part = image.resize((right - left, bottom - top), Resampling.BILINEAR, box=tuple(source.tolist()))
    pixels[top:bottom, left:right] = numpy.asarray(part)
    return pixels, source, target


def to_jpeg(data: bytes, longest: int) -> bytes:
    """A JPEG of the image, upright, with its longest side at most `longest` pixels. It is never scaled up.

    A JPEG in RGB or grey that is small enough and upright is returned unchanged, byte for byte. Any other
    image is encoded again at quality 90, without the metadata of the original.

    Raises:
        ImageRejected: as for `inspect_image`.
    """
    from PIL.Image import Resampling

    info = inspect_image(data)
    width, height = _fitted((info.width, info.height), longest)
    if info.format == "JPEG" and (width, height) == (info.width, info.height):
        with _opened(data) as (source, _):
            if source.mode in ("RGB", "L") and _orientation(source) == 1:
                return data
    image = open_rgb(data, target=min(width, height))
    if image.size != (width, height):
        image = image.resize((width, height), Resampling.LANCZOS)
    encoded = BytesIO()
    image.save(encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()


@contextmanager
def _opened(data: bytes) -> Iterator[tuple[ImageFile, Format]]:
    """The image with its header read and its size checked; errors of decoding become `ImageRejected`."""
    try:
        source, image_format = _parse_header(data)
        _check_size(*source.size)
        large = source.width * source.height > _LARGE_IMAGE_PIXELS
        with source, _large_image_lock if large else nullcontext():
            yield source, image_format
    except (ImageRejected, MemoryError):
        raise
    except Exception as error:
        # Pillow's decoders raise almost any error on damaged files: OSError, SyntaxError, struct.error,
        # IndexError, ...
        raise ImageRejected("format", f"The image cannot be decoded: {error}") from error


def _parse_header(data: bytes) -> tuple[ImageFile, Format]:
    """Open an image by its content, with the one class of Pillow for its format.

    `PIL.Image.open` would first load every plugin, and then warn about or refuse large images by limits that
    are global to the process.
    """
    if data.startswith(b"\xff\xd8\xff"):
        from PIL.JpegImagePlugin import JpegImageFile

        return JpegImageFile(BytesIO(data)), "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        from PIL.PngImagePlugin import PngImageFile

        return PngImageFile(BytesIO(data)), "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        from PIL.GifImagePlugin import GifImageFile

        return GifImageFile(BytesIO(data)), "GIF"
    if data.startswith(b"BM"):
        from PIL.BmpImagePlugin import BmpImageFile

        return BmpImageFile(BytesIO(data)), "BMP"
    raise ImageRejected("format", "The data is not a JPEG, PNG, BMP or GIF image.")


def _check_size(width: int, height: int) -> None:
    longest, shortest = max(width, height), min(width, height)
    if shortest < 1:
        raise ImageRejected("dimensions", f"The image has no pixels: {width} x {height}.")
    if longest > MAX_SIDE:
        raise ImageRejected(
            "dimensions", f"The image is {width} x {height} pixels; the longest side may be {MAX_SIDE}."
        )
    if longest > shortest * MAX_ASPECT_RATIO:
        raise ImageRejected(
            "aspect_ratio",
            f"The image is {width} x {height} pixels; its sides may be {MAX_ASPECT_RATIO}:1 at most.",
        )


def _orientation(source: Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) if there is none or the EXIF block is damaged."""
    try:
        return int(source.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - as above; damaged metadata does not make the image unusable
        return 1


def _eight_bits(image: Image) -> Image:
    """Convert 16-bit grey (mode I;16, or I in older Pillow) to 8 bits. Pillow may clip instead of scaling."""
    import numpy
    from PIL import Image as Pillow

    sixteen_bits = numpy.asarray(image)
    return Pillow.fromarray((sixteen_bits >> 8).clip(0, 255).astype(numpy.uint8))


def _fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    width, height = size
    scale = longest / max(width, height)
    if scale >= 1:
        return width, height
    return max(1, round(width * scale)), max(1, round(height * scale))


def silence_pillow_warnings() -> None:
    """Keep Pillow from printing warnings about damaged metadata: such images are accepted.

    Damaged pixels raise an exception, which becomes an error response.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
