"""Shapes of the emulator's own answers: what a model gets wrong, and images that are nearly alike."""

from typing import Annotated

from emulator.contract.responses import (
    BoundingBox,
    ImagePerformance,
    ImageTag,
    Naive,
    Prediction,
    shape,
)
from emulator.contract.wire import Rule


@shape
class TagOutcomes:
    tag_id: str
    tag_name: str
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int | None


@shape
class NamedTag:
    id: str
    name: str


@shape
class ConfusionMatrix:
    type: str
    threshold: float
    overlap_threshold: float | None
    image_count: int
    tags: list[NamedTag]
    counts: list[list[int]] | None
    per_tag: list[TagOutcomes]


@shape
class MatchedObject:
    tag_id: str
    tag_name: str
    bounding_box: BoundingBox


@shape
class Match:
    object: MatchedObject | None
    prediction: Prediction | None
    overlap: float | None


@shape
class ImageOfCell(ImagePerformance):
    fold: int
    matches: Annotated[list[Match], Rule(omit_empty=True)]


@shape
class CurvePoint:
    threshold: float
    precision: float
    recall: float


@shape
class TagCurve:
    tag_id: str
    tag_name: str
    average_precision: float
    average_precision_std_deviation: float
    count: int
    points: list[CurvePoint]


@shape
class PrecisionRecallCurve:
    overlap_threshold: float | None
    average_precision: float
    average_precision_std_deviation: float
    count: int
    points: list[CurvePoint]
    per_tag: list[TagCurve]


@shape
class CalibrationBin:
    lower: float
    upper: float
    count: int
    mean_confidence: float | None
    share_right: float | None


@shape
class TagCalibration:
    tag_id: str
    tag_name: str
    count: int
    expected_calibration_error: float
    bins: list[CalibrationBin]


@shape
class CalibrationCurve:
    overlap_threshold: float | None
    count: int
    expected_calibration_error: float
    bins: list[CalibrationBin]
    per_tag: list[TagCalibration]


@shape
class NearDuplicate:
    id: str
    created: Naive
    width: int
    height: int
    image_uri: str
    thumbnail_uri: str
    tags: list[ImageTag]
    fold: int | None


@shape
class NearDuplicatePair:
    image_ids: list[str]
    similarity: float
    mirrored: bool


@shape
class NearDuplicateGroup:
    similarity: float
    image_count: int
    contradictory_tags: bool
    across_folds: bool
    images: list[NearDuplicate]
    pairs: list[NearDuplicatePair]


@shape
class NearDuplicates:
    status: str
    progress: float
    threshold: float
    iteration_id: str | None
    image_count: int
    group_count: int
    groups: list[NearDuplicateGroup]
