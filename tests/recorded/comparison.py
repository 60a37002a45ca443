"""Compares a response of the emulator with a recorded one of the service.

Everything must be equal, including the order of properties and null against absent, except for values
that cannot be: ids correspond one to one, dates and floats
must have the same format, and URIs have another host and signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SECOND = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d"
_BARE_ID = re.compile("[0-9a-f]{32}")
# Formats of text whose values differ: a recorded text of a format matches every text of that format.
DATES = {
    "date with milliseconds and Z": re.compile(rf"{_SECOND}\.\d{{3}}Z"),
    "date without zone, up to 7 digits, no trailing zero": re.compile(rf"{_SECOND}(\.\d{{0,6}}[1-9])?"),
}
HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_EXPIRY = re.compile(r"20\d\d-\d\d-\d\dT\d\d%3A\d\d%3A\d\dZ")
_SIGNATURE = re.compile(r"(%2[BF]|[A-Za-z0-9])+%3D")
# As .NET writes a single: at most nine significant digits, a capital E, a signed exponent of two digits.
_FLOAT = re.compile(r"-?\d+\.\d+(E[+-]\d\d)?")
_MOST_DIGITS = 9


class Float(float):
    """A float with its original text."""

    text: str

    def __new__(cls, text: str) -> Self:
        value = super().__new__(cls, text)
        value.text = text
        return value


def parsed(text: str) -> Any:
    return json.loads(text, parse_float=Float)


def compact(value: Any) -> str:
    """`value` as the service writes JSON; the recording was reformatted."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass
class References:
    """The emulator's id for each recorded id. Ids of domains are equal."""

    ids: dict[str, str] = field(default_factory=dict)

    def stands_for(self, recorded: str, given: str) -> bool:
        taken = given in self.ids.values() and self.ids.get(recorded) != given
        return not taken and self.ids.setdefault(recorded, given) == given

    def translated(self, text: str) -> str:
        """`text` with the recorded ids in it replaced by the emulator's, with and without dashes."""
        for recorded, given in self.ids.items():
            text = text.replace(recorded, given).replace(recorded.replace("-", ""), given.replace("-", ""))
        return text


def differences(recorded: Any, given: Any, references: References, at: str = "$") -> Iterator[str]:
    """The differences, one line each; `at` is the JSON path, with ``[*]`` for every item of a list."""
    if isinstance(recorded, dict) and isinstance(given, dict):
        if list(recorded) != list(given):
            yield f"{at}: properties are {list(given)}, recorded were {list(recorded)}"
        for key in recorded:
            if key in given:
                yield from differences(recorded[key], given[key], references, f"{at}.{key}")
    elif isinstance(recorded, list) and isinstance(given, list):
        if len(recorded) != len(given):
            yield f"{at}: {len(given)} items, recorded were {len(recorded)}"
        for one, other in zip(recorded, given, strict=False):
            yield from differences(one, other, references, f"{at}[*]")
    elif type(recorded) is not type(given):
        yield f"{at}: {given!r}, recorded was {recorded!r}"
    elif isinstance(given, Float):
        digits = given.text.partition("E")[0].replace(".", "").lstrip("-0")
        if not _FLOAT.fullmatch(given.text) or len(digits) > _MOST_DIGITS:
            yield f"{at}: {given.text} is not written as .NET writes a single"
    elif isinstance(recorded, str):
        yield from _texts(recorded, given, references, at)
    elif recorded != given:
        yield f"{at}: {given!r}, recorded was {recorded!r}"


def _texts(recorded: str, given: str, references: References, at: str) -> Iterator[str]:
    if re.fullmatch(GUID, recorded):
        if not re.fullmatch(GUID, given) or not references.stands_for(recorded, given):
            yield f"{at}: the id {given} does not stand for {recorded}"
        return
    for kind, pattern in DATES.items():
        if pattern.fullmatch(recorded):
            if not pattern.fullmatch(given):
                yield f"{at}: {given!r} is no {kind}"
            return
    if recorded.startswith(("https://", "/i-")):
        yield from _uris(recorded, given, references, at)
    elif recorded != given:
        yield f"{at}: {given!r}, recorded was {recorded!r}"


def _uris(recorded: str, given: str, references: References, at: str) -> Iterator[str]:
    there, here = urlsplit(recorded), urlsplit(given)
    if bool(there.netloc) != bool(here.netloc):
        yield f"{at}: {given!r} is {'absolute' if here.netloc else 'relative'}, recorded was the other"
    ids = zip(_BARE_ID.findall(there.path), _BARE_ID.findall(here.path), strict=False)
    form = [_BARE_ID.sub("<id>", path) for path in (there.path, here.path)]
    if form[0] != form[1] or not all(references.stands_for(_dashed(old), _dashed(new)) for old, new in ids):
        yield f"{at}: the path {here.path}, recorded was {there.path}"
    old = dict(item.split("=", 1) for item in there.query.split("&") if item)
    new = dict(item.split("=", 1) for item in here.query.split("&") if item)
    if list(old) != list(new):
        yield f"{at}: the query has {list(new)}, recorded were {list(old)}"
    for name, value in new.items():
        pattern = {"sig": _SIGNATURE, "se": _EXPIRY}.get(name)
        if not (pattern.fullmatch(value) if pattern else value == old.get(name)):
            yield f"{at}: {name}={value} in the query, recorded was {old.get(name)}"


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def header_differences(
    recorded: Mapping[str, str], given: Mapping[str, str], body: bytes, *, same_length: bool
) -> Iterator[str]:
    """The differences of headers. `same_length`: the bodies must have the same length."""
    there = {name.lower(): value for name, value in recorded.items()}
    here = {name.lower(): value for name, value in given.items()}
    # On purpose: see `api_spec/facts.md`.
    there.pop("strict-transport-security", None)
    if "vary" not in there:
        here.pop("vary", None)
    if set(there) != set(here):
        yield f"headers are {sorted(here)}, recorded were {sorted(there)}"
    request_id = here.get("apim-request-id", "")
    for name in there.keys() & here.keys():
        value = here[name]
        if name == "content-length":
            fine = value == str(len(body)) and (not same_length or value == there[name])
        elif name == "date":
            fine = HTTP_DATE.fullmatch(value) is not None
        elif name == "apim-request-id":
            fine = re.fullmatch(GUID, value) is not None
        elif there[name] == "=apim-request-id":
            fine = value == request_id
        else:
            fine = value == there[name]
        if not fine:
            yield f"header {name}: {value}, recorded was {there[name]}"


def has_fixed_length(value: Any) -> bool:
    """True when every response with the same structure has the same length in bytes."""
    if isinstance(value, dict):
        return all(has_fixed_length(item) for item in value.values())
    if isinstance(value, list):
        return all(has_fixed_length(item) for item in value)
    if isinstance(value, str):
        zulu, naive = DATES.values()
        varies = value.startswith(("https://", "/i-")) or naive.fullmatch(value)
        return not varies or zulu.fullmatch(value) is not None
    return not isinstance(value, float)
