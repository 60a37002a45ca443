"""Bodies of the emulator's own API. Unlike the service, it refuses properties that it does not have."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from emulator.contract.json_text import InvalidJson, TooManyValues, read_strict_json
from emulator.contract.requests import Malformed, StrictBody

_Shape = TypeVar("_Shape", bound=StrictBody)


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
        first = error.errors(include_url=False)[0]
    place = _place(first["loc"], value)
    if first["type"] == "extra_forbidden":
        raise Malformed(f"The request body has the unknown property {place}.")
    where = f" at {place}" if place else ""
    raise Malformed(f"The request body is invalid{where}: {_reason(first)}")


def _reason(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "union_tag_invalid":
        name, found = context["discriminator"], str(context["tag"])[:100]
        return f"{name} is '{found}'; possible are {context['expected_tags']}"
    if error["type"] == "union_tag_not_found":
        return f"needs {context['discriminator']}"
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
            text += f".{part[:100]}"
        else:
            continue
        value = _item(value, part)
    return f"'{text.removeprefix('.')}'" if text else ""


def _item(value: Any, part: int | str) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None
