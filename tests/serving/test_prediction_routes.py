"""The paths of the prediction API, validated by the contract."""

from typing import Any

import pytest

from tests.serving.harness import Serving, classifier_server
from tests.support.exported_models import (
    COLOURS,
    ITERATION,
    classifier_zip,
    colour_classifier,
    detector_zip,
    export_zip,
    plain,
    spot,
)

PROJECT = "11111111-2222-4333-8444-555555555555"
BASE = f"/customvision/v3.1/prediction/{PROJECT}"
RAW = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def server() -> Serving:
    return classifier_server()


def classify(server: Serving, path: str = f"{BASE}/classify/iterations/live/image", **more: Any) -> Any:
    return server.post(path, **({"content": plain("red"), "headers": RAW} | more))


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
@pytest.mark.parametrize("last", ["image", "image/nostore"])
def test_classifying(server: Serving, version: str, last: str) -> None:
    path = f"{BASE.replace('v3.1', version)}/classify/iterations/live/{last}"
    response = classify(server, path)
    assert response.status_code == 200
    body = response.json()
    assert body["id"] == response.headers["apim-request-id"]
    assert (body["project"], body["iteration"]) == (PROJECT, ITERATION)
    assert [one["tagName"] for one in body["predictions"]] == ["red", "blue", "green"]
    assert ("tagType" in body["predictions"][0]) == (version == "v3.1")
    assert '"probability":1.0' in response.text


def test_detecting() -> None:
    response = Serving(detector_zip()).post(
        f"{BASE}/detect/iterations/live/image",
        content=spot("red", (64, 128, 96, 160), (512, 512)),
        headers=RAW,
    )
    (one,) = response.json()["predictions"]
    assert (one["tagName"], set(one["boundingBox"])) == ("red", {"left", "top", "width", "height"})


@pytest.mark.parametrize("last", ["url", "url/nostore"])
def test_by_url(last: str, picture_url: str) -> None:
    server = classifier_server(url_allow=("127.0.0.1",))
    response = server.post(f"{BASE}/classify/iterations/live/{last}", json={"url": picture_url})
    assert response.json()["predictions"][0]["tagName"] == "red"


def test_ids_of_tags_stay_and_differ_by_model(server: Serving) -> None:
    def ids(data: bytes) -> set[str]:
        return {one["tagId"] for one in classify(Serving(data)).json()["predictions"]}

    assert ids(classifier_zip()) == ids(classifier_zip())
    other = export_zip(colour_classifier(side=227), COLOURS)
    assert ids(classifier_zip()).isdisjoint(ids(other))


def test_an_export_without_a_manifest_has_an_iteration_all_the_same() -> None:
    first, second = (
        classify(Serving(export_zip(colour_classifier(), COLOURS, manifest={"IterationId": name}))).json()
        for name in (None, "none")
    )
    assert first["iteration"] == second["iteration"] != ITERATION


@pytest.mark.parametrize(
    "path",
    [
        f"//customvision/v3.1/Prediction/{PROJECT.upper()}/Classify/Iterations/live/Image",
        f"/CustomVision/v3.1/prediction/{PROJECT}/classify/iterations/live/image/",
    ],
)
def test_paths_in_any_case_and_with_more_slashes(server: Serving, path: str) -> None:
    response = server.post(f"http://model.localhost{path}", content=plain("red"), headers=RAW)
    assert response.json()["project"] == PROJECT


def test_one_name_if_one_is_given() -> None:
    server = classifier_server(model_name="my/model 1")
    path = f"{BASE}/classify/iterations/%s/image"
    assert classify(server, path % "my%2Fmodel%201").status_code == 200
    response = classify(server, path % "live")
    assert (response.status_code, response.json()) == (
        404,
        {"code": "NotFoundIteration", "message": "Invalid iteration"},
    )


def test_the_wrong_kind(server: Serving) -> None:
    response = classify(server, f"{BASE}/detect/iterations/live/image")
    assert (response.status_code, response.json()["message"]) == (400, "Invalid project type for operation.")


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"content": b""}, 400, "BadRequestImageStream"),
        ({"content": b"no picture"}, 400, "BadRequestImageFormat"),
        ({"content": plain("red") + bytes(4 * 2**20)}, 400, "BadRequestImageSizeBytes"),
        ({"content": bytes(6 * 2**20)}, 400, "BadRequestImageSizeBytes"),
        ({"content": plain("red", (2600, 100))}, 400, "BadRequestImageDimensions"),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "BadRequestImageStream",
        ),
    ],
)
def test_bodies_that_are_not_images(server: Serving, more: dict[str, Any], status: int, code: str) -> None:
    response = classify(server, **more)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_error_of_an_unreadable_image_has_the_request_id(server: Serving) -> None:
    response = classify(server, content=b"no picture")
    digits = response.headers["apim-request-id"].replace("-", "")
    assert response.json()["message"] == f"Bad Request Image Format, Uri: {digits}"


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"url": "http://127.0.0.1/x"}'])
def test_bodies_without_a_valid_url(server: Serving, body: bytes) -> None:
    response = server.post(f"{BASE}/classify/iterations/live/url", content=body)
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestImageUrl")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{BASE}/classify/iterations/live/image"),
        ("POST", f"{BASE}/classify/iterations/live/picture"),
        ("POST", "/customvision/v3.1/prediction/no-guid/classify/iterations/live/image"),
        ("POST", "/customvision/v3.3/training/projects"),
        ("POST", "/customvision"),
    ],
)
def test_what_is_not_there(server: Serving, method: str, path: str) -> None:
    response = server.request(method, f"http://model.localhost{path}", content=plain("red"))
    assert (response.status_code, response.json()["error"]["message"]) == (404, "Resource not found")


def test_a_retired_version_says_which_to_use(server: Serving) -> None:
    path = f"http://model.localhost/customvision/v2.0/prediction/{PROJECT}/classify/iterations/live/image"
    response = server.post(path, content=plain("red"))
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestNotSupported")


def test_without_a_key_the_gateway_refuses() -> None:
    server = classifier_server(keys=("a-key",))
    response = classify(server)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "401")
    assert classify(server, headers={**RAW, "Prediction-Key": "a-key"}).status_code == 200
