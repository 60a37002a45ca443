"""Fixtures of the tests of the rules."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import Service, running_service
from tests.support.importing import Elsewhere
from tests.support.predicting import Predicted
from tests.support.suggesting import Suggesting


@pytest.fixture
def predicted(service: Service) -> Predicted:
    return Predicted(service)


@pytest.fixture
def suggesting(service: Service) -> Suggesting:
    return Suggesting(service)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    for source in running_service(tmp_path / "elsewhere"):
        source.clock.advance(microseconds=500)  # else the ids of both would be the same
        source.restart()
        other = Elsewhere(source)
        yield other
        other.server.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "target", url_allow=("127.0.0.1",))
