"""The validator of responses reports every violation and accepts valid responses."""

import json
from typing import Any

import pytest

from tests.contract_chain.spec import ContractValidator, Written

PROJECT = "a57d5206-9303-48f9-8dd8-6ca341c9ce2a"
TAG = "68fbb72d-2efd-4bc1-891d-511e16e31aca"
REQUEST = "f886f6c7-5be8-424d-bdb1-e1d8529dd580"
TRAINING = f"/customvision/v3.3/training/projects/{PROJECT}"

HEADERS = {
    "apim-request-id": REQUEST,
    "Request-Id": REQUEST,
    "x-content-type-options": "nosniff",
    "Content-Type": "application/json; charset=utf-8",
}
A_TAG: dict[str, Any] = {"id": TAG, "name": "fork", "description": None, "type": "Regular", "imageCount": 5}
AN_IMAGE: dict[str, Any] = {
    "id": TAG,
    "created": "2020-11-06T18:23:45.5635527",
    "width": 900,
    "height": 1600,
    "resizedImageUri": "http://127.0.0.1/i",
    "thumbnailUri": "http://127.0.0.1/t",
    "originalImageUri": "http://127.0.0.1/i",
    "tags": [{"tagId": TAG, "tagName": "fork", "created": "2020-11-06T18:23:45"}],
}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def check(
    path: str,
    body: Any = b"",
    status: int = 200,
    method: str = "GET",
    *,
    without: tuple[str, ...] = (),
    request_id: str | None = None,
    **more: str,
) -> list[str]:
    """The reported violations, without the prefix that names the request."""
    raw = body if isinstance(body, bytes) else compact(body)
    headers = {key: value for key, value in HEADERS.items() if key not in without}
    headers |= {"Content-Length": str(len(raw))} | {
        key.replace("_", "-"): value for key, value in more.items()
    }
    problems = ContractValidator().check(method, path, status, headers, raw, request_id)
    start = f"{method} {path} -> {status}: "
    assert all(start in problem for problem in problems), problems
    return [problem.partition(start)[2] for problem in problems]


def error(code: str) -> dict[str, str]:
    return {"code": code, "message": "No."}


def gateway_error(status: int) -> dict[str, Any]:
    return {"error": {"code": str(status), "message": "No."}}


def test_a_valid_response_has_no_problems() -> None:
    assert check(f"{TRAINING}/tags/{TAG}", A_TAG) == []


@pytest.mark.parametrize(
    "path",
    [
        f"//customvision/v3.3/Training/projects/{PROJECT}/tags/{TAG}",
        f"/CustomVision/V3.3/training/Projects/{PROJECT}/TAGS/{TAG}?iterationId={TAG}",
        f"http://127.0.0.1:10010/customvision/v3.3/training/projects/{PROJECT}/tags/{TAG}",
        f"/customvision/v3.4-preview/training/projects/{PROJECT}/tags/{TAG}",
        f"/customvision/v9.9/training/projects/{PROJECT}/tags/{TAG}",
    ],
)
def test_operations_are_found_however_the_path_is_written(path: str) -> None:
    assert check(path, A_TAG) == []
    assert check(path, {**A_TAG, "type": "Odd"}) != []


def test_problems_name_operation_and_request() -> None:
    problems = ContractValidator().check("GET", f"{TRAINING}/tags/{TAG}", 200, HEADERS, b"{")
    assert problems[-1].startswith(f"GetTag: GET {TRAINING}/tags/{TAG} -> 200: the body is not JSON")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({**A_TAG, "imageCount": "5"}, "$.imageCount: '5' is not of type 'integer'"),
        ({**A_TAG, "type": "Odd"}, "$.type: 'Odd' is not one of ['Regular', 'Negative', 'GeneralProduct']"),
        ({**A_TAG, "id": TAG.upper()}, f"$.id: '{TAG.upper()}' does not match "),
        ({**A_TAG, "description": ""}, "$.description: '' should be non-empty"),
        ({**A_TAG, "color": "red"}, "$.color is not documented"),
        ({key: A_TAG[key] for key in ("id", "name", "type", "imageCount")}, "$: 'description' is a required"),
        (
            {key: A_TAG[key] for key in ("name", "id", "description", "type", "imageCount")},
            "$: properties in the",
        ),
        (json.dumps(A_TAG).encode(), "the JSON is not compact"),
        (b'{"id":1,"id":2}', "an object has a property twice: id, id"),
        (b"", "the body is not JSON"),
        (b"NaN", "the body is not JSON: NaN is not JSON"),
    ],
)
def test_wrong_bodies(body: Any, line: str) -> None:
    problems = check(f"{TRAINING}/tags/{TAG}", body)
    assert any(problem.startswith(line) for problem in problems), problems


def test_blanks_inside_texts_do_not_count() -> None:
    assert check(f"{TRAINING}/tags/{TAG}", {**A_TAG, "name": 'a "b"\n c\\'}) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"without": ("apim-request-id",)}, "header apim-request-id is missing"),
        ({"without": ("Request-Id",)}, "header request-id is missing"),
        ({"Request_Id": TAG, "without": ("Request-Id",)}, "header request-id differs from apim-request-id"),
        ({"without": ("x-content-type-options",)}, "header x-content-type-options is missing"),
        (
            {"x_content_type_options": "no", "without": ("x-content-type-options",)},
            "header x-content-type-options: ",
        ),
        (
            {"Content_Type": "application/json", "without": ("Content-Type",)},
            "Content-Type is 'application/json'",
        ),
        ({"Content_Length": "3"}, "Content-Length is 3, the body has "),
        ({"request_id": TAG}, f"apim-request-id is {REQUEST}, expected {TAG}"),
    ],
)
def test_wrong_headers(change: dict[str, Any], line: str) -> None:
    problems = check(f"{TRAINING}/tags/{TAG}", A_TAG, **change)
    assert any(problem.startswith(line) for problem in problems), problems


def test_a_length_must_be_sent() -> None:
    problems = ContractValidator().check("GET", f"{TRAINING}/tags/{TAG}", 200, HEADERS, compact(A_TAG))
    assert [problem.rpartition(": ")[2] for problem in problems] == ["Content-Length is missing"]


def test_old_versions_have_no_request_id() -> None:
    path = f"/customvision/v3.1/training/projects/{PROJECT}/tags/{TAG}"
    assert check(path, A_TAG, without=("Request-Id",)) == []
    assert check(path, A_TAG) == ["header request-id: this version has none"]


def test_responses_without_a_body() -> None:
    path = f"{TRAINING}/tags/{TAG}"
    assert check(path, b"", 204, "DELETE", without=("Content-Type",)) == []
    assert check(path, b"", 204, "DELETE") == ["Content-Type application/json; charset=utf-8 without a body"]
    assert check(path, b"{}", 204, "DELETE", without=("Content-Type",)) == [
        "a body of 2 bytes where none is documented"
    ]


def test_statuses_belong_to_versions() -> None:
    summary = {"isBatchSuccessful": True, "images": []}
    assert check(f"{TRAINING}/images/urls", summary, 207, "POST") == []
    old = f"/customvision/v3.2/training/projects/{PROJECT}/images/urls"
    assert check(old, summary, 207, "POST")[0].startswith("status 207 is not documented")
    assert check(f"{TRAINING}/tags/{TAG}", A_TAG, 201)[0].startswith("status 201 is not documented")


def test_nulls_of_images_depend_on_the_response() -> None:
    tag = AN_IMAGE["tags"][0]
    unnamed = {**AN_IMAGE, "tags": [{**tag, "tagName": None}]}
    results = [{"sourceUrl": None, "status": "OK", "image": image} for image in (AN_IMAGE, unnamed, None)]
    summary = {"isBatchSuccessful": True, "images": results}
    assert check(f"{TRAINING}/images", [AN_IMAGE]) == []
    assert check(f"{TRAINING}/images", [unnamed]) == ["$[0].tags[0].tagName: None is not of type 'string'"]
    assert check(f"{TRAINING}/images", summary, method="POST") == [
        "$.images[0].image.tags[0].tagName: 'fork' is not of type 'null'"
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"tags": []}, "$[0].tags: [] should be non-empty"),
        ({"tags": None}, "$[0].tags: None is not of type 'array'"),
        ({"created": "2020-11-06T18:23:45.5635527Z"}, "$[0].created: "),
        ({"created": "2020-11-06T18:23:45.560"}, "$[0].created: "),
        ({"metadata": {"a": "b" * 513}}, "$[0].metadata.a: "),
    ],
)
def test_wrong_images(change: dict[str, Any], line: str) -> None:
    problems = check(f"{TRAINING}/images", [{**AN_IMAGE, **change}])
    assert len(problems) == 1
    assert problems[0].startswith(line)


def test_metadata_may_have_any_key() -> None:
    assert check(f"{TRAINING}/images", [{**AN_IMAGE, "metadata": {"a b": "c"}}]) == []


PREDICTION = f"/customvision/v3.1/prediction/{PROJECT}/classify/iterations/a%20name/image"


def prediction(probability: str, **change: str) -> bytes:
    values = {"id": REQUEST, "created": "2020-06-06T22:00:23.931Z", **change}
    tag = f'{{"probability":{probability},"tagId":"{TAG}","tagName":"fork","tagType":"Regular"}}'
    return (
        f'{{"id":"{values["id"]}","project":"{PROJECT}","iteration":"{TAG}",'
        f'"created":"{values["created"]}","predictions":[{tag}]}}'
    ).encode()


@pytest.mark.parametrize("probability", ["0.9999961", "8.79471951E-13", "1.0", "0.0", "1E-05", "0.147652075"])
def test_numbers_as_the_service_writes_them(probability: str) -> None:
    assert check(PREDICTION, prediction(probability), method="POST") == []


@pytest.mark.parametrize(
    ("probability", "line"),
    [
        ("1", "$.predictions[0].probability: 1 is written without a decimal point"),
        ("8.79e-13", "$.predictions[0].probability: 8.79e-13 is not written as the service writes numbers"),
        (
            "0.30000001192092896",
            "$.predictions[0].probability: 0.30000001192092896 has more digits than a float",
        ),
        ("1E-50", "$.predictions[0].probability: 1E-50 is no float"),
        ("1.5", "$.predictions[0].probability: 1.5 is greater than the maximum of 1"),
    ],
)
def test_numbers_written_otherwise(probability: str, line: str) -> None:
    assert check(PREDICTION, prediction(probability), method="POST") == [line]


def test_a_prediction_is_named_after_its_request() -> None:
    problems = check(PREDICTION, prediction("0.5", id=TAG), method="POST")
    assert problems == [f"id {TAG} is not the apim-request-id {REQUEST}"]


def test_predictions_have_another_form_in_the_oldest_version() -> None:
    path = PREDICTION.replace("v3.1", "v3.0")
    body = prediction("0.5", created="2019-03-06T22:00:23.9310000Z").replace(b',"tagType":"Regular"', b"")
    assert check(path, body, method="POST", without=("Request-Id",)) == []
    assert check(PREDICTION, body, method="POST") != []


def test_a_published_name_may_hold_a_slash() -> None:
    path = PREDICTION.replace("a%20name", "a/b%2Fc")
    assert check(path, prediction("0.5"), method="POST") == []
    assert check(f"{path}/nostore", prediction("0.5", id=TAG), method="POST") != []


def test_service_errors() -> None:
    path = f"{TRAINING}/tags/{TAG}"
    assert check(path, error("NotFoundTag"), 404) == []
    assert check(path, gateway_error(404), 404) == []
    assert check(path, error("ErrorUnknown"), 500) == []
    assert check(path, {**error("NotFoundTag"), "more": 1}, 404) != []
    assert check(path, gateway_error(400), 400) != []
    assert check(path, error("BadRequestOdd"), 400) == [
        "$.code: 'BadRequestOdd' is not among the 130 values of this version"
    ]


def test_gateway_errors() -> None:
    path = f"{TRAINING}/tags/{TAG}"
    assert check(path, gateway_error(401), 401) == []
    assert check(path, error("BadRequest"), 401) != []
    assert check(path, gateway_error(429), 429, Retry_After="1") == []
    assert check(path, gateway_error(429), 429) == ["header retry-after is missing"]


def test_error_codes_belong_to_versions() -> None:
    old = f"/customvision/v3.0/training/projects/{PROJECT}/tags/{TAG}"
    assert check(old, error("BadRequestImageDimensions"), 400) != []
    assert check(f"{TRAINING}/tags/{TAG}", error("BadRequestImageDimensions"), 400) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{TRAINING}/nothing"),
        ("PUT", f"{TRAINING}/tags/{TAG}"),
        ("GET", f"/customvision/v3.2/training/projects/{PROJECT}/images"),
        ("GET", "/customvision/v3.3/training"),
        ("GET", "/customvision/vx/training/projects"),
        ("GET", "/_emulator/nothing"),
    ],
)
def test_the_gateway_responds_to_unknown_operations(method: str, path: str) -> None:
    assert check(path, gateway_error(404), 404, method) == []
    assert check(path, error("NotFound"), 404, method) != []
    assert check(path, [], 200, method) == [
        "no operation of this version; expected the gateway's 404 instead of 200"
    ]


def test_retired_versions_may_be_refused_by_the_service() -> None:
    path = "/customvision/v2.2/training/projects"
    assert check(path, error("BadRequestNotSupported"), 400) == []
    assert check(path, [], 200) != []


def test_the_emulators_own_responses() -> None:
    live = "/_emulator/health/live"
    assert check(live, {"status": "live"}, Content_Type="application/json") == []
    assert check(live, {"status": "dead"}) == ["$.status: 'live' was expected"]
    ready = "/_emulator/health/ready"
    assert check(ready, {"status": "ready", "checks": {"disk": "ok"}}) == []
    assert check(ready, {"status": "not ready", "checks": {"disk": "full"}}, 503) == []
    assert check(ready, {"status": "ready", "checks": {"disk": "full"}}, 503) != []
    assert check("/_emulator/reset", b"", 204, "POST", without=("Content-Type",)) == []
    session = "/portal/session"
    assert check(session, {"signedIn": True, "keyRequired": False}) == []
    assert check(session, {"signedIn": "yes", "keyRequired": False}) != []
    assert check(session, {"signedIn": True, "keyRequired": False}, 200, "PUT") != []


def test_images_are_bytes() -> None:
    path = f"/i-{'0' * 32}/t-{'1' * 32}?se=2020&sig=abc"
    assert check(path, b"\xff\xd8", Content_Type="image/jpeg") == []
    assert check(path, b"{}") == [
        "Content-Type is 'application/json; charset=utf-8', documented: image/*, application/octet-stream"
    ]
    assert check(path, b"<Error/>", 403, Content_Type="application/xml") == []


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/portal/", "/portal/projects"])
def test_other_paths_are_not_validated(path: str) -> None:
    assert check(path, b"hello", 200) == []


def test_written_floats_are_floats() -> None:
    assert Written("0.50") == 0.5
    assert Written("0.50").text == "0.50"
