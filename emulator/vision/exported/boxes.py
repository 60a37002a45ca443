"""From the outputs of exported detectors to boxes: the YOLO grid, and boxes that are finished already."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.vision.boxes.box import DetectedBox, detected_from_arrays
from emulator.vision.boxes.geometry import MAX_CANDIDATES, NMS_IOU_THRESHOLD, SCORE_FLOOR, non_max_suppression
from emulator.vision.exported.files import ExportUnusable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Width and height of the five boxes that every cell of the grid proposes, in cells: the numbers that all
# programs for these exports have in them.
ANCHORS = (0.573, 0.677, 1.87, 2.06, 3.34, 5.47, 7.88, 3.53, 9.77, 9.17)
# A cell proposes so much besides its tags: where, how large, and whether there is an object at all.
_VALUES_BEFORE_TAGS = 5


def anchors_from(metadata: Mapping[str, str]) -> tuple[float, ...]:
    """The anchors that the metadata names, or those of all known exports."""
    text = metadata.get("CustomVision.Postprocess.Yolo.Biases", "")
    try:
        named = json.loads(text)
        anchors = tuple(float(side) for side in named)
    except (ValueError, TypeError, RecursionError):
        return ANCHORS
    if not anchors or len(anchors) % 2 or not all(0 < side < 1000 for side in anchors):
        return ANCHORS
    return anchors


def nms_threshold(metadata: Mapping[str, str]) -> float:
    """NmsThreshold of the metadata, or the one of all known exports."""
    try:
        overlap = float(metadata.get("CustomVision.Postprocess.Yolo.NmsThreshold", ""))
    except ValueError:
        return NMS_IOU_THRESHOLD
    return overlap if 0 < overlap <= 1 else NMS_IOU_THRESHOLD


def check_grid(shape: tuple[int, ...], anchors: tuple[float, ...], labels: int) -> None:
    """Raise ExportUnusable unless a grid (height, width, channels) belongs to so many anchors and labels."""
    proposals = len(anchors) // 2
    if len(shape) != 3 or shape[2] != proposals * (_VALUES_BEFORE_TAGS + labels):
        tags = shape[-1] / proposals - _VALUES_BEFORE_TAGS if shape else 0
        raise ExportUnusable(
            f"labels.txt does not fit the model: it names {labels} tags, the model knows {tags:g}."
        )


def yolo_boxes(grid_HWC: Array, anchors: tuple[float, ...], overlap: float) -> list[DetectedBox]:
    """The boxes of a YOLO grid, the most probable first: as many, and as few, as `detected_boxes` gives.

    After YOLO9000 (Redmon, Farhadi, 2016), section 2: the centre is the sigmoid of the first two numbers from
    the cell's corner, the size is the anchor times e to the next two, the probability of a tag is the sigmoid
    of the fifth times the softmax of the rest. Doubles are suppressed within each tag.

    Args:
        grid_HWC: for each cell and anchor x, y, width, height, object, and one number a tag.
        anchors: width and height of each, in cells.
        overlap: intersection over union beyond which the less probable of two boxes is a double.
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
    # Beyond e^20 a box is larger than any image; without the limit it would be infinite.
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
    """Boxes (left, top, right, bottom) that a model made itself, the most probable first.

    None below `SCORE_FLOOR`. Raises ExportUnusable where one bears a tag that `labels` do not reach to.
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
    """Boxes cut to the image, as the prediction API answers them; what lies outside is left out."""
    import numpy

    boxes = numpy.nan_to_num(boxes).clip(0, 1)
    visible = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return detected_from_arrays(boxes[visible], tags[visible], scores[visible].clip(max=1.0))


def _sigmoid(values: Array) -> Array:
    import numpy

    result: Array = 1 / (1 + numpy.exp(-values.clip(-60, 60)))
    return result
