"""Files of the data folder whose bytes have changed: every route that reads one reports it."""

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Serve
from tests.support.damage import assert_error_logged, change_blob, flip_a_bit, last_blob
from tests.support.exporting import details, fetched
from tests.support.harness import PATIENCE_SECONDS, Service, database_rows, expect, refusal
from tests.support.images import picture
from tests.support.importing import DETECTION
from tests.support.predicting import Predicted, query
from tests.support.suggesting import Suggesting


def damage(service: Service, table: str, column: str = "blob") -> str:
    """Change one byte of a blob to which the last row of a table refers; returns the id of the row."""
    damaged, blob = last_blob(service, table, column)
    change_blob(service.settings.data, blob, flip_a_bit)
    return damaged


def assert_reported(response: httpx.Response, id: str, caplog: pytest.LogCaptureFixture, code: str) -> None:
    """The service's own error, which names the id; the log has it in one line."""
    status, its_code, message = refusal(response)
    assert (status, its_code) == (500, code)
    assert f" {id} are damaged" in message
    assert_logged(caplog, id)


def assert_logged(caplog: pytest.LogCaptureFixture, id: str) -> None:
    assert_error_logged(caplog, f" {id} are damaged")


def assert_link_reports(response: httpx.Response, id: str) -> None:
    """The error of Azure's blob storage."""
    assert response.status_code == 500
    assert response.headers["x-ms-error-code"] == "InternalError"
    assert f" {id} are damaged" in response.text


@pytest.mark.parametrize("uri", ["originalImageUri", "resizedImageUri", "thumbnailUri"])
def test_uris_of_images(service: Service, caplog: pytest.LogCaptureFixture, uri: str) -> None:
    project = service.project()
    (image,) = (item["image"] for item in service.upload(project, [picture()]))
    assert service.follow(image["originalImageUri"]).status_code == 200
    damage(service, "image")
    assert_link_reports(service.follow(image[uri]), image["id"])
    assert_logged(caplog, image["id"])


def test_a_thumbnail_that_was_made_before_the_damage_is_served(service: Service) -> None:
    (image,) = (item["image"] for item in service.upload(service.project(), [picture()]))
    made = service.follow(image["thumbnailUri"])
    damage(service, "image")
    assert service.follow(image["thumbnailUri"]).content == made.content


def test_artifacts(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    project = service.project()
    (image,) = (item["image"] for item in service.upload(project, [picture()]))
    damaged = damage(service, "image")
    path = urlsplit(image["originalImageUri"]).path
    response = service.send("GET", f"{project}/artifacts", params={"path": path})
    assert_reported(response, damaged, caplog, "ErrorUnknown")


def test_own_uris_as_sources(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    project = service.project()
    (image,) = (item["image"] for item in service.upload(project, [picture()]))
    damaged = damage(service, "image")
    body = {"images": [{"url": image["originalImageUri"]}]}
    created = service.send("POST", f"{project}/images/urls", json=body).json()
    assert [item["status"] for item in created["images"]] == ["ErrorStorage"]
    assert_logged(caplog, damaged)


def test_suggestions(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    suggesting = Suggesting(service)
    damaged = damage(service, "image")
    assert_reported(suggesting.send(*suggesting.images), damaged, caplog, "ErrorUnknown")


def test_region_proposals(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    project = service.project(domainId=DETECTION)
    (damaged,) = service.images(project, [picture()])
    damage(service, "image")
    response = service.send("POST", f"{project}/images/{damaged}/regionproposals")
    assert_reported(response, damaged, caplog, "ErrorUnknown")


def test_near_duplicates(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    project, _, _ = service.trainable()
    damaged = damage(service, "image")
    response = service.request("GET", f"/_emulator{project}/nearDuplicates")
    assert_reported(response, damaged, caplog, "ErrorUnknown")


def _predict(predicted: Predicted) -> httpx.Response:
    return predicted.service.predict(predicted.address, picture(7))


def _quick_test(predicted: Predicted) -> httpx.Response:
    path = f"{predicted.project}/quicktest/image"
    headers = {"Content-Type": "application/octet-stream"}
    parameters = {"iterationId": predicted.iteration.rpartition("/")[2]}
    return predicted.service.send("POST", path, params=parameters, content=picture(7), headers=headers)


@pytest.mark.parametrize("send", [_predict, _quick_test])
def test_models(
    service: Service, caplog: pytest.LogCaptureFixture, send: Callable[[Predicted], httpx.Response]
) -> None:
    predicted = Predicted(service)
    expect(send(predicted))
    damaged = damage(service, "iteration", "model_blob")
    service.restart()  # a model that was loaded before is in memory
    assert_reported(send(predicted), damaged, caplog, "ErrorPrediction")
    assert service.get(predicted.project)["id"] == predicted.project.rpartition("/")[2]


def test_evaluations(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    predicted = Predicted(service)
    damaged = damage(service, "iteration", "evaluation_blob")
    response = service.send("GET", f"{predicted.iteration}/performance")
    assert_reported(response, damaged, caplog, "ErrorUnknown")


def test_stored_predictions(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    predicted = Predicted(service)
    damaged = predicted.predict()
    damage(service, "stored_prediction")
    (found,) = query(service, predicted.project)["results"]
    assert_link_reports(service.follow(found["originalImageUri"]), damaged)
    caplog.clear()
    body = {"images": [{"id": damaged}]}
    created = service.send("POST", f"{predicted.project}/images/predictions", json=body).json()
    assert [item["status"] for item in created["images"]] == ["ErrorStorage"]
    assert_logged(caplog, damaged)
    # It was not added, so it is still there.
    assert [item["id"] for item in query(service, predicted.project)["results"]] == [damaged]


def test_files_of_exports(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    iteration = service.exportable()
    export = service.export(iteration, "ONNX")
    whole = fetched(service, export)
    damage(service, "export")
    damaged = iteration.rpartition("/")[2]
    assert_link_reports(service.follow(export["downloadUri"]), damaged)
    assert_logged(caplog, damaged)
    # As the message says, it can be requested again.
    assert len(fetched(service, service.export(iteration, "ONNX"))) == len(whole)


def test_exports_of_damaged_models(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    iteration = service.exportable()
    damaged = damage(service, "iteration", "model_blob")
    assert service.export(iteration, "ONNX")["status"] == "Failed"
    (export,) = details(service, iteration)
    assert f"The stored bytes of the model of iteration {damaged} are damaged" in export["failure"]
    assert_logged(caplog, damaged)


def test_trainings_from_damaged_models(service: Service) -> None:
    project, _, _ = service.trainable()
    first = service.train(project).rpartition("/")[2]
    damage(service, "iteration", "model_blob")
    body = {"customBaseModelInfo": {"projectId": project.rpartition("/")[2], "iterationId": first}}
    parameters = {"trainingType": "Advanced", "reservedBudgetInHours": "1", "forceTrain": "true"}
    iteration = service.get(service.train(project, params=parameters, json=body))
    assert iteration["status"] == "Failed"
    assert f"the model of iteration {first} are damaged" in iteration["trainingErrorDetails"]


def test_archives_of_projects_break_off(serve: Serve) -> None:
    live = serve()
    project = live.trainable(2)
    token = live.get(f"{project}/export")["token"].replace("project-export-info", "project-export-data")
    assert len(httpx.get(token, timeout=PATIENCE_SECONDS, trust_env=False).content) > 1000
    damaged, blob = database_rows(live.data, "SELECT id, blob FROM image ORDER BY number")[-1]
    change_blob(live.data, blob, flip_a_bit)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(token, timeout=PATIENCE_SECONDS, trust_env=False)
    assert live.get(f"{project}/images/count") == 4
    assert f"The stored bytes of image {damaged} are damaged" in live.log()
    assert "Traceback" not in live.log()
