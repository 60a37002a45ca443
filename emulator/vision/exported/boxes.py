"""From the outputs of exported detectors to boxes: the YOLO grid, and boxes that the model postprocessed.

Axes in names: H, W, C: height, width and channels of the grid; A: anchors of a cell; P: proposals, one per
cell and anchor; T: tags; N: boxes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox, detected_from_arrays
from emulator.vision.boxes.geometry import (
    MAX_CANDIDATES,
    NMS_IOU_THRESHOLD,
    SCORE_FLOOR,
    non_max_suppression,
)
from emulator.vision.exported.files import ExportUnusable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Width and height, in cells, of the five anchors of every cell. All programs for these exports use them.
ANCHORS = (0.573, 0.677, 1.87, 2.06, 3.34, 5.47, 7.88, 3.53, 9.77, 9.17)
# x, y, width, height and objectness come before the scores of the tags.
_VALUES_BEFORE_TAGS = 5


def anchors_from(metadata: Mapping[str, str]) -> tuple[float, ...]:
    """The anchors in the metadata, or those of all known exports."""
    text = metadata.get("CustomVision.Postprocess.Yolo.Biases", "")
    try:
        named = json.loads(text)
        anchors = tuple(float(side) for side in named)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return ANCHORS
    if not anchors or len(anchors) % 2 or not all(0 < side < 1000 for side in anchors):
        return ANCHORS
    return anchors


def nms_threshold(metadata: Mapping[str, str]) -> float:
    """NmsThreshold of the metadata, or that of all known exports."""
    try:
        overlap = float(metadata.get("CustomVision.Postprocess.Yolo.NmsThreshold", ""))
    except ValueError:
        return NMS_IOU_THRESHOLD
    return overlap if 0 < overlap <= 1 else NMS_IOU_THRESHOLD


def check_grid(shape: tuple[int, ...], anchors: tuple[float, ...], labels: int) -> None:
    """Raise ExportUnusable unless the channels of a grid (height, width, channels) fit anchors and labels."""
    proposals = len(anchors) // 2
    if len(shape) != 3 or shape[2] != proposals * (_VALUES_BEFORE_TAGS + labels):
        tags = shape[-1] / proposals - _VALUES_BEFORE_TAGS if shape else 0
        raise ExportUnusable(
            f"labels.txt does not fit the model: it names {labels} tags, the model knows {tags:g}."
        )


def yolo_boxes(grid_HWC: Array, anchors: tuple[float, ...], overlap: float) -> list[DetectedBox]:
    """The boxes of a YOLO grid, by falling probability.

    After YOLO9000 (Redmon, Farhadi, 2016), section 2: the centre is the sigmoid of the first two values, from
    the cell's corner; the size is the anchor times e to the power of the next two; the probability of a tag
    is the sigmoid of the fifth times the softmax of the rest. Non-maximum suppression runs within each tag.
    The limits on the number of boxes are those of `detected_boxes`.

    Args:
        grid_HWC: for each cell and anchor x, y, width, height, objectness, and one value per tag.
        anchors: width and height of each, in cells.
        overlap: the IoU above which the less probable of two boxes is suppressed.
    """
    import numpy

    height, width, _ = grid_HWC.shape
    proposals = len(anchors) // 2
    grid = grid_HWC.astype(numpy.float32).reshape(height, width, proposals, -1)
    sides = numpy.asarray(anchors, numpy.float32).reshape(proposals, 2)
    object_HWA = _sigmoid(grid[..., 4])
    exponents = grid[..., 5:] - grid[..., 5:].max(axis=-1, keepdims=True)
    weights = numpy.exp(exponents)
    scores_PT = (weights / weights.sum(axis=-1, keepdims=True) * object_HWA[..., None]).reshape(
        -1, weights.shape[-1]
    )
    x = (_sigmoid(grid[..., 0]) + numpy.arange(width)[None, :, None]) / width
    y = (_sigmoid(grid[..., 1]) + numpy.arange(height)[:, None, None]) / height
    # Larger exponents would overflow; e^20 is larger than any image.
    half_width = numpy.exp(grid[..., 2].clip(max=20)) * sides[:, 0] / width / 2
    half_height = numpy.exp(grid[..., 3].clip(max=20)) * sides[:, 1] / height / 2
    boxes = numpy.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=-1)
    boxes = boxes.reshape(-1, 4)
    candidates, tags = numpy.nonzero(scores_PT >= SCORE_FLOOR)
    scores = scores_PT[candidates, tags]
    order = numpy.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    candidates, tags, scores = candidates[order], tags[order], scores[order]
    kept = non_max_suppression(boxes[candidates], tags, overlap)
    return _clipped(boxes[candidates][kept], tags[kept], scores[kept])


def postprocessed_boxes(
    boxes_N4: Array, tags_N: NDArray[numpy.integer], scores_N: Array, labels: int
) -> list[DetectedBox]:
    """Boxes (left, top, right, bottom) that the model computed itself, by falling probability.

    Boxes below `SCORE_FLOOR` are left out. Raises ExportUnusable if a box has a tag beyond `labels`.
    """
    import numpy

    boxes_N4, tags_N, scores_N = boxes_N4.reshape(-1, 4), tags_N.reshape(-1), scores_N.reshape(-1)
    if not len(boxes_N4) == len(tags_N) == len(scores_N):
        raise ExportUnusable("The model's boxes, classes and scores are not of one number.")
    order = numpy.argsort(-scores_N, kind="stable")
    order = order[scores_N[order] >= SCORE_FLOOR]
    tags = tags_N[order].astype(numpy.int64)
    if tags.size and (tags.min() < 0 or tags.max() >= labels):
        raise ExportUnusable(
            f"labels.txt does not fit the model: it names {labels} tags, the model found number {tags.max()}."
        )
    return _clipped(boxes_N4[order].astype(numpy.float32), tags, scores_N[order])


def _clipped(boxes: Array, tags: NDArray[numpy.integer], scores: Array) -> list[DetectedBox]:
    """Boxes clipped to the image, as the prediction API returns them; boxes outside of it are left out."""
    import numpy

    boxes = numpy.nan_to_num(boxes).clip(0, 1)
    visible = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return detected_from_arrays(boxes[visible], tags[visible], scores[visible].clip(max=1.0))


def _sigmoid(values: Array) -> Array:
    import numpy

    result: Array = 1 / (1 + numpy.exp(-values.clip(-60, 60)))
    return result
