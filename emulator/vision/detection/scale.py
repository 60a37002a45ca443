"""Choice of the scale at which a detector scores images, so that small objects have enough pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.detection.tiles import Tiling
from emulator.vision.imaging.decode import ImageRejected, inspect_image
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.recipes.recipes import AdvancedDetectorRecipe

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.detection.dataset import BoxedImage, Example

# Tiles are used only if they magnify the image by this factor, compared with scoring it in one piece.
_MIN_GAIN = 1.2
# Tiles overlap by the length of this quantile of the boxes, times a margin.
_OVERLAP_QUANTILE, _MARGIN = 0.95, 1.1
_STEP = 32
# A long, thin box is as hard as a square of this many times its thickness.
_SIDE_OF_THIN = 1.75
# Images whose size is read, evenly spaced.
_SIZE_SAMPLES = 50


@dataclass(frozen=True)
class Scale:
    """The scale of scoring and training.

    Attributes:
        resolution: side in pixels of the square that images, or their tiles, are scored in.
        magnification: length of an image (with tiles: of a crop) over that of the windows trained on.
        tiling: how images are divided into tiles, if they are.
    """

    resolution: int
    magnification: float
    tiling: Tiling | None = None


def choose_scale(
    examples: Sequence[Example], recipe: AdvancedDetectorRecipe, sizes: Sequence[tuple[int, int]]
) -> Scale:
    """The smallest scale at which small boxes (first quartile) have `recipe.wanted_side` pixels, none larger
    than the images.

    Args:
        sizes: widths and heights of images, in pixels.
    """
    import numpy

    boxes, small = _box_sizes(examples)
    widths, heights = numpy.array(sizes, float).reshape(-1, 2).clip(1).T
    resolution = choose_resolution(examples, recipe.resolutions, recipe.wanted_side, sizes)
    largest = recipe.resolutions[-1]
    side = min(recipe.wanted_side / small, float(numpy.median(numpy.sqrt(widths * heights))))
    side = min(side, recipe.largest_side) // _STEP * _STEP
    if small * largest >= recipe.tiles_below or side < _MIN_GAIN * largest:
        return Scale(resolution, resolution / recipe.window_size)
    stretch = float(numpy.median(numpy.sqrt(widths / heights)))
    lengths = (boxes * numpy.array([stretch, 1 / stretch])).max(axis=1) * side
    wanted = _MARGIN * float(numpy.quantile(lengths, _OVERLAP_QUANTILE))
    least, most = recipe.overlaps
    overlap = int(min(most, max(least, -(-wanted // _STEP) * _STEP)))
    return Scale(
        largest,
        recipe.crop_size / recipe.window_size,
        Tiling(int(side), overlap, whole=bool((lengths > overlap).any())),
    )


def choose_resolution(
    examples: Sequence[Example], sides: Sequence[int], wanted_side: float, sizes: Sequence[tuple[int, int]]
) -> int:
    """The smallest of `sides` at which small boxes (first quartile) have `wanted_side` pixels, none but the
    first larger than the images.

    Args:
        sides: rising, in pixels.
        sizes: widths and heights of images, in pixels.
    """
    import numpy

    _, small = _box_sizes(examples)
    longest = float(numpy.median([max(size) for size in sizes])) if len(sizes) else 0.0
    usable = [side for side in sides if side <= max(longest, sides[0])]
    return next((side for side in usable if small * side >= wanted_side), usable[-1])


def _box_sizes(examples: Sequence[Example]) -> tuple[NDArray[numpy.float64], float]:
    """Widths and heights of all boxes (B, 2), and the side of small ones (first quartile), in fractions of
    the image. The side is the root of the area, and less for boxes of more than three times their width."""
    import numpy

    boxes = numpy.concatenate([example.boxes[:, 2:] - example.boxes[:, :2] for example in examples])
    if not len(boxes):
        return boxes, 1.0
    sides = numpy.minimum(numpy.sqrt(boxes.prod(axis=1)), _SIDE_OF_THIN * boxes.min(axis=1))
    return boxes, float(numpy.quantile(sides, 0.25))


def image_sizes(images: Sequence[BoxedImage]) -> list[tuple[int, int]]:
    """Width and height of at most about `_SIZE_SAMPLES` of the images that can be read, in pixels."""
    results = []
    for image in images[:: max(1, len(images) // _SIZE_SAMPLES)]:
        try:
            shown = inspect_image(read_image_file(image))
        except (ImageRejected, OSError):
            continue
        results.append((shown.width, shown.height))
    return results
