"""The request that the current thread or task is working on, for lines of the log."""

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

_scope: ContextVar[MutableMapping[str, Any] | None] = ContextVar("scope of the request", default=None)


def enter(scope: MutableMapping[str, Any]) -> None:
    """The work of this thread or task is for a request, until the next call."""
    _scope.set(scope)


def leave() -> None:
    """The work is for no request any more."""
    _scope.set(None)


def request_id() -> str | None:
    """The id of the request, which its response has as ``apim-request-id``; None outside of requests."""
    scope = _scope.get()
    found = None if scope is None else scope.get("request_id")
    return found if isinstance(found, str) else None
