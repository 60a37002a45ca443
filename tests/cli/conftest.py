"""A fixture that starts emulators as users do, and ends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.harness import PATIENCE_SECONDS
from tests.support.program import Running, Start


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Running] = []

    def start_one(*arguments: str) -> Running:
        running.append(Running("--port", "0", *arguments))
        return running[-1]

    yield start_one
    for one in running:
        with suppress(ProcessLookupError):
            one.process.kill()
        one.process.wait(timeout=PATIENCE_SECONDS)
        for stream in (one.process.stdout, one.process.stderr):
            if stream is not None:
                stream.close()
