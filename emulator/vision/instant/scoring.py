"""From the shares of the images of a model to probabilities of tags, or to boxes.

Axes: N images that are scored, K images of a model, T tags, B boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox, detected_from_arrays
from emulator.vision.boxes.geometry import MAX_DETECTIONS, NMS_IOU_THRESHOLD, SCORE_FLOOR, pairwise_iou
from emulator.vision.instant.neighbors import BACKGROUND

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]

# This much of the probability is spread over all tags: no model is certain.
DOUBT = 0.002
# Boxes of this many of the nearest images are considered.
_IMAGES_WITH_BOXES = 6
# Sets of at most this many boxes are compared as a whole.
_BOXES_COMPARED_AT_ONCE = 500


def label_matrix(
    targets_KT: NDArray[numpy.bool_], *, multilabel: bool, negative: int | None
) -> tuple[Floats, Floats]:
    """The probabilities that each image of a model (K, T) and the background (T,) contribute.

    The background of a multiclass model is its negative tag if there is one, or else the tags by the number
    of their images; that of a multilabel model is the negative tag or none.
    """
    import numpy

    image_count, tag_count = targets_KT.shape
    background_T = numpy.zeros(tag_count)
    if negative is not None:
        background_T[negative] = 1
    elif not multilabel:
        background_T = targets_KT.sum(axis=0) / image_count
    even = DOUBT / 2 if multilabel else DOUBT / tag_count
    return targets_KT * (1 - DOUBT) + even, background_T * (1 - DOUBT) + even


def probabilities(
    shares_NK: Floats, targets_KT: NDArray[numpy.bool_], *, multilabel: bool, negative: int | None
) -> NDArray[numpy.float32]:
    """The probabilities of the tags, (N, T): 0..1, in multiclass models with the sum 1."""
    import numpy

    # Sums of integers first, which are exact; the weights of `label_matrix` then apply to the quotients.
    sums_NT = shares_NK @ targets_KT.astype(numpy.float64)
    totals_N1 = shares_NK.sum(axis=1, keepdims=True) + BACKGROUND
    _, background_T = label_matrix(targets_KT, multilabel=multilabel, negative=negative)
    even = DOUBT / 2 if multilabel else DOUBT / targets_KT.shape[1]
    known_NT = sums_NT / totals_N1 * (1 - DOUBT) + (1 - BACKGROUND / totals_N1) * even
    exact_NT = known_NT + background_T * (BACKGROUND / totals_N1)
    result: NDArray[numpy.float32] = exact_NT.astype(numpy.float32)
    return result


@dataclass(frozen=True)
class KnownBoxes:
    """The boxes of the images of a detector.

    Attributes:
        first: the number of the first box of each image, and the number of all boxes, (K + 1,).
        tags: of the boxes, (B,).
        boxes: left, top, right and bottom, (B, 4).
    """

    first: Sequence[int]
    tags: NDArray[numpy.int32]
    boxes: Floats

    @classmethod
    def of(
        cls, image_count: int, box_images: NDArray[numpy.int32], tags: NDArray[numpy.int32], boxes: Floats
    ) -> KnownBoxes:
        """From boxes in the order of their images.

        Args:
            box_images: the image of each box, (B,), rising.
        """
        import numpy

        first = numpy.searchsorted(box_images, numpy.arange(image_count + 1)).tolist()
        return cls(first, tags, boxes)

    def at_same_place(self, rows: Sequence[int]) -> list[list[int]]:
        """For each of some boxes, the positions in `rows` of it and those of its tag that overlap it."""
        if len(self.tags) <= _BOXES_COMPARED_AT_ONCE:
            positions = {row: position for position, row in enumerate(rows)}
            return [
                [positions[other] for other in self._at_same_place[row] if other in positions] for row in rows
            ]
        return _at_same_place(self.boxes[rows], self.tags[rows])

    @cached_property
    def _at_same_place(self) -> list[list[int]]:
        """The same among all boxes of a small set: once, instead of for each image."""
        return _at_same_place(self.boxes, self.tags)


def _at_same_place(boxes_B4: Floats, tags_B: NDArray[numpy.int32]) -> list[list[int]]:
    import numpy

    same_BB = (pairwise_iou(boxes_B4, boxes_B4) >= NMS_IOU_THRESHOLD) & (tags_B[:, None] == tags_B)
    numpy.fill_diagonal(same_BB, True)
    return [numpy.flatnonzero(row).tolist() for row in same_BB]


def detections(shares_K: Floats, known: KnownBoxes) -> list[DetectedBox]:
    """The boxes in an image, the most probable first.

    They are those of the nearest images. The probability of a box is the share, among these images, of those
    that have a box of the tag at its place.
    """
    import numpy

    nearest = numpy.argsort(-shares_K, kind="stable")[:_IMAGES_WITH_BOXES]
    share_of = dict(zip(nearest.tolist(), shares_K[nearest].tolist(), strict=True))
    total = sum(share_of.values()) + BACKGROUND
    rows: list[int] = []
    of_image: list[int] = []
    for image, share in share_of.items():
        if share >= SCORE_FLOOR / 10 * total:
            numbers = range(known.first[image], known.first[image + 1])[:MAX_DETECTIONS]
            rows += numbers
            of_image += [image] * len(numbers)
    if not rows:
        return []
    kept: dict[int, float] = {}
    for position, same in enumerate(known.at_same_place(rows)):
        image = of_image[position]
        score = sum(share_of[other] for other in {of_image[other] for other in same}) / total * (1 - DOUBT)
        # A box at the place of one of a nearer image is not reported again; those of one image may overlap.
        again = any(other in kept and of_image[other] != image for other in same)
        if score >= SCORE_FLOOR and not again:
            kept[position] = score
    chosen = sorted(kept, key=lambda position: (-kept[position], position))[:MAX_DETECTIONS]
    places = [rows[position] for position in chosen]
    scores = numpy.array([kept[position] for position in chosen], numpy.float32)
    return detected_from_arrays(known.boxes[places], known.tags[places], scores)
