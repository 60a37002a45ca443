"""Shapes of the emulator's own responses about itself."""

from emulator.contract.responses import Double, Zulu
from emulator.contract.test_kit.clock import Clock
from emulator.contract.wire import Shape


class TierValues(Shape):
    projects: int | None
    images_per_project: int | None
    tags_per_project: int | None
    iterations_per_project: int | None
    predictions_per_month: int | None


class TierInformation(Shape):
    name: str
    limits: TierValues
    use: TierValues
    calls_per_second: dict[str, int]


class OwnDomain(Shape):
    id: str
    name: str
    type: str
    exportable_platforms: list[str]
    description: str


class ObjectCounts(Shape):
    projects: int
    images: int
    tags: int
    iterations: int
    published_iterations: int
    exports: int
    stored_predictions: int


class Information(Shape):
    version: str
    started: Zulu
    uptime_seconds: Double
    endpoint: str
    prediction_resource_id: str
    resource: str
    role: str | None
    uses_well_known_keys: bool
    data_folder: str
    ephemeral: bool
    data_bytes: int
    disk_free_bytes: int | None
    memory_bytes: int | None
    counts: ObjectCounts
    tier: TierInformation
    trainer: str
    training_hour_seconds: int
    stored_prediction_days: int
    image_uri_hours: int
    request_log_capacity: int
    strict: bool
    clock: Clock
    own_domains: list[OwnDomain]


class ResourceKeys(Shape):
    training_keys: list[str]
    prediction_keys: list[str]
