"""The mode record, with another emulator as the upstream: its responses become the state of the emulator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from msrest.authentication import ApiKeyCredentials

from emulator.core.pulled.archive import PullArchive
from emulator.pulling.manifest import manifest_of
from emulator.pulling.project import ProjectPull
from emulator.pulling.service import Endpoint
from emulator.pulling.service import Service as Client
from emulator.pulling.throttle import Throttle
from emulator.testing import EmulatorServer
from emulator.testing.control_client import ControlClient
from emulator.testing.projects import SampleProject, create_project
from tests.support.cloud import KEY, Cloud
from tests.support.harness import COMPACT, wait_until
from tests.support.images import picture
from tests.support.pulled import copied, trained_project
from tests.support.sdk_reads import reads, without_hosts

UPSTREAM_KEYS = {"training_key": "a" * 32, "prediction_key": "b" * 32}
RECORD: dict[str, Any] = {"upstream_mode": "record", "allow_upstream_writes": True}


@pytest.fixture
def source() -> Iterator[EmulatorServer]:
    with EmulatorServer(**UPSTREAM_KEYS) as started:
        yield started


def training_client(front: EmulatorServer, key: str) -> CustomVisionTrainingClient:
    return CustomVisionTrainingClient(front.endpoint, ApiKeyCredentials(in_headers={"Training-key": key}))


def made_through(front: EmulatorServer, source: EmulatorServer, *, detection: bool = False) -> SampleProject:
    """A project that a program makes at the upstream, through the emulator, and then changes."""
    control = ControlClient(front.endpoint, training_key=source.training_key)
    project = create_project(
        control,
        source.prediction_resource_id,
        tags={"red": 15, "blue": 15},
        detection=detection,
        published="production",
    )
    first, second, third, *_ = project.images["red"]
    with training_client(front, source.training_key) as client:
        client.delete_images(project.id, image_ids=[first])
        if not detection:
            client.delete_image_tags(project.id, [second], [project.tags["red"]])
        else:
            (image,) = client.get_images_by_ids(project.id, image_ids=[second])
            client.delete_image_regions(project.id, [image.regions[0].region_id])
        client.update_image_metadata(project.id, [third], {"place": "left"})
        client.create_images_from_data(project.id, project.image("blue", 1), tag_ids=[project.tags["blue"]])
        client.create_tag(project.id, "green", description="grass")
        client.update_tag(
            project.id, project.tags["blue"], {"name": "blue", "description": "the sea", "type": "Regular"}
        )
        client.update_project(project.id, {**client.get_project(project.id).as_dict(), "name": "renamed"})
    credentials = ApiKeyCredentials(in_headers={"Prediction-key": source.prediction_key})
    with CustomVisionPredictionClient(front.endpoint, credentials) as client:
        ask = client.detect_image if detection else client.classify_image
        ask(project.id, "production", project.image("red", 3))
    return project


def state(front: EmulatorServer) -> Any:
    headers = {"Training-Key": front.training_key}
    return httpx.get(f"{front.endpoint}/_emulator/upstream", headers=headers, trust_env=False).json()


def choose(front: EmulatorServer, mode: str) -> Any:
    headers = {"Training-Key": front.training_key}
    response = httpx.put(
        f"{front.endpoint}/_emulator/upstream",
        headers=headers,
        json={"mode": mode},
        trust_env=False,
        timeout=60,
    )
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("detection", [False, True], ids=["classification", "detection"])
def test_a_program_gets_the_same_answers_when_the_upstream_is_gone(
    source: EmulatorServer, tmp_path: Path, detection: bool
) -> None:
    """Every call that reads, after a project was made, changed, trained and read through the emulator."""
    with EmulatorServer(data=tmp_path / "data", upstream=source.endpoint, **RECORD) as front:
        project = made_through(front, source, detection=detection)
        with training_client(front, source.training_key) as client:
            expected = {
                name: without_hosts(read())
                for name, read in reads(client, project.id)
                if not name.startswith(("exports", "domains"))
            }
        source.stop()
        (recorded,) = choose(front, "local")["projects"]
        assert recorded["isInserted"], recorded["note"]
        assert (recorded["name"], recorded["missingFileCount"], recorded["iterationCount"]) == (
            "renamed",
            0,
            1,
        )
        with training_client(front, front.training_key) as client:
            found = dict(reads(client, project.id))
            for name, value in expected.items():
                assert without_hosts(found[name]()) == value, name
            images = client.get_images(project.id, take=256)
        assert len(images) == recorded["totalImageCount"] == 30
        for image in images[:3]:
            assert httpx.get(image.original_image_uri, trust_env=False).status_code == 200
    # The next start answers the same.
    with EmulatorServer(data=tmp_path / "data", upstream="http://127.0.0.1:9") as again:
        with training_client(again, again.training_key) as client:
            assert client.get_image_count(project.id) == 30
        written = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    for key in UPSTREAM_KEYS.values():
        assert all(key.encode() not in content for content in written)
    assert all(b"sig=" not in content for content in written)


def test_what_was_recorded_before_the_end_is_inserted_at_the_next_start(
    source: EmulatorServer, tmp_path: Path
) -> None:
    project = source.create_project({"red": 6, "blue": 6})
    with (
        EmulatorServer(data=tmp_path, upstream=source.endpoint, **RECORD) as front,
        training_client(front, source.training_key) as client,
    ):
        client.get_project(project.id)
        client.get_tags(project.id)
        client.get_images(project.id)
    with EmulatorServer(data=tmp_path, upstream=source.endpoint) as front:
        (recorded,) = state(front)["projects"]
        assert (recorded["imageCount"], recorded["isInserted"]) == (12, True)
        with training_client(front, front.training_key) as client:
            assert client.get_image_count(project.id) == 12


def test_a_model_that_was_exported_answers_predictions_when_the_upstream_is_gone(
    source: EmulatorServer, tmp_path: Path
) -> None:
    project = trained_project(source, COMPACT)
    training = f"/customvision/v3.3/training/projects/{project}"
    with EmulatorServer(data=tmp_path, upstream=source.endpoint, **RECORD) as front:

        def asked(method: str, path: str, **query: str) -> Any:
            headers = {"Training-Key": source.training_key}
            url = f"{front.endpoint}{training}{path}"
            answer = httpx.request(method, url, headers=headers, params=query, trust_env=False, timeout=60)
            assert answer.is_success, answer.text
            return answer.json()

        asked("GET", "")
        asked("GET", "/tags")
        (iteration,) = asked("GET", "/iterations")
        path = f"/iterations/{iteration['id']}"
        resource = source.prediction_resource_id
        asked("POST", f"{path}/publish", publishName="production", predictionId=resource)
        asked("POST", f"{path}/export", platform="ONNX")
        wait_until(lambda: asked("GET", f"{path}/export")[0]["status"] == "Done", "the export")
        predicted = f"/customvision/v3.1/prediction/{project}/classify/iterations/production/image"

        def scores(server: EmulatorServer) -> Any:
            answer = httpx.post(
                f"{server.endpoint}{predicted}",
                headers={"Prediction-Key": server.prediction_key, "Content-Type": "application/octet-stream"},
                content=picture(3),
                trust_env=False,
            )
            assert answer.status_code == 200, answer.text
            return {item["tagName"]: item["probability"] for item in answer.json()["predictions"]}

        expected = scores(source)
        source.stop()
        (recorded,) = choose(front, "local")["projects"]
        assert (recorded["isInserted"], recorded["fileCount"], recorded["note"]) == (True, 1, "")
        assert scores(front) == pytest.approx(expected, abs=1e-4)


def test_recording_goes_on_after_answers_of_the_emulator(source: EmulatorServer, tmp_path: Path) -> None:
    with EmulatorServer(data=tmp_path, upstream=source.endpoint, **RECORD) as front:
        with training_client(front, source.training_key) as client:
            project = client.create_project("first")
            choose(front, "local")
            choose(front, "record")
            client.create_tag(project.id, "red")
        choose(front, "local")
        with training_client(front, front.training_key) as client:
            assert [tag.name for tag in client.get_tags(project.id)] == ["red"]
        choose(front, "record")
        with training_client(front, source.training_key) as client:
            client.delete_project(project.id)
        choose(front, "local")
        with training_client(front, front.training_key) as client:
            assert client.get_projects() == []


def test_a_project_that_is_here_otherwise_is_left_as_it_is(source: EmulatorServer, tmp_path: Path) -> None:
    project = source.create_project({"red": 6, "blue": 6})
    with copied(source, project.id, tmp_path, upstream=source.endpoint, **RECORD) as front:
        with training_client(front, source.training_key) as client:
            client.update_project(project.id, {**client.get_project(project.id).as_dict(), "name": "new"})
        (recorded,) = choose(front, "local")["projects"]
        assert recorded["isInserted"] is False
        assert "was pulled or changed since" in recorded["note"]
        with training_client(front, front.training_key) as client:
            assert client.get_project(project.id).name == "sample"
            assert client.get_image_count(project.id) == 12


def test_calls_that_fail_change_nothing(source: EmulatorServer, tmp_path: Path) -> None:
    with EmulatorServer(data=tmp_path, upstream=source.endpoint, upstream_mode="record") as front:
        headers = {"Training-Key": source.training_key}
        path = f"{front.endpoint}/customvision/v3.3/training/projects"
        missing = httpx.get(f"{path}/{'1' * 8}-1111-4111-8111-{'1' * 12}", headers=headers, trust_env=False)
        assert missing.status_code == 404
        for url in (f"{path}/..%2F..%2Fetc/tags", f"{path}/{'x' * 300}"):
            assert httpx.get(url, headers=headers, trust_env=False).status_code == 404
        assert httpx.post(f"{path}?name=new", headers=headers, trust_env=False).status_code == 403
        found = choose(front, "local")
        assert (found["projects"], found["unrecordedCount"]) == ([], 0)


def test_a_pull_completes_what_was_recorded_and_fetches_no_file_twice(tmp_path: Path) -> None:
    with Cloud(8) as cloud:
        cloud.iterate()
        settings: dict[str, Any] = {"upstream": cloud.endpoint, "upstream_mode": "record"}
        with EmulatorServer(data=tmp_path, **settings) as front:
            path = f"{front.endpoint}/customvision/v3.3/training/projects/{cloud.id}"
            page = {"take": 3, "skip": 0, "orderBy": "Oldest"}
            for url, query in ((path, {}), (f"{path}/images", page)):
                headers = {"Training-Key": KEY}
                assert httpx.get(url, headers=headers, params=query, trust_env=False).status_code == 200
            (recorded,) = choose(front, "shadow")["projects"]
            assert (recorded["imageCount"], recorded["fileCount"]) == (3, 3)
        archive = PullArchive(tmp_path / "recorded" / cloud.id)
        client = Client(Endpoint.parse(cloud.endpoint), KEY, Throttle(1000), attempts=2)
        try:
            manifest = manifest_of(archive, ProjectPull(client, archive, cloud.id).run())
        finally:
            client.close()
            archive.close()
        assert manifest.is_complete
        fetched = cloud.fetched()
        assert {fetched[image["id"]] for image in cloud.images} == {1}


def test_images_whose_files_cannot_be_had_are_counted(tmp_path: Path) -> None:
    with Cloud(4) as cloud:
        del cloud.files[cloud.images[0]["id"]]
        with EmulatorServer(data=tmp_path, upstream=cloud.endpoint, upstream_mode="record") as front:
            path = f"{front.endpoint}/customvision/v3.3/training/projects/{cloud.id}"
            for url in (path, f"{path}/images?take=50&skip=0&orderBy=Oldest", f"{path}/images/count"):
                assert httpx.get(url, headers={"Training-Key": KEY}, trust_env=False).status_code == 200
            (recorded,) = choose(front, "local")["projects"]
            assert (recorded["fileCount"], recorded["missingFileCount"]) == (3, 1)
            assert (recorded["imageCount"], recorded["totalImageCount"]) == (4, 4)
            with training_client(front, front.training_key) as client:
                assert client.get_image_count(cloud.id) == 3


def test_an_archive_that_a_pull_uses_is_named(tmp_path: Path) -> None:
    with Cloud(2) as cloud:
        archive = PullArchive(tmp_path / "recorded" / cloud.id)
        (tmp_path / "recorded" / "notes").mkdir()
        (tmp_path / "recorded" / "notes" / "journal.sqlite").touch()
        settings: dict[str, Any] = {"upstream": cloud.endpoint}
        with EmulatorServer(data=tmp_path, **settings) as front:
            path = f"{front.endpoint}/_emulator/upstream"
            headers = {"Training-Key": front.training_key}
            for method, body in (("GET", None), ("PUT", {"mode": "shadow"})):
                refused = httpx.request(method, path, headers=headers, json=body, trust_env=False)
                assert (refused.status_code, refused.json()["code"]) == (409, "Conflict")
                assert "another process uses" in refused.json()["message"]
            archive.close()
            assert choose(front, "shadow")["mode"] == "shadow"
