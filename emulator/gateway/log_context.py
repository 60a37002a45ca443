"""The request or job that the current thread or task is working on, for lines of the log."""

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

_scope: ContextVar[MutableMapping[str, Any] | None] = ContextVar("scope of the request", default=None)


def enter(scope: MutableMapping[str, Any]) -> None:
    """The work of this thread or task is for a request or a job, until the next call."""
    _scope.set(scope)


def leave() -> None:
    """The work is for none of them any more."""
    _scope.set(None)


def request_id() -> str | None:
    """The id of the request, which its response has as ``apim-request-id``; None outside of requests."""
    return _value("request_id")


def trace_id() -> str | None:
    """The id of the trace of a request or a job (W3C: 32 hexadecimal digits); None without ``--traces``."""
    return _value("trace_id")


def span_id() -> str | None:
    """The id of the span of a request or a job (16 hexadecimal digits); None without ``--traces``."""
    return _value("span_id")


def _value(name: str) -> str | None:
    scope = _scope.get()
    found = None if scope is None else scope.get(name)
    return found if isinstance(found, str) else None
