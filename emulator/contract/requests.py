"""Bodies of requests. Property names match in any case; unknown properties are ignored."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from emulator.contract.gateway_responses import guid
from emulator.contract.wire import camel

Guid = Annotated[str, BeforeValidator(guid)]


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("is not a number")
    return value


# By default pydantic converts true to 1.
Number = Annotated[float, BeforeValidator(_no_flag)]
Count = Annotated[int, BeforeValidator(_no_flag)]


class Malformed(ValueError):
    """A body that is not JSON or does not have the operation's shape. str() is the place and the reason.

    detail: all places and reasons, with the values, for the log.
    """

    code = "BadRequest"

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class InvalidId(Malformed):
    """A body in which an id is not a GUID."""

    code = "BadRequestInvalidIds"


class Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=camel,
        populate_by_name=True,
        extra="ignore",
        defer_build=True,  # at the first use: building all validators takes a twentieth of the start
    )

    @model_validator(mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        lowered = {key.lower(): item for key, item in value.items()}
        aliases = (field.alias or name for name, field in cls.model_fields.items())
        return {alias: lowered[alias.lower()] for alias in aliases if alias.lower() in lowered}


class Region(Body):
    tag_id: Guid
    left: Number
    top: Number
    width: Number
    height: Number


class ImageRegionCreateEntry(Region):
    image_id: Guid


class ImageRegionCreateBatch(Body):
    regions: list[ImageRegionCreateEntry] | None = None


class ImageFileCreateEntry(Body):
    name: str | None = None
    contents: str | None = None
    tag_ids: list[Guid] | None = None
    regions: list[Region] | None = None


class ImageFileCreateBatch(Body):
    images: list[ImageFileCreateEntry] | None = None
    tag_ids: list[Guid] | None = None
    metadata: dict[str, str] | None = None


class ImageUrl(Body):
    url: str


class ImageUrlCreateEntry(Body):
    url: str
    tag_ids: list[Guid] | None = None
    regions: list[Region] | None = None


class ImageUrlCreateBatch(Body):
    images: list[ImageUrlCreateEntry] | None = None
    tag_ids: list[Guid] | None = None
    metadata: dict[str, str] | None = None


class ImageIdCreateEntry(Body):
    id: Guid
    tag_ids: list[Guid] | None = None
    regions: list[Region] | None = None


class ImageIdCreateBatch(Body):
    images: list[ImageIdCreateEntry] | None = None
    tag_ids: list[Guid] | None = None
    metadata: dict[str, str] | None = None


class PredictionQueryTag(Body):
    id: Guid
    min_threshold: Number | None = None
    max_threshold: Number | None = None


class PredictionQueryToken(Body):
    """Times are strings here, because the operation has its own error for invalid ones."""

    session: str | None = None
    continuation: str | None = None
    max_count: Count | None = None
    order_by: str | None = None
    tags: list[PredictionQueryTag] | None = None
    iteration_id: Guid | None = None
    start_time: str | None = None
    end_time: str | None = None
    application: str | None = None


class TagFilter(Body):
    tag_ids: list[Guid] | None = None
    threshold: Number | None = None


class SuggestedImageQuery(TagFilter):
    session: str | None = None
    continuation: str | None = None
    max_count: Count | None = None
    sort_by: str | None = None


class ImageTagCreateEntry(Body):
    image_id: Guid
    tag_id: Guid


class ImageTagCreateBatch(Body):
    tags: list[ImageTagCreateEntry] | None = None


class ImageProcessingSettings(Body):
    augmentation_methods: dict[str, bool] | None = None


class ProjectSettings(Body):
    domain_id: Guid | None = None
    classification_type: str | None = None
    target_export_platforms: list[str] | None = None
    use_negative_set: bool | None = None
    detection_parameters: str | None = None
    image_processing_settings: ImageProcessingSettings | None = None
    export_model_container_uri: str | None = None
    notification_queue_uri: str | None = None


class Project(Body):
    name: str | None = None
    description: str | None = None
    settings: ProjectSettings | None = None


class Tag(Body):
    name: str | None = None
    description: str | None = None
    type: str | None = None


class Iteration(Body):
    name: str | None = None


class CustomBaseModelInfo(Body):
    project_id: Guid
    iteration_id: Guid


class TrainingParameters(Body):
    selected_tags: list[Guid] | None = None
    custom_base_model_info: CustomBaseModelInfo | None = None


class CreateProjectOptions(Body):
    export_model_container_uri: str | None = Field(default=None)
    notification_queue_uri: str | None = Field(default=None)


_Shape = TypeVar("_Shape", bound=Body)
_PLACES_IN_LOG = 10
_VALUE_IN_LOG = 100


def parse_texts(data: bytes) -> dict[str, str]:
    """The body `data` as an object whose values are strings. Raises Malformed."""
    value = _object(data)
    for key, item in value.items():
        if not isinstance(item, str):
            raise Malformed(f"The request body is invalid at '{key[:100]}': its value must be a text.")
    return value


def parse(shape: type[_Shape], data: bytes) -> _Shape:
    """The body `data` as a `shape`. Raises Malformed with the place and the reason."""
    value = _object(data)
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        first = errors[0]
        place = ".".join(str(part) for part in first["loc"])
        # Only `guid` raises ValueError; all other errors are errors of types.
        kind = InvalidId if first["type"] == "value_error" else Malformed
        message = f"The request body is invalid at '{place}': {first['msg']}"
        raise kind(message, _all_places(errors)) from None


def _all_places(errors: Sequence[Any]) -> str:
    """For the log: ``tagIds[0] 'tag1': is not a GUID; ...``"""
    texts = []
    for error in errors[:_PLACES_IN_LOG]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
        texts.append(
            f"{place.removeprefix('.')}{_shown(error['input'])}: {error['msg'].removeprefix('Value error, ')}"
        )
    if len(errors) > _PLACES_IN_LOG:
        texts.append(f"and {len(errors) - _PLACES_IN_LOG} more")
    return "; ".join(texts)


def _shown(value: object) -> str:
    """A value of a body for the log. A long one is left out: a key that was cut could not be recognized."""
    if isinstance(value, str) and len(value) > _VALUE_IN_LOG:
        return f" (text of {len(value)} characters)"
    return "" if isinstance(value, dict | list) else f" {value!r}"


def _object(data: bytes) -> dict[str, Any]:
    try:
        # .NET clients may begin a body with a byte order mark.
        value = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Malformed(f"The request body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("The request body must be a JSON object.")
    return value
