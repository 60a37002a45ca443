"""What a model says of an image, by tag."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.vision.detection_boxes import DetectedBox


@dataclass(frozen=True)
class BoundingBox:
    """Fractions of the upright image's sides, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class TagProbability:
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
            **({"boundingBox": astuple(item.box)} if item.box else {}),
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
