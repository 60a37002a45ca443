"""The table of error cases, filled by the modules beside this one."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import httpx

from tests.contract_chain import error_cases
from tests.support.harness import Service

# Takes an empty service and returns the response that has the code.
Request = Callable[[Service], httpx.Response]


class ErrorCase(NamedTuple):
    """message: a regular expression for the whole message; None where the service's text is unknown."""

    request: Request
    message: str | None


_CASES: dict[str, ErrorCase] = {}


def raises_code(code: str, message: str | None = None) -> Callable[[Request], Request]:
    """Register a function as the case of `code`."""

    def register(request: Request) -> Request:
        assert code not in _CASES, f"two cases of {code}"
        _CASES[code] = ErrorCase(request, message)
        return request

    return register


def cases() -> dict[str, ErrorCase]:
    """All error cases by their code."""
    for module in pkgutil.iter_modules(error_cases.__path__):
        importlib.import_module(f"{error_cases.__name__}.{module.name}")
    return _CASES
