"""An object store that answers 503 or slowly, behind a proxy: requests wait or fail, and nothing is lost."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.harness import (
    Service,
    expect,
    files_body,
    refusal,
    running_service,
    training_path,
    wait_until,
)
from tests.support.images import picture, pictures
from tests.support.live_server import LiveServer
from tests.support.object_stores import HOW_TO_GET_OBSTORE, AzureServer
from tests.support.postgresql import HOW_TO_GET_PSYCOPG, execute, server
from tests.support.unreliable_proxy import UnreliableProxy

pytest.importorskip("psycopg", reason=HOW_TO_GET_PSYCOPG)
pytest.importorskip("obstore", reason=HOW_TO_GET_OBSTORE)

ALWAYS = 10**9


class Place(NamedTuple):
    """The URLs of a new database and of an object store, which is reached through the proxy."""

    database: str
    blobs: str
    proxy: UnreliableProxy


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    running = AzureServer(tmp_path_factory.mktemp("azurite"))
    yield running
    running.stop()


@pytest.fixture
def place(
    azure: AzureServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Place]:
    database = server().new_database()
    proxy = UnreliableProxy(azure.variables["AZURITE_BLOB_STORAGE_URL"])
    for name, value in (azure.variables | {"AZURITE_BLOB_STORAGE_URL": proxy.endpoint}).items():
        monkeypatch.setenv(name, value)
    yield Place(database, f"{azure.address}/{request.node.name}", proxy)
    proxy.stop()
    server().drop(database)


@pytest.fixture
def team(place: Place, tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "data", database=place.database, blobs=place.blobs)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service send a request to the object store twice at most."""
    monkeypatch.setattr("emulator.store.object_blobs._RETRIES", 1)


def test_a_request_waits_while_the_object_store_answers_503(team: Service, place: Place) -> None:
    project = team.project()
    place.proxy.refusing = 2
    (image,) = team.images(project, pictures(1))
    assert place.proxy.refused == 2
    (listed,) = team.get(f"{project}/images")
    assert listed["id"] == image
    assert len(list(team.context.blobs.names())) == 1


def test_uploads_fail_when_the_object_store_goes_on_to_answer_503(
    impatient: None, team: Service, place: Place
) -> None:
    project = team.project()
    place.proxy.refusing = ALWAYS
    path = training_path(f"{project}/images/files")
    refused = team.send_unvalidated("POST", path, json=files_body(pictures(2)))
    assert refusal(refused)[:2] == (503, "ErrorUnknown")
    assert refused.headers["retry-after"] == "1"
    ready = expect(team.send_unvalidated("GET", "/_emulator/health/ready"), 503)
    assert "the object store is out of reach" in ready["checks"]["disk"]
    assert "503" in ready["checks"]["disk"]
    assert team.get(f"{project}/images") == []
    place.proxy.refusing = 0
    assert len(team.images(project, pictures(2))) == len(team.get(f"{project}/images")) == 2


def test_predictions_fail_until_the_model_can_be_fetched(
    impatient: None, team: Service, place: Place
) -> None:
    project, _, _ = team.trainable()
    address = team.publish(team.train(project))
    team.close()
    shutil.rmtree(team.settings.data / "blobs")
    team.open()
    place.proxy.refusing = ALWAYS
    headers = {"Content-Type": "application/octet-stream"}
    refused = team.send_unvalidated("POST", f"{address}/image", content=picture(), headers=headers)
    assert refusal(refused)[0] == 503
    place.proxy.refusing = 0
    assert expect(team.predict(address, picture()))["predictions"]


def test_a_training_waits_for_the_object_store(impatient: None, team: Service, place: Place) -> None:
    project, _, _ = team.trainable()
    iteration = f"{project}/iterations/{team.post(f'{project}/train')['id']}"
    for _ in range(4):  # more often than a training is tried again after the end of its process
        place.proxy.refusing = ALWAYS
        team.finish_trainings()
        assert team.get(iteration)["status"] == "Training"
    place.proxy.refusing = 0
    team.finish_trainings()
    assert team.get(iteration)["status"] == "Completed"
    ((model,),) = execute(place.database, "SELECT model_blob FROM iteration")
    assert team.context.blobs.exists(model)


@pytest.mark.slow
def test_other_requests_are_answered_while_the_object_store_is_slow(
    place: Place, serve: Callable[..., LiveServer]
) -> None:
    live = serve("--database", place.database, "--blobs", place.blobs)
    project = live.project()
    place.proxy.hold()
    uploaded: list[Any] = []

    def upload() -> None:
        with live.new_client() as client:
            uploaded.append(expect(client.post(f"{project}/images/files", json=files_body(pictures(1)))))

    uploading = threading.Thread(target=upload)
    uploading.start()
    try:
        wait_until(lambda: place.proxy.waiting, "the upload")
        assert live.get(f"{project}/images") == []
        live.post(f"{project}/tags", params={"name": "meanwhile"})
        assert uploaded == []
    finally:
        place.proxy.let_go()
        uploading.join()
    assert uploaded[0]["isBatchSuccessful"]
    assert len(live.get(f"{project}/images")) == 1
