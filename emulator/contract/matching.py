"""The operation of a path, for code that sees a request before the router does."""

import re
from functools import cache

from emulator.contract.operations import OPERATIONS, Operation
from emulator.contract.versions import Api

_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


def operation_at(api: Api, method: str, path: str) -> Operation | None:
    """The operation that has this method and path; None when there is none.

    Args:
        method: in upper case; HEAD stands for GET.
        path: without ``/customvision``, version and API, in the canonical case: see
            `emulator.api.middleware.Addressing`.
    """
    wanted = "GET" if method == "HEAD" else method
    for operation in operations_at(api, path):
        if operation.method == wanted:
            return operation
    return None


def operations_at(api: Api, path: str) -> list[Operation]:
    """The operations of a path with any method, specific paths first."""
    return [operation for operation, pattern in _patterns(api) if pattern.fullmatch(path)]


@cache
def _patterns(api: Api) -> tuple[tuple[Operation, re.Pattern[str]], ...]:
    return tuple(
        (operation, re.compile(_PARAMETER.sub(_pattern, operation.path), re.DOTALL))
        for operation in OPERATIONS
        if operation.api == api
    )


def _pattern(parameter: re.Match[str]) -> str:
    return ".+" if parameter[2] else "[^/]+"
