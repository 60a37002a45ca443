"""Two responses to the same call, compared field by field.

Compared are calls that read. Values that differ between any two servers, or two calls, do not count: ids and
times of new predictions, hosts and signatures of URIs, continuation tokens. Neither do digits of times beyond
microseconds, and of probabilities beyond the fourth decimal.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from emulator.contract.operations import Operation

# Beside GET: operations that only read, and predictions, which the emulator answers without storing them.
_READING = frozenset(
    {
        "QueryPredictions",
        "QuerySuggestedImages",
        "QuerySuggestedImageCount",
        "GetImageRegionProposals",
        "QuickTestImage",
        "QuickTestImageUrl",
    }
)
# Refused keys, throttling and outages of the upstream: the emulator has none of these.
_NOT_COMPARED_STATUSES = frozenset({401, 403, 429, *range(500, 600)})
# Their responses are bytes, or a token of one server.
_NOT_COMPARED = frozenset({"GetArtifact", "ExportProject", "GetImageRegionProposals"})
_PREDICTED = frozenset({"id", "created"})
_PROBABILITY_TOLERANCE = 1e-4
_NUMBER_TOLERANCE = 1e-6
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z?)")
MOST_DIFFERENCES = 100


class Answered(NamedTuple):
    """A response. content: decoded."""

    status: int
    content_type: bytes
    content: bytes


class Difference(NamedTuple):
    """A field that differs, as a path such as ``[3].tags[0].tagName``; ABSENT where one side lacks it.

    ``status`` and ``content-type`` are not fields of the body, which begin with a dot or a bracket.
    """

    field: str
    upstream: Any
    local: Any


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def is_reading(method: str, operation: Operation | None) -> bool:
    """Whether a call changes nothing at the upstream, except that it may store a prediction."""
    if method in ("GET", "HEAD"):
        return True
    return operation is not None and (operation.api == "prediction" or operation.name in _READING)


def is_compared(operation: Operation) -> bool:
    return is_reading(operation.method, operation) and operation.name not in _NOT_COMPARED


def has_comparable_status(status: int) -> bool:
    """Whether a response of the upstream says something about its state, rather than about the caller or the
    connection."""
    return status not in _NOT_COMPARED_STATUSES


def without_effect(operation: Operation, path: str, query: bytes) -> tuple[str, bytes]:
    """Path and query of a call that stores no prediction, with the same response."""
    if operation.api == "prediction" and not path.endswith("/nostore"):
        return f"{path}/nostore", query
    if operation.name.startswith("QuickTest"):
        return path, b"store=false" + (b"&" + query if query else b"")
    return path, query


def differences(operation: Operation, upstream: Answered, local: Answered) -> list[Difference]:
    """The differences, at most MOST_DIFFERENCES."""
    if upstream.status != local.status:
        shown = [_summary(one) for one in (upstream, local)]
        return [Difference("status", *shown)]
    found: list[Difference] = []
    types = [
        one.content_type.partition(b";")[0].strip().lower().decode("latin-1") for one in (upstream, local)
    ]
    if types[0] != types[1]:
        found.append(Difference("content-type", *types))
    try:
        theirs, ours = (orjson.loads(one.content) if one.content else None for one in (upstream, local))
    except orjson.JSONDecodeError:
        if upstream.content != local.content:
            found.append(Difference("body", *(f"{len(one.content)} bytes" for one in (upstream, local))))
        return found
    predicts = operation.api == "prediction" or operation.name.startswith("QuickTest")
    for difference in _compared(theirs, ours, ""):
        if predicts and difference.field.lstrip(".") in _PREDICTED:
            continue
        found.append(difference)
        if len(found) == MOST_DIFFERENCES:
            break
    return found


def _summary(answered: Answered) -> str:
    """The status, and of an error its code and message."""
    try:
        body = orjson.loads(answered.content)
        error = body.get("error", body)
        text = f"{error.get('code', '')}: {error.get('message', '')}"
    except (orjson.JSONDecodeError, AttributeError):
        return str(answered.status)
    return f"{answered.status} {text}" if answered.status >= 400 else str(answered.status)


def _compared(theirs: Any, ours: Any, field: str) -> Iterator[Difference]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        yield from _objects(theirs, ours, field)
    elif isinstance(theirs, list) and isinstance(ours, list):
        yield from _lists(theirs, ours, field)
    elif not _is_same(theirs, ours, field.rpartition(".")[2]):
        yield Difference(field or ".", theirs, ours)


def _objects(theirs: dict[str, Any], ours: dict[str, Any], field: str) -> Iterator[Difference]:
    for name in {**theirs, **ours}:
        place = f"{field}.{name}"
        if name not in theirs or name not in ours:
            yield Difference(place, theirs.get(name, ABSENT), ours.get(name, ABSENT))
        else:
            yield from _compared(theirs[name], ours[name], place)


def _lists(theirs: list[Any], ours: list[Any], field: str) -> Iterator[Difference]:
    """Items with ids are compared with those of the same id; others by their places."""
    key = _key_of([*theirs, *ours])
    if key is None:
        yield from _by_place(theirs, ours, field)
        return
    ids, our_ids = ([item[key] for item in items] for items in (theirs, ours))
    if len({*ids}) != len(ids) or len({*our_ids}) != len(our_ids):
        yield from _by_place(theirs, ours, field)
        return
    known = dict(zip(our_ids, ours, strict=True))
    for place, item in enumerate(theirs):
        if item[key] in known:
            yield from _compared(item, known[item[key]], f"{field}[{place}]")
        else:
            yield Difference(f"{field}[{place}]", item, ABSENT)
    of_theirs = {*ids}
    for place, item in enumerate(ours):
        if item[key] not in of_theirs:
            yield Difference(f"{field}[{place}]", ABSENT, item)
    if {*ids} == {*our_ids} and ids != our_ids:
        yield Difference(f"{field}.order", ids, our_ids)


def _by_place(theirs: list[Any], ours: list[Any], field: str) -> Iterator[Difference]:
    if len(theirs) != len(ours):
        yield Difference(f"{field}.length", len(theirs), len(ours))
    for place, (first, second) in enumerate(zip(theirs, ours, strict=False)):
        yield from _compared(first, second, f"{field}[{place}]")


def _key_of(items: list[Any]) -> str | None:
    """The name of the id that all items have."""
    for name in ("id", "regionId", "tagId"):
        if items and all(isinstance(item, dict) and isinstance(item.get(name), str) for item in items):
            return name
    return None


def _is_same(theirs: Any, ours: Any, name: str) -> bool:
    if theirs == ours and type(theirs) is type(ours):
        return True
    if name.lower().endswith("uri") or name == "continuation":
        return isinstance(theirs, str) and isinstance(ours, str)
    if isinstance(theirs, bool) or isinstance(ours, bool):
        return False
    if isinstance(theirs, int | float) and isinstance(ours, int | float):
        tolerance = _PROBABILITY_TOLERANCE if name == "probability" else _NUMBER_TOLERANCE
        return math.isclose(theirs, ours, rel_tol=_NUMBER_TOLERANCE, abs_tol=tolerance)
    if isinstance(theirs, str) and isinstance(ours, str):
        times = [_TIME.fullmatch(text) for text in (theirs, ours)]
        if times[0] and times[1]:
            first, second = ((time[1], (time[2] or "").rstrip("0"), time[3]) for time in times if time)
            return first == second
    return False
