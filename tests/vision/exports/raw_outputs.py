"""Non-maximum suppression of the raw boxes of a detector, as programs apply it."""

from __future__ import annotations

import numpy

from emulator.vision.boxes.geometry import non_max_suppression
from tests.vision.exports.parity import Found


def suppressed(boxes: numpy.ndarray, probabilities: numpy.ndarray) -> list[Found]:
    """The kept ones of raw boxes (left, top, right, bottom), by the probabilities of each box for each
    tag."""
    rows, tags = numpy.nonzero(probabilities >= 0.01)
    scores = probabilities[rows, tags]
    order = numpy.argsort(-scores, kind="stable")[:1000]
    rows, tags, scores = rows[order], tags[order], scores[order]
    kept = non_max_suppression(boxes[rows], tags)
    return [(int(tags[row]), float(scores[row]), *map(float, boxes[rows[row]])) for row in kept]
