"""How images of any aspect ratio become the square input of a network."""

from typing import Literal

# "stretch": the whole image, without its aspect ratio. "centre crop": the shorter side is scaled to
# `resized_side`, and the square in the centre is the input, as in the service's compact classifiers.
Fit = Literal["stretch", "centre crop"]


def resized_side(resolution: int) -> int:
    """Length of the shorter side in pixels before a centre crop to a resolution: 256 for 224."""
    return round(resolution * 8 / 7)


def centre_box(width: int, height: int, side: float) -> tuple[float, float, float, float]:
    """The square with this side in the centre of an image: left, top, right and bottom in pixels."""
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side
