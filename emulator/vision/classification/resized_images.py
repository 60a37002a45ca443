"""The images of a training at the input size of a network, in memory or on disk."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.features import training_views
from emulator.vision.classification.finetune import TrainingImages
from emulator.vision.classification.search import Search
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.imaging.image_array_file import ImageArrayFile
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.networks.graph import Network

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

_IMAGES_FILE = "images"
# Limit in bytes of images in memory, and the fraction of the free disk space that more images may use.
_MOST_IN_MEMORY, _MOST_OF_DISK = 300 * 2**20, 0.5


@contextmanager
def resized_images(search: Search, scratch: Path, backbone: Network) -> Iterator[TrainingImages]:
    """All images at the input size of the network: in memory, or on disk if they are many.

    Each is in all fits of `training_views`; fine-tuning mirrors them itself.
    """
    import numpy

    side, path = backbone.resolution, scratch / _IMAGES_FILE
    views = training_views(search.recipe, len(search.images))
    fits = tuple(dict.fromkeys(view.fit for view in views))
    shape = (len(fits) * len(search.images), side, side, 3)
    size = math.prod(shape)
    pixels: NDArray[numpy.uint8] | ImageArrayFile
    if size <= _MOST_IN_MEMORY:
        pixels = numpy.empty(shape, numpy.uint8)
    elif size <= _MOST_OF_DISK * shutil.disk_usage(scratch).free:
        pixels = ImageArrayFile(path, side)
    else:
        raise OSError(errno.ENOSPC, "There is no space for the images at the size of the network")
    report_progress = search.reporter.until(search.reporter.budget.part(0.5))
    try:
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="images") as pool:
            images_at_size = ordered(
                pool,
                lambda shown: resize_to_square(read_image_file(shown[1]), side, shown[0]),
                [(fit, image) for fit in fits for image in search.images],
            )
            for number, (_, resized) in enumerate(images_at_size):
                pixels[number] = resized
                report_progress(0.0)
        yield TrainingImages(pixels, search.targets_NT, search.dataset.multilabel, views=len(fits))
    finally:
        if isinstance(pixels, ImageArrayFile):
            pixels.remove()
