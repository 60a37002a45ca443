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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emulator.vision.exported.files import ExportUnusable
from emulator.vision.exported.input_choices import SIDES, Fit
from emulator.vision.fit import centre_box
from emulator.vision.imaging.decode import open_rgb

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray
    from PIL.Image import Image

_MIN_SIDE, MAX_SIDE = SIDES
# The programs of the exports scale the shorter side to 256 pixels and crop the centre of the result.
_RESIZE = 256
# The programs of 2018 to 2020 first scale the longer side down to this.
_LONGEST_SIDE = 1600
_ALIGNMENT = 32
_DEFAULT_PIXELS = 512 * 512


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input tensor of a model.

    Attributes:
        fit: "stretch": the whole image, ignoring its aspect ratio. "centre square": the largest square in the
            middle. "centre of resized": the centre of an image whose shorter side was scaled to `resize`.
            "keep aspect": width and height are
            multiples of 32 with a product of about `pixels` and the aspect ratio of the image.
        width, height: of the tensor; not used for "keep aspect".
        bgr: blue first; else red first.
        divisor: 1 for values 0 to 255, 255 for 0 to 1.
        planes: the shape is (1, 3, height, width); else (1, height, width, 3).
        half: float16; else float32.
        resize: length in pixels of the shorter side before the crop; only used for "centre of resized".
        antialias: pixels are averaged when an image is made smaller; else they are sampled.
        mean: subtracted from the values: red, green, blue, 0 to 255.
        reasons: of the choices, by name.
    """

    fit: Fit
    width: int
    height: int
    bgr: bool
    divisor: int
    planes: bool
    half: bool = False
    pixels: int = _DEFAULT_PIXELS
    resize: int = _RESIZE
    antialias: bool = True
    mean: tuple[float, float, float] | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def described(self) -> dict[str, str]:
        """The choices in words, with their reasons."""
        values = {
            "crop": self.fit,
            "size": "open" if self.fit == "keep aspect" else f"{self.width} x {self.height}",
            "channels": "bgr" if self.bgr else "rgb",
            "range": "0 to 255" if self.divisor == 1 else "0 to 1",
            "antialias": "",
            "mean": "",
        }
        texts = {}
        for name, value in values.items():
            reason = self.reasons.get(name, "")
            if value or reason:
                texts[name] = f"{value} ({reason})" if value and reason else value or reason
        return texts

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
            centre = self.fit == "centre of resized"
            target = max(*size, self.resize if centre else 0)
            image = open_rgb(data, target=target) if self.antialias else _shrunk(open_rgb(data))
            if self.fit != "stretch":
                side = float(min(image.size))
                if centre:
                    side *= min(1.0, max(size) / self.resize)
                box = centre_box(*image.size, side)
        if self.antialias:
            image = image.resize(size, Resampling.BILINEAR, box=box)
        else:
            image = _sampled(image, size, box)
        pixels = numpy.asarray(image)
        if self.mean is not None:
            pixels = pixels - numpy.asarray(self.mean, numpy.float32)
        if self.bgr:
            pixels = pixels[:, :, ::-1]
        tensor = numpy.ascontiguousarray(pixels.transpose(2, 0, 1) if self.planes else pixels, numpy.float32)
        if self.divisor != 1:
            tensor /= self.divisor
        if self.half:
            return tensor.astype(numpy.float16)[None]
        return tensor[None]


def _sampled(image: Image, size: tuple[int, int], box: tuple[float, ...] | None = None) -> Image:
    """The image, or a box of it, in another size with bilinear interpolation and without antialiasing."""
    from PIL.Image import Resampling, Transform

    return image.transform(size, Transform.EXTENT, box or (0, 0, *image.size), Resampling.BILINEAR)


def _shrunk(image: Image) -> Image:
    width, height = image.size
    longest = max(width, height)
    if longest < _LONGEST_SIDE:
        return image
    factor = _LONGEST_SIDE / longest
    return _sampled(image, (max(1, int(width * factor)), max(1, int(height * factor))))


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


def number(metadata: Mapping[str, str], name: str) -> int:
    """A number of pixels in the metadata, written as ``256`` or ``256.0``; 0 if it is missing or unusable."""
    text = metadata.get(name, "").strip()
    whole, _, rest = text.partition(".")
    if not whole.isascii() or not whole.isdigit() or len(whole) > 8 or rest.strip("0"):
        return 0
    value = int(whole)
    return value if _MIN_SIDE <= value <= MAX_SIDE else 0


def announced_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """TargetWidth and TargetHeight of the metadata, if they are present and valid."""
    width, height = (
        number(metadata, f"CustomVision.Preprocess.Target{side}") for side in ("Width", "Height")
    )
    return (width, height) if width and height else None
