"""The operations that are nearest to a path or method that no operation has, with the difference in words."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from emulator.contract.gateway_responses import guid
from emulator.contract.operations import OPERATIONS, Operation
from emulator.contract.versions import OLDEST_MAJOR, VERSIONS, Api, RetiredVersion, Version, resolve

_MOST = 3
_MOST_SEGMENTS = 14
_LONGEST_SEGMENT = 60
# Costs of differences; a path that differs more than `_FARTHEST` from an operation has nothing to do with it.
_FARTHEST = 1.6
_MORE_THAN_NEAREST = 0.45
_ABSENT = _SURPLUS = 1.0
_SURPLUS_ID = 0.5
_UNLIKE = 2.5
_NO_GUID = 0.7
_PREFIX = 0.3
_OTHER_API = 0.6
_OTHER_METHOD = 0.5
_OTHER_METHOD_AND_PATH = 0.8
_OTHER_VERSION = 0.3
# Two words with this ratio of `difflib` or a higher one are spellings of each other.
_SIMILAR = 0.6
_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
_VERSION = re.compile(r"v?\d+(?:\.\d+)?(?:-\w+)?", re.IGNORECASE)
_APIS: tuple[Api, ...] = ("training", "prediction")
_LITERALS = frozenset(
    segment for operation in OPERATIONS for segment in operation.path.split("/") if "{" not in segment
)


class NearMiss(NamedTuple):
    """An operation, and in what a request differs from it.

    path: template of the whole path, with the version of the request where the operation is in it.
    differences: sentences without a full stop.
    """

    operation: Operation
    path: str
    differences: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.operation.name} ({self.operation.method} {self.path}): {', '.join(self.differences)}"


class _Prefix(NamedTuple):
    """What precedes the path of an operation, as far as it is there."""

    version: Version | None
    version_text: str
    api: Api | None
    differences: tuple[str, ...]


def described(method: str, path: str) -> str:
    """The near misses of a request in one line; empty when there are none."""
    return "; ".join(map(str, near_misses(method, path)))


@lru_cache(maxsize=256)
def near_misses(method: str, path: str) -> tuple[NearMiss, ...]:
    """The operations nearest to a method and path, the nearest first; none if all are too different.

    path: percent-encoded, as it was sent; a query is ignored.
    """
    segments = [
        unquote(segment)[:_LONGEST_SEGMENT] for segment in path.partition("?")[0].split("/") if segment
    ]
    if len(segments) > _MOST_SEGMENTS:
        return ()
    prefix, rest = _prefix_of(segments)
    found = []
    for operation in OPERATIONS:
        cost, differences = _compared(operation, method, prefix, rest)
        if cost <= _FARTHEST and differences:
            found.append((cost, NearMiss(operation, _template(operation, prefix), tuple(differences))))
    found.sort(key=lambda one: one[0])
    nearest = found[0][0] if found else 0
    return tuple(near for cost, near in found[:_MOST] if cost <= nearest + _MORE_THAN_NEAREST)


def _compared(
    operation: Operation, method: str, prefix: _Prefix, rest: Sequence[str]
) -> tuple[float, list[str]]:
    """The cost of the differences between a request and an operation, and their descriptions."""
    cost, of_path = _alignment(tuple(operation.path.strip("/").split("/")), tuple(rest))
    differences = [*prefix.differences, *of_path]
    cost += _PREFIX * len(prefix.differences)
    if prefix.api not in (None, operation.api):
        cost += _OTHER_API
        own_api = operation.api.capitalize()
        differences.append(f"the path is under /{prefix.api}, {operation.name} belongs to the {own_api} API")
    wanted = "GET" if method == "HEAD" else method
    if wanted != operation.method:
        cost += _OTHER_METHOD_AND_PATH if of_path else _OTHER_METHOD
        differences.append(f"the method is {method}, {operation.name} has {operation.method}")
    version = prefix.version
    if version is not None and version.api == operation.api and not operation.exists_in(version):
        cost += _OTHER_VERSION
        since = ".".join(map(str, operation.since))
        differences.append(f"{operation.name} exists from version {since} on, not in {prefix.version_text}")
    return cost, differences


def _prefix_of(segments: Sequence[str]) -> tuple[_Prefix, list[str]]:
    """The prefix ``/customvision/v3.3/training`` of a path, what it lacks, and the segments after it."""
    rest, differences = list(segments), []
    if rest and rest[0].lower() == "customvision":
        del rest[0]
    elif rest and _ratio(rest[0], "customvision") >= _SIMILAR:
        differences.append(f"'{rest.pop(0)}' instead of 'customvision'")
    else:
        differences.append("the path lacks /customvision")
    version_text = api_text = ""
    if (rest and _VERSION.fullmatch(rest[0])) or (len(rest) > 1 and rest[1].lower() in _APIS):
        version_text = rest.pop(0)
    api: Api | None = None
    if rest:
        api = next((one for one in _APIS if _ratio(rest[0], one) >= _SIMILAR), None)
    if api is None:
        differences.append("the path lacks the API, /training or /prediction")
    else:
        api_text = rest.pop(0)
        if api_text.lower() != api:
            differences.append(f"'{api_text}' instead of '{api}'")
    version = _version(api or "training", version_text)
    if version is None:
        differences.append(_wrong_version(version_text))
    elif not version_text.lower().startswith("v"):
        differences.append(f"'{version_text}' instead of 'v{version_text}'")
    return _Prefix(version, version_text, api, tuple(differences)), rest


def _version(api: Api, text: str) -> Version | None:
    try:
        return resolve(api, f"v{text.lower().removeprefix('v')}")[0]
    except (RetiredVersion, ValueError):
        return None


def _wrong_version(text: str) -> str:
    newest = VERSIONS["training"][-1]
    if not text:
        return f"the path lacks a version, such as /v{newest}"
    if _VERSION.fullmatch(text):
        return f"version {text} is older than v{OLDEST_MAJOR}.0 and retired"
    return f"'{text}' is no version, such as v{newest}"


def _template(operation: Operation, prefix: _Prefix) -> str:
    version = VERSIONS[operation.api][-1].name
    if prefix.version is not None and prefix.version.api == operation.api:
        version = prefix.version.name if operation.exists_in(prefix.version) else version
    return f"/customvision/v{version}/{operation.api}{_without_convertor(operation.path)}"


def _without_convertor(path: str) -> str:
    return path.replace(":path", "")


def _alignment(template: tuple[str, ...], given: tuple[str, ...]) -> tuple[float, list[str]]:
    """The cheapest edits between the segments of a template and of a path (Levenshtein), described."""
    # best[j]: cost and descriptions for the first segments of the template, and the first j that are given.
    best: list[tuple[float, list[str]]] = [(0.0, [])]
    for segment in given:
        cost, texts = best[-1]
        more, surplus = _surplus(segment)
        best.append((cost + more, [*texts, surplus]))
    for wanted in template:
        absent = f"the path lacks /{_without_convertor(wanted)}"
        row = [(best[0][0] + _ABSENT, [*best[0][1], absent])]
        for index, segment in enumerate(given):
            instead, text = _segment(wanted, segment)
            more, surplus = _surplus(segment)
            row.append(
                min(
                    (best[index][0] + instead, [*best[index][1], *text]),
                    (best[index + 1][0] + _ABSENT, [*best[index + 1][1], absent]),
                    (row[index][0] + more, [*row[index][1], surplus]),
                    key=lambda one: one[0],
                )
            )
        best = row
    return best[-1]


@lru_cache(maxsize=4096)
def _segment(wanted: str, given: str) -> tuple[float, tuple[str, ...]]:
    """The cost of a segment in place of one of a template, and its description."""
    parameter = _PARAMETER.fullmatch(wanted)
    if parameter is None:
        similarity = _ratio(wanted, given)
        if similarity == 1:
            return 0, ()
        cost = _UNLIKE if similarity < _SIMILAR else 0.2 + (1 - similarity)
        return cost, (f"'{given}' instead of '{wanted}'",)
    if given.lower() in _LITERALS:
        return _UNLIKE, (f"'{given}' instead of {wanted}",)
    if parameter[1] == "publishedName":
        return 0, ()
    return (0, ()) if _is_guid(given) else (_NO_GUID, (f"'{given}' is no GUID ({wanted})",))


def _surplus(given: str) -> tuple[float, str]:
    """The cost of a segment that a template lacks, and its description."""
    return _SURPLUS_ID if _is_guid(given) else _SURPLUS, f"/{given} is one segment too many"


def _is_guid(text: str) -> bool:
    try:
        guid(text)
    except ValueError:
        return False
    return True


def _ratio(one: str, other: str) -> float:
    one, other = one.lower(), other.lower()
    if one == other:
        return 1.0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= _SIMILAR <= matcher.quick_ratio() else 0.0
