"""Shapes of the emulator's own responses: evaluations of models, and near-duplicates."""

from typing import Annotated

from emulator.contract.responses import BoundingBox, ImagePerformance, ImageTag, Naive, Prediction
from emulator.contract.wire import Rule, Shape


class TagOutcomes(Shape):
    tag_id: str
    tag_name: str
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int | None


class NamedTag(Shape):
    id: str
    name: str


class ConfusionMatrix(Shape):
    type: str
    threshold: float
    overlap_threshold: float | None
    image_count: int
    tags: list[NamedTag]
    counts: list[list[int]] | None
    per_tag: list[TagOutcomes]


class MatchedObject(Shape):
    tag_id: str
    tag_name: str
    bounding_box: BoundingBox


class Match(Shape):
    object: MatchedObject | None
    prediction: Prediction | None
    overlap: float | None


class ImageOfCell(ImagePerformance):
    fold: int
    matches: Annotated[list[Match], Rule(omit_empty=True)]


class CurvePoint(Shape):
    threshold: float
    precision: float
    recall: float


class TagCurve(Shape):
    tag_id: str
    tag_name: str
    average_precision: float
    average_precision_std_deviation: float
    count: int
    points: list[CurvePoint]


class PrecisionRecallCurve(Shape):
    overlap_threshold: float | None
    average_precision: float
    average_precision_std_deviation: float
    count: int
    points: list[CurvePoint]
    per_tag: list[TagCurve]


class CalibrationBin(Shape):
    lower: float
    upper: float
    count: int
    mean_confidence: float | None
    share_right: float | None


class TagCalibration(Shape):
    tag_id: str
    tag_name: str
    count: int
    expected_calibration_error: float
    bins: list[CalibrationBin]


class CalibrationCurve(Shape):
    overlap_threshold: float | None
    count: int
    expected_calibration_error: float
    bins: list[CalibrationBin]
    per_tag: list[TagCalibration]


class TrainingAttempt(Shape):
    name: str
    outcome: str
    is_chosen: bool
    figure: float | None
    image_count: int
    seconds: float
    plan: str | None
    reason: str


class TrainingReport(Shape):
    training_type: str
    budget_seconds: float | None
    seconds: float | None
    measure: str | None
    attempts: list[TrainingAttempt]


class NearDuplicate(Shape):
    id: str
    created: Naive
    width: int
    height: int
    image_uri: str
    thumbnail_uri: str
    tags: list[ImageTag]
    fold: int | None


class NearDuplicatePair(Shape):
    image_ids: list[str]
    similarity: float
    mirrored: bool


class NearDuplicateGroup(Shape):
    similarity: float
    image_count: int
    contradictory_tags: bool
    across_folds: bool
    images: list[NearDuplicate]
    pairs: list[NearDuplicatePair]


class NearDuplicates(Shape):
    status: str
    progress: float
    threshold: float
    iteration_id: str | None
    image_count: int
    group_count: int
    groups: list[NearDuplicateGroup]


class HeatMap(Shape):
    iteration_id: str
    tag_id: str
    tag_name: str
    probability: float
    method: str
    width: int
    height: int
    bounding_box: BoundingBox
    rows: int
    columns: int
    values: list[list[float]]
    overlay: str
