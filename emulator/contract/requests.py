"""Bodies of requests. Property names match in any case; unknown properties are ignored."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from emulator.contract.gateway_responses import guid
from emulator.contract.json_text import InvalidJson, TooManyValues, read_json, read_written_numbers
from emulator.contract.lenient_json import WrittenNumber
from emulator.contract.wire import camel

# The documented limits are at most 500; this one is for the work of reading a list or object.
MAX_ITEMS = 10_000
_T = TypeVar("_T")


def _number(value: Any) -> Any:
    if isinstance(value, bool):  # pydantic would convert true to 1
        raise PydanticCustomError("not_a_number", "Input is not a number")
    return _to_float(value) if isinstance(value, WrittenNumber) else value


def _flag(value: Any) -> Any:
    """Like the service's reader: each number except 0 is true."""
    if isinstance(value, WrittenNumber):
        return _to_float(value) != 0
    return value


def _text(value: Any) -> Any:
    """Like the service's reader: a number or boolean is a text, as it is written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _absent_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _at_most_max_items(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_ITEMS:
        raise PydanticCustomError(_TOO_MANY, f"Input should have at most {MAX_ITEMS} items")
    return value


def _to_float(value: WrittenNumber) -> float:
    try:
        return value.to_float()
    except (ValueError, OverflowError):
        raise PydanticCustomError("not_a_number", "Input is not a number") from None


_TOO_MANY = "too_long"
Guid = Annotated[str, BeforeValidator(guid)]
Text = Annotated[str, BeforeValidator(_text)]
Number = Annotated[float, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]
# An empty text is null where a GUID or number may be null.
OptionalGuid = Annotated[Guid | None, BeforeValidator(_absent_if_empty)]
OptionalNumber = Annotated[Number | None, BeforeValidator(_absent_if_empty)]
OptionalCount = Annotated[Count | None, BeforeValidator(_absent_if_empty)]
OptionalFlag = Annotated[Flag | None, BeforeValidator(_absent_if_empty)]
Ids = Annotated[list[Guid], Field(max_length=MAX_ITEMS)]
# The first invalid object ends the validation of a list.
List = Annotated[list[_T], Field(max_length=MAX_ITEMS, fail_fast=True)]
Texts = Annotated[dict[str, Text], BeforeValidator(_at_most_max_items)]
Flags = Annotated[dict[str, Flag], BeforeValidator(_at_most_max_items)]


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


class TooManyItems(Malformed):
    """A body with more items than are read, whatever they are."""

    code = "BadRequestExceededBatchSize"


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


class StrictBody(BaseModel):
    """A body of the control API: names of properties are exact, unknown ones and other types are refused.

    No value is converted: 1 is neither true nor "1". Read by `emulator.contract.test_kit.strict_body`.
    """

    model_config = ConfigDict(alias_generator=camel, extra="forbid", strict=True, defer_build=True)


class Region(Body):
    tag_id: Guid
    left: Number
    top: Number
    width: Number
    height: Number


class ImageRegionCreateEntry(Region):
    image_id: Guid


class ImageRegionCreateBatch(Body):
    regions: List[ImageRegionCreateEntry] | None = None


class ImageFileCreateEntry(Body):
    name: Text | None = None
    contents: Text | None = None
    tag_ids: Ids | None = None
    regions: List[Region] | None = None


class ImageFileCreateBatch(Body):
    images: List[ImageFileCreateEntry] | None = None
    tag_ids: Ids | None = None
    metadata: Texts | None = None


class ImageUrl(Body):
    url: Text


class ImageUrlCreateEntry(Body):
    url: Text
    tag_ids: Ids | None = None
    regions: List[Region] | None = None


class ImageUrlCreateBatch(Body):
    images: List[ImageUrlCreateEntry] | None = None
    tag_ids: Ids | None = None
    metadata: Texts | None = None


class ImageIdCreateEntry(Body):
    id: Guid
    tag_ids: Ids | None = None
    regions: List[Region] | None = None


class ImageIdCreateBatch(Body):
    images: List[ImageIdCreateEntry] | None = None
    tag_ids: Ids | None = None
    metadata: Texts | None = None


class PredictionQueryTag(Body):
    id: Guid
    min_threshold: OptionalNumber = None
    max_threshold: OptionalNumber = None


class PredictionQueryToken(Body):
    """Times are strings here, because the operation has its own error for invalid ones."""

    session: Text | None = None
    continuation: Text | None = None
    max_count: OptionalCount = None
    order_by: Text | None = None
    tags: List[PredictionQueryTag] | None = None
    iteration_id: OptionalGuid = None
    start_time: Text | None = None
    end_time: Text | None = None
    application: Text | None = None


class TagFilter(Body):
    tag_ids: Ids | None = None
    threshold: OptionalNumber = None


class SuggestedImageQuery(TagFilter):
    session: Text | None = None
    continuation: Text | None = None
    max_count: OptionalCount = None
    sort_by: Text | None = None


class ImageTagCreateEntry(Body):
    image_id: Guid
    tag_id: Guid


class ImageTagCreateBatch(Body):
    tags: List[ImageTagCreateEntry] | None = None


class ImageProcessingSettings(Body):
    augmentation_methods: Flags | None = None


class ProjectSettings(Body):
    domain_id: OptionalGuid = None
    classification_type: Text | None = None
    target_export_platforms: List[Text] | None = None
    use_negative_set: OptionalFlag = None
    detection_parameters: Text | None = None
    image_processing_settings: ImageProcessingSettings | None = None
    export_model_container_uri: Text | None = None
    notification_queue_uri: Text | None = None


class Project(Body):
    name: Text | None = None
    description: Text | None = None
    settings: ProjectSettings | None = None


class Tag(Body):
    name: Text | None = None
    description: Text | None = None
    type: Text | None = None


class Iteration(Body):
    name: Text | None = None


class CustomBaseModelInfo(Body):
    project_id: Guid
    iteration_id: Guid


class TrainingParameters(Body):
    selected_tags: Ids | None = None
    custom_base_model_info: CustomBaseModelInfo | None = None


class CreateProjectOptions(Body):
    export_model_container_uri: Text | None = Field(default=None)
    notification_queue_uri: Text | None = Field(default=None)


_Shape = TypeVar("_Shape", bound=Body)
_PLACES_IN_LOG = 10
_VALUE_IN_LOG = 100


def parse_texts(data: bytes) -> dict[str, str]:
    """The body `data` as an object whose values are strings. Raises Malformed."""
    texts = _texts(_object(data))
    if any(isinstance(item, float) for item in texts.values()):
        texts = _texts(_object(data, read_written_numbers))
    for key, item in texts.items():
        if not isinstance(item, str):
            raise Malformed(f"The request body is invalid at '{key[:100]}': its value must be a text.")
    return texts


def _texts(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > MAX_ITEMS:
        raise TooManyItems(f"The request body has {len(value)} items; at most {MAX_ITEMS} are allowed.")
    return {key: _text(item) for key, item in value.items()}


def parse(shape: type[_Shape], data: bytes) -> _Shape:
    """The body `data` as a `shape`. Raises Malformed with the place and the reason."""
    try:
        return shape.model_validate(_object(data))
    except ValidationError as error:
        first, types = error, {one["type"] for one in _errors(error)}
    if types & {"string_type", "bool_type", "bool_parsing"}:
        # Perhaps a number where the shape has a text or a boolean.
        try:
            return shape.model_validate(_object(data, read_written_numbers))
        except (Malformed, ValidationError):
            pass
    raise _malformed(first)


def _malformed(error: ValidationError) -> Malformed:
    errors = _errors(error)
    first = errors[0]
    place = ".".join(str(part)[:100] for part in first["loc"])
    # Only `guid` raises ValueError; all other errors are errors of types.
    kinds = {"value_error": InvalidId, _TOO_MANY: TooManyItems}
    kind = kinds.get(first["type"], Malformed)
    return kind(f"The request body is invalid at '{place}': {first['msg']}", _all_places(errors))


def _errors(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False)


def _all_places(errors: Sequence[Any]) -> str:
    """For the log: ``tagIds[0] 'tag1': is not a GUID; ...``"""
    texts = []
    for error in errors[:_PLACES_IN_LOG]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:100]}" for part in error["loc"])
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


def _object(data: bytes, read: Callable[[bytes], Any] = read_json) -> dict[str, Any]:
    try:
        value = read(data)
    except TooManyValues as error:
        raise TooManyItems(str(error)) from None
    except InvalidJson as error:
        raise Malformed(f"The request body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("The request body must be a JSON object.")
    return value
