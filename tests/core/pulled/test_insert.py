"""Inserting pulled projects: the copy answers as the source did."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from emulator.core.pulled import workspace
from emulator.core.pulled.archive import PullArchive
from emulator.core.pulled.insert import Inserted, InsertRefused, insert
from emulator.core.pulled.journal import ArchiveUnusable
from emulator.pulling.project import ProjectPull
from emulator.pulling.service import Endpoint
from emulator.pulling.service import Service as Client
from emulator.pulling.throttle import Throttle
from emulator.store.database import StorageFull
from tests.support.cloud import DETECTION, KEY, Cloud, guid, prediction
from tests.support.exported_models import COLOURS, classifier, classifier_zip, plain
from tests.support.harness import COMPACT, RESOURCE_ID, Service
from tests.support.images import picture
from tests.support.pulled import pull_into

Insert = Callable[..., Inserted]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as started:
        yield started


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[PullArchive]:
    opened = PullArchive(tmp_path / "archive")
    yield opened
    opened.close()


@pytest.fixture
def pulled(cloud: Cloud, archive: PullArchive, service: Service) -> Insert:
    """Pulls the project of the cloud and inserts it into the service."""

    def run(**more: Any) -> Inserted:
        return pull_into(service.context, cloud, archive, **more)

    return run


def shown(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Images newest first, as the emulator lists them, without URIs and empty lists."""
    return [
        {name: value for name, value in image.items() if not name.endswith("Uri") and value != []}
        for image in reversed(images)
    ]


def test_ids_dates_tags_and_metadata_are_those_of_the_service(
    cloud: Cloud, service: Service, pulled: Insert
) -> None:
    cloud.add(5, tags=[], metadata={"place": "left"})
    cloud.tags[1] |= {"description": "sea", "type": "Negative"}
    result = pulled()
    assert (result.project_id, result.images, result.notes) == (cloud.id, 6, [])
    path = f"/projects/{cloud.id}"
    project = service.get(path)
    assert project["name"] == "cloud"
    assert project["created"] == "2020-11-06T16:00:00.740Z"
    assert project["settings"]["imageProcessingSettings"]["augmentationMethods"] == {"rotation": True}
    assert shown(list(reversed(service.get(f"{path}/images")))) == [
        {name: value for name, value in image.items() if value != []} for image in reversed(cloud.images)
    ]
    assert [
        (tag["id"], tag["description"], tag["type"], tag["imageCount"]) for tag in service.get(f"{path}/tags")
    ] == [
        (guid(100), None, "Regular", 5),
        (guid(101), "sea", "Negative", 0),
    ]
    (blob,) = service.rows(f"SELECT blob FROM image WHERE id = '{cloud.images[0]['id']}'")[0]
    assert service.context.blobs.read(blob) == cloud.files[cloud.images[0]["id"]]


def test_boxes_are_exact(cloud: Cloud, service: Service, pulled: Insert) -> None:
    cloud.domain = DETECTION
    box = {"left": 0.0249909777, "top": 0.123456791, "width": 0.333333343, "height": 0.876543164}
    region = {"regionId": guid(3000), "tagName": "red", "created": "2020-11-06T16:17:00", "tagId": guid(100)}
    cloud.add(7, regions=[{**region, **box}])
    outside = [
        {**region, "regionId": guid(3001), "left": 0.75, "top": 0.0, "width": 0.5, "height": 0.5},
        {**region, "regionId": guid(3002), "left": 1.5, "top": 0.0, "width": 0.5, "height": 0.5},
    ]
    cloud.add(8, regions=outside)
    result = pulled()
    newest, before = service.get(f"/projects/{cloud.id}/images")[:2]
    assert before["regions"] == [{**region, **box}]
    assert [(item["regionId"], item["left"], item["width"]) for item in newest["regions"]] == [
        (guid(3001), 0.75, 0.25)
    ]
    assert result.notes == [
        "a region reaches beyond its image; it was cut off at the edge",
        "a region lies outside of its image, or has no area; it was left out",
    ]


def test_iterations_show_the_images_that_they_were_trained_on(
    cloud: Cloud, service: Service, pulled: Insert
) -> None:
    first = cloud.iterate(publishName="production", originalPublishResourceId="/subscriptions/s")
    cloud.images.pop(0)
    cloud.images[0]["tags"] = [{"tagId": guid(101), "tagName": "blue", "created": "2020-11-06T16:18:00"}]
    cloud.add(6)
    second = cloud.iterate()
    pulled()
    path = f"/projects/{cloud.id}"
    assert service.get(f"{path}/iterations") == cloud.iterations
    for iteration in (first, second):
        seen = service.get(f"{path}/images", params={"iterationId": iteration["id"]})
        assert shown(list(reversed(seen))) == list(reversed(cloud.views[iteration["id"]]))
    assert service.get(f"{path}/images/count", params={"iterationId": first["id"]}) == 5
    assert service.rows("SELECT revision FROM project") == [(2,)]


def test_a_pulled_project_can_be_trained_at_once_although_nothing_has_changed(
    cloud: Cloud, service: Service, pulled: Insert
) -> None:
    for number in range(10, 15):
        cloud.add(number, tags=[{"tagId": guid(101), "tagName": "blue", "created": "2020-11-06T16:18:00"}])
    cloud.iterate(publishName="production", originalPublishResourceId="/subscriptions/s")
    pulled()
    iteration = service.train(f"/projects/{cloud.id}")
    assert service.get(iteration)["name"] == "Iteration 2"
    parameters = {"publishName": "production", "predictionId": RESOURCE_ID, "overwrite": "true"}
    assert service.post(f"{iteration}/publish", params=parameters) is True
    address = f"/customvision/v3.1/prediction/{cloud.id}/classify/iterations/production"
    assert service.predict(address, picture(3)).status_code == 200


def test_performance_is_as_the_service_reported_it(cloud: Cloud, service: Service, pulled: Insert) -> None:
    iteration = cloud.iterate()
    pulled()
    path = f"/projects/{cloud.id}/iterations/{iteration['id']}/performance"
    assert service.get(path) == cloud._performance(0.5)
    assert service.get(path, params={"threshold": "0.85"}) == cloud._performance(0.85)
    # Computed from the predictions for the evaluation set, which is one image.
    assert service.get(path, params={"threshold": "0.77"})["recall"] == 0.0
    (image,) = service.get(f"{path}/images")
    assert image["id"] == cloud.images[0]["id"]
    assert image["predictions"] == cloud.evaluated[iteration["id"]][0]["predictions"]
    assert service.get(f"{path}/images/count") == 1


def test_an_iteration_without_a_model_says_what_to_do(cloud: Cloud, service: Service, pulled: Insert) -> None:
    iteration = cloud.iterate(publishName="production", originalPublishResourceId="/subscriptions/s")
    result = pulled()
    assert result.notes[0].startswith("an iteration has no model, since none was exported")
    address = f"/customvision/v3.1/prediction/{cloud.id}/classify/iterations/production"
    refused = service.predict(address, picture(3))
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("'Iteration 1' was pulled without its model")
    path = f"/projects/{cloud.id}"
    status, _, message = service.refused(
        "POST", f"{path}/iterations/{iteration['id']}/export", params={"platform": "ONNX"}
    )
    assert (status, "pulled from another resource" in message) == (400, True)
    exported = service.get(f"{path}/export")
    assert (exported["imageCount"], exported["iterationCount"]) == (5, 0)


def test_an_iteration_with_an_export_answers_predictions_under_its_old_name(
    cloud: Cloud, service: Service, pulled: Insert
) -> None:
    cloud.domain = COMPACT
    cloud.tags = [
        {**cloud.tags[0], "id": guid(100 + number), "name": name} for number, name in enumerate(COLOURS)
    ]
    iteration = cloud.iterate(publishName="production", originalPublishResourceId="/subscriptions/s")
    exported = classifier_zip()
    cloud.export(iteration, exported)
    result = pulled()
    assert result.notes == []
    address = f"/customvision/v3.1/prediction/{cloud.id}/classify/iterations/production"
    image = plain("blue")
    predicted = service.predict(address, image).json()
    assert predicted["iteration"] == iteration["id"]
    scores = dict(zip(COLOURS, classifier(exported).score(image), strict=True))
    found = {item["tagName"]: item["probability"] for item in predicted["predictions"]}
    assert found == pytest.approx(scores, abs=1e-6)
    path = f"/projects/{cloud.id}/iterations/{iteration['id']}"
    (export,) = service.get(f"{path}/export")
    assert (export["platform"], export["status"]) == ("ONNX", "Done")
    assert service.follow(export["downloadUri"]).content == exported
    assert service.get(f"{path}/performance/images/count") == 1
    assert service.get(path)["exportable"] is True


def test_performance_keeps_the_names_of_tags_that_it_was_recorded_with(
    cloud: Cloud, service: Service, pulled: Insert
) -> None:
    iteration = cloud.iterate()
    tag = cloud.tags[0]
    cloud.former_names[tag["id"]] = "as it was"
    pulled()
    path = f"/projects/{cloud.id}"
    found = service.get(f"{path}/iterations/{iteration['id']}/performance")["perTagPerformance"]
    assert {item["id"]: item["name"] for item in found}[tag["id"]] == "as it was"
    assert {item["id"]: item["name"] for item in service.get(f"{path}/tags")}[tag["id"]] == tag["name"]


@pytest.mark.parametrize("is_renamed_before_export", [True, False])
def test_labels_of_an_export_are_former_or_present_names_of_tags(
    cloud: Cloud, service: Service, pulled: Insert, is_renamed_before_export: bool
) -> None:
    cloud.domain = COMPACT
    cloud.tags = [
        {**cloud.tags[0], "id": guid(100 + number), "name": name} for number, name in enumerate(COLOURS)
    ]
    iteration = cloud.iterate()
    cloud.export(iteration, classifier_zip())
    if is_renamed_before_export:
        cloud.former_names[guid(100)] = "another"
    else:
        cloud.former_names[guid(100)] = COLOURS[0]
        cloud.tags[0]["name"] = "another"
    assert pulled().notes == []
    (row,) = service.rows("SELECT model_blob, model_tags FROM iteration")
    assert row[0] is not None
    assert [tag["id"] for tag in json.loads(row[1])] == [guid(100 + number) for number in range(len(COLOURS))]


def test_an_export_that_cannot_be_run_is_kept_and_named(
    cloud: Cloud, service: Service, pulled: Insert
) -> None:
    cloud.domain = COMPACT
    iteration = cloud.iterate()
    cloud.export(iteration, b"no zip")
    result = pulled()
    assert result.notes[0].startswith("the export ONNX of 'Iteration 1' cannot be run here")
    assert len(service.get(f"/projects/{cloud.id}/iterations/{iteration['id']}/export")) == 1


def test_an_iteration_without_evaluated_images_answers_with_the_nearest_thresholds(
    cloud: Cloud, service: Service, pulled: Insert
) -> None:
    iteration = cloud.iterate()
    cloud.evaluated[iteration["id"]] = []
    pulled()
    path = f"/projects/{cloud.id}/iterations/{iteration['id']}/performance"
    assert service.get(path, params={"threshold": "0.76"}) == cloud._performance(0.75)


def test_failed_iterations_are_kept(cloud: Cloud, service: Service, pulled: Insert) -> None:
    failed = cloud.iterate(status="Failed", trainingErrorDetails="too few images")
    del failed["trainedAt"]
    pulled()
    assert service.get(f"/projects/{cloud.id}/iterations") == [failed]


def test_stored_predictions_are_kept(cloud: Cloud, service: Service, pulled: Insert) -> None:
    cloud.predict(1)
    old = cloud.predict(2)
    old["created"] = "2020-11-06T18:23:00.123Z"
    result = pulled()
    found = service.post(f"/projects/{cloud.id}/predictions/query", json={"orderBy": "Newest"})["results"]
    assert [item["id"] for item in found] == [cloud.predictions[0]["id"]]
    assert found[0]["predictions"] == [prediction(cloud.tags[0], 0.5)]
    assert service.follow(found[0]["originalImageUri"]).headers["content-type"] == "image/jpeg"
    assert result.notes == [
        "a stored prediction is older than those that are kept; it is in the archive alone"
    ]


def test_an_unknown_domain_is_replaced_and_named(cloud: Cloud, service: Service, pulled: Insert) -> None:
    cloud.domain = guid(9)
    result = pulled()
    assert result.notes == [
        f"the domain {guid(9)} is not known here; it is replaced by General (Classification)"
    ]
    assert service.get(f"/projects/{cloud.id}")["settings"]["classificationType"] == "Multilabel"


def test_two_images_with_the_same_bytes_stay_two(cloud: Cloud, service: Service, pulled: Insert) -> None:
    cloud.files[cloud.images[1]["id"]] = cloud.files[cloud.images[0]["id"]]
    result = pulled()
    assert result.images == 5
    assert result.notes == [
        "two images have the same bytes; one of them was made different by its id at its end"
    ]
    assert service.blobs() == service.referenced_blobs()


def test_a_project_is_replaced_on_request_alone(cloud: Cloud, service: Service, pulled: Insert) -> None:
    pulled()
    service.tag(f"/projects/{cloud.id}", "made here")
    with pytest.raises(InsertRefused, match="there is a project with the id"):
        pulled()
    cloud.add(6)
    assert pulled(replace=True).images == 6
    assert len(service.get(f"/projects/{cloud.id}/tags")) == 2
    assert service.blobs() == service.referenced_blobs()


@pytest.mark.sqlite
def test_a_full_disk_leaves_what_was_there(
    cloud: Cloud, service: Service, pulled: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled()
    before = service.rows("SELECT id, number FROM image")
    cloud.add(6)

    def fill(*_: Any) -> None:
        raise OperationalError("INSERT", (), sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(workspace, "finish", fill)
    with pytest.raises(StorageFull):
        pulled(replace=True)
    assert service.rows("SELECT id, number FROM image") == before
    assert service.blobs() == service.referenced_blobs()


def test_a_damaged_file_of_the_archive_is_noticed(
    cloud: Cloud, archive: PullArchive, service: Service, pulled: Insert
) -> None:
    client = Client(Endpoint.parse(cloud.endpoint), KEY, Throttle(1000), attempts=2)
    ProjectPull(client, archive, cloud.id).run()
    client.close()
    archive.path("image", cloud.images[0]["id"]).write_bytes(b"damaged")
    with pytest.raises(ArchiveUnusable, match="has another SHA-256 than when it was pulled"):
        insert(service.context, archive)
    assert service.get("/projects") == []
    assert service.blobs() == set()


@pytest.mark.parametrize(
    "values",
    [
        {"created": "yesterday"},
        {"name": ["a"]},
        {"name": None},
        {"settings": None},
    ],
)
def test_an_archive_of_another_form_is_refused(
    archive: PullArchive,
    service: Service,
    pulled: Insert,
    values: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pulled()
    state = archive.document("state")
    service.delete(f"/projects/{state['project']['id']}")
    archive.put_document("state", {**state, "project": {**state["project"], **values}})
    with pytest.raises(InsertRefused, match="not of the form of the service"):
        insert(service.context, archive)
    assert service.get("/projects") == []
    (warning,) = (record.message for record in caplog.records if record.levelname == "WARNING")
    assert warning.startswith(f"The project {state['project']['id']} is not inserted: its archive")
    assert str(archive.folder) in warning


def test_the_quotas_of_the_tier_hold(
    cloud: Cloud, archive: PullArchive, service: Service, pulled: Insert
) -> None:
    service.context.tier = service.context.tier.__class__("tiny", images_per_project=4)
    with pytest.raises(InsertRefused, match="tiny allows 4 images"):
        pulled()
    assert service.get("/projects") == []
    assert service.blobs() == set()
