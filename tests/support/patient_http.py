"""The patience of httpx, whose default of 5 s for a response a busy machine exceeds."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import httpx

from tests.support.harness import PATIENCE_SECONDS

_DEFAULT = httpx.Timeout(5)


def be_patient() -> None:
    """Let clients wait as long as tests do that have, or are given, the default. For the whole process.

    Functions such as `httpx.get` make a client and give it the default.
    """
    for client in (httpx.Client, httpx.AsyncClient):
        client.__init__ = _patient(client.__init__)  # type: ignore[method-assign]


def _patient(begin: Callable[..., None]) -> Callable[..., None]:
    @wraps(begin)
    def begin_patiently(client: Any, *, timeout: Any = _DEFAULT, **more: Any) -> None:
        patient = PATIENCE_SECONDS if timeout == _DEFAULT else timeout
        begin(client, timeout=patient, **more)

    return begin_patiently
