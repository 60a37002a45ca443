"""Opening images: which bytes are an image, limits on its size and on the work and memory of decoding it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from emulator.vision.imaging import other_formats, work_limits
from emulator.vision.imaging.memory_budget import MemoryBudget
from emulator.vision.imaging.work_limits import JpegStructure

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile
    from PIL.JpegImagePlugin import JpegImageFile

MAX_SIDE = 10_240
MAX_ASPECT_RATIO = 25

# Images of all threads together. The largest image takes 420 MB, so it is decoded alone. Images of up to 2
# megapixels are not counted, nor JPEGs that are decoded at a fraction of their size to that.
_budget = MemoryBudget(capacity=400_000_000, negligible=8_000_000)

# More than the data of one unit (MCU) of a JPEG.
_FILLER_BYTES = 4096
_EXIF_ORIENTATION = 0x0112
_ORIENTATIONS_THAT_SWAP_SIDES = frozenset({5, 6, 7, 8})

Format = Literal["JPEG", "PNG", "GIF", "BMP"]
Reason = Literal["format", "dimensions", "aspect_ratio"]
Draft = Callable[["JpegImageFile"], object]


class ImageRejected(ValueError):
    """The bytes are not an acceptable image. `reason` is the rule that they break; `str()` explains it.

    detail: what the bytes are instead, for the log.
    """

    def __init__(self, reason: Reason, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.detail = detail


@dataclass(frozen=True)
class ImageInfo:
    """The format of an image, and its width and height in pixels after its EXIF orientation is applied.

    is_plain: whether the image is stored upright, in RGB or grey, and a JPEG has its end marker.
    """

    format: Format
    width: int
    height: int
    is_plain: bool = field(default=False, compare=False)


@contextmanager
def opened(data: bytes, draft: Draft | None = None) -> Iterator[tuple[ImageFile, ImageInfo]]:
    """The decoded image, not turned, and its size before `draft`. Its memory is reserved within the context.

    Args:
        draft: calls the `draft` method of a JPEG, so that it is decoded at a fraction of its size.

    Raises:
        ImageRejected: for the bytes, and instead of any error within the context.
        MemoryError, ImportError, OSError with an errno: the system lacks memory, descriptors or files.
    """
    try:
        source, image_format, structure = _parse_header(data)
        width, height = source.size
        _check_size(width, height)
        mode, coefficient_bytes = source.mode, 0
        if structure is not None:
            coefficient_bytes = structure.coefficient_bytes
            if not structure.has_end:
                with _budget.reserved(_decoded_bytes(source) + coefficient_bytes):
                    source = _with_end(source, data)
            if draft is not None:
                draft(source)  # type: ignore[arg-type]
        with source, _budget.reserved(_decoded_bytes(source) + coefficient_bytes):
            source.load()
            if source.mode in ("P", "PA") and source.palette is None:
                raise ValueError("its palette is missing")
            turned = orientation(source)
            if turned in _ORIENTATIONS_THAT_SWAP_SIDES:
                width, height = height, width
            is_plain = mode in ("RGB", "L") and turned == 1 and (structure is None or structure.has_end)
            yield source, ImageInfo(image_format, width, height, is_plain)
    except (ImageRejected, MemoryError, ImportError):
        raise
    except Exception as error:
        # Pillow's decoders raise almost any error on damaged files: OSError, SyntaxError, struct.error,
        # IndexError, ... Errors of the system have a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ImageRejected("format", f"The image cannot be decoded: {error}") from error


def orientation(source: Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) if there is none or the EXIF block is damaged."""
    try:
        found = int(source.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - as above; damaged metadata does not make the image unusable
        return 1
    return found if 1 <= found <= 8 else 1


def _parse_header(data: bytes) -> tuple[ImageFile, Format, JpegStructure | None]:
    """Open an image by its content, with the one class of Pillow for its format; and the structure of a JPEG.

    `PIL.Image.open` would first load every plugin, and then warn about or refuse large images by limits that
    are global to the process.
    """
    if data.startswith(b"\xff\xd8\xff"):
        from PIL.JpegImagePlugin import JpegImageFile

        structure = work_limits.check_jpeg(data)
        return JpegImageFile(BytesIO(data)), "JPEG", structure
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        from PIL.PngImagePlugin import PngImageFile

        work_limits.check_png(data)
        return PngImageFile(BytesIO(data)), "PNG", None
    if data.startswith((b"GIF87a", b"GIF89a")):
        from PIL.GifImagePlugin import GifImageFile

        work_limits.check_gif(data)
        return GifImageFile(BytesIO(data)), "GIF", None
    if data.startswith(b"BM"):
        from PIL.BmpImagePlugin import BmpImageFile

        work_limits.check_bmp(data)
        return BmpImageFile(BytesIO(data)), "BMP", None
    raise ImageRejected("format", "The data is not a JPEG, PNG, BMP or GIF image.", other_formats.named(data))


def _with_end(source: ImageFile, data: bytes) -> ImageFile:
    """A JPEG with the end-of-image marker that it lacks. If more is missing, it is returned as it is.

    Some cameras omit the marker. Pixels that are missing too would depend on the bytes that follow the data.
    """
    data = data.removesuffix(b"\xff")
    digests = set()
    for filler in (b"", b"\0" * _FILLER_BYTES, b"\xaa" * _FILLER_BYTES):
        with _parse_header(data + filler + b"\xff\xd9")[0] as complete:
            digests.add(hashlib.sha256(complete.tobytes()).digest())
    return _parse_header(data + b"\xff\xd9")[0] if len(digests) == 1 else source


def _decoded_bytes(source: Image) -> int:
    """The memory that Pillow takes for the pixels."""
    pixel_bytes = 2 if source.mode.startswith("I;16") else {"1": 1, "L": 1, "P": 1}.get(source.mode, 4)
    return source.width * source.height * pixel_bytes


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
