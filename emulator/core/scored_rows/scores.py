"""Predictions for an image: probabilities by tag, with boxes if they are of a detector."""

import math
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any, NamedTuple

from emulator.vision.boxes.box import Box, DetectedBox


class TagProbability(NamedTuple):
    """A tag and its probability. box: of the detected object; None for classifiers."""

    tag_id: str
    tag_name: str
    tag_type: str
    probability: float
    box: Box | None = None


def of_classifier(tags: Sequence[dict[str, str]], probabilities: Sequence[float]) -> list[TagProbability]:
    """Every tag, most probable first. tags: of the iteration, in the order of the probabilities."""
    scores = [
        TagProbability(tag["id"], tag["name"], tag["type"], float(probability))
        for tag, probability in zip(tags, probabilities, strict=True)
    ]
    return sorted(scores, key=lambda score: -score.probability)


def of_detector(tags: Sequence[dict[str, str]], boxes: Sequence[DetectedBox]) -> list[TagProbability]:
    """Boxes in the order of the service: by name of the tag, then most probable first."""
    ordered = sorted(boxes, key=lambda box: (box.tag_index, -box.probability))
    return [
        TagProbability(
            tag_id=tags[box.tag_index]["id"],
            tag_name=tags[box.tag_index]["name"],
            tag_type=tags[box.tag_index]["type"],
            probability=box.probability,
            box=Box(box.left, box.top, box.width, box.height),
        )
        for box in ordered
    ]


def to_stored(scores: Sequence[TagProbability]) -> list[dict[str, Any]]:
    """The scores as values of the JSON column of a row."""
    return [
        {
            "tagId": item.tag_id,
            "tagName": item.tag_name,
            "tagType": item.tag_type,
            "probability": item.probability,
            **({"boundingBox": astuple(item.box)} if item.box else {}),
        }
        for item in scores
    ]


def from_stored(rows: Sequence[dict[str, Any]]) -> list[TagProbability]:
    """The reverse of `to_stored`."""
    return [
        TagProbability(
            tag_id=item["tagId"],
            tag_name=item["tagName"],
            tag_type=item["tagType"],
            probability=item["probability"],
            box=Box(*item["boundingBox"]) if "boundingBox" in item else None,
        )
        for item in rows
    ]


def uncertainty(scores: Sequence[TagProbability]) -> float:
    """The uncertainty of predictions: 0 (certain) to 1 (all probabilities are 0.5).

    The mean binary entropy, in bits, of the tags (or of the boxes). It equals the value of the service for
    classifiers of two tags, Multiclass or Multilabel.
    """
    if not scores:
        return 0.0
    return math.fsum(_entropy(score.probability) for score in scores) / len(scores)


def _entropy(probability: float) -> float:
    """The binary entropy of a probability, in bits: 0 to 1."""
    if not 0.0 < probability < 1.0:
        return 0.0
    rest = 1.0 - probability
    return -(probability * math.log2(probability) + rest * math.log1p(-probability) / math.log(2.0))
