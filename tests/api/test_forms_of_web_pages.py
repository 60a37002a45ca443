"""Forms as web pages send them: with text fields, and with file inputs in which no file was chosen."""

import pytest
from PIL import Image

from tests.api.test_uploads import BOUNDARY, form, items
from tests.support.harness import PREDICTION_KEY, Service, expect, refusal
from tests.support.hostile_images import encoded
from tests.support.images import picture
from tests.support.predicting import Predicted

TEXT = ('Content-Disposition: form-data; name="name"', b"my-picture")
OTHER_TEXT = ('Content-Disposition: form-data; name="note"', b"BMW and other cars, with more than 26 letters")
NAMELESS_DAMAGED = ('Content-Disposition: form-data; name="0"', b"no image")
NO_FILE = ('Content-Disposition: form-data; name="other"; filename=""', b"")
NAMED_EMPTY = ('Content-Disposition: form-data; name="other"; filename="empty.jpg"', b"")
DAMAGED = ('Content-Disposition: form-data; name="other"; filename="note.txt"', b"no image")
FILE = ('Content-Disposition: form-data; name="imageData"; filename="a.png"', picture())
NAMELESS = ('Content-Disposition: form-data; name="imageData"', picture(2))
FORMS = {
    "text before": (TEXT, FILE),
    "text after": (FILE, TEXT),
    "letters of a BMP": (OTHER_TEXT, FILE),
    "no file chosen": (NO_FILE, FILE),
    "image without a file name": (TEXT, NO_FILE, NAMELESS),
}
TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.mark.parametrize("name", FORMS)
def test_parts_without_an_image_are_passed_over_beside_one(predicted: Predicted, name: str) -> None:
    service, body = predicted.service, form(*FORMS[name])
    ((_, status),) = items(service, body)
    assert status == "OK"
    address, iteration = f"{predicted.project}/quicktest/image", predicted.iteration.rpartition("/")[2]
    response = service.send("POST", address, content=body, headers=TYPE, params={"iterationId": iteration})
    assert expect(response)["predictions"]
    headers = {"Prediction-Key": PREDICTION_KEY, **TYPE}
    response = service.request("POST", f"{predicted.address}/image", key=None, content=body, headers=headers)
    assert expect(response)["predictions"]


def test_a_file_that_is_no_image_is_still_an_error(service: Service) -> None:
    for part in (DAMAGED, NAMED_EMPTY, NAMELESS_DAMAGED):
        assert [status for _, status in items(service, form(TEXT, part, FILE))] == ["ErrorImageFormat", "OK"]


def test_forms_without_an_image_are_refused_as_before(predicted: Predicted) -> None:
    webp = encoded(Image.new("RGB", (8, 8)), "WEBP")
    service = predicted.service
    headers = {"Prediction-Key": PREDICTION_KEY, **TYPE}
    for parts in ((TEXT,), (TEXT, DAMAGED), (("Content-Disposition: form-data; name=a", webp),)):
        response = service.request(
            "POST", f"{predicted.address}/image", key=None, content=form(*parts), headers=headers
        )
        assert refusal(response)[:2] == (400, "BadRequestImageFormat")
