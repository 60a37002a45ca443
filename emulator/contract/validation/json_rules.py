"""Rules for JSON that JSON Schema cannot express, and messages of its errors."""

import re
import struct
from collections.abc import Callable, Iterator
from typing import Any, Self

from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator

from emulator.contract.validation.documents import Schema

# Longer enumerations are counted in messages instead of listed.
_VALUES_SHOWN = 20
_LONGEST_MESSAGE = 300
# The most significant digits that .NET writes for a value to be read back exactly.
_DIGITS = {"float": 9, "double": 17}
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:E[+-]\d{2,3})?")


class Written(float):
    """A float with its original text."""

    text: str

    def __new__(cls, text: str) -> Self:
        value = super().__new__(cls, text)
        value.text = text
        return value


def schema_problems(validator: Validator, value: Any) -> Iterator[str]:
    """The contradictions of `value` to a schema, each with its JSON path."""
    for problem in validator.iter_errors(value):
        best = best_match([problem]) or problem
        yield f"{best.json_path}: {_message(best)}"


def _message(error: ValidationError) -> str:
    """The message of `error`, without long enumerations."""
    values = error.validator_value
    if error.validator == "enum" and isinstance(values, list) and len(values) > _VALUES_SHOWN:
        return f"{error.instance!r} is not among the {len(values)} values of this version"
    return str(error.message)[:_LONGEST_MESSAGE]


def refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def object_noting(repeated: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Makes objects of pairs, and notes objects with a property twice."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            repeated.append(f"an object has a property twice: {', '.join(key for key, _ in pairs)}")
        return built

    return build


def shape_problems(schema: Schema, value: Any, where: str = "$") -> Iterator[str]:
    """Wrong orders of properties, undocumented properties, and numbers in another format."""
    schema = _narrowed(schema, value)
    if isinstance(value, dict):
        yield from _object(schema, value, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from shape_problems(schema.get("items", {}), item, f"{where}[{index}]")
    elif schema.get("format") in _DIGITS and isinstance(value, (int, float)):
        yield from _number(schema["format"], value, where)


def undocumented_properties(schema: Schema, value: Any, where: str = "$") -> Iterator[str]:
    """Properties that a schema does not have, or has with another case."""
    schema = _narrowed(schema, value)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from undocumented_properties(schema.get("items", {}), item, f"{where}[{index}]")
    if not isinstance(value, dict) or not schema:
        return
    properties: dict[str, Schema] = schema.get("properties", {})
    more = schema.get("additionalProperties")
    lowered = {name.lower(): name for name in properties}
    for key, item in value.items():
        if key in properties:
            yield from undocumented_properties(properties[key], item, f"{where}.{key}")
        elif isinstance(more, dict):
            yield from undocumented_properties(more, item, f"{where}.{key}")
        elif key.lower() in lowered:
            yield f"{where}.{key}: documented as {lowered[key.lower()]!r}"
        else:
            yield f"{where}.{key} is not documented"


def _narrowed(schema: Schema, value: Any) -> Schema:
    """The alternative of a schema that applies to `value`."""
    if "else" in schema:
        return {} if value is None else dict(schema["else"])
    if "oneOf" in schema and isinstance(value, dict):
        # Error of the service or the gateway: the documented shape with the first property of the response.
        first = next(iter(value), None)
        return next((dict(item) for item in schema["oneOf"] if first in item.get("properties", {})), {})
    return schema


def _object(schema: Schema, value: dict[str, Any], where: str) -> Iterator[str]:
    properties: dict[str, Schema] = schema.get("properties", {})
    more = schema.get("additionalProperties")
    sent = [key for key in value if key in properties]
    expected = [key for key in properties if key in value]
    if sent != expected:
        yield f"{where}: properties in the order {', '.join(sent)}; documented {', '.join(expected)}"
    for key, item in value.items():
        if key in properties:
            yield from shape_problems(properties[key], item, f"{where}.{key}")
        elif isinstance(more, dict):
            yield from shape_problems(more, item, f"{where}.{key}")
        elif schema:
            yield f"{where}.{key} is not documented"


def _number(kind: str, value: float, where: str) -> Iterator[str]:
    if not isinstance(value, Written):
        yield f"{where}: {value} is written without a decimal point"
        return
    match = _NUMBER.fullmatch(value.text)
    if match is None:
        yield f"{where}: {value.text} is not written as the service writes numbers"
        return
    digits = (match[1] + (match[2] or "")).lstrip("0")
    if len(digits) > _DIGITS[kind]:
        yield f"{where}: {value.text} has more digits than a {kind}"
    elif kind == "float" and value and not struct.unpack("<f", struct.pack("<f", value))[0]:
        yield f"{where}: {value.text} is no {kind}"
