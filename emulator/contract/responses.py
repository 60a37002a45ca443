"""Shapes of the responses, with properties in the order in which the service sends them.

`Rule` marks properties that a version lacks, that are omitted when empty, and formats of dates. Floats are
float32 on the wire unless marked `Double`; ids are lower-case hyphenated GUIDs.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from emulator.contract.wire import Rule, Shape

_TRAINING_3_1 = {"training": (3, 1)}
_TRAINING_3_2 = {"training": (3, 2)}
_TRAINING_3_3 = {"training": (3, 3)}
_TRAINING_3_4 = {"training": (3, 4)}


Zulu = Annotated[datetime, Rule(format="zulu")]
Naive = Annotated[datetime, Rule(format="naive")]
Double = Annotated[float, Rule(format="float64")]


class ModelInformation(Shape):
    estimated_model_size_in_megabytes: int
    description: str


class Domain(Shape):
    id: str
    name: str
    type: str
    exportable: bool
    enabled: bool
    exportable_platforms: Annotated[list[str], Rule(since=_TRAINING_3_4)]
    model_information: Annotated[ModelInformation | None, Rule(since=_TRAINING_3_4)]


class ImageProcessingSettings(Shape):
    augmentation_methods: dict[str, bool]


class ProjectSettings(Shape):
    domain_id: str
    classification_type: str
    target_export_platforms: list[str]
    use_negative_set: bool
    detection_parameters: str | None
    image_processing_settings: Annotated[ImageProcessingSettings, Rule(since=_TRAINING_3_1)]
    export_model_container_uri: Annotated[str | None, Rule(since=_TRAINING_3_3, omit_empty=True)]
    notification_queue_uri: Annotated[str | None, Rule(since=_TRAINING_3_3, omit_empty=True)]

    ORDER: ClassVar[dict[str, tuple[str, ...]]] = {
        "training 3.0": (
            "domain_id",
            "classification_type",
            "use_negative_set",
            "detection_parameters",
            "target_export_platforms",
        )
    }


class Project(Shape):
    id: str
    name: str
    description: str
    settings: ProjectSettings
    created: Zulu
    last_modified: Zulu
    thumbnail_uri: str | None
    dr_mode_enabled: bool
    status: Annotated[str, Rule(since=_TRAINING_3_2)]


class ProjectExport(Shape):
    iteration_count: int
    image_count: int
    tag_count: int
    region_count: int
    estimated_import_time_in_ms: Annotated[int, Rule(key="estimatedImportTimeInMS")]
    token: str


class Tag(Shape):
    id: str
    name: str
    description: str | None
    type: str
    image_count: int


class ImageTag(Shape):
    tag_id: str
    tag_name: str | None
    created: Naive


class ImageRegion(Shape):
    region_id: str
    tag_name: str | None
    created: Naive
    tag_id: str
    left: float
    top: float
    width: float
    height: float


class Image(Shape):
    id: str
    created: Naive
    width: int
    height: int
    resized_image_uri: str
    thumbnail_uri: str
    original_image_uri: str
    tags: Annotated[list[ImageTag], Rule(omit_empty=True)]
    regions: Annotated[list[ImageRegion], Rule(omit_empty=True)]
    metadata: Annotated[dict[str, str], Rule(omit_empty=True, since=_TRAINING_3_3)]


class ImageCreateResult(Shape):
    source_url: str | None
    status: str
    image: Image | None


class ImageCreateSummary(Shape):
    is_batch_successful: bool
    images: list[ImageCreateResult]


class ImageMetadataUpdateEntry(Shape):
    image_id: str
    status: str
    metadata: Annotated[dict[str, str] | None, Rule(omit_empty=True)]


class ImageMetadataUpdateSummary(Shape):
    is_batch_successful: bool
    images: list[ImageMetadataUpdateEntry]


class ImageTagCreateEntry(Shape):
    image_id: str
    tag_id: str


class ImageTagCreateSummary(Shape):
    created: list[ImageTagCreateEntry]
    duplicated: list[ImageTagCreateEntry]
    exceeded: list[ImageTagCreateEntry]


class ImageRegionCreateResult(Shape):
    image_id: str
    region_id: str
    tag_name: str | None
    created: Naive
    tag_id: str
    left: float
    top: float
    width: float
    height: float


class ImageRegionCreateEntry(Shape):
    image_id: str
    tag_id: str
    left: float
    top: float
    width: float
    height: float


class ImageRegionCreateSummary(Shape):
    created: list[ImageRegionCreateResult]
    duplicated: list[ImageRegionCreateEntry]
    exceeded: list[ImageRegionCreateEntry]


class CustomBaseModelInfo(Shape):
    project_id: str
    iteration_id: str


class Iteration(Shape):
    id: str
    name: str
    status: str
    created: Zulu
    last_modified: Zulu
    trained_at: Annotated[datetime | None, Rule(format="zulu", omit_empty=True)]
    project_id: str
    exportable: bool
    exportable_to: Annotated[list[str] | None, Rule(always_null=frozenset({"training 3.4-preview"}))]
    domain_id: str | None
    classification_type: str | None
    training_type: str
    reserved_budget_in_hours: int
    training_time_in_minutes: Annotated[int, Rule(since=_TRAINING_3_1)]
    publish_name: str | None
    original_publish_resource_id: str | None
    custom_base_model_info: Annotated[CustomBaseModelInfo | None, Rule(since=_TRAINING_3_4)]
    training_error_details: Annotated[str | None, Rule(since=_TRAINING_3_4)]


class Export(Shape):
    platform: str
    status: str
    download_uri: str | None
    flavor: str | None
    newer_version_available: bool


class TagPerformance(Shape):
    id: str
    name: str
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float | None


class IterationPerformance(Shape):
    per_tag_performance: list[TagPerformance]
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float | None


class BoundingBox(Shape):
    left: float
    top: float
    width: float
    height: float


class RegionProposal(Shape):
    confidence: float
    bounding_box: BoundingBox


class ImageRegionProposal(Shape):
    project_id: str
    image_id: str
    proposals: list[RegionProposal]


class Prediction(Shape):
    probability: float
    tag_id: str
    tag_name: str
    bounding_box: Annotated[BoundingBox | None, Rule(omit_empty=True)]
    tag_type: Annotated[str, Rule(since={"training": (3, 3), "prediction": (3, 1)})]


class ImagePrediction(Shape):
    id: str
    project: str
    iteration: str
    created: Annotated[datetime, Rule(format="zulu", formats={"prediction 3.0": "zulu7"})]
    predictions: list[Prediction]


class StoredImagePrediction(Shape):
    resized_image_uri: str
    thumbnail_uri: str
    original_image_uri: str
    domain: str
    id: str
    project: str
    iteration: str
    created: Zulu
    predictions: list[Prediction]


class PredictionQueryTag(Shape):
    id: str
    min_threshold: float
    max_threshold: float


class PredictionQueryToken(Shape):
    session: str | None
    continuation: str | None
    max_count: int
    order_by: str
    tags: list[PredictionQueryTag] | None
    iteration_id: str | None
    start_time: Annotated[datetime | None, Rule(format="zulu")]
    end_time: Annotated[datetime | None, Rule(format="zulu")]
    application: str | None


class PredictionQueryResult(Shape):
    token: PredictionQueryToken
    results: list[StoredImagePrediction]


class SuggestedTagAndRegion(Shape):
    id: str
    project: str
    iteration: str
    created: Zulu
    predictions: list[Prediction]
    prediction_uncertainty: Double


class StoredSuggestedTagAndRegion(Shape):
    width: int
    height: int
    resized_image_uri: str
    thumbnail_uri: str
    original_image_uri: str
    domain: str
    id: str
    project: str
    iteration: str
    created: Naive
    predictions: list[Prediction]
    prediction_uncertainty: Double


class SuggestedTagAndRegionQueryToken(Shape):
    tag_ids: list[str] | None
    threshold: Double
    session: str | None
    continuation: str | None
    max_count: int
    sort_by: str


class SuggestedTagAndRegionQuery(Shape):
    token: SuggestedTagAndRegionQueryToken
    results: list[StoredSuggestedTagAndRegion]


class ImagePerformance(Shape):
    predictions: list[Prediction]
    id: str
    created: Naive
    width: int
    height: int
    image_uri: str
    thumbnail_uri: str
    tags: list[ImageTag]
    regions: list[ImageRegion]


class CustomVisionError(Shape):
    code: str
    message: str
