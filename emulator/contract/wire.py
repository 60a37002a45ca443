"""JSON as the service writes it: order of properties, null against absent, dates and floats.

Shapes are classes (`responses.py`) whose fields say what differs by version; this module turns an object of
one of them into bytes for one version. The rules are stated in ``api_spec/facts.md``.
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
    """`value` as .NET prints a single: 7 significant digits if they suffice to get it back, else 9.

    Scientific below 1e-4 with a capital E and a signed exponent of two digits, ``1.0`` for integral values.
    """
    single = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    text = f"{single:.7g}"
    if _FLOAT32.unpack(_FLOAT32.pack(float(text)))[0] != single:
        text = f"{single:.9g}"
    return _decimal(text)


def float64(value: float) -> str:
    """`value` as .NET prints a double: 15 significant digits if they suffice, else 17."""
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
    # Not strftime, which writes the year 1, the least that clients send, as one digit.
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
    """Base of the shapes of responses: classes with annotated fields, whose values are keyword arguments.

    Type checkers treat subclasses as dataclasses. Making 60 real ones would be 3 % of the start.
    """

    # The order of the fields where a version has another one, by ``"training 3.0"`` and the like.
    ORDER: ClassVar[dict[str, tuple[str, ...]]] = {}

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Rule(NamedTuple):
    """What the contract says about a field beyond its type, in the field's ``Annotated``.

    Attributes:
        since: the first version that has the field, by API.
        omit_empty: whether the property is left out instead of being null or empty.
        format: a name in FORMATS.
        formats: another format for a single version, by ``"prediction 3.0"`` and the like.
        always_null: versions, named likewise, that send null for every value.
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


_Writer = tuple[str, str, Callable[[Any], Any] | None, bool, bool]


_plans: dict[tuple[type, Version], tuple[_Writer, ...]] = {}


def _plan(shape: type, version: Version) -> tuple[_Writer, ...]:
    """How to write a `shape` for a version; worked out once."""
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
    """`value` with its shapes (or dataclasses) turned into what orjson writes as the service would."""
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
    """The compact JSON bytes of an answer."""
    return orjson.dumps(to_json(value, version))
