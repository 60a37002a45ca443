"""The operation of a path, for code that sees a request before the router does."""

import re
from functools import cache
from typing import NamedTuple, cast

from emulator.contract.operations import OPERATIONS, Operation
from emulator.contract.versions import Api

_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")
_API_PATH = re.compile(
    r"/*customvision/+(v[^/]{1,40})/+(training|prediction)(/.*|$)", re.IGNORECASE | re.DOTALL
)
# A path of the prediction API. The published name keeps its case and may contain slashes.
_PREDICTION_PATH = re.compile(
    r"(/[^/]+/(?:classify|detect)/iterations/)(.*)(/(?:image|url)(?:/nostore)?)", re.IGNORECASE
)


class ApiPath(NamedTuple):
    """A path of one of the APIs. version: as sent. path: below version and API, in the canonical case."""

    api: Api
    version: str
    path: str


def api_path(path: str) -> ApiPath | None:
    """The parts of a path, in any case and with repeated slashes; None for other paths.

    The service matches paths in any case, but routes do not: literal segments and ids become lower-case.
    """
    match = _API_PATH.fullmatch(path)
    if match is None:
        return None
    api = cast(Api, match[2].lower())
    return ApiPath(api, match[1], _canonical(api, match[3].rstrip("/")))


def _canonical(api: Api, path: str) -> str:
    if api == "training":
        return path.lower()
    match = _PREDICTION_PATH.fullmatch(path)
    return f"{match[1].lower()}{match[2]}{match[3].lower()}" if match else path


def operation_at(api: Api, method: str, path: str) -> Operation | None:
    """The operation that has this method and path; None when there is none.

    Args:
        method: in upper case; HEAD stands for GET.
        path: that of `ApiPath`.
    """
    wanted = "GET" if method == "HEAD" else method
    for operation in operations_at(api, path):
        if operation.method == wanted:
            return operation
    return None


def operations_at(api: Api, path: str) -> list[Operation]:
    """The operations of a path with any method, specific paths first."""
    return [operation for operation, pattern in _patterns(api) if pattern.fullmatch(path)]


def parameters_of(operation: Operation, path: str) -> dict[str, str]:
    """The values of the parameters in a path of an operation. path: that of `ApiPath`."""
    match = re.fullmatch(_PARAMETER.sub(_named_pattern, operation.path), path, re.DOTALL)
    return {} if match is None else match.groupdict()


@cache
def _patterns(api: Api) -> tuple[tuple[Operation, re.Pattern[str]], ...]:
    return tuple(
        (operation, re.compile(_PARAMETER.sub(_pattern, operation.path), re.DOTALL))
        for operation in OPERATIONS
        if operation.api == api
    )


def _pattern(parameter: re.Match[str]) -> str:
    return ".+" if parameter[2] else "[^/]+"


def _named_pattern(parameter: re.Match[str]) -> str:
    return f"(?P<{parameter[1]}>{_pattern(parameter)})"
