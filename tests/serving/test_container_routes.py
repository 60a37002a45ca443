"""The routes of the containers that the service exports."""

import json
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.serving.harness import KEYS, NOW, Serving, classifier_server
from tests.support.exported_models import (
    COLOURS,
    detector_zip,
    export_zip,
    finished_detector,
    plain,
    spot,
)

PROJECT, NAME = "my%20project", "Iteration%201"
IMAGE_PATHS = [
    "/image",
    f"/{PROJECT}/image",
    f"/{PROJECT}/image/nostore",
    f"/{PROJECT}/classify/iterations/{NAME}/image",
    f"/{PROJECT}/classify/iterations/{NAME}/image/nostore",
    f"/{PROJECT}/detect/iterations/{NAME}/image",
    f"/{PROJECT}/detect/iterations/{NAME}/image/nostore",
]
FAILED = "Error processing image"
RED = [
    {"tagName": label, "probability": float(label == "red"), "tagId": "", "boundingBox": None}
    for label in COLOURS
]


@pytest.fixture(scope="module")
def server() -> Serving:
    return classifier_server()


def test_the_greeting(server: Serving) -> None:
    response = server.get("/")
    assert response.text == "CustomVision.ai model host harness"
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", IMAGE_PATHS)
def test_every_path_classifies(server: Serving, path: str) -> None:
    response = server.post(path, content=plain("red"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "id": "",
        "project": "",
        "iteration": "",
        "created": NOW.replace(tzinfo=None).isoformat(),
        "predictions": RED,
    }


def test_boxes_have_the_index_of_their_tag() -> None:
    boxes = [[0.25, 0.125, 0.5, 0.75], [0, 0, 1 / 3, 1]]
    server = Serving(export_zip(finished_detector(boxes, [1, 0], [0.123456789, 0.9]), ("cat", "dog")))
    assert server.post("/image", content=plain("red")).json()["predictions"] == [
        {
            "probability": 0.89999998,
            "tagId": 0,
            "tagName": "cat",
            "boundingBox": {"left": 0, "top": 0, "width": 0.33333334, "height": 1},
        },
        {
            "probability": 0.12345679,
            "tagId": 1,
            "tagName": "dog",
            "boundingBox": {"left": 0.25, "top": 0.125, "width": 0.25, "height": 0.625},
        },
    ]


def test_a_yolo_detector_predicts() -> None:
    response = Serving(detector_zip()).post("/image", content=spot("red", (64, 128, 96, 160), (512, 512)))
    assert [one["tagName"] for one in response.json()["predictions"]] == ["red"]


@pytest.mark.parametrize(
    "request_of",
    [
        {"files": {"imageData": ("red.png", plain("red"), "image/png")}},
        {"files": {"imageData": ("red.png", plain("red"))}},
        {"files": {"imageData": (None, plain("red"))}},
        {"files": [("note", (None, b"hello")), ("imageData", ("red.png", plain("red")))]},
        {"files": {"other": ("red.png", plain("red"))}},
        {"data": {"imageData": plain("red").decode("latin-1")}},
        {"content": plain("red")},
        {"content": plain("red"), "headers": {"Content-Type": "application/octet-stream"}},
        {"content": plain("red"), "headers": {"Content-Type": "image/png"}},
        {"content": plain("red"), "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": plain("red", kind="JPEG")},
    ],
    ids=[
        "file",
        "file without a type",
        "field",
        "second part",
        "part of another name",
        "encoded form",
        "raw",
        "octet stream",
        "png",
        "as curl does",
        "JPEG",
    ],
)
def test_every_kind_of_body(server: Serving, request_of: dict[str, Any]) -> None:
    if "data" in request_of:
        from urllib.parse import quote_from_bytes

        request_of = {
            "content": b"imageData=" + quote_from_bytes(plain("red")).encode(),
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        }
    response = server.post("/image", **request_of)
    scores = {one["tagName"]: one["probability"] for one in response.json()["predictions"]}
    assert scores["red"] > 0.99


def test_text_fields_of_a_form_are_passed_over(server: Serving) -> None:
    files = [("note", (None, "a note")), ("other", ("", b"")), ("picture", ("a.png", plain("red")))]
    response = server.post("/image", files=files)
    assert response.json()["predictions"][0]["tagName"]


@pytest.mark.parametrize(
    "body",
    [
        {"content": b""},
        {"content": b"no picture"},
        {"content": plain("red")[:60]},
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"imageData=", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": plain("red") + bytes(4 * 2**20)},
        {"content": bytes(20 * 2**20)},
    ],
    ids=["empty", "text", "cut", "half", "no boundary", "empty field", "4 MB", "20 MB"],
)
def test_a_body_without_an_image_has_one_text_and_status_500(server: Serving, body: dict[str, Any]) -> None:
    response = server.post("/image", **body)
    assert (response.status_code, response.text) == (500, FAILED)


# --- URLs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path.replace("/image", "/url") for path in IMAGE_PATHS])
def test_every_path_fetches(path: str, picture_url: str) -> None:
    server = classifier_server(url_allow=("127.0.0.1",))
    response = server.post(path, json={"url": picture_url})
    assert (response.status_code, response.json()["predictions"]) == (200, RED)


@pytest.mark.parametrize("body", [{"Url": "PICTURE"}, {"URL": "PICTURE", "other": 1}])
def test_the_name_of_the_url_in_any_case(body: dict[str, Any], picture_url: str) -> None:
    server = classifier_server(url_allow=("127.0.0.1",))
    named = {name: picture_url if value == "PICTURE" else value for name, value in body.items()}
    assert server.post("/url", json=named).json()["predictions"] == RED


@pytest.mark.parametrize(
    "body", ["{'url' : 'PICTURE'}", '{Url: "PICTURE",} // it', "\ufeff{/**/'URL':'PICTURE'}"]
)
def test_json_as_the_reader_of_the_service_accepts_it(body: str, picture_url: str) -> None:
    server = classifier_server(url_allow=("127.0.0.1",))
    response = server.post("/url", content=body.replace("PICTURE", picture_url).encode())
    assert response.json()["predictions"] == RED


@pytest.mark.parametrize("body", [b"[" * 70_000, b'{"url":' * 10_000, b"{" + b"/**/" * 16_384, b"{'url':'x"])
def test_the_work_for_reading_a_url_is_limited(server: Serving, body: bytes) -> None:
    response = server.post("/url", content=body)
    assert (response.status_code, response.text) == (200, "Error processing image")


def test_private_addresses_are_not_fetched_unless_allowed(server: Serving, picture_url: str) -> None:
    response = server.post("/url", json={"url": picture_url})
    assert (response.status_code, response.text) == (200, FAILED)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"url": 7}', b'{"url": "file:///etc/passwd"}', b'{"url": ""}', b"null"],
)
def test_a_body_without_a_url_has_one_text_and_status_200(server: Serving, body: bytes) -> None:
    response = server.post("/url", content=body)
    assert (response.status_code, response.text) == (200, FAILED)


# --- health, keys, other paths ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/_emulator/health/ready", "/_emulator/health/live"])
def test_health(path: str) -> None:
    response = classifier_server(keys=KEYS).get(path)
    assert response.status_code == 200
    described = response.json()
    assert (described["status"], described["labels"]) == ("ready", list(COLOURS))
    assert described["domainType"] == "Classification"


@pytest.mark.parametrize("header", ["Prediction-Key", "prediction-key", "Ocp-Apim-Subscription-Key"])
@pytest.mark.parametrize("key", KEYS)
def test_with_keys_each_request_needs_one_of_them(header: str, key: str) -> None:
    server = classifier_server(keys=KEYS)
    for headers in ({}, {header: "wrong"}, {header: ""}):
        response = server.post("/image", content=plain("red"), headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (401, "401")
    assert server.post("/image", content=plain("red"), headers={header: key}).status_code == 200
    assert server.get("/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("POST", "/"), ("GET", "/image"), ("POST", "/p/guess/iterations/n/image")],
)
def test_other_paths_lead_nowhere(server: Serving, method: str, path: str) -> None:
    response = server.request(method, path)
    assert (response.status_code, response.json()) == (
        404,
        {"error": {"code": "404", "message": "Resource not found"}},
    )


def test_created_is_utc_without_a_zone() -> None:
    response: httpx.Response = classifier_server().post("/image", content=plain("red"))
    created = json.loads(response.text)["created"]
    assert datetime.fromisoformat(created).tzinfo is None
