"""From what a detection network says to boxes: points, decoding, suppression of doubles. NumPy alone.

Boxes are (left, top, right, bottom) here, in fractions of the picture's sides.
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

# The network's points lie this many pixels apart; each says how far the sides of a box are, as a distribution
# over so many bins, each one stride wide.
STRIDES = (8, 16, 32)
DISTANCE_BINS = 11
# What is less probable than this is not reported; the service's answers end there too.
SCORE_FLOOR = 0.01
# Of two boxes of one tag that overlap by more (intersection over union), the less probable one goes. The
# threshold is that of the programs for the service's exported models, which have it in their source.
NMS_IOU_THRESHOLD = 0.45
MAX_DETECTIONS = 200
# Candidates that suppression considers, the most probable ones: enough for `MAX_DETECTIONS` objects, and a
# bound on the work for images without objects.
MAX_CANDIDATES = 1000
_COMPARED_TOGETHER = 64


@lru_cache(maxsize=8)
def anchor_points(resolution: int) -> tuple[NDArray[numpy.float32], NDArray[numpy.float32]]:
    """Centres (P, 2), as x and y, and strides (P,) of the network's points, in pixels of its input."""
    import numpy

    centres, strides = [], []
    for stride in STRIDES:
        along = (numpy.arange(resolution // stride, dtype=numpy.float32) + 0.5) * stride
        x, y = numpy.meshgrid(along, along)
        centres.append(numpy.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(numpy.full(x.size, stride, numpy.float32))
    return numpy.concatenate(centres), numpy.concatenate(strides)


def resolution_of(point_count: int) -> int:
    """Side in pixels of what a network with so many points looks at."""
    return round(math.sqrt(point_count / sum(1 / stride**2 for stride in STRIDES)))


def detected_boxes(scores_PT: Array, distances_PD: Array, resolution: int) -> list[DetectedBox]:
    """The boxes of one picture, the most probable first.

    At most `MAX_DETECTIONS`, none below `SCORE_FLOOR`. Doubles are suppressed within a tag only: as with the
    service, one box may be reported under two tags.

    Args:
        scores_PT: probability of each tag at each point.
        distances_PD: the four distributions of distances at each point, before softmax.
        resolution: side in pixels of what the network looks at.
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
    """Boxes (C, 4) of the points with these numbers; they may reach beyond the picture."""
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
    """Greedy non-maximum suppression within each tag: rows that stay, of boxes sorted by falling score.

    It ends with `most` rows. `overlap`: intersection over union beyond which the later of two boxes goes.
    """
    import numpy

    sides = numpy.ascontiguousarray(boxes.T)
    areas = (sides[2] - sides[0]) * (sides[3] - sides[1])

    def doubles(some: NDArray[numpy.integer], others: NDArray[numpy.integer]) -> NDArray[numpy.bool_]:
        (left, top, right, bottom), (lefts, tops, rights, bottoms) = sides[:, some, None], sides[:, others]
        width = (numpy.minimum(right, rights) - numpy.maximum(left, lefts)).clip(0)
        height = (numpy.minimum(bottom, bottoms) - numpy.maximum(top, tops)).clip(0)
        shared = width * height
        double = shared > overlap * (areas[some, None] + areas[others] - shared)
        result: NDArray[numpy.bool_] = double & (tags[some, None] == tags[others])
        return result

    kept: list[int] = []
    waiting = numpy.arange(len(boxes))
    # Many rows at a time: a handful of steps over tables costs less than a dozen for each row.
    while len(waiting) and len(kept) < most:
        some, waiting = waiting[:_COMPARED_TOGETHER], waiting[_COMPARED_TOGETHER:]
        double = doubles(some, some)
        gone = numpy.zeros(len(some), bool)
        stay = numpy.zeros(len(some), bool)
        for row in range(len(some)):
            if not gone[row]:
                stay[row] = True
                gone |= double[row]
        kept += some[stay].tolist()
        waiting = waiting[~doubles(some[stay], waiting).any(axis=0)]
    return kept[:most]


def pairwise_iou(some: Array, others: Array) -> Array:
    """Intersection over union of each of some boxes with each of the others, (S, O); 0 for boxes without
    area."""
    return paired_iou(some[:, None], others[None])


def paired_iou(some: Array, others: Array) -> Array:
    """Intersection over union of boxes (..., 4) with those at the same place of the others; 0 for boxes
    without area."""
    import numpy

    sides = numpy.minimum(some[..., 2:], others[..., 2:]) - numpy.maximum(some[..., :2], others[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas_some, areas_others = (
        (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1) for boxes in (some, others)
    )
    union = areas_some + areas_others - shared
    result: Array = shared / numpy.maximum(union, numpy.finfo(union.dtype).tiny)
    return result
