"""From the shares of the images of a model to probabilities of tags, or to boxes.

Axes: N images that are scored, K images of a model, T tags, B boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


def detections(shares_K: Floats, known: KnownBoxes) -> list[DetectedBox]:
    """The boxes in an image, the most probable first.

    They are those of the nearest images. The probability of a box is the share, among these images, of those
    that have a box of the tag at its place.
    """
    import numpy

    nearest = numpy.argsort(-shares_K, kind="stable")[:_IMAGES_WITH_BOXES].tolist()
    total = float(shares_K[nearest].sum()) + BACKGROUND
    rows: list[int] = []
    of_image: list[int] = []
    for image in nearest:
        if shares_K[image] >= SCORE_FLOOR / 10 * total:
            numbers = range(known.first[image], known.first[image + 1])[:MAX_DETECTIONS]
            rows += numbers
            of_image += [image] * len(numbers)
    if not rows:
        return []
    boxes_B4, tags_B, images_B = known.boxes[rows], known.tags[rows], numpy.array(of_image)
    same_BB = (pairwise_iou(boxes_B4, boxes_B4) >= NMS_IOU_THRESHOLD) & (tags_B[:, None] == tags_B)
    numpy.fill_diagonal(same_BB, True)
    shares_B = numpy.zeros(len(rows))
    for image in dict.fromkeys(of_image):
        shares_B += same_BB[:, images_B == image].any(axis=1) * shares_K[image]
    scores_B = (shares_B / total * (1 - DOUBT)).astype(numpy.float32)
    # A box at the place of one of a nearer image is not reported again; those of one image may overlap.
    again_BB = same_BB & (images_B[:, None] != images_B)
    kept = numpy.zeros(len(rows), numpy.bool_)
    for row in range(len(rows)):
        kept[row] = scores_B[row] >= SCORE_FLOOR and not (again_BB[row, :row] & kept[:row]).any()
    chosen = numpy.flatnonzero(kept)
    chosen = chosen[numpy.argsort(-scores_B[chosen], kind="stable")][:MAX_DETECTIONS]
    return detected_from_arrays(boxes_B4[chosen], tags_B[chosen], scores_B[chosen])
