"""Scripted predictions in the Prediction API, in quick tests and in stored predictions."""

import base64
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulator.core.predictions.predict import predict
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture
from tests.support.scripting import BOX, SCRIPTS, Detector, Published, boxed, likely, scripted, seen


@pytest.fixture
def published(service: Service) -> Published:
    return Published(service)


SCRIPTED = [("blue", 0.25), ("red", 0.125)]


@pytest.mark.parametrize(
    "target",
    [
        lambda _: {},
        lambda published: {"projectId": published.project_id},
        lambda published: {"projectId": published.project_id, "publishedName": "live"},
        lambda _: {"publishedName": " live "},
        lambda published: {"iterationId": published.iteration_id},
    ],
)
def test_a_script_replaces_the_model_everywhere(
    published: Published, target: Callable[[Published], dict[str, Any]]
) -> None:
    scripted(published.service, likely("red", 0.125), likely("blue", 0.25), **target(published))
    assert published.predict() == SCRIPTED
    assert published.predict(suffix="/image/nostore") == SCRIPTED
    assert published.quick_test() == SCRIPTED


@pytest.mark.parametrize("operation", ["url", "url/nostore"])
def test_images_from_urls(published: Published, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.core.predictions.predict.read_image", lambda *_: picture(70))
    scripted(published.service, likely("red", 0.5), image={"sha256": hashlib.sha256(picture(70)).hexdigest()})
    response = published.service.request(
        "POST", f"{published.address}/{operation}", key="3" * 32, json={"url": "http://nowhere/image"}
    )
    assert seen(response) == [("red", 0.5), ("blue", 0.0)]


def test_other_calls_go_on_with_the_model(published: Published) -> None:
    before = published.predict()
    other = published.service.trainable(name="other")[0]
    scripted(published.service, projectId=other.rpartition("/")[2])
    scripted(published.service, publishedName="another")
    scripted(published.service, image={"sha256": "0" * 64})
    assert published.predict() == before
    assert published.quick_test() == before


def test_real_ids_names_and_types_in_the_order_of_the_service(published: Published) -> None:
    scripted(published.service, likely("red", 0.1), {"tagId": published.blue, "probability": 0.9})
    response = expect(published.service.predict(published.address, picture(70)))
    assert response["project"] == published.project_id
    assert response["iteration"] == published.iteration_id
    assert response["predictions"] == [
        {"probability": 0.9, "tagId": published.blue, "tagName": "blue", "tagType": "Regular"},
        {"probability": 0.1, "tagId": published.red, "tagName": "red", "tagType": "Regular"},
    ]


def test_numbers_are_written_as_the_service_writes_them(published: Published) -> None:
    scripted(published.service, likely("red", 1), likely("blue", 0.123456789012))
    response = published.service.predict(published.address, picture(70))
    assert b'"probability":1.0,' in response.content
    assert b'"probability":0.123456791,' in response.content


def test_tags_that_the_script_does_not_name_have_the_probability_0(published: Published) -> None:
    scripted(published.service, likely("blue", 0.5))
    assert published.predict() == [("blue", 0.5), ("red", 0.0)]
    scripted(published.service, times=1)
    assert published.predict() == [("blue", 0.0), ("red", 0.0)]


def test_scripts_for_an_image_by_its_contents_or_its_sha256(published: Published) -> None:
    contents = base64.b64encode(picture(71)).decode()
    scripted(published.service, likely("red", 0.75), image={"contents": contents})
    made = scripted(
        published.service,
        likely("red", 0.25),
        image={"sha256": hashlib.sha256(picture(72)).hexdigest().upper()},
    )
    assert made["image"] == {"sha256": hashlib.sha256(picture(72)).hexdigest()}
    assert published.predict(picture(71))[0] == ("red", 0.75)
    assert published.predict(picture(72))[0] == ("red", 0.25)
    assert published.predict(picture(73))[0] not in [("red", 0.75), ("red", 0.25)]


def test_the_next_calls_then_the_model(published: Published) -> None:
    before = published.predict()
    scripted(published.service, likely("blue", 1), times=2)
    results = [published.predict(), published.quick_test(), published.predict()]
    assert results == [[("blue", 1.0), ("red", 0.0)]] * 2 + [before]


def test_scripted_predictions_are_stored(published: Published) -> None:
    scripted(published.service, likely("red", 0.9), likely("blue", 0.3), times=1)
    made_id = expect(published.service.predict(published.address, picture(74)))["id"]
    query = {"tags": [{"id": published.blue, "minThreshold": 0.3, "maxThreshold": 0.3}]}
    (stored,) = published.service.post(f"{published.project}/predictions/query", json=query)["results"]
    assert stored["id"] == made_id
    assert [(item["tagName"], item["probability"]) for item in stored["predictions"]] == [
        ("red", 0.9),
        ("blue", 0.3),
    ]
    assert published.service.follow(stored["originalImageUri"]).content


# --- detection ----------------------------------------------------------------------------------------------


@pytest.fixture
def detector(service: Service) -> Detector:
    return Detector(service)


def test_boxes_by_tag_then_by_probability(detector: Detector) -> None:
    scripted(detector.service, boxed("car", 0.5), boxed("bus", 0.25), boxed("car", 0.75, left=0.7))
    expected = [("bus", 0.25), ("car", 0.75), ("car", 0.5)]
    assert detector.predict() == expected
    assert detector.quick_test() == expected
    response = detector.service.predict(detector.address, picture(70), "/image/nostore")
    assert expect(response)["predictions"][1]["boundingBox"] == {**BOX, "left": 0.7}
    assert b'"boundingBox":{"left":0.1,"top":0.2,"width":0.3,"height":0.4}' in response.content


def test_a_detector_that_finds_nothing(detector: Detector) -> None:
    scripted(detector.service)
    assert detector.predict() == []


def test_a_box_at_the_edge_of_the_image(detector: Detector) -> None:
    scripted(detector.service, boxed("car", 1, left=0.7, top=0.6))
    (found,) = expect(detector.service.predict(detector.address, picture(70)))["predictions"]
    assert found["boundingBox"]["left"] + found["boundingBox"]["width"] <= 1


@pytest.mark.parametrize(
    ("prediction", "problem"),
    [
        (likely("purple", 1), "There is no tag 'purple'; the tags are: 'blue', 'red'."),
        (boxed("red", 1), "The project classifies images"),
        ({"tagId": NOWHERE, "probability": 1}, f"There is no tag '{NOWHERE}'"),
    ],
)
def test_a_script_of_any_project_that_does_not_fit_is_an_error_of_the_call(
    published: Published, prediction: dict[str, Any], problem: str
) -> None:
    made = scripted(published.service, prediction, times=1)
    status, code, message = refusal(published.service.predict(published.address, picture(70)))
    assert (status, code) == (400, "BadRequest")
    start = f"Prediction script {made['id']} cannot be used for iteration {published.iteration_id}: "
    assert message.startswith(start + problem)
    assert expect(published.service.request("GET", f"{SCRIPTS}/{made['id']}"))["used"] == 0


@pytest.mark.parametrize(
    "data",
    [
        b"no image",
        picture(70, size=(400, 300), format="JPEG")[:-2000],
        picture(70, size=(300, 4)),
        picture(70)[:-30],
        b"\0" * (4 * 2**20 + 1),
    ],
    ids=["text", "truncated", "thin", "no end", "too large"],
)
def test_images_that_the_service_refuses_use_no_script(published: Published, data: bytes) -> None:
    service = published.service

    def refused() -> tuple[int, str, str]:
        status, code, message = refusal(service.predict(published.address, data))
        return status, code, message.partition("Uri")[0]

    before = refused()
    made = scripted(service, likely("red", 1), times=1)
    assert refused() == before
    assert expect(service.request("GET", f"{SCRIPTS}/{made['id']}"))["used"] == 0
    assert published.predict()[0] == ("red", 1.0)


def test_unpublished_names_use_no_script(published: Published) -> None:
    made = scripted(published.service, likely("red", 1))
    unknown = refusal(published.service.predict(published.address + "x", picture()))
    assert unknown[:2] == (404, "NotFoundIteration")
    assert expect(published.service.request("GET", f"{SCRIPTS}/{made['id']}"))["used"] == 0


def test_eight_clients_use_a_script_a_hundred_times(published: Published) -> None:
    made = scripted(published.service, likely("red", 0.0078125), times=100)

    def call(_number: int) -> bool:
        result = predict(
            published.service.context,
            NOWHERE,
            published.project_id,
            "live",
            picture(75),
            type="Classification",
            store=False,
        )
        return any(item.probability == 0.0078125 for item in result.probabilities)

    with ThreadPoolExecutor(8) as clients:
        assert sum(clients.map(call, range(200))) == 100
    assert expect(published.service.request("GET", f"{SCRIPTS}/{made['id']}"))["used"] == 100
