"""Data augmentation of detectors: images with boxes, and random crops of them.

Geometry and colour are the functional kernels of torchvision.transforms.v2. Their parameters come from a
NumPy generator for each crop, not from PyTorch's global one: the same seed gives the same bytes on any number
of threads. Letters of shapes: B boxes of the image, G boxes of the crop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from emulator.vision import _torchvision
from emulator.vision.concurrency import ordered, processor_count
from emulator.vision.detection.dataset import BoxedImage, Example
from emulator.vision.imaging.decode import PADDING_GREY, ImageRejected, open_rgb
from emulator.vision.imaging.image_file import ImageFile, read_image_file

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    Array = NDArray[numpy.floating]

# Longest side of cached images, in pixels: enough for a crop that shows half of one.
CACHED_SIDE = 640
_MAX_CACHED_BYTES = 512 * 2**20
# Pillow keeps a fourth byte beside red, green and blue.
_BYTES_PER_PIXEL = 4

# Ranges of uniform distributions: of the logarithms of zoom and change of aspect ratio, and of the factors of
# contrast, brightness and saturation.
_MIN_ZOOM, _MAX_ZOOM = 0.55, 1.45
_LOG_ASPECT_RATIO = 0.25
_CONTRAST, _BRIGHTNESS, _SATURATION = (0.7, 1.3), (0.8, 1.2), (0.6, 1.4)
_FLIP_PROBABILITY = _SATURATION_PROBABILITY = 0.5
# A box of which a smaller share is visible does not belong to the crop.
MIN_VISIBLE_SHARE = 0.4
_TRIES = 8


class ImageCache:
    """Decoded images, in memory up to a limit; the others are decoded again each time."""

    def __init__(self, side: int = CACHED_SIDE) -> None:
        """
        Args:
            side: longest side in pixels that images are scaled down to; smaller ones stay as they are.
        """
        self._side = side
        self._cached: dict[str, Image] = {}
        self._bytes = 0

    def load(self, images: Sequence[BoxedImage], progress: Callable[[float], None]) -> list[Example]:
        """Decode the images; those that can be read, in the same order.

        Args:
            progress: called with the share that is done, 0..1.
        """
        examples = []
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="images") as pool:
            decoded = ordered(pool, lambda image: _decode_or_none(image, self._side), images)
            for done, (boxed, image) in enumerate(decoded, 1):
                if image is not None:
                    examples.append(Example.of(boxed))
                    self._keep(boxed.key, image)
                progress(done / len(images))
        return examples

    def get(self, example: Example) -> Image:
        """The image, upright, its longest side at most `side`.

        Raises:
            ImageRejected, OSError: it was not cached, and its file cannot be read any more.
        """
        cached = self._cached.get(example.key)
        return cached if cached is not None else _decode(example, self._side)

    def clear(self) -> None:
        """Free the memory; images are decoded again from now on."""
        self._cached.clear()
        self._bytes = 0

    def _keep(self, key: str, image: Image) -> None:
        size = _BYTES_PER_PIXEL * image.width * image.height
        if self._bytes + size <= _MAX_CACHED_BYTES:
            self._cached[key] = image
            self._bytes += size


def random_crop(
    image: Image,
    example: Example,
    resolution: int,
    random: numpy.random.Generator,
    magnification: float = 1.0,
) -> tuple[NDArray[numpy.uint8], NDArray[numpy.float32], NDArray[numpy.int64]]:
    """A random window of the image, scaled to a square, perhaps mirrored, in other colours.

    The window is between 0.7 and 1.8 times as long as the image and may reach beyond its edges, where all is
    grey. Boxes of which less than `MIN_VISIBLE_SHARE` is visible are left out; a crop has at least one box
    unless the image has none.

    Args:
        example: the image's boxes and tags.
        resolution: side of the crop in pixels.
        magnification: the window is smaller by this factor, and is placed around one of the boxes.

    Returns:
        Pixels (resolution, resolution, 3); boxes (G, 4), left, top, right, bottom in pixels of the crop; tags
        (G,).
    """
    import numpy
    import torch

    transforms = _torchvision.transforms()
    xyxy = _torchvision.load().tv_tensors.BoundingBoxFormat.XYXY
    size = numpy.array([image.width, image.height])
    window, visible, shown = _window(size, example.boxes * numpy.tile(size, 2), random, magnification)
    left, top, right, bottom = window.tolist()
    pixels = _crop(image, (left, top, right, bottom), resolution)
    boxes, canvas = transforms.resized_crop_bounding_boxes(
        torch.from_numpy(visible[shown].astype(numpy.float32)),
        xyxy,
        top=top,
        left=left,
        height=bottom - top,
        width=right - left,
        size=[resolution, resolution],
    )
    if random.random() < _FLIP_PROBABILITY:
        pixels = transforms.horizontal_flip_image(pixels)
        boxes = transforms.horizontal_flip_bounding_boxes(boxes, xyxy, canvas)
    pixels = transforms.adjust_contrast_image(pixels, random.uniform(*_CONTRAST))
    pixels = transforms.adjust_brightness_image(pixels, random.uniform(*_BRIGHTNESS))
    if random.random() < _SATURATION_PROBABILITY:
        pixels = transforms.adjust_saturation_image(pixels, random.uniform(*_SATURATION))
    return pixels.permute(1, 2, 0).contiguous().numpy(), boxes.numpy(), example.tags[shown]


def _window(
    size: NDArray[numpy.int64], boxes: Array, random: numpy.random.Generator, magnification: float
) -> tuple[NDArray[numpy.int64], Array, NDArray[numpy.bool_]]:
    """Draw a window.

    Args:
        size: width and height of the image in pixels.
        boxes: (B, 4), in pixels of the image.

    Returns:
        The window as left, top, right, bottom in whole pixels of the image, at least one of them inside; the
        visible parts of the boxes (B, 4); and whether each belongs to the crop (B,).
    """
    import numpy

    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    for _ in range(_TRIES):
        zoom = magnification * numpy.exp(random.uniform(numpy.log(_MIN_ZOOM), numpy.log(_MAX_ZOOM)))
        aspect = numpy.exp(random.uniform(-_LOG_ASPECT_RATIO, _LOG_ASPECT_RATIO))
        half = size / zoom * numpy.array([aspect**0.5, aspect**-0.5]) / 2
        nearest, farthest = numpy.minimum(half, size - half), numpy.maximum(half, size - half)
        if magnification > 1 and len(boxes):
            # Small windows at any place would mostly show no object.
            box = boxes[random.integers(len(boxes))]
            nearest = numpy.maximum(nearest, box[2:] - half)
            farthest = numpy.maximum(nearest, numpy.minimum(farthest, box[:2] + half))
        centre = random.uniform(nearest, farthest)
        first = numpy.minimum(numpy.rint(centre - half).astype(int), size - 1)
        last = numpy.maximum(numpy.rint(centre + half).astype(int), numpy.maximum(first, 0) + 1)
        window = numpy.concatenate([first, last])
        visible = numpy.clip(boxes, numpy.tile(first, 2), numpy.tile(last, 2))
        shown = (visible[:, 2:] - visible[:, :2]).prod(axis=1) > MIN_VISIBLE_SHARE * areas
        if shown.any() or not len(boxes):
            return window, visible, shown
    return numpy.array([0, 0, *size]), boxes, numpy.ones(len(boxes), bool)


def _crop(image: Image, window: tuple[int, int, int, int], resolution: int) -> torch.Tensor:
    """The window as a square of pixels, uint8 (3, resolution, resolution)."""
    transforms = _torchvision.transforms()
    left, top, right, bottom = window
    inside = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    pixels = transforms.pil_to_tensor(image.crop(inside))
    padding = [inside[0] - left, inside[1] - top, right - inside[2], bottom - inside[3]]
    if any(padding):
        pixels = transforms.pad_image(pixels, padding, fill=PADDING_GREY)
    result: torch.Tensor = transforms.resize_image(pixels, [resolution, resolution], antialias=True)
    return result


def _decode_or_none(file: ImageFile, side: int) -> Image | None:
    try:
        return _decode(file, side)
    except (ImageRejected, OSError):
        return None


def _decode(file: ImageFile, side: int) -> Image:
    from PIL.Image import Resampling

    image = open_rgb(read_image_file(file), target=side)
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Resampling.BILINEAR)
