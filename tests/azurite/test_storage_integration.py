"""Notifications and copies of exports, in the storage of a real Azurite."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import CustomVisionErrorException
from msrest.authentication import ApiKeyCredentials

from emulator.store.tables import JobKind
from tests.azurite.conftest import Azurite, Storage
from tests.conftest import Serve
from tests.support.harness import COMPACT, TRAINING_KEY, Service
from tests.support.images import pictures

SETTINGS = ("exportModelContainerUri", "notificationQueueUri")


def uris(storage: Storage, **more: Any) -> dict[str, str]:
    return {
        "exportModelContainerUri": storage.container_uri(),
        "notificationQueueUri": storage.queue_uri(),
        **more,
    }


def connected(service: Service, storage: Storage, *names: str) -> str:
    """The path of a trainable project with notifications; the message of the connection test is removed."""
    project, _, _ = service.trainable(domainId=COMPACT)
    settings = {name: uris(storage)[name] for name in names or SETTINGS}
    response = service.send("PATCH", project, json={"settings": settings})
    assert response.status_code == 200, response.text
    storage.messages()
    return project


def received(service: Service, storage: Storage) -> list[dict[str, Any]]:
    """Send pending notifications, and receive the messages."""
    service.runner(JobKind.NOTIFICATION).run_waiting()
    return [json.loads(message) for message in storage.messages()]


def connection_test(project: str) -> list[str]:
    content = {"projectId": project.rpartition("/")[2]}
    return [
        json.dumps({"version": "1.0", "type": "ConnectionTest", "Content": content}, separators=(",", ":"))
    ]


# --- connecting ---------------------------------------------------------------------------------------------


def test_a_project_is_created_with_a_body(service: Service, storage: Storage) -> None:
    made = service.post("/projects", params={"name": "a"}, json=uris(storage))
    wanted = uris(storage)
    assert {name: made["settings"][name].partition("?")[0] for name in SETTINGS} == {
        name: wanted[name].partition("?")[0] for name in SETTINGS
    }
    assert list(made["settings"])[-2:] == list(SETTINGS)
    assert storage.messages() == connection_test(made["id"])
    assert storage.blobs() == {}
    assert service.get(f"/projects/{made['id']}") == made


def test_a_project_is_created_with_a_query(service: Service, storage: Storage) -> None:
    made = service.post("/projects", params={"name": "a", **uris(storage)}, version="v3.3")
    assert set(SETTINGS) <= set(made["settings"])
    assert storage.messages() == connection_test(made["id"])
    older = service.get(f"/projects/{made['id']}", version="v3.2")
    assert not set(SETTINGS) & set(older["settings"])


@pytest.mark.parametrize("version", ["v3.0", "v3.2"])
def test_versions_before_know_nothing_of_storage(service: Service, storage: Storage, version: str) -> None:
    made = service.post(
        "/projects", params={"name": "a", **uris(storage)}, json=uris(storage), version=version
    )
    assert not set(SETTINGS) & set(service.get(f"/projects/{made['id']}")["settings"])
    assert storage.messages() == []


@pytest.mark.parametrize("version", ["v3.3", "v3.4-preview"])
def test_a_project_is_connected_and_disconnected_by_an_update(
    service: Service, storage: Storage, version: str
) -> None:
    project = service.project()
    wanted = uris(storage)
    for expected in (connection_test(project), []):  # an existing connection is not tested again
        response = service.send("PATCH", project, json={"settings": wanted}, version=version)
        assert {name: response.json()["settings"][name] for name in SETTINGS} == wanted
        assert storage.messages() == expected
    # An absent property keeps its value, an empty one removes it.
    service.send("PATCH", project, json={"name": "renamed", "settings": {}}, version=version)
    assert {name: service.get(project)["settings"][name] for name in SETTINGS} == wanted
    service.send("PATCH", project, json={"settings": {SETTINGS[0]: ""}}, version=version)
    assert SETTINGS[0] not in service.get(project)["settings"]
    assert service.get(project)["settings"][SETTINGS[1]] == wanted[SETTINGS[1]]


def test_a_signature_need_not_allow_to_delete(service: Service, storage: Storage) -> None:
    body = {"exportModelContainerUri": storage.container_uri("w")}
    made = service.post("/projects", params={"name": "a"}, json=body)
    assert list(storage.blobs()) == [f"CustomVision-TestPermission/{made['id']}"]


def refused_uris(storage: Storage) -> dict[str, tuple[dict[str, str], str]]:
    """Unusable URIs, and a part of the expected error."""
    container, queue = SETTINGS
    missing = storage.name[:-1]
    return {
        "no writing": ({container: storage.container_uri("r")}, "Authorization"),
        "no adding": ({queue: storage.queue_uri("r")}, "Authorization"),
        "expired": ({container: storage.container_uri(hours=-1)}, "403"),
        "expired queue": ({queue: storage.queue_uri(hours=-1)}, "Authentication"),
        "no such container": ({container: storage.container_uri().replace(storage.name, missing)}, "40"),
        "no such queue": ({queue: storage.queue_uri().replace(storage.name, missing)}, "40"),
        "forged": ({container: storage.container_uri().replace("sig=", "sig=x")}, "403"),
        "one of two": (
            {container: storage.container_uri(), queue: storage.queue_uri("r")},
            "The notificationQueueUri cannot be used",
        ),
    }


@pytest.mark.parametrize(
    "case",
    [
        "no writing",
        "no adding",
        "expired",
        "expired queue",
        "no such container",
        "no such queue",
        "forged",
        "one of two",
    ],
)
def test_uris_that_storage_refuses(service: Service, storage: Storage, case: str) -> None:
    body, words = refused_uris(storage)[case]
    status, code, message = service.refused("POST", "/projects", params={"name": "a"}, json=body)
    assert (status, code) == (400, "BadRequestInvalidUri")
    assert words in message
    assert "sig" not in message
    query = {"name": "a", **body}
    assert service.refused("POST", "/projects", params=query, version="v3.3")[:2] == (400, "BadRequest")
    assert service.get("/projects") == []
    project = service.project()
    before = service.get(project)
    assert (
        service.refused("PATCH", project, json={"name": "b", "settings": body})[1] == "BadRequestInvalidUri"
    )
    assert service.get(project) == before
    assert storage.blobs() == {}


def test_the_official_sdk_connects_a_project(serve: Serve, storage: Storage) -> None:
    server = serve("--url-allow", "127.0.0.1")
    credentials = ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY})
    wanted = uris(storage)
    options = {
        "export_model_container_uri": wanted[SETTINGS[0]],
        "notification_queue_uri": wanted[SETTINGS[1]],
    }
    with CustomVisionTrainingClient(server.endpoint, credentials) as trainer:
        made = trainer.create_project("connected", **options)
        assert made.settings.export_model_container_uri == wanted[SETTINGS[0]]
        assert made.settings.notification_queue_uri == wanted[SETTINGS[1]]
        assert storage.messages() == connection_test(made.id)
        options["notification_queue_uri"] = wanted[SETTINGS[1]].replace("sig=", "sig=x")
        with pytest.raises(CustomVisionErrorException) as refused:
            trainer.create_project("not connected", **options)
        assert refused.value.error.code == "BadRequestInvalidUri"


# --- telling ------------------------------------------------------------------------------------------------


def test_the_end_of_a_training_is_notified(service: Service, storage: Storage) -> None:
    project = connected(service, storage)
    iteration = service.train(project)
    _, _, project_id, _, iteration_id = iteration.split("/")
    content = {"projectId": project_id, "iterationId": iteration_id}
    assert received(service, storage) == [
        {
            "version": "1.0",
            "type": "Training",
            "Content": {**content, "trainingStatus": "TrainingCompleted"},
        }
    ]
    service.images(project, pictures(1, start=50), service.get(f"{project}/tags")[0]["id"])
    service.worker.failures = [MemoryError("no")]
    failed = service.train(project).split("/")[-1]
    (message,) = received(service, storage)
    assert message["Content"] == {
        "projectId": project_id,
        "iterationId": failed,
        "trainingStatus": "TrainingFailed",
    }
    assert service.rows("SELECT * FROM job") == []


@pytest.mark.parametrize("flavor", [None, "ONNX12"])
def test_an_export_is_copied_and_notified(service: Service, storage: Storage, flavor: str | None) -> None:
    iteration = service.train(connected(service, storage))
    received(service, storage)
    export = service.export(iteration, "ONNX", flavor)
    _, _, project_id, _, iteration_id = iteration.split("/")
    (message,) = received(service, storage)
    assert (message["version"], message["type"]) == ("1.0", "Export")
    content = message["Content"]
    assert list(content) == ["projectId", "iterationId", "exportStatus", "modelUri"]
    assert (content["projectId"], content["iterationId"]) == (project_id, iteration_id)
    assert content["exportStatus"] == "ExportCompleted"

    name = f"{project_id} - {iteration_id}.ONNX" + (f".{flavor}" if flavor else "")
    parts = urlsplit(export["downloadUri"])
    downloaded = service.request("GET", f"{parts.path}?{parts.query}", key=None).content
    assert storage.blobs() == {name: downloaded}
    assert content["modelUri"] == storage.container.get_blob_client(name).url.partition("?")[0]
    assert "sig" not in content["modelUri"]


def test_the_notification_of_an_export_without_a_container_has_its_own_link(
    service: Service, storage: Storage
) -> None:
    iteration = service.train(connected(service, storage, "notificationQueueUri"))
    service.export(iteration, "ONNX")
    _, message = received(service, storage)
    parts = urlsplit(message["Content"]["modelUri"])
    assert parts.netloc == "emulator.localhost"
    assert service.request("GET", f"{parts.path}?{parts.query}", key=None).status_code == 200


def test_an_export_without_a_queue_is_copied(service: Service, storage: Storage) -> None:
    iteration = service.train(connected(service, storage, "exportModelContainerUri"))
    service.export(iteration, "CoreML")
    assert received(service, storage) == []
    assert len(storage.blobs()) == 1
    assert service.rows("SELECT * FROM job") == []


def test_an_export_that_failed_is_notified(service: Service, storage: Storage) -> None:
    iteration = service.train(connected(service, storage))
    received(service, storage)
    service.exporter.failures = [ValueError("no")]
    service.export(iteration, "ONNX")
    (message,) = received(service, storage)
    assert message["Content"]["exportStatus"] == "ExportFailed"
    assert message["Content"]["modelUri"] is None
    assert storage.blobs() == {}


def test_exports_in_the_emulators_own_formats_are_notified_too(service: Service, storage: Storage) -> None:
    iteration = service.train(connected(service, storage))
    received(service, storage)
    parameters = {"platform": "Torch", "flavor": "TorchStateDict"}
    service.request("POST", f"/_emulator{iteration}/exports", params=parameters)
    service.finish_exports()
    assert len(received(service, storage)) == 1
    assert [name.partition(".")[2] for name in storage.blobs()] == ["Torch.TorchStateDict"]


# --- out of reach -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("azurite")  # it skips without Azurite
def test_notifications_reach_storage_after_an_outage(service: Service, tmp_path: Path) -> None:
    """Without storage, neither training nor export fails, and a restart loses no notification."""
    azurite = Azurite(tmp_path / "azurite")
    try:
        storage = Storage(azurite)
        project = connected(service, storage)
        azurite.stop()
        iteration = service.train(project)
        assert service.get(iteration)["status"] == "Completed"
        assert service.export(iteration, "ONNX")["status"] == "Done"
        service.runner(JobKind.NOTIFICATION).run_waiting()
        assert service.rows("SELECT count(*) FROM job") == [(2,)]
        service.restart()
        azurite.start()
        storage.create()  # a restarted Azurite may have lost them
        # The failed notification waits before its next attempt; those behind it were not attempted.
        assert [message["type"] for message in received(service, storage)] == ["Export"]
        service.clock.advance(seconds=30)
        assert [message["type"] for message in received(service, storage)] == ["Training"]
        assert len(storage.blobs()) == 1
        assert service.rows("SELECT count(*) FROM job") == [(0,)]
        storage.close()
    finally:
        azurite.stop()
