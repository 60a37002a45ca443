"""Datasets of detectors: images with boxes; and the files that a training writes.

Axes: N images, B boxes, T tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import TaggedBox, to_xyxy
from emulator.vision.training.errors import NONE_READABLE, TrainingFailed
from emulator.vision.training.results import TrainedModel

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


@dataclass(frozen=True)
class BoxedImage:
    """An image and its objects.

    Attributes:
        path: the file.
        key: SHA-256 of its bytes, in hexadecimal.
        boxes: every object of the dataset's tags on the image; an image without boxes is background.
    """

    path: str
    key: str
    boxes: tuple[TaggedBox, ...]


@dataclass(frozen=True)
class DetectionDataset:
    """Images with boxes.

    Attributes:
        images: in any order; the order does not change the model.
        tags: ids or names, in the order of the model's outputs.
        held_out: keys of images to evaluate the training on, see `first_N` of `stratified_folds`.
    """

    images: tuple[BoxedImage, ...]
    tags: tuple[str, ...]
    held_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Example:
    """A readable image of a dataset.

    Attributes:
        key: SHA-256 of its bytes, in hexadecimal.
        path: the file.
        boxes: left, top, right and bottom in fractions of the image, clipped to it, (B, 4).
        tags: indexes of the boxes' tags, (B,).
    """

    key: str
    path: str
    boxes: NDArray[numpy.float64]
    tags: NDArray[numpy.int64]

    @classmethod
    def of(cls, image: BoxedImage) -> Example:
        """The image with the boxes that have an area inside of it."""
        import numpy

        boxes = to_xyxy(image.boxes).clip(0, 1)
        tags = numpy.array([box.tag_index for box in image.boxes], numpy.int64)
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return cls(image.key, image.path, boxes[has_area], tags[has_area])


@dataclass(frozen=True)
class TrainedDetector(TrainedModel):
    """A detector: `model_path` is for `session.DetectorSession`, `evaluation_path` for
    `evaluation.detection.DetectionEvaluation`."""


def distinct_images(dataset: DetectionDataset) -> list[BoxedImage]:
    """The images in the order of their keys, each once, with the boxes of all its occurrences.

    Raises:
        TrainingFailed: the dataset has no tags.
        ValueError: the tag of a box is not an index of a tag.
    """
    if not dataset.tags:
        raise TrainingFailed("There are no tags: mark objects in the images with a tag.")
    by_key: dict[str, BoxedImage] = {}
    for image in sorted(dataset.images, key=lambda image: (image.key, image.path)):
        if any(not 0 <= box.tag_index < len(dataset.tags) for box in image.boxes):
            raise ValueError(f"a box of {image.key} is not of one of {len(dataset.tags)} tags")
        known = by_key.get(image.key)
        boxes = {*image.boxes, *(known.boxes if known else ())}
        in_order = tuple(
            sorted(boxes, key=lambda box: (box.tag_index, box.left, box.top, box.width, box.height))
        )
        by_key[image.key] = BoxedImage(known.path if known else image.path, image.key, in_order)
    return list(by_key.values())


def tag_presence(dataset: DetectionDataset, examples: Sequence[Example]) -> NDArray[numpy.bool_]:
    """Whether each of N examples shows each of T tags, (N, T).

    Raises:
        TrainingFailed: there are no examples, or none of a tag.
    """
    import numpy

    if not examples:
        raise TrainingFailed(NONE_READABLE)
    has_NT = numpy.zeros((len(examples), len(dataset.tags)), bool)
    for row, example in enumerate(examples):
        has_NT[row, example.tags] = True
    for index, tag in enumerate(dataset.tags):
        if not has_NT[:, index].any():
            raise TrainingFailed(
                f"None of the images with regions of the tag {tag} could be read; add images with regions "
                "of the tag or leave it out."
            )
    return has_NT
