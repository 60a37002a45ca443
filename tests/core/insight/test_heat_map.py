"""Heat maps by the control API: of uploads, images of the project and stored predictions."""

from base64 import b64decode
from io import BytesIO
from typing import Any

import numpy
import pytest
from PIL import Image

from tests.support.detection import detection_project, marked_images
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture, pictures


def asked(service: Service, iteration: str, **parameters: Any) -> Any:
    return service.request("GET", f"/_emulator{iteration}/heatMap", params=parameters)


def uploaded(service: Service, iteration: str, data: bytes, **parameters: Any) -> Any:
    return service.request(
        "POST",
        f"/_emulator{iteration}/heatMap",
        params=parameters,
        content=data,
        headers={"Content-Type": "application/octet-stream"},
    )


@pytest.fixture
def trained(service: Service) -> tuple[str, str, str]:
    """The paths of a project and an iteration, and the id of the tag "red"."""
    project, red, _ = service.trainable()
    return project, service.train(project), red


def test_the_map_of_an_upload_shows_what_speaks_for_the_most_probable_tag(
    service: Service, trained: tuple[str, str, str]
) -> None:
    _, iteration, red = trained
    half = Image.new("RGB", (64, 32), (120, 120, 120))
    half.paste((220, 20, 20), (0, 0, 32, 32))
    file = BytesIO()
    half.save(file, "PNG")
    found = expect(uploaded(service, iteration, file.getvalue()))
    assert (found["tagId"], found["tagName"], found["method"]) == (red, "red", "ClassActivation")
    assert (found["width"], found["height"]) == (64, 32)
    assert found["boundingBox"] == {"left": 0, "top": 0, "width": 1, "height": 1}
    values = numpy.array(found["values"])
    assert values.shape == (found["rows"], found["columns"])
    assert values[:, : values.shape[1] // 2 - 1].min() > 0.9
    assert values[:, values.shape[1] // 2 + 1 :].max() < 0.5
    overlay = Image.open(BytesIO(b64decode(found["overlay"])))
    assert (overlay.format, overlay.mode, overlay.size) == ("PNG", "RGBA", (512, 256))
    assert overlay.getpixel((100, 128))[3] > 150 > 100 > overlay.getpixel((400, 128))[3]


def test_maps_of_training_images_and_stored_predictions_are_those_of_their_bytes(
    service: Service, trained: tuple[str, str, str]
) -> None:
    project, iteration, red = trained
    expected = expect(uploaded(service, iteration, picture(0, "red")))
    (known, *_) = service.upload(project, pictures(1, "red"), red)
    image = known["image"]["id"]
    assert expect(asked(service, iteration, imageId=image)) == expected
    service.delete(f"{project}/images", params={"imageIds": image})
    assert expect(asked(service, iteration, imageId=image)) == expected  # the iteration still has it
    prediction = service.predict(service.publish(iteration), picture(0, "red")).json()["id"]
    assert expect(asked(service, iteration, predictionId=prediction)) == expected


def test_a_tag_can_be_chosen(service: Service, trained: tuple[str, str, str]) -> None:
    project, iteration, red = trained
    blue = next(tag["id"] for tag in service.get(f"{project}/tags") if tag["id"] != red)
    found = expect(uploaded(service, iteration, picture(0, "red"), tagId=blue))
    assert (found["tagId"], found["tagName"]) == (blue, "blue")
    assert found["probability"] < 0.5


def test_bad_requests_are_refused(service: Service, trained: tuple[str, str, str]) -> None:
    project, iteration, _ = trained
    for response, code in (
        (asked(service, iteration), "BadRequest"),
        (asked(service, iteration, imageId=NOWHERE, predictionId=NOWHERE), "BadRequest"),
        (asked(service, iteration, imageId=NOWHERE), "NotFoundImage"),
        (asked(service, iteration, predictionId=NOWHERE), "BadRequestPredictionIdsMissing"),
        (asked(service, f"{project}/iterations/{NOWHERE}", imageId=NOWHERE), "NotFoundIteration"),
        (uploaded(service, iteration, picture(), tagId=NOWHERE), "NotFoundTag"),
        (uploaded(service, iteration, b"no image"), "BadRequestImageFormat"),
        (uploaded(service, iteration, b""), "BadRequestImageStream"),
    ):
        assert refusal(response)[1] == code, response.text


def test_models_without_maps_say_why(service: Service) -> None:
    detector = detection_project(service)
    marked_images(service, detector, pictures(15), service.tag(detector, "scratch"))
    _, code, message = refusal(uploaded(service, service.train(detector), picture()))
    assert code == "BadRequestNotSupported" and "boxes" in message
    service.context.trainers.default = "instant"
    project, _, _ = service.trainable()
    _, code, message = refusal(uploaded(service, service.train(project), picture()))
    assert code == "BadRequestNotSupported" and "real trainer" in message
