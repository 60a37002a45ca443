"""A data folder of each earlier schema: everything in it is there, and its models predict the same."""

import base64
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import Service, database_rows, running_service
from tests.upgrades import contents

_FOLDER = Path(__file__).parent / "archives"
ARCHIVES = sorted(path.name for path in _FOLDER.glob("*.tar.xz"))
_LARGEST_ARCHIVE = 200_000
# Of numbers. Other versions of the runtime add in another order.
_TOLERANCE = 1e-4


class Opened:
    """A service on the data folder of an archive. expected: what its own version returned."""

    def __init__(self, service: Service, expected: dict[str, Any]) -> None:
        self.service = service
        self.expected = expected
        self.probes = [base64.b64decode(probe) for probe in expected["probes"]]


@pytest.fixture(params=ARCHIVES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    with tarfile.open(_FOLDER / request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    for service in running_service(tmp_path / "data"):
        yield Opened(service, json.loads((tmp_path / "expected.json").read_bytes()))


def close(value: Any) -> Any:
    """The value, equal to one with the same structure and nearly the same numbers."""
    if isinstance(value, float):
        return pytest.approx(value, abs=_TOLERANCE)
    if isinstance(value, list):
        return [close(each) for each in value]
    if isinstance(value, dict):
        return {key: close(each) for key, each in value.items()}
    return value


def test_there_is_a_small_archive_of_each_schema() -> None:
    migrations = Path(__file__).parents[2] / "emulator" / "store" / "migrations"
    schemas = sorted(path.name[:4] for path in migrations.rglob("[0-9][0-9][0-9][0-9]_*.py"))
    assert [name.removesuffix(".tar.xz") for name in ARCHIVES] == schemas
    assert all((_FOLDER / name).stat().st_size <= _LARGEST_ARCHIVE for name in ARCHIVES)


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_has_the_schema_of_its_name(name: str, tmp_path: Path) -> None:
    with tarfile.open(_FOLDER / name) as archive:
        archive.extractall(tmp_path, filter="data")
    ((version,),) = database_rows(tmp_path / "data", "SELECT version_num FROM alembic_version")
    assert version == name.removesuffix(".tar.xz")


def test_everything_is_there(opened: Opened) -> None:
    found = contents.read(opened.service.request, opened.probes)
    expected = opened.expected["projects"]
    assert {"classification", "several tags", "objects", "waiting"} == expected.keys()
    assert found.keys() == expected.keys()
    for name, project in expected.items():
        assert found[name] == close(project), name


def test_stored_predictions_are_there(opened: Opened) -> None:
    stored = opened.expected["stored"]
    assert len(stored) >= 6
    found = {}
    for project in {prediction["project"] for prediction in stored.values()}:
        body = contents.post(opened.service.request, f"{project}/predictions/query", json={})
        found |= {item["id"]: item for item in body["results"]}
    assert found.keys() == stored.keys()
    for prediction_id, prediction in stored.items():
        result = found[prediction_id]
        assert result["created"].removesuffix("Z") == prediction["created"].removesuffix("Z")
        assert contents.prediction_of(result) == close(prediction["predictions"])
        blob = contents.image_hash(opened.service.request, result["originalImageUri"])
        assert blob == contents.sha256(base64.b64decode(prediction["image"]))


def test_work_goes_on(opened: Opened) -> None:
    """A training that was waiting is done, and the projects can be changed and trained again."""
    service = opened.service
    opened.service.finish_trainings()
    found = contents.read(service.request, [])
    (iteration,) = found["waiting"]["iterations"]
    assert iteration["status"] == "Completed"
    assert not service.rows("SELECT id FROM job")
    project = f"/projects/{found['classification']['id']}"
    service.upload(project, [opened.probes[2]], found["classification"]["tags"][0]["id"])
    assert service.get(service.train(project))["status"] == "Completed"
    assert service.blobs() == service.referenced_blobs()


def test_the_folder_opens_again(opened: Opened) -> None:
    before = contents.read(opened.service.request, opened.probes)
    opened.service.restart()
    assert contents.read(opened.service.request, opened.probes) == before
