"""Shapes of the emulator's own API for test sets and comparisons of iterations."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from emulator.contract.control.insight import Match, NamedTag
from emulator.contract.requests import MAX_ITEMS, Guid, Ids, StrictBody
from emulator.contract.responses import ImagePerformance, Prediction, Zulu
from emulator.contract.wire import Rule, Shape

# --- bodies -------------------------------------------------------------------------------------------------

_Names = Annotated[list[str], Field(max_length=MAX_ITEMS)]


class TestSetName(StrictBody):
    """The body that creates or renames a test set."""

    __test__ = False

    name: str


class LabeledRegion(StrictBody):
    """A box of an object, with its tag by id or by name."""

    tag_id: Guid | None = None
    tag_name: str | None = None
    left: float
    top: float
    width: float
    height: float


class LabeledFile(StrictBody):
    """An image of a batch. contents: base64."""

    name: str | None = None
    contents: str
    tag_ids: Ids | None = None
    tag_names: _Names | None = None
    regions: Annotated[list[LabeledRegion], Field(max_length=MAX_ITEMS, fail_fast=True)] | None = None


class LabeledFileBatch(StrictBody):
    images: Annotated[list[LabeledFile], Field(max_length=MAX_ITEMS, fail_fast=True)]
    tag_ids: Ids | None = None
    tag_names: _Names | None = None


class EvaluationRequest(StrictBody):
    iteration_ids: Ids


# --- test sets ----------------------------------------------------------------------------------------------


class CountedTag(Shape):
    tag_id: str
    tag_name: str
    image_count: int


class TestSet(Shape):
    __test__ = False

    id: str
    project_id: str
    name: str
    created: Zulu
    last_modified: Zulu
    revision: int
    image_count: int
    untagged_image_count: int
    tags: list[CountedTag]


class LabeledTag(Shape):
    tag_id: str
    tag_name: str


class LabeledBox(Shape):
    tag_id: str
    tag_name: str
    left: float
    top: float
    width: float
    height: float


class LabeledImage(Shape):
    id: str
    name: str | None
    created: Zulu
    width: int
    height: int
    image_uri: str
    thumbnail_uri: str
    tags: list[LabeledTag]
    regions: list[LabeledBox]
    also_in_training: bool


class AddedImage(Shape):
    source_url: str | None
    status: str
    reason: str
    image: LabeledImage | None


class AddedImages(Shape):
    is_batch_successful: bool
    images: list[AddedImage]


# --- evaluations --------------------------------------------------------------------------------------------


class TestEvaluation(Shape):
    __test__ = False

    test_set_id: str
    iteration_id: str
    iteration_name: str
    status: str
    progress: float | None
    failure: str | None
    created: Zulu
    evaluated: Annotated[datetime | None, Rule(format="zulu")]
    revision: int
    is_stale: bool
    image_count: int
    wrong_image_count: int | None
    trained_image_count: int
    precision: float | None
    recall: float | None
    average_precision: float | None
    prediction_count: int | None


class TestedTag(Shape):
    tag_id: str
    tag_name: str
    is_trained: bool
    count: int
    precision: float
    recall: float
    average_precision: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int | None


class TestResult(TestEvaluation):
    type: str | None
    threshold: float
    overlap_threshold: float | None
    tags: list[NamedTag]
    counts: list[list[int]] | None
    per_tag: list[TestedTag]


class TestedImage(LabeledImage):
    predictions: list[Prediction]
    is_right: bool
    matches: Annotated[list[Match], Rule(omit_empty=True)]


class TestedImages(Shape):
    image_count: int
    images: list[TestedImage]


# --- comparison ---------------------------------------------------------------------------------------------


class Figures(Shape):
    precision: float
    recall: float
    average_precision: float
    prediction_count: int | None


class FigureDifferences(Shape):
    precision: float
    recall: float
    average_precision: float


class ComparedTag(Shape):
    tag_id: str
    tag_name: str
    count: int
    figures: Figures | None
    other_figures: Figures | None
    difference: FigureDifferences | None


class Comparison(Shape):
    iteration_id: str
    other_iteration_id: str
    test_set_id: str | None
    threshold: float
    overlap_threshold: float | None
    image_count: int
    relabeled_image_count: int
    only_image_count: int
    only_other_image_count: int
    right_image_count: int
    other_right_image_count: int
    gained_image_count: int
    lost_image_count: int
    figures: Figures
    other_figures: Figures
    difference: FigureDifferences
    per_tag: list[ComparedTag]


class ComparedImage(ImagePerformance):
    other_predictions: list[Prediction]


class ComparedImages(Shape):
    image_count: int
    images: list[ComparedImage]


class ComparedTestImage(LabeledImage):
    predictions: list[Prediction]
    other_predictions: list[Prediction]


class ComparedTestImages(Shape):
    image_count: int
    images: list[ComparedTestImage]
