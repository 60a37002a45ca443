"""What the outputs of the exported model mean."""

import json
from collections.abc import Mapping

import numpy
from image import labels, metadata

LEAST_PROBABILITY = 0.1


def show(outputs: Mapping[str, numpy.ndarray]) -> None:
    """Print what the model says about an image.

    Args:
        outputs: of the model, by their names; of several images at a time, for one.
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
    """Print boxes (N, 4), given as left, top, right and bottom in fractions of the image."""
    names = labels()
    for box, score, number in zip(boxes, scores, classes, strict=True):
        if score >= LEAST_PROBABILITY:
            left, top, right, bottom = box.tolist()
            print(f"{names[number]}: {score:.4f} at {left:.4f} {top:.4f} {right:.4f} {bottom:.4f}")


def boxes_of_grid(grid: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Boxes, scores and classes of a YOLO grid (height, width, slots x (5 + tags)), the most probable first.

    A slot holds x and y of the centre in the cell (as logits), width and height (logarithms of multiples of
    the slot's anchor), the logit of there being an object, and a logit for each tag. Among boxes of one tag
    that overlap, the most probable one stays; the emulator's own exports hold no others.
    """
    properties = metadata()
    anchors = numpy.array(json.loads(properties["CustomVision.Postprocess.Yolo.Biases"])).reshape(-1, 2)
    most_overlap = float(properties["CustomVision.Postprocess.Yolo.NmsThreshold"])
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
        if scores[number] < LEAST_PROBABILITY:
            break
        if all(
            classes[other] != classes[number] or overlap(boxes[other], boxes[number]) <= most_overlap
            for other in kept
        ):
            kept.append(int(number))
    return boxes[kept], scores[kept], classes[kept]


def overlap(one: numpy.ndarray, other: numpy.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = numpy.minimum(one[2:], other[2:]) - numpy.maximum(one[:2], other[:2])
    shared = float(numpy.prod(sides.clip(0)))
    areas = float(numpy.prod(one[2:] - one[:2]) + numpy.prod(other[2:] - other[:2]))
    return shared / (areas - shared)


def sigmoid(values: numpy.ndarray) -> numpy.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + numpy.tanh(values / 2))
