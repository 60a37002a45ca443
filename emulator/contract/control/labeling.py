"""Shapes of the emulator's own requests and responses that help with labeling: hints, the queue, the map."""

from emulator.contract.requests import Guid, List, StrictBody
from emulator.contract.responses import BoundingBox, ImagePerformance, Naive
from emulator.contract.wire import Shape


class LabelIssue(Shape):
    reason: str
    strength: float
    tag_id: str | None
    tag_name: str | None
    probability: float
    region_id: str | None
    bounding_box: BoundingBox | None
    proposed_tag_id: str | None
    proposed_tag_name: str | None
    proposed_probability: float
    proposed_bounding_box: BoundingBox | None
    usual_probability: float


class LabelHint(ImagePerformance):
    fold: int
    issues: list[LabelIssue]


class LabelHints(Shape):
    iteration_id: str
    count: int
    changed_count: int
    kept_count: int
    hints: list[LabelHint]


class ImageIds(StrictBody):
    image_ids: List[Guid]


class QueuedImage(Shape):
    id: str
    created: Naive
    width: int
    height: int
    image_uri: str
    thumbnail_uri: str
    reason: str
    uncertainty: float | None
    suggested_tag_id: str | None
    suggested_tag_name: str | None
    suggested_probability: float | None


class LabeledTag(Shape):
    tag_id: str
    image_count: int


class LabelingQueue(Shape):
    status: str
    progress: float
    iteration_id: str | None
    count: int
    labels_since_training: int
    labels_to_next_training: int
    tags: list[LabeledTag]
    images: list[QueuedImage]


class MappedImage(Shape):
    id: str
    x: float
    y: float
    tag_ids: list[str]


class ImageMap(Shape):
    status: str
    progress: float
    method: str
    features: str
    iteration_id: str | None
    image_count: int
    images: list[MappedImage]
