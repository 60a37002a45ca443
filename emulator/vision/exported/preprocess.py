"""Images as exported models take them: which part, which size, which order of colours, which range.

Where it comes from: ``metadata_properties.json`` tells how the image is fitted, and was found to be right.
What it says of colours and range was found to describe the network inside of the graph, not what the graph
takes: real exports to TensorFlow say ``Normalized_0_1`` and take 0 to 255. There the programs that come with
the exports count, and for ONNX the metadata inside of the file itself. ``docs/serve-model.md`` has the table.
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
# Exports from before the end of 2020 carry no metadata; their program scales the centre square to 256 pixels
# and cuts the network's input out of the middle.
_SQUARE_OF_OLD_EXPORTS = 256
_ALIGNMENT = 32
_DEFAULT_PIXELS = 512 * 512

Fit = Literal["stretch", "centre square", "centre of 256", "keep aspect"]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the tensor that a model takes.

    Attributes:
        fit: stretch: the whole image, whatever its aspect. centre square: the largest square in the middle.
            centre of 256: as exports without metadata do. keep aspect: width and height that are multiples
            of 32, about `pixels` together, so that the aspect stays.
        width, height: of the tensor; for keep aspect they are not used.
        bgr: blue first, else red first.
        divisor: 1 for values 0 to 255, 255 for 0 to 1.
        planes: (1, 3, height, width), else (1, height, width, 3).
        half: float16, else float32.
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
        """The tensor of an image. It is turned upright by its EXIF orientation first.

        Raises:
            ImageRejected: the bytes are no acceptable image.
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
    """Width and height, multiples of 32, of about the same aspect and about `pixels` pixels together."""
    ratio = math.sqrt(pixels / (width * height))
    return (
        _ALIGNMENT * math.ceil(max(1, int(width * ratio)) / _ALIGNMENT),
        _ALIGNMENT * math.ceil(max(1, int(height * ratio)) / _ALIGNMENT),
    )


def input_size(shape: tuple[int | None, ...], name: str) -> tuple[bool, int | None, int | None]:
    """Whether a model takes planes, and its width and height; None where it leaves them open.

    Raises:
        ExportUnusable: no image of three colours fits the shape, or one of an absurd size only.
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
    """How an image is fitted. `open_size`: the model takes any width and height."""
    if detects:
        return "keep aspect" if open_size else "stretch"
    if not metadata:
        return "centre of 256"
    if metadata.get("CustomVision.Preprocess.CropMethod") == "FullImageShorterSide":
        return "centre square"
    return "stretch"


def announced_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """TargetWidth and TargetHeight of the metadata, if they are there and make sense."""
    sides = []
    for name in ("TargetWidth", "TargetHeight"):
        text = metadata.get(f"CustomVision.Preprocess.{name}", "")
        side = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        if not _MIN_SIDE <= side <= MAX_SIDE:
            return None
        sides.append(side)
    return sides[0], sides[1]
