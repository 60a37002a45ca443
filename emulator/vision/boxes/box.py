"""Boxes on images: one box as an object, many boxes as arrays.

An object gives left, top, width and height, as the service does; an array has a row of left, top, right and
bottom for each box (xyxy, the order that torchvision.ops takes). Both are fractions of the upright image's
width and height, 0..1, unless a function says pixels.

Letters of shapes: B boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]


@dataclass(frozen=True)
class Box:
    """A box: fractions of the upright image's width and height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height


# In a dataclass with several bases the fields of the last base come first: TaggedBox(0, left, top, width,
# height).
@dataclass(frozen=True)
class _Tagged:
    tag_index: int


@dataclass(frozen=True)
class _Detected(_Tagged):
    probability: float


@dataclass(frozen=True)
class TaggedBox(Box, _Tagged):
    """The box of a labelled object.

    Attributes:
        tag_index: index into the tags of the dataset.
    """


@dataclass(frozen=True)
class DetectedBox(Box, _Detected):
    """The box of a detected object; it does not reach beyond the image.

    Attributes:
        tag_index: index into the model's labels.
        probability: that of the tag, 0..1.
    """


@dataclass(frozen=True)
class BoxArrays:
    """Boxes of several images, a row for each.

    Attributes:
        images: number of the image, int32 (B,).
        tags: index of the tag, int32 (B,).
        ltwh: left, top, width and height, float32 (B, 4): the order and precision of evaluation files.
    """

    images: NDArray[numpy.int32]
    tags: NDArray[numpy.int32]
    ltwh: NDArray[numpy.float32]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, float, float, float, float]]) -> BoxArrays:
        """From rows of image, tag, left, top, width, height."""
        import numpy

        table = numpy.array(rows, numpy.float64).reshape(-1, 6)
        return cls(
            table[:, 0].astype(numpy.int32),
            table[:, 1].astype(numpy.int32),
            table[:, 2:].astype(numpy.float32),
        )

    @classmethod
    def of_images(cls, boxes: Sequence[Sequence[TaggedBox | DetectedBox]]) -> BoxArrays:
        """From the boxes of each image."""
        return cls.of(
            [
                (number, box.tag_index, box.left, box.top, box.width, box.height)
                for number, of_image in enumerate(boxes)
                for box in of_image
            ]
        )


def to_xyxy(boxes: Sequence[Box]) -> NDArray[numpy.float64]:
    """Left, top, right and bottom of each box, (B, 4)."""
    import numpy

    return numpy.array([box.xyxy for box in boxes], numpy.float64).reshape(-1, 4)


def ltwh_to_xyxy(ltwh: Array) -> NDArray[numpy.float64]:
    """Left, top, right, bottom of boxes given as left, top, width, height, (B, 4)."""
    import numpy

    exact = ltwh.astype(numpy.float64)
    return numpy.concatenate([exact[:, :2], exact[:, :2] + exact[:, 2:]], axis=1)


def detected_from_arrays(boxes: Array, tags: NDArray[numpy.integer], scores: Array) -> list[DetectedBox]:
    """Objects of the rows of arrays.

    Args:
        boxes: left, top, right and bottom, (B, 4).
        tags: indexes of tags, (B,).
        scores: probabilities, (B,).
    """
    import numpy

    rows = numpy.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
    return [
        DetectedBox(tag, score, *row)
        for tag, score, row in zip(tags.tolist(), scores.tolist(), rows, strict=True)
    ]
