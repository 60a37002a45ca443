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
    from emulator.vision.detection.dataset import BoxedImage, Example

# Tiles are used only if they magnify the image by this factor, compared with scoring it in one piece.
_MIN_GAIN = 1.2
# Tiles overlap by the length of this quantile of the boxes, times a margin.
_OVERLAP_QUANTILE, _MARGIN = 0.95, 1.1
_STEP = 32
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

    boxes = numpy.concatenate([example.boxes[:, 2:] - example.boxes[:, :2] for example in examples])
    small = float(numpy.quantile(numpy.sqrt(boxes.prod(axis=1)), 0.25)) if len(boxes) else 1.0
    widths, heights = numpy.array(sizes, float).reshape(-1, 2).clip(1).T
    longest = float(numpy.median(numpy.maximum(widths, heights)))
    usable = [side for side in recipe.resolutions if side <= max(longest, recipe.resolutions[0])]
    resolution = next((side for side in usable if small * side >= recipe.wanted_side), usable[-1])
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
