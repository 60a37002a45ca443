"""What a model says of an image, by tag."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from emulator.vision.boxes.box import DetectedBox


class BoundingBox(NamedTuple):
    """Fractions of the upright image's sides, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


class TagProbability(NamedTuple):
    """A tag and its probability; with a box, that of an object of the tag there."""

    tag_id: str
    tag_name: str
    tag_type: str
    probability: float
    box: BoundingBox | None = None


def of_classifier(tags: Sequence[dict[str, str]], probabilities: Sequence[float]) -> list[TagProbability]:
    """Every tag, most probable first. `tags`: those of the iteration, in the order of the probabilities."""
    scores = [
        TagProbability(tag["id"], tag["name"], tag["type"], float(probability))
        for tag, probability in zip(tags, probabilities, strict=True)
    ]
    return sorted(scores, key=lambda score: -score.probability)


def of_detector(tags: Sequence[dict[str, str]], boxes: Sequence["DetectedBox"]) -> list[TagProbability]:
    """Boxes tag by tag, as the service lists them: by the names of the tags, in a tag most probable first."""
    ordered = sorted(boxes, key=lambda box: (box.tag_index, -box.probability))
    return [
        TagProbability(
            tags[box.tag_index]["id"],
            tags[box.tag_index]["name"],
            tags[box.tag_index]["type"],
            box.probability,
            BoundingBox(box.left, box.top, box.width, box.height),
        )
        for box in ordered
    ]


def to_stored(scores: Sequence[TagProbability]) -> list[dict[str, Any]]:
    """As rows of the database keep them."""
    return [
        {
            "tagId": item.tag_id,
            "tagName": item.tag_name,
            "tagType": item.tag_type,
            "probability": item.probability,
            **({"boundingBox": tuple(item.box)} if item.box else {}),
        }
        for item in scores
    ]


def from_stored(rows: Sequence[dict[str, Any]]) -> list[TagProbability]:
    """The reverse of `to_stored`."""
    return [
        TagProbability(
            item["tagId"],
            item["tagName"],
            item["tagType"],
            item["probability"],
            BoundingBox(*item["boundingBox"]) if "boundingBox" in item else None,
        )
        for item in rows
    ]


def uncertainty(scores: Sequence[TagProbability]) -> float:
    """How unsure a model was when it said this: 0, it is sure of everything, to 1, it could not know less.

    The mean entropy, in bits, of whether each tag (or the tag of each box) is right: what the service answers
    for a classifier of two tags, Multiclass or Multilabel.
    """
    if not scores:
        return 0.0
    return math.fsum(_entropy(score.probability) for score in scores) / len(scores)


def _entropy(probability: float) -> float:
    """Of something that is so with this probability, in bits: 0 to 1."""
    if not 0.0 < probability < 1.0:
        return 0.0
    rest = 1.0 - probability
    return -(probability * math.log2(probability) + rest * math.log1p(-probability) / math.log(2.0))
