"""Image preprocessing for exported models: crop, size, order and range of the channels.

The crop follows ``metadata_properties.json``. The colour entries of that file describe the network inside of
the graph, not the input of the graph: real exports to TensorFlow have ``Normalized_0_1`` and take 0 to 255.
So colours follow the programs that come with the exports for TensorFlow, and the metadata in the model file
for ONNX.
``docs/serve-model.md`` has the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from emulator.vision.exported.files import ExportUnusable
from emulator.vision.imaging.decode import open_rgb

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

MAX_SIDE = 2048
_MIN_SIDE = 16
# Exports from before the end of 2020 have no metadata. Their program scales the centre square to 256 pixels
# and crops the centre of it.
_SQUARE_OF_OLD_EXPORTS = 256
_ALIGNMENT = 32
_DEFAULT_PIXELS = 512 * 512

Fit = Literal["stretch", "centre square", "centre of 256", "keep aspect"]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input tensor of a model.

    Attributes:
        fit: "stretch": the whole image, ignoring its aspect ratio. "centre square": the largest square in the
            middle. "centre of 256": as for exports without metadata. "keep aspect": width and height are
            multiples of 32 with a product of about `pixels` and the aspect ratio of the image.
        width, height: of the tensor; not used for "keep aspect".
        bgr: blue first; else red first.
        divisor: 1 for values 0 to 255, 255 for 0 to 1.
        planes: the shape is (1, 3, height, width); else (1, height, width, 3).
        half: float16; else float32.
    """

    fit: Fit
    width: int
    height: int
    bgr: bool
    divisor: int
    planes: bool
    half: bool = False
    pixels: int = _DEFAULT_PIXELS

    def tensor(self, data: bytes) -> NDArray[Any]:
        """The input tensor of an image, which is first turned upright by its EXIF orientation.

        Raises:
            ImageRejected: the bytes are not an acceptable image.
        """
        import numpy
        from PIL.Image import Resampling

        box = None
        if self.fit == "keep aspect":
            image = open_rgb(data)
            size = aligned_size(image.width, image.height, self.pixels)
        else:
            size = (self.width, self.height)
            old = self.fit == "centre of 256"
            image = open_rgb(data, target=max(*size, _SQUARE_OF_OLD_EXPORTS if old else 0))
            if self.fit != "stretch":
                side = float(min(image.size))
                if old:
                    side *= min(1.0, max(size) / _SQUARE_OF_OLD_EXPORTS)
                left, top = (image.width - side) / 2, (image.height - side) / 2
                box = (left, top, left + side, top + side)
        pixels = numpy.asarray(image.resize(size, Resampling.BILINEAR, box=box))
        if self.bgr:
            pixels = pixels[:, :, ::-1]
        tensor = numpy.ascontiguousarray(pixels.transpose(2, 0, 1) if self.planes else pixels, numpy.float32)
        if self.divisor != 1:
            tensor /= self.divisor
        if self.half:
            return tensor.astype(numpy.float16)[None]
        return tensor[None]


def aligned_size(width: int, height: int, pixels: int = _DEFAULT_PIXELS) -> tuple[int, int]:
    """Multiples of 32 with about the same aspect ratio and a product of about `pixels`."""
    ratio = math.sqrt(pixels / (width * height))
    return (
        _ALIGNMENT * math.ceil(max(1, int(width * ratio)) / _ALIGNMENT),
        _ALIGNMENT * math.ceil(max(1, int(height * ratio)) / _ALIGNMENT),
    )


def input_size(shape: tuple[int | None, ...], name: str) -> tuple[bool, int | None, int | None]:
    """Whether the input is planar, and its width and height; None if they are variable.

    Raises:
        ExportUnusable: the shape is not that of an image with three channels, or its size is out of range.
    """
    if len(shape) != 4 or shape[0] not in (None, 1) or 3 not in (shape[1], shape[3]):
        raise ExportUnusable(f"The model's input '{name}' takes no image: its shape is {_shown(shape)}.")
    planes = shape[1] == 3
    height, width = shape[2:] if planes else shape[1:3]
    for side in (width, height):
        if side is not None and not _MIN_SIDE <= side <= MAX_SIDE:
            raise ExportUnusable(
                f"The model's input '{name}' is {width} x {height} pixels; sides of {_MIN_SIDE} to "
                f"{MAX_SIDE} are taken."
            )
    if (width is None) != (height is None):
        raise ExportUnusable(f"The model's input '{name}' has a shape that fits nothing: {_shown(shape)}.")
    return planes, width, height


def _shown(shape: tuple[int | None, ...]) -> str:
    return " x ".join("?" if side is None else str(side) for side in shape) or "a single number"


def fit_from(metadata: Mapping[str, str], *, detects: bool, open_size: bool) -> Fit:
    """The `fit` of the metadata. `open_size`: width and height of the input are variable."""
    if detects:
        return "keep aspect" if open_size else "stretch"
    if not metadata:
        return "centre of 256"
    if metadata.get("CustomVision.Preprocess.CropMethod") == "FullImageShorterSide":
        return "centre square"
    return "stretch"


def announced_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """TargetWidth and TargetHeight of the metadata, if they are present and valid."""
    sides = []
    for name in ("TargetWidth", "TargetHeight"):
        text = metadata.get(f"CustomVision.Preprocess.{name}", "")
        side = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        if not _MIN_SIDE <= side <= MAX_SIDE:
            return None
        sides.append(side)
    return sides[0], sides[1]
