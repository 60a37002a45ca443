"""Bodies of the emulator's own API. Unlike the service, it refuses properties that it does not have."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from emulator.contract.json_text import InvalidJson, TooManyValues, read_strict_json
from emulator.contract.requests import Malformed, StrictBody

_Shape = TypeVar("_Shape", bound=StrictBody)
_SHOWN = 100  # characters of a name or value in a message


def parse_strictly(shape: type[_Shape], data: bytes) -> _Shape:
    """The body `data` as a `shape`. Raises Malformed with the place and the reason."""
    try:
        value = read_strict_json(data)
    except InvalidJson as error:
        raise Malformed(f"The request body is not JSON: {error}") from None
    except TooManyValues as error:
        raise Malformed(str(error)) from None
    if not isinstance(value, dict):
        raise Malformed("The request body is not a JSON object.")
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    raise Malformed(_message(errors, value))


def _message(errors: Sequence[ErrorDetails], value: Any) -> str:
    """A sentence on the first error, or on an unknown name, which explains why another one is missing."""
    unknown = next((error for error in errors if error["type"] == "extra_forbidden"), None)
    if unknown is not None:
        missing = [
            str(error["loc"][-1])
            for error in errors
            if error["type"] == "missing" and error["loc"][:-1] == unknown["loc"][:-1]
        ]
        hint = f"; {missing[0]} is missing" if missing else ""
        return f"The request body has the unknown property '{_place(unknown['loc'], value)}'{hint}."
    first = errors[0]
    place = _place(first["loc"], value)
    if first["type"] == "missing":
        return f"{place} is missing."
    expected = _expected(first)
    if expected is not None and place:
        return f"{place} is {_shown(first['input'])}; it must {expected}."
    where = f" at '{place}'" if place else ""
    reason = _reason(first)
    return f"The request body is invalid{where}: {reason}{'' if reason.endswith(('.', '?')) else '.'}"


_EXPECTED = {
    "string_type": "be a string",
    "bool_type": "be true or false",
    "int_type": "be a whole number",
    "int_from_float": "be a whole number",
    "float_type": "be a number",
    "list_type": "be an array",
    "dict_type": "be an object",
    "model_type": "be an object",
    "model_attributes_type": "be an object",
    "greater_than_equal": "be at least {ge}",
    "greater_than": "be greater than {gt}",
    "less_than_equal": "be at most {le}",
    "less_than": "be less than {lt}",
    "literal_error": "be {expected}",
    "too_short": "have at least {min_length}",
    "too_long": "have at most {max_length}",
    "string_too_short": "have at least {min_length} characters",
    "string_too_long": "have at most {max_length} characters",
}


def _expected(error: ErrorDetails) -> str | None:
    """What the value must be or have; None for errors that have a text of their own."""
    text = _EXPECTED.get(error["type"])
    if text is None:
        return None
    context = error.get("ctx", {})
    if error["type"] in ("too_short", "too_long"):
        text += " item" if context.get("min_length", context.get("max_length")) == 1 else " items"
    return text.format_map(context)


def _shown(value: Any) -> str:
    """A value in words of JSON."""
    if isinstance(value, list):
        return "an empty array" if not value else f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, str):
        return f"'{value[:_SHOWN]}'"
    return (
        {True: "true", False: "false", None: "null"}[value]
        if value is None or isinstance(value, bool)
        else str(value)[:_SHOWN]
    )


def _reason(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "union_tag_invalid":
        name, found = context["discriminator"], str(context["tag"])[:_SHOWN]
        return f"{name} is '{found}'; possible are {context['expected_tags']}"
    if error["type"] == "union_tag_not_found":
        return f"{context['discriminator']} is missing"
    return error["msg"].removeprefix("Value error, ")


def _place(location: Sequence[int | str], value: Any) -> str:
    """``steps[0].times``: the parts of a location that are in the value, without the choices of unions."""
    text = ""
    for position, part in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(part, int):
            text += f"[{part}]"
        elif position and isinstance(location[position - 1], int) and part == _item(value, "kind"):
            continue  # the choice of a union
        elif (isinstance(value, dict) and part in value) or is_last:
            text += f".{part[:_SHOWN]}"
        else:
            continue
        value = _item(value, part)
    return text.removeprefix(".")


def _item(value: Any, part: int | str) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None
