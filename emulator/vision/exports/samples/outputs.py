"""Print the outputs of the exported model."""

import json
from collections.abc import Mapping

import numpy
from image import labels, metadata

MIN_PROBABILITY = 0.1


def show(outputs: Mapping[str, numpy.ndarray]) -> None:
    """Print the predictions for an image.

    Args:
        outputs: of the model for one image, by name.
    """
    names = labels()
    if "detected_boxes" in outputs:
        show_boxes(
            outputs["detected_boxes"].reshape(-1, 4),
            outputs["detected_scores"].ravel(),
            outputs["detected_classes"].ravel().astype(int),
        )
    elif metadata()["CustomVision.Postprocess.Method"] == "Yolo":
        (grid,) = outputs.values()
        show_boxes(*boxes_of_grid(grid.reshape(grid.shape[-3:])))
    else:
        (probabilities,) = outputs.values()
        for probability, name in sorted(
            zip(probabilities.ravel().tolist(), names, strict=True), reverse=True
        ):
            print(f"{name}: {probability:.4f}")


def show_boxes(boxes: numpy.ndarray, scores: numpy.ndarray, classes: numpy.ndarray) -> None:
    """Print boxes (N, 4): left, top, right, bottom in fractions of the image."""
    names = labels()
    for box, score, number in zip(boxes, scores, classes, strict=True):
        if score >= MIN_PROBABILITY:
            left, top, right, bottom = box.tolist()
            print(f"{names[number]}: {score:.4f} at {left:.4f} {top:.4f} {right:.4f} {bottom:.4f}")


def boxes_of_grid(grid: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Boxes, scores and classes of a YOLO grid (height, width, slots x (5 + tags)), by falling score.

    A slot has x and y of the centre in the cell (as logits), width and height (logarithms of multiples of the
    slot's anchor), the objectness as a logit, and a logit for each tag. Overlapping boxes of one tag are
    reduced to the most probable one; grids exported by the emulator have no overlapping boxes.
    """
    properties = metadata()
    anchors = numpy.array(json.loads(properties["CustomVision.Postprocess.Yolo.Biases"])).reshape(-1, 2)
    iou_threshold = float(properties["CustomVision.Postprocess.Yolo.NmsThreshold"])
    height, width, channels = grid.shape
    slots = grid.astype(float).reshape(height, width, len(anchors), channels // len(anchors))
    columns = numpy.arange(width)[None, :, None]
    rows = numpy.arange(height)[:, None, None]
    x = (sigmoid(slots[..., 0]) + columns) / width
    y = (sigmoid(slots[..., 1]) + rows) / height
    half_width = numpy.exp(slots[..., 2]) * anchors[:, 0] / width / 2
    half_height = numpy.exp(slots[..., 3]) * anchors[:, 1] / height / 2
    boxes = numpy.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=-1)
    tags = numpy.exp(slots[..., 5:] - slots[..., 5:].max(axis=-1, keepdims=True))
    tags = tags / tags.sum(axis=-1, keepdims=True) * sigmoid(slots[..., 4:5])

    boxes, tags = boxes.reshape(-1, 4), tags.reshape(-1, tags.shape[-1])
    classes, scores = tags.argmax(axis=1), tags.max(axis=1)
    kept: list[int] = []
    for number in numpy.argsort(-scores, kind="stable"):
        if scores[number] < MIN_PROBABILITY:
            break
        if all(
            classes[other] != classes[number] or iou(boxes[other], boxes[number]) <= iou_threshold
            for other in kept
        ):
            kept.append(int(number))
    return boxes[kept], scores[kept], classes[kept]


def iou(one: numpy.ndarray, other: numpy.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = numpy.minimum(one[2:], other[2:]) - numpy.maximum(one[:2], other[:2])
    shared = float(numpy.prod(sides.clip(0)))
    areas = float(numpy.prod(one[2:] - one[:2]) + numpy.prod(other[2:] - other[:2]))
    return shared / (areas - shared)


def sigmoid(values: numpy.ndarray) -> numpy.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + numpy.tanh(values / 2))
