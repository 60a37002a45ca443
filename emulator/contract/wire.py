"""JSON as the service writes it: order of properties, null or absent, dates and floats.

Shapes are classes (`responses.py`) with a `Rule` for each field that differs between versions. `render` turns
an object of a shape into the bytes for one version. The rules are stated in ``api_spec/facts.md``.
"""

import struct
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, dataclass_transform, get_origin, get_type_hints

import orjson

from emulator.contract.versions import Version

_FLOAT32 = struct.Struct("<f")


def float32(value: float) -> str:
    """`value` as .NET prints a single: 7 significant digits if they identify it, else 9.

    Below 1e-4 in scientific notation, with a capital E and a signed exponent of two digits; ``1.0`` for
    integral values.
    """
    single = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    text = f"{single:.7g}"
    if _FLOAT32.unpack(_FLOAT32.pack(float(text)))[0] != single:
        text = f"{single:.9g}"
    return _decimal(text)


def float64(value: float) -> str:
    """`value` as .NET prints a double: 15 significant digits if they identify it, else 17."""
    text = f"{value:.15g}"
    if float(text) != value:
        text = f"{value:.17g}"
    return _decimal(text)


def _decimal(text: str) -> str:
    if "e" in text:
        return text.replace("e", "E")
    return text if "." in text else f"{text}.0"


def zulu(moment: datetime) -> str:
    """Milliseconds, always three digits, and Z: projects, iterations, predictions."""
    # Not strftime, which writes the year 1 as one digit; clients send 0001-01-01.
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def zulu7(moment: datetime) -> str:
    """Seven digits and Z: predictions of Prediction 3.0."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}0Z"


def naive(moment: datetime) -> str:
    """No zone, as many digits as needed and none for a whole second: images, their tags and regions."""
    text = moment.replace(tzinfo=None).isoformat()
    return text.rstrip("0") if moment.microsecond else text


FORMATS: dict[str, Callable[[Any], Any]] = {
    "zulu": zulu,
    "zulu7": zulu7,
    "naive": naive,
    "float64": lambda value: orjson.Fragment(float64(value)),
}


@dataclass_transform(eq_default=False, kw_only_default=True)
class Shape:
    """Base of the shapes of responses: classes with annotated fields, given as keyword arguments.

    Type checkers treat subclasses as dataclasses. Defining 60 real ones would take 3 % of the start.
    """

    # The order of the fields in versions that differ, by keys such as ``"training 3.0"``.
    ORDER: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Rule(NamedTuple):
    """What the contract defines for a field besides its type; an argument of the field's ``Annotated``.

    Attributes:
        since: the first version that has the field, by API.
        omit_empty: whether the property is omitted when it is null or empty.
        format: a name in FORMATS.
        formats: formats of versions that differ, by keys such as ``"prediction 3.0"``.
        always_null: versions, by the same keys, that send null for every value.
        key: the property's name, where it is not the field's name in camel case.
    """

    since: dict[str, tuple[int, int]] | None = None
    omit_empty: bool = False
    format: str | None = None
    formats: dict[str, str] | None = None
    always_null: frozenset[str] = frozenset()
    key: str | None = None


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


# Attribute, property name, format, omit_empty and always_null of a field.
_Writer = tuple[str, str, Callable[[Any], Any] | None, bool, bool]
_plans: dict[tuple[type, Version], tuple[_Writer, ...]] = {}


def _plan(shape: type, version: Version) -> tuple[_Writer, ...]:
    """How to write a `shape` for a version; computed once."""
    if (shape, version) not in _plans:
        _plans[shape, version] = _make_plan(shape, version)
    return _plans[shape, version]


def _make_plan(shape: type, version: Version) -> tuple[_Writer, ...]:
    label = f"{version.api} {version.name}"
    writers: dict[str, _Writer] = {}
    hints = get_type_hints(shape, include_extras=True)
    for attribute, hint in hints.items():
        if get_origin(hint) is ClassVar:
            continue
        marks = getattr(hint, "__metadata__", ())
        rule: Rule = next((mark for mark in marks if isinstance(mark, Rule)), Rule())
        if rule.since and version.number < rule.since.get(version.api, (0, 0)):
            continue
        name = (rule.formats or {}).get(label, rule.format)
        writers[attribute] = (
            attribute,
            rule.key or camel(attribute),
            FORMATS[name] if name else None,
            rule.omit_empty,
            label in rule.always_null,
        )
    order = getattr(shape, "ORDER", {}).get(label)
    return tuple(writers[name] for name in order) if order else tuple(writers.values())


def to_json(value: Any, version: Version) -> Any:
    """`value` with its shapes (or dataclasses) converted to values that orjson writes as the service does."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return orjson.Fragment(float32(value))
    if isinstance(value, (list, tuple)):
        return [to_json(item, version) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item, version) for key, item in value.items()}
    if isinstance(value, Shape) or is_dataclass(value):
        result: dict[str, Any] = {}
        for attribute, key, write, omit_empty, always_null in _plan(type(value), version):
            item = getattr(value, attribute)
            if omit_empty and (item is None or item == [] or item == {}):
                continue
            if always_null or item is None:
                result[key] = None
            else:
                result[key] = write(item) if write else to_json(item, version)
        return result
    raise TypeError(f"{type(value).__name__} has no form on the wire")


def render(value: Any, version: Version) -> bytes:
    """The compact JSON bytes of a response."""
    return orjson.dumps(to_json(value, version))
