"""Retraining in a compact domain at the service: on a copy, which is deleted, also after a kill."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.core.pulled.archive import COMPACT_MODEL_NAME, PullArchive
from emulator.pulling.compact import CompactRetraining, RetrainingFailed, copy_left, is_copy
from emulator.pulling.project import Choice, ProjectPull
from emulator.pulling.service import Endpoint, Service
from emulator.pulling.throttle import Throttle
from emulator.testing import EmulatorServer
from emulator.vision.exported.model import load_export
from tests.support.harness import COMPACT
from tests.support.pulled import trained_project

# Requests that change something: the copy, its domain, its training, its export, its deletion.
_WRITES = 5


class Killed(BaseException):
    """The end of the process."""


class Client(Service):
    """A client that is killed before or after a request that changes something. number: from 1; 0: never."""

    def __init__(self, server: EmulatorServer, number: int = 0, *, after: bool = False) -> None:
        endpoint = Endpoint.parse(server.endpoint)
        super().__init__(
            endpoint, server.training_key, Throttle(1000), attempts=3, sleep=lambda seconds: None
        )
        self._number, self._after = number, after
        self.writes: list[str] = []

    def _call(self, method: str, url: str, body: bytes, most: int) -> bytes:
        if method == "GET":
            return super()._call(method, url, body, most)
        self.writes.append(f"{method} {url.partition('/training/')[2].partition('?')[0]}")
        if len(self.writes) == self._number and not self._after:
            raise Killed
        content = super()._call(method, url, body, most)
        if len(self.writes) == self._number:
            raise Killed
        return content


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as started:
        yield started


@pytest.fixture
def source(server: EmulatorServer) -> Iterator[EmulatorServer]:
    yield server
    server.control.reset()


def everything(client: Service, project: str) -> Any:
    """What the service says of the project, with the ids of all projects."""
    path = f"projects/{project}"
    parts = ("", "/tags", "/iterations", "/images?take=50", "/images/count")
    shown = [
        json.loads(client._call("GET", client._url(path + part, "v3.3", {}), b"", 2**20)) for part in parts
    ]
    for one in (shown[0], *shown[3]):  # their signatures are new in each response
        for name in ("originalImageUri", "resizedImageUri", "thumbnailUri"):
            one.pop(name, None)
    return shown, [one["id"] for one in client.get("projects")]


def retrain(source: EmulatorServer, folder: Path, project: str, client: Service) -> bool:
    archive = PullArchive(folder)
    try:
        ProjectPull(client, archive, project, Choice(iterations=False, predictions=False)).run()
        return CompactRetraining(client, archive, lambda step: None).run()
    finally:
        archive.close()
        client.close()


def test_a_model_is_exported_and_the_project_is_not_changed(source: EmulatorServer, tmp_path: Path) -> None:
    project = trained_project(source)
    looking = Client(source)
    before = everything(looking, project)
    client = Client(source)
    assert retrain(source, tmp_path, project, client)
    assert len(client.writes) == _WRITES
    assert client.writes[0] == "POST projects/import"
    assert not any(project in write for write in client.writes)
    assert everything(looking, project) == before
    assert {*load_export(tmp_path / COMPACT_MODEL_NAME).labels} == {"red", "blue"}
    again = Client(source)
    assert retrain(source, tmp_path, project, again)  # the archive has it
    assert again.writes == []
    looking.close()


@pytest.mark.parametrize("number", range(1, _WRITES + 1))
@pytest.mark.parametrize("after", [False, True])
def test_after_a_kill_it_goes_on_and_no_copy_is_left(
    source: EmulatorServer, tmp_path: Path, number: int, after: bool
) -> None:
    project = trained_project(source)
    looking = Client(source)
    before = everything(looking, project)
    killed = Client(source, number, after=after)
    with pytest.raises(Killed):
        retrain(source, tmp_path, project, killed)
    client = Client(source)
    assert retrain(source, tmp_path, project, client)
    assert everything(looking, project) == before
    # Nothing that costs is requested twice, unless the first request was not sent.
    trained = [write for write in (*killed.writes, *client.writes) if write.endswith("/train")]
    assert len(trained) == (2 if (number, after) == (3, False) else 1)
    assert (tmp_path / COMPACT_MODEL_NAME).is_file()
    looking.close()


def test_a_copy_that_is_left_is_named_and_is_no_project_to_pull(
    source: EmulatorServer, tmp_path: Path
) -> None:
    project = trained_project(source)
    with pytest.raises(Killed):
        retrain(source, tmp_path, project, Client(source, 3))
    archive = PullArchive(tmp_path)
    assert copy_left(archive) == f"Screws (compact copy {project[:8]})"
    archive.close()
    looking = Client(source)
    projects = looking.get("projects")
    looking.close()
    ids = [one["id"] for one in projects]
    assert [one["name"] for one in projects if not is_copy(one, ids)] == ["Screws"]


def test_a_training_that_fails_leaves_no_copy(source: EmulatorServer, tmp_path: Path) -> None:
    project = trained_project(source)
    looking = Client(source)
    before = everything(looking, project)

    class Failing(Client):
        def get(self, path: str, version: str = "v3.3", **parameters: Any) -> Any:
            found = super().get(path, version, **parameters)
            copied = project not in path and "/iterations/" in path and not path.endswith("export")
            return {**found, "status": "Failed"} if copied else found

    with pytest.raises(RetrainingFailed, match="the training of the copy failed"):
        retrain(source, tmp_path, project, Failing(source))
    assert everything(looking, project) == before
    archive = PullArchive(tmp_path)
    assert copy_left(archive) is None
    archive.close()
    looking.close()


def test_a_project_in_a_compact_domain_needs_no_copy(source: EmulatorServer, tmp_path: Path) -> None:
    project = trained_project(source, COMPACT)
    client = Client(source)
    assert not retrain(source, tmp_path, project, client)
    assert client.writes == []
