"""At which scale a detector looks at pictures, so that small objects are large enough to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.detection.tiles import Tiling
from emulator.vision.imaging.decode import ImageRejected, inspect_image
from emulator.vision.recipes.recipes import AdvancedDetectorRecipe

if TYPE_CHECKING:
    from emulator.vision.detection.dataset import BoxedImage, Example

# Tiles are worth their time only where they show this much more than one look does.
_LEAST_GAIN = 1.2
# Of the boxes, so many are no longer than the overlap of tiles, and a little air is left around them.
_SEEN_IN_TILES, _AIR = 0.95, 1.1
_STEP = 32
# So many pictures, evenly chosen, say how large pictures are.
_LOOKED_AT = 50


@dataclass(frozen=True)
class Scale:
    """How large pictures are.

    Attributes:
        resolution: side in pixels of the square that they, or their tiles, are scored in.
        magnification: how much smaller than a picture the windows are that are learned from; where there are
            tiles, than a piece of a picture.
        tiling: how they are looked at in tiles, if they are.
    """

    resolution: int
    magnification: float
    tiling: Tiling | None = None


def choose_scale(
    examples: Sequence[Example], recipe: AdvancedDetectorRecipe, sizes: Sequence[tuple[int, int]]
) -> Scale:
    """The smallest size in which small boxes are large enough, but none larger than the pictures.

    Args:
        sizes: widths and heights of pictures, in pixels.
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
    if small * largest >= recipe.tiles_below or side < _LEAST_GAIN * largest:
        return Scale(resolution, resolution / recipe.view)
    stretch = float(numpy.median(numpy.sqrt(widths / heights)))
    lengths = (boxes * numpy.array([stretch, 1 / stretch])).max(axis=1) * side
    wanted = _AIR * float(numpy.quantile(lengths, _SEEN_IN_TILES))
    least, most = recipe.overlaps
    overlap = int(min(most, max(least, -(-wanted // _STEP) * _STEP)))
    return Scale(
        largest,
        recipe.crop_size / recipe.view,
        Tiling(int(side), overlap, whole=bool((lengths > overlap).any())),
    )


def image_sizes(images: Sequence[BoxedImage]) -> list[tuple[int, int]]:
    """Width and height of some of the pictures."""
    results = []
    for image in images[:: max(1, len(images) // _LOOKED_AT)]:
        try:
            shown = inspect_image(Path(image.path).read_bytes())
        except (ImageRejected, OSError):
            continue
        results.append((shown.width, shown.height))
    return results
