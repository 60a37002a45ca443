"""The usual size of the images of a training."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.vision.imaging.decode import inspect_image
from emulator.vision.imaging.image_file import ImageFile, read_image_file

# Number of images, evenly chosen, that it is measured on.
_MEASURED_IMAGES = 50


def usual_side(images: Sequence[ImageFile]) -> float:
    """The median of the longer sides of the images, in pixels."""
    import numpy

    sides = []
    for image in images[:: max(1, len(images) // _MEASURED_IMAGES)]:
        shown = inspect_image(read_image_file(image))
        sides.append(max(shown.width, shown.height))
    return float(numpy.median(sides))
