"""Waiting for what a test expects."""

import time
from collections.abc import Callable
from typing import TypeVar

# Generous, so that a slow or busy machine fails no test: only tests that fail take this long.
PATIENCE_SECONDS = 300
_T = TypeVar("_T")


def wait_until(condition: Callable[[], _T], what: str, patience_seconds: float = PATIENCE_SECONDS) -> _T:
    """The first true value of `condition`; the test fails when there is none in time."""
    deadline = time.monotonic() + patience_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
    return value
