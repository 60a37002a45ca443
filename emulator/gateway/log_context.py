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


def traceparent() -> str | None:
    """The span of a request or a job as the header of W3C Trace Context; None without ``--traces``."""
    trace, span, flags = trace_id(), span_id(), _value("trace_flags")
    return None if trace is None or span is None or flags is None else f"00-{trace}-{span}-{flags}"


def _value(name: str) -> str | None:
    scope = _scope.get()
    found = None if scope is None else scope.get(name)
    return found if isinstance(found, str) else None
