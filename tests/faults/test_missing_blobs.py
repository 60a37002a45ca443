"""Files of the data folder that are gone though rows refer to them, as after an incomplete restore."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from emulator.core import blob_sweep
from tests.support.damage import assert_error_logged, change_blob, last_blob
from tests.support.harness import Service, refusal
from tests.support.images import picture
from tests.support.predicting import Predicted, query
from tests.support.suggesting import Suggesting


def lose(service: Service, table: str, column: str = "blob") -> str:
    """Delete the file of a blob to which the last row of a table refers; returns the id of the row."""
    lost, blob = last_blob(service, table, column)
    change_blob(service.settings.data, blob, Path.unlink)
    return lost


def assert_reported(response: httpx.Response, id: str, caplog: pytest.LogCaptureFixture) -> None:
    """Response and log name the id, the log in one line."""
    assert response.status_code == 500
    assert f" {id} are missing" in response.text
    assert_error_logged(caplog, f" {id} are missing")


def test_uris_of_images(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    project = service.project()
    (image,) = (item["image"] for item in service.upload(project, [picture()]))
    lose(service, "image")
    response = service.follow(image["originalImageUri"])
    assert response.headers["x-ms-error-code"] == "InternalError"
    assert_reported(response, image["id"], caplog)
    # As the message says, the same file can be uploaded again.
    service.upload(project, [picture()])
    assert service.follow(image["originalImageUri"]).status_code == 200


def test_suggestions(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    suggesting = Suggesting(service)
    lost = lose(service, "image")
    assert_reported(suggesting.send(*suggesting.images), lost, caplog)


def _predict(predicted: Predicted) -> httpx.Response:
    return predicted.service.predict(predicted.address, picture(7))


def _performance(predicted: Predicted) -> httpx.Response:
    return predicted.service.send("GET", f"{predicted.iteration}/performance")


@pytest.mark.parametrize(
    ("column", "send", "code"),
    [("model_blob", _predict, "ErrorPrediction"), ("evaluation_blob", _performance, "ErrorUnknown")],
)
def test_trained_models(
    service: Service,
    caplog: pytest.LogCaptureFixture,
    column: str,
    send: Callable[[Predicted], httpx.Response],
    code: str,
) -> None:
    predicted = Predicted(service)
    lost = lose(service, "iteration", column)
    service.context.models.clear()
    response = send(predicted)
    assert refusal(response)[1] == code
    assert_reported(response, lost, caplog)


def test_stored_predictions(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    predicted = Predicted(service)
    lost = predicted.predict()
    lose(service, "stored_prediction")
    (found,) = query(service, predicted.project)["results"]
    assert_reported(service.follow(found["originalImageUri"]), lost, caplog)


def test_files_of_exports(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    iteration = service.exportable()
    export = service.export(iteration, "ONNX")
    lose(service, "export")
    assert_reported(service.follow(export["downloadUri"]), iteration.rpartition("/")[2], caplog)


def test_a_start_counts_them(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    project = service.project()
    service.images(project, [picture(number) for number in range(3)])
    blob_sweep.report_missing(service.context)
    assert not caplog.records
    lost = lose(service, "image")
    blob_sweep.report_missing(service.context)
    (line,) = caplog.messages
    assert "1 files to which rows of the database refer are missing in" in line
    assert f"image {lost} are missing" in line
