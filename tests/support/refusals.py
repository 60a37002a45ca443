"""The lines of the log about refused requests."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

LOGGER = "emulator.refusals"
Lines = Callable[[], list[str]]


@contextmanager
def logged_refusals(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Within it, refusals are logged; the value returns the lines since its last call."""
    with caplog.at_level(logging.INFO, logger=LOGGER):

        def lines() -> list[str]:
            found = [record.getMessage() for record in caplog.records if record.name == LOGGER]
            caplog.clear()
            return found

        yield lines
