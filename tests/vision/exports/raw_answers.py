"""From the boxes of all points of a detector to answers, and what the Prediction API answers in the same
form."""

from __future__ import annotations

import numpy

from emulator.vision.detection_boxes import without_doubles
from emulator.vision.detection_scoring import DetectorSession
from tests.vision.exports.parity import Found


def expected_boxes(session: DetectorSession, data: bytes) -> list[Found]:
    return [
        (box.tag_index, box.probability, box.left, box.top, box.left + box.width, box.top + box.height)
        for box in session.score(data)
    ]


def suppressed(boxes: numpy.ndarray, probabilities: numpy.ndarray) -> list[Found]:
    """What programs make of raw boxes (left, top, right, bottom) and the probabilities of each for each
    tag."""
    rows, tags = numpy.nonzero(probabilities >= 0.01)
    scores = probabilities[rows, tags]
    order = numpy.argsort(-scores, kind="stable")[:1000]
    rows, tags, scores = rows[order], tags[order], scores[order]
    kept = without_doubles(boxes[rows], tags)
    return [(int(tags[row]), float(scores[row]), *map(float, boxes[rows[row]])) for row in kept]
