"""Shapes of the answers, properties in the order in which the service sends them.

`Rule` marks what a version lacks, what is left out when empty, and how dates are written. Field types are
the contract's: floats are float32 on the wire, ids are lower-case hyphenated GUIDs.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, TypeVar, dataclass_transform

from emulator.contract.wire import Rule

_TRAINING_3_1 = {"training": (3, 1)}
_TRAINING_3_2 = {"training": (3, 2)}
_TRAINING_3_3 = {"training": (3, 3)}
_TRAINING_3_4 = {"training": (3, 4)}

_Shape = TypeVar("_Shape")


@dataclass_transform(eq_default=False)
def shape(cls: type[_Shape]) -> type[_Shape]:
    """A dataclass without the methods that no answer needs: comparing, printing and refusing changes are
    three quarters of what making one costs at the start."""
    return dataclass(repr=False, eq=False)(cls)


Zulu = Annotated[datetime, Rule(format="zulu")]
Naive = Annotated[datetime, Rule(format="naive")]
Double = Annotated[float, Rule(format="float64")]


@shape
class ModelInformation:
    estimated_model_size_in_megabytes: int
    description: str


@shape
class Domain:
    id: str
    name: str
    type: str
    exportable: bool
    enabled: bool
    exportable_platforms: Annotated[list[str], Rule(since=_TRAINING_3_4)]
    model_information: Annotated[ModelInformation | None, Rule(since=_TRAINING_3_4)]


@shape
class ImageProcessingSettings:
    augmentation_methods: dict[str, bool]


@shape
class ProjectSettings:
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


@shape
class Project:
    id: str
    name: str
    description: str
    settings: ProjectSettings
    created: Zulu
    last_modified: Zulu
    thumbnail_uri: str | None
    dr_mode_enabled: bool
    status: Annotated[str, Rule(since=_TRAINING_3_2)]


@shape
class ProjectExport:
    iteration_count: int
    image_count: int
    tag_count: int
    region_count: int
    estimated_import_time_in_ms: Annotated[int, Rule(key="estimatedImportTimeInMS")]
    token: str


@shape
class Tag:
    id: str
    name: str
    description: str | None
    type: str
    image_count: int


@shape
class ImageTag:
    tag_id: str
    tag_name: str | None
    created: Naive


@shape
class ImageRegion:
    region_id: str
    tag_name: str | None
    created: Naive
    tag_id: str
    left: float
    top: float
    width: float
    height: float


@shape
class Image:
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


@shape
class ImageCreateResult:
    source_url: str | None
    status: str
    image: Image | None


@shape
class ImageCreateSummary:
    is_batch_successful: bool
    images: list[ImageCreateResult]


@shape
class ImageMetadataUpdateEntry:
    image_id: str
    status: str
    metadata: Annotated[dict[str, str] | None, Rule(omit_empty=True)]


@shape
class ImageMetadataUpdateSummary:
    is_batch_successful: bool
    images: list[ImageMetadataUpdateEntry]


@shape
class ImageTagCreateEntry:
    image_id: str
    tag_id: str


@shape
class ImageTagCreateSummary:
    created: list[ImageTagCreateEntry]
    duplicated: list[ImageTagCreateEntry]
    exceeded: list[ImageTagCreateEntry]


@shape
class ImageRegionCreateResult:
    image_id: str
    region_id: str
    tag_name: str | None
    created: Naive
    tag_id: str
    left: float
    top: float
    width: float
    height: float


@shape
class ImageRegionCreateEntry:
    image_id: str
    tag_id: str
    left: float
    top: float
    width: float
    height: float


@shape
class ImageRegionCreateSummary:
    created: list[ImageRegionCreateResult]
    duplicated: list[ImageRegionCreateEntry]
    exceeded: list[ImageRegionCreateEntry]


@shape
class CustomBaseModelInfo:
    project_id: str
    iteration_id: str


@shape
class Iteration:
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


@shape
class Export:
    platform: str
    status: str
    download_uri: str | None
    flavor: str | None
    newer_version_available: bool


@shape
class TagPerformance:
    id: str
    name: str
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float | None


@shape
class IterationPerformance:
    per_tag_performance: list[TagPerformance]
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float | None


@shape
class BoundingBox:
    left: float
    top: float
    width: float
    height: float


@shape
class RegionProposal:
    confidence: float
    bounding_box: BoundingBox


@shape
class ImageRegionProposal:
    project_id: str
    image_id: str
    proposals: list[RegionProposal]


@shape
class Prediction:
    probability: float
    tag_id: str
    tag_name: str
    bounding_box: Annotated[BoundingBox | None, Rule(omit_empty=True)]
    tag_type: Annotated[str, Rule(since={"training": (3, 3), "prediction": (3, 1)})]


@shape
class ImagePrediction:
    id: str
    project: str
    iteration: str
    created: Annotated[datetime, Rule(format="zulu", formats={"prediction 3.0": "zulu7"})]
    predictions: list[Prediction]


@shape
class StoredImagePrediction:
    resized_image_uri: str
    thumbnail_uri: str
    original_image_uri: str
    domain: str
    id: str
    project: str
    iteration: str
    created: Zulu
    predictions: list[Prediction]


@shape
class PredictionQueryTag:
    id: str
    min_threshold: float
    max_threshold: float


@shape
class PredictionQueryToken:
    session: str | None
    continuation: str | None
    max_count: int
    order_by: str
    tags: list[PredictionQueryTag] | None
    iteration_id: str | None
    start_time: Annotated[datetime | None, Rule(format="zulu")]
    end_time: Annotated[datetime | None, Rule(format="zulu")]
    application: str | None


@shape
class PredictionQueryResult:
    token: PredictionQueryToken
    results: list[StoredImagePrediction]


@shape
class SuggestedTagAndRegion:
    id: str
    project: str
    iteration: str
    created: Zulu
    predictions: list[Prediction]
    prediction_uncertainty: Double


@shape
class StoredSuggestedTagAndRegion:
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


@shape
class SuggestedTagAndRegionQueryToken:
    tag_ids: list[str] | None
    threshold: Double
    session: str | None
    continuation: str | None
    max_count: int
    sort_by: str


@shape
class SuggestedTagAndRegionQuery:
    token: SuggestedTagAndRegionQueryToken
    results: list[StoredSuggestedTagAndRegion]


@shape
class ImagePerformance:
    predictions: list[Prediction]
    id: str
    created: Naive
    width: int
    height: int
    image_uri: str
    thumbnail_uri: str
    tags: list[ImageTag]
    regions: list[ImageRegion]


@shape
class CustomVisionError:
    code: str
    message: str
