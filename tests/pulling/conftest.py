"""Fixtures of the tests of pulls."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emulator.core.pulled.archive import PullArchive
from emulator.pulling.manifest import Manifest, manifest_of
from emulator.pulling.project import ProjectPull
from emulator.pulling.service import Endpoint, Service
from emulator.pulling.throttle import Throttle
from tests.support.cloud import KEY, Cloud

Pull = Callable[[], Manifest]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as started:
        yield started


@pytest.fixture
def client(cloud: Cloud) -> Iterator[Service]:
    """A client of the cloud that does not wait."""
    service = Service(
        Endpoint.parse(cloud.endpoint), KEY, Throttle(1000), attempts=5, sleep=lambda seconds: None
    )
    yield service
    service.close()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[PullArchive]:
    opened = PullArchive(tmp_path / "archive")
    yield opened
    opened.close()


@pytest.fixture
def pull(cloud: Cloud, client: Service, archive: PullArchive) -> Pull:
    """Pulls the project of the cloud into the archive; returns the manifest."""

    def run() -> Manifest:
        differences = ProjectPull(client, archive, cloud.id).run()
        return manifest_of(archive, differences)

    return run
