"""The images of a training at the input size of a network, in memory or on disk."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.finetune import TrainingImages
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.fit import Fit
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.imaging.image_array_file import ImageArrayFile
from emulator.vision.imaging.image_file import read_image_file

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

_IMAGES_FILE = "images"
# Limit in bytes of images in memory, and the fraction of the free disk space that more images may use.
_MOST_IN_MEMORY, _MOST_OF_DISK = 300 * 2**20, 0.5


@contextmanager
def resized_images(
    images: Sequence[LabelledImage],
    targets_NT: Array,
    *,
    multilabel: bool,
    fits: Sequence[Fit],
    side: int,
    scratch: Path,
    progress: Callable[[float], None],
) -> Iterator[TrainingImages]:
    """All images at the input size of a network: in memory, or on disk if they are many.

    Args:
        fits: each image is in all of them; fine-tuning mirrors them itself.
        side: in pixels.
        scratch: a folder for the file, which is removed at the end.
        progress: called after each image, with 0. Its exceptions end the work.
    """
    import numpy

    path = scratch / _IMAGES_FILE
    shape = (len(fits) * len(images), side, side, 3)
    size = math.prod(shape)
    pixels: NDArray[numpy.uint8] | ImageArrayFile
    if size <= _MOST_IN_MEMORY:
        pixels = numpy.empty(shape, numpy.uint8)
    elif size <= _MOST_OF_DISK * shutil.disk_usage(scratch).free:
        pixels = ImageArrayFile(path, side)
    else:
        raise OSError(errno.ENOSPC, "There is no space for the images at the size of the network")
    try:
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="images") as pool:
            images_at_size = ordered(
                pool,
                lambda shown: resize_to_square(read_image_file(shown[1]), side, shown[0]),
                [(fit, image) for fit in fits for image in images],
            )
            for number, (_, resized) in enumerate(images_at_size):
                pixels[number] = resized
                progress(0.0)
        yield TrainingImages(pixels, targets_NT, multilabel, views=len(fits))
    finally:
        if isinstance(pixels, ImageArrayFile):
            pixels.remove()
