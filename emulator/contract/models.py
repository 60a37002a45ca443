"""Shapes of the answers, properties in the order in which the service sends them.

`Rule` marks what a version lacks, what is left out when empty, and how dates are written. Field types are
the contract's: floats are float32 on the wire, ids are lower-case hyphenated GUIDs.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from emulator.contract.wire import Rule

_TRAINING_3_1 = {"training": (3, 1)}
_TRAINING_3_2 = {"training": (3, 2)}
_TRAINING_3_3 = {"training": (3, 3)}
_TRAINING_3_4 = {"training": (3, 4)}


Zulu = Annotated[datetime, Rule(format="zulu")]
Naive = Annotated[datetime, Rule(format="naive")]


@dataclass(frozen=True)
class ModelInformation:
    estimated_model_size_in_megabytes: int
    description: str


@dataclass(frozen=True)
class Domain:
    id: str
    name: str
    type: str
    exportable: bool
    enabled: bool
    exportable_platforms: Annotated[list[str], Rule(since=_TRAINING_3_4)]
    model_information: Annotated[ModelInformation | None, Rule(since=_TRAINING_3_4)]


@dataclass(frozen=True)
class ImageProcessingSettings:
    augmentation_methods: dict[str, bool]


@dataclass(frozen=True)
class ProjectSettings:
    domain_id: str
    classification_type: str
    target_export_platforms: list[str]
    use_negative_set: bool
    detection_parameters: str | None
    image_processing_settings: Annotated[ImageProcessingSettings, Rule(since=_TRAINING_3_1)]

    ORDER: ClassVar[dict[str, tuple[str, ...]]] = {
        "training 3.0": (
            "domain_id",
            "classification_type",
            "use_negative_set",
            "detection_parameters",
            "target_export_platforms",
        )
    }


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class ProjectExport:
    iteration_count: int
    image_count: int
    tag_count: int
    region_count: int
    estimated_import_time_in_ms: Annotated[int, Rule(key="estimatedImportTimeInMS")]
    token: str


@dataclass(frozen=True)
class Tag:
    id: str
    name: str
    description: str | None
    type: str
    image_count: int


@dataclass(frozen=True)
class ImageTag:
    tag_id: str
    tag_name: str | None
    created: Naive


@dataclass(frozen=True)
class ImageRegion:
    region_id: str
    tag_name: str | None
    created: Naive
    tag_id: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class ImageCreateResult:
    source_url: str | None
    status: str
    image: Image | None


@dataclass(frozen=True)
class ImageCreateSummary:
    is_batch_successful: bool
    images: list[ImageCreateResult]


@dataclass(frozen=True)
class ImageMetadataUpdateEntry:
    image_id: str
    status: str
    metadata: Annotated[dict[str, str] | None, Rule(omit_empty=True)]


@dataclass(frozen=True)
class ImageMetadataUpdateSummary:
    is_batch_successful: bool
    images: list[ImageMetadataUpdateEntry]


@dataclass(frozen=True)
class ImageTagCreateEntry:
    image_id: str
    tag_id: str


@dataclass(frozen=True)
class ImageTagCreateSummary:
    created: list[ImageTagCreateEntry]
    duplicated: list[ImageTagCreateEntry]
    exceeded: list[ImageTagCreateEntry]


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class ImageRegionCreateEntry:
    image_id: str
    tag_id: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class ImageRegionCreateSummary:
    created: list[ImageRegionCreateResult]
    duplicated: list[ImageRegionCreateEntry]
    exceeded: list[ImageRegionCreateEntry]


@dataclass(frozen=True)
class CustomBaseModelInfo:
    project_id: str
    iteration_id: str


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class TagPerformance:
    id: str
    name: str
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float | None


@dataclass(frozen=True)
class IterationPerformance:
    per_tag_performance: list[TagPerformance]
    precision: float
    precision_std_deviation: float
    recall: float
    recall_std_deviation: float
    average_precision: float | None


@dataclass(frozen=True)
class Prediction:
    probability: float
    tag_id: str
    tag_name: str
    tag_type: Annotated[str, Rule(since={"training": (3, 3), "prediction": (3, 1)})]


@dataclass(frozen=True)
class ImagePrediction:
    id: str
    project: str
    iteration: str
    created: Annotated[datetime, Rule(format="zulu", formats={"prediction 3.0": "zulu7"})]
    predictions: list[Prediction]


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class PredictionQueryTag:
    id: str
    min_threshold: float
    max_threshold: float


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class PredictionQueryResult:
    token: PredictionQueryToken
    results: list[StoredImagePrediction]


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class CustomVisionError:
    code: str
    message: str
