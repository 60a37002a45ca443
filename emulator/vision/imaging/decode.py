"""Checking, decoding and scaling of images.

All functions take the bytes of a file and raise `ImageRejected` for bytes that cannot or must not be decoded.
They agree about which files these are: an image that `inspect_image` accepts can be decoded, scaled and
encoded. A lack of memory or of file descriptors is no property of a file: MemoryError, and OSError with an
errno, are raised as they are. Pillow releases the GIL while it decodes and scales, so the functions may run
in threads.
"""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from emulator.vision.fit import Fit, centre_box, resized_side
from emulator.vision.imaging.opening import ImageInfo, ImageRejected, opened, orientation
from emulator.vision.imaging.rgb import to_rgb

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.JpegImagePlugin import JpegImageFile

__all__ = [
    "ImageInfo",
    "ImageRejected",
    "crop_resize",
    "inspect_image",
    "open_rgb",
    "resize_to_square",
    "silence_pillow_warnings",
    "squared",
    "stored_size",
    "to_jpeg",
]

STORED_LONGEST_SIDE = 1600
JPEG_QUALITY = 90

# Padding outside of an image.
PADDING_GREY = 114


def inspect_image(data: bytes) -> ImageInfo:
    """Check an image completely and return its format and size.

    The whole file is decoded, so that a truncated one is rejected. A JPEG is decoded at an eighth of its size
    and in grey: this reads every scan of the file and costs a fraction of a full decode.

    Raises:
        ImageRejected: not a JPEG, PNG, BMP or GIF, damaged, larger than the limits, or too thin.
    """
    with opened(data, _draft_an_eighth) as (source, info):
        if info.format != "JPEG":
            to_rgb(source.crop((0, 0, 1, 1)))  # fails for some files whose pixels can be decoded
        return info


def _draft_an_eighth(jpeg: JpegImageFile) -> None:
    jpeg.draft("L", (max(1, jpeg.width // 8), max(1, jpeg.height // 8)))


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

    def draft(jpeg: JpegImageFile) -> None:
        if target is not None:
            jpeg.draft(None, (target, target))

    with opened(data, draft) as (source, _):
        factor = 1
        if target is not None:
            # Averaging first keeps copies of huge images small. A factor of 2 is left to the final bilinear
            # resize.
            factor = max(1, min(source.size) // (2 * target))
        image = to_rgb(source, factor)
        turn = {
            2: Pillow.Transpose.FLIP_LEFT_RIGHT,
            3: Pillow.Transpose.ROTATE_180,
            4: Pillow.Transpose.FLIP_TOP_BOTTOM,
            5: Pillow.Transpose.TRANSPOSE,
            6: Pillow.Transpose.ROTATE_270,
            7: Pillow.Transpose.TRANSVERSE,
            8: Pillow.Transpose.ROTATE_90,
        }.get(orientation(source))
        return image if turn is None else image.transpose(turn)


def resize_to_square(data: bytes, resolution: int, fit: Fit = "stretch") -> NDArray[numpy.uint8]:
    """The image as the networks take it, in training and in scoring.

    Args:
        fit: whether the image is stretched or cropped, see `fit`.

    Returns:
        RGB, shape (resolution, resolution, 3), 0..255.

    Raises:
        ImageRejected: as for `inspect_image`.
    """
    shorter = resolution if fit == "stretch" else resized_side(resolution)
    return squared(open_rgb(data, target=shorter), resolution, fit)


def squared(image: Image, resolution: int, fit: Fit) -> NDArray[numpy.uint8]:
    """The same for an image of `open_rgb`."""
    import numpy
    from PIL.Image import Resampling

    box = None
    if fit == "centre crop":
        box = centre_box(*image.size, min(image.size) * resolution / resized_side(resolution))
    return numpy.asarray(image.resize((resolution, resolution), Resampling.BILINEAR, box=box))


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


def to_jpeg(data: bytes, longest: int, *, quality: int = JPEG_QUALITY) -> bytes:
    """A JPEG of the image, upright, with its longest side at most `longest` pixels. It is never scaled up.

    A JPEG in RGB or grey that is small enough, upright and complete is returned unchanged, byte for byte. Any
    other image is encoded again, without the metadata of the original.

    Args:
        quality: Pillow's quality of JPEG, 1 to 95.

    Raises:
        ImageRejected: as for `inspect_image`.
    """
    from PIL.Image import Resampling

    info = inspect_image(data)
    width, height = _fitted((info.width, info.height), longest)
    if info.format == "JPEG" and info.is_plain and (width, height) == (info.width, info.height):
        return data
    image = open_rgb(data, target=min(width, height))
    if image.size != (width, height):
        image = image.resize((width, height), Resampling.LANCZOS)
    encoded = BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()


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
