"""From the outputs of a detection network to boxes: anchor points, decoding, suppression. NumPy alone.

Boxes are (left, top, right, bottom) here, in fractions of the image's width and height. Letters of shapes: P
anchor points, C candidate points, T tags, D logits of distances (four distributions), B boxes.

The server suppresses with these functions and without PyTorch: importing torchvision for its `ops.nms` would
take 1.5 s and 80 MB.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox, detected_from_arrays

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Distances between anchor points, in pixels. Each point predicts its distances to the edges of a box, each as
# a distribution over `DISTANCE_BINS` bins that are one stride wide.
STRIDES = (8, 16, 32)
DISTANCE_BINS = 11
# Less probable boxes are not reported, as in the service.
SCORE_FLOOR = 0.01
# Of two boxes of one tag with a larger intersection over union, the less probable one is suppressed. The
# value is that of the service's sample programs for exported models.
NMS_IOU_THRESHOLD = 0.45
MAX_DETECTIONS = 200
# Candidates that suppression considers, the most probable ones: enough for `MAX_DETECTIONS` objects, and a
# bound on the work for images without objects.
MAX_CANDIDATES = 1000
_BLOCK = 64


@lru_cache(maxsize=8)
def anchor_points(resolution: int) -> tuple[NDArray[numpy.float32], NDArray[numpy.float32]]:
    """Centres (P, 2), as x and y, and strides (P,) of the anchor points, in pixels of the network's input."""
    import numpy

    centres, strides = [], []
    for stride in STRIDES:
        along = (numpy.arange(resolution // stride, dtype=numpy.float32) + 0.5) * stride
        x, y = numpy.meshgrid(along, along)
        centres.append(numpy.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(numpy.full(x.size, stride, numpy.float32))
    return numpy.concatenate(centres), numpy.concatenate(strides)


def resolution_of(point_count: int) -> int:
    """Side in pixels of the input of a network with this number of anchor points."""
    return round(math.sqrt(point_count / sum(1 / stride**2 for stride in STRIDES)))


def detected_boxes(scores_PT: Array, distances_PD: Array, resolution: int) -> list[DetectedBox]:
    """The boxes of one image, the most probable first.

    At most `MAX_DETECTIONS`, none below `SCORE_FLOOR`. Suppression is within each tag: as in the service, one
    box may be reported under two tags.

    Args:
        scores_PT: probability of each tag at each point.
        distances_PD: the four distributions of distances at each point, before softmax.
        resolution: side in pixels of the network's input.
    """
    import numpy

    candidates, tags = numpy.nonzero(scores_PT >= SCORE_FLOOR)
    scores = scores_PT[candidates, tags]
    order = numpy.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    candidates, tags, scores = candidates[order], tags[order], scores[order]
    boxes = decode_boxes(distances_PD[candidates], candidates, resolution).clip(0, 1)
    visible = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, tags, scores = boxes[visible], tags[visible], scores[visible]
    kept = non_max_suppression(boxes, tags)
    return detected_from_arrays(boxes[kept], tags[kept], scores[kept])


def decode_boxes(distances_CD: Array, candidates: NDArray[numpy.integer], resolution: int) -> Array:
    """Boxes (C, 4) of the anchor points with these numbers; they may reach beyond the image."""
    import numpy

    centres, strides = anchor_points(resolution)
    exponents = distances_CD.reshape(-1, 4, DISTANCE_BINS)
    weights = numpy.exp(exponents - exponents.max(axis=2, keepdims=True))
    bins = numpy.arange(DISTANCE_BINS, dtype=numpy.float32)
    ltrb_C4 = (weights @ bins) / weights.sum(axis=2) * strides[candidates, None]
    middle = centres[candidates]
    boxes: Array = numpy.concatenate([middle - ltrb_C4[:, :2], middle + ltrb_C4[:, 2:]], axis=1) / resolution
    return boxes


def non_max_suppression(
    boxes: Array, tags: NDArray[numpy.integer], overlap: float = NMS_IOU_THRESHOLD, most: int = MAX_DETECTIONS
) -> list[int]:
    """Greedy non-maximum suppression within each tag.

    Args:
        boxes: (B, 4), by falling score.
        tags: (B,).
        overlap: intersection over union above which the later of two boxes is suppressed.
        most: largest number of boxes that are kept.

    Returns:
        Rows of the boxes that are kept, rising.
    """
    import numpy

    sides = numpy.ascontiguousarray(boxes.T)
    areas = (sides[2] - sides[0]) * (sides[3] - sides[1])

    def suppresses(some: NDArray[numpy.integer], others: NDArray[numpy.integer]) -> NDArray[numpy.bool_]:
        (left, top, right, bottom), (lefts, tops, rights, bottoms) = sides[:, some, None], sides[:, others]
        width = (numpy.minimum(right, rights) - numpy.maximum(left, lefts)).clip(0)
        height = (numpy.minimum(bottom, bottoms) - numpy.maximum(top, tops)).clip(0)
        shared = width * height
        overlapping = shared > overlap * (areas[some, None] + areas[others] - shared)
        result: NDArray[numpy.bool_] = overlapping & (tags[some, None] == tags[others])
        return result

    kept: list[int] = []
    remaining = numpy.arange(len(boxes))
    # Blocks of rows: a few operations on matrices cost less than a dozen for each row.
    while len(remaining) and len(kept) < most:
        block, remaining = remaining[:_BLOCK], remaining[_BLOCK:]
        within_block = suppresses(block, block)
        suppressed = numpy.zeros(len(block), bool)
        stays = numpy.zeros(len(block), bool)
        for row in range(len(block)):
            if not suppressed[row]:
                stays[row] = True
                suppressed |= within_block[row]
        kept += block[stays].tolist()
        remaining = remaining[~suppresses(block[stays], remaining).any(axis=0)]
    return kept[:most]


def pairwise_iou(some: Array, others: Array) -> Array:
    """Intersection over union of each of S boxes (S, 4) with each of O others (O, 4): (S, O). It is 0 for
    boxes without area."""
    return paired_iou(some[:, None], others[None])


def paired_iou(some: Array, others: Array) -> Array:
    """Intersection over union of pairs of boxes, (..., 4) and (..., 4): (...). It is 0 for boxes without
    area."""
    import numpy

    sides = numpy.minimum(some[..., 2:], others[..., 2:]) - numpy.maximum(some[..., :2], others[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas_some, areas_others = (
        (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1) for boxes in (some, others)
    )
    union = areas_some + areas_others - shared
    result: Array = shared / numpy.maximum(union, numpy.finfo(union.dtype).tiny)
    return result
