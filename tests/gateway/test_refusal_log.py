"""The log of refused requests: one line each, a reason for each item, and no secrets."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.gateway.refusal_log import RefusalLog
from tests.support.detection import WHOLE, create, detection_project, on, region, upload
from tests.support.harness import (
    NOWHERE,
    PREDICTION_KEY,
    TRAINING_KEY,
    Service,
    running_service,
    training_path,
)
from tests.support.images import picture, pictures
from tests.support.refusals import Lines, logged_refusals

PREDICTION = f"/customvision/v3.1/prediction/{NOWHERE}/classify/iterations/x/image"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    with logged_refusals(caplog) as read:
        yield read


def the_line(lines: Lines) -> str:
    (line,) = lines()
    assert line.isprintable()
    return line


def file(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "contents": base64.b64encode(data).decode(), **more}


# --- the line -----------------------------------------------------------------------------------------------


def test_a_line_has_method_path_status_code_id_and_reason(service: Service, lines: Lines) -> None:
    response = service.send("GET", f"/projects/{NOWHERE}", params={"secret": "x"})
    request_id = response.headers["apim-request-id"]
    path = training_path(f"/projects/{NOWHERE}")
    assert the_line(lines) == f"GET {path} 404 NotFoundProject ({request_id}): Project not found"


def test_what_is_not_refused_is_not_logged(service: Service, lines: Lines) -> None:
    project = service.project()
    service.images(project, pictures(2))
    service.get(project)
    service.delete(project)
    assert lines() == []


def test_nothing_is_logged_above_the_level_info(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="emulator.refusals"):
        assert service.send("GET", f"/projects/{NOWHERE}").status_code == 404
    assert caplog.records == []


def test_the_path_is_logged_as_it_was_sent_without_the_query(service: Service, lines: Lines) -> None:
    service.send_unvalidated("GET", "/customvision//v3.3/Training/nothing%0AGET?sig=hidden")
    assert the_line(lines).startswith("GET /customvision//v3.3/Training/nothing%0AGET 404 (")


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/nothing", "no operation has this path"),
        ("GET", training_path("/nothing"), "no operation has this path"),
        ("GET", training_path(f"/projects/{NOWHERE}/nothing"), "no operation has this path"),
        ("GET", "/training/projects", "the path lacks /customvision/ and a version"),
        ("PUT", training_path("/projects"), "the path has no method PUT"),
        ("GET", "/customvision/vx/training/projects", "'vx' is no version"),
        ("GET", "/customvision/v2.0/training/projects", "API version v2.0 is retired"),
        ("GET", training_path("/projects/a-name"), "projectId in the path is not a GUID"),
        ("GET", training_path(f"/projects/{NOWHERE}/images", "v3.2"), "has no operation GetImages"),
        ("GET", f"/i-{'0' * 32}/i-{'0' * 32}?sig=hidden", "403 AuthenticationFailed"),
    ],
)
def test_paths_that_lead_nowhere(service: Service, lines: Lines, method: str, path: str, reason: str) -> None:
    assert service.send_unvalidated(method, path).status_code >= 400
    line = the_line(lines)
    assert reason in line
    assert "hidden" not in line


def test_unknown_paths_name_the_nearest_operation(service: Service, lines: Lines) -> None:
    service.send_unvalidated("GET", training_path(f"/projects/{NOWHERE}/tagz?sig=hidden", "v3.3"))
    assert the_line(lines).endswith(
        "no operation has this path; nearest: GetTags "
        "(GET /customvision/v3.3/training/projects/{projectId}/tags): 'tagz' instead of 'tags'"
    )


def test_a_body_over_the_limit(tmp_path: Path, lines: Lines) -> None:
    for service in running_service(tmp_path / "data", max_body_mb=1):
        project = service.project()
        assert service.send("POST", f"{project}/images", content=b"x" * (2**20 + 1)).status_code == 413
        assert "413" in (line := the_line(lines))
        assert "too large; at most 1048576 bytes" in line


def test_calls_over_the_rate_of_the_tier(tmp_path: Path, lines: Lines) -> None:
    for service in running_service(tmp_path / "data", tier="f0"):
        while service.send("GET", "/projects").status_code == 200:
            pass
        assert " 429 (" in (line := the_line(lines))
        assert "the call rate of the tier F0 is exceeded" in line


def test_a_page_of_another_origin(service: Service, lines: Lines) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    response = service.send_unvalidated("OPTIONS", training_path("/projects"), key=None, headers=headers)
    assert response.status_code == 403
    assert "403 (" in (line := the_line(lines))
    assert line.endswith(": --cors-origin https://app.example would allow the page")


# --- bodies and parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/images/files", "/images/urls", "/images/predictions", "/images/regions"])
def test_a_body_that_is_no_json(service: Service, lines: Lines, path: str) -> None:
    project = service.project()
    assert service.send("POST", project + path, content=b'{"images": [').status_code == 400
    assert "not valid JSON" in (line := the_line(lines))
    assert "line 1 column" in line


def test_ids_in_a_body_that_are_none(service: Service, lines: Lines) -> None:
    project = service.project()
    body = {"tagIds": ["tag1", "tag\n2"], "images": [file("a.png", picture(), tagIds=["x"])]}
    assert service.send("POST", f"{project}/images/files", json=body).status_code == 400
    line = the_line(lines)
    assert "400 BadRequestImageBatch" in line
    for reason in ("tagIds[0] 'tag1': is not a GUID", r"tagIds[1] 'tag\n2'", "images[0].tagIds[0] 'x'"):
        assert reason in line


def test_ids_in_a_query_that_are_none(service: Service, lines: Lines) -> None:
    project = service.project()
    service.refused("POST", f"{project}/images", params={"tagIds": "tag1"}, content=picture())
    assert "The parameter 'tagIds' holds 'tag1', which is not a GUID." in the_line(lines)


def test_a_key_in_a_wrong_place_is_left_out(service: Service, lines: Lines) -> None:
    project = service.project()
    for key in (TRAINING_KEY, PREDICTION_KEY):
        service.refused("POST", f"{project}/images", params={"tagIds": f"x{key}"}, content=picture())
        service.refused("POST", f"{project}/images/files", json={"tagIds": [f"x{key}"]})
        service.send_unvalidated("GET", training_path(f"/{key}"))
        assert [key in line for line in lines()] == [False, False, False]


def test_a_token_in_the_authorization_header_is_left_out(service: Service, lines: Lines) -> None:
    token = "header.payload.signature"
    body = {"tagIds": [token]}
    service.refused(
        "POST", f"{service.project()}/images/files", json=body, headers={"Authorization": f"Bearer {token}"}
    )
    assert token not in the_line(lines)


# --- images -------------------------------------------------------------------------------------------------


def test_each_refused_image_has_its_reason(service: Service, lines: Lines) -> None:
    project, red, blue = service.trainable()
    lines()
    files = [
        file("good.png", picture(90)),
        file("x.webp", picture(format="WEBP")),
        file("page.html", b"<!DOCTYPE html><html>"),
        file("cut.png", picture()[:-30]),
        {"name": "text", "contents": "no base64!"},
        {"name": "none"},
        file("unknown.png", picture(91), tagIds=[NOWHERE]),
        file("two.png", picture(92), tagIds=[red, blue]),
        file("wide.png", picture(93, size=(200, 4))),
        file("again.png", picture(90)),
    ]
    assert service.send("POST", f"{project}/images/files", json={"images": files}).status_code == 207
    line = the_line(lines)
    assert line.startswith(f"POST {training_path(project)}/images/files 207 (")
    for reason in (
        "images[1] 'x.webp': ErrorImageFormat, The data is not a JPEG, PNG, BMP or GIF image. It is WebP.;",
        "images[2] 'page.html': ErrorImageFormat, ",
        "It is an HTML page.",
        "images[3] 'cut.png': ErrorImageFormat, The image cannot be decoded: ",
        "images[4] 'text': ErrorImageFormat, The contents are not base64",
        "images[5] 'none': ErrorImageFormat, The data is not a JPEG, PNG, BMP or GIF image. It is empty.;",
        f"images[6] 'unknown.png': ErrorInvalidTag, the project has no tag {NOWHERE};",
        "images[7] 'two.png': ErrorTagLimitExceed, it would have 2 tags; an image has at most one tag, since",
        "images[8] 'wide.png': ErrorImageDimensions, The image is 200 x 4 pixels",
        "images[9] 'again.png': OKDuplicate, the project has these bytes already, as image ",
    ):
        assert reason in line
    assert "good.png" not in line


def test_a_batch_in_which_nothing_is_an_image(service: Service, lines: Lines) -> None:
    project = service.project()
    body = {
        "images": [
            file("a.webp", picture(format="WEBP")),
            {"name": "b", "contents": "data:image/png;base64,"},
        ]
    }
    service.refused("POST", f"{project}/images/files", json=body)
    line = the_line(lines)
    assert "400 BadRequestImageBatch" in line
    assert ": No valid image files; images[0] 'a.webp': ErrorImageFormat" in line
    assert "images[1] 'b': ErrorImageFormat" in line


def test_an_upload_of_one_file(service: Service, lines: Lines) -> None:
    service.refused("POST", f"{service.project()}/images", content=picture(format="TIFF"))
    assert "images[0]: ErrorImageFormat" in (line := the_line(lines))
    assert "It is TIFF" in line


def test_many_refused_images_are_counted(service: Service, lines: Lines) -> None:
    project = service.project()
    files = [file("good.png", picture()), *(file(f"{number}.txt", b"text") for number in range(63))]
    service.send("POST", f"{project}/images/files", json={"images": files})
    line = the_line(lines)
    assert "images[10] '9.txt'" in line
    assert "images[11]" not in line
    assert line.endswith("; and 53 more")


def test_names_can_neither_forge_nor_flood_the_log(service: Service, lines: Lines) -> None:
    project = service.project()
    names = ["a\r\n2026-01-01 INFO emulator: forged", "\x1b[2J\x00\u2028\u202e", "x" * 100_000]
    files = [file("good.png", picture()), *(file(name, b"x") for name in names)]
    service.send("POST", f"{project}/images/files", json={"images": files})
    line = the_line(lines)
    assert r"'a\r\n2026-01-01 INFO emulator: forged'" in line
    assert r"'\x1b[2J\x00\u2028\u202e'" in line
    assert len(line) < 2000


def test_urls_that_are_not_fetched(service: Service, lines: Lines) -> None:
    project = service.project()
    urls = [
        "http://10.0.0.5/a.jpg?sv=2020&sig=hidden",
        "http://127.0.0.1:8000/a.jpg",
        "http://[::1]/a.jpg",
        "http://user:hidden@files.example/a.jpg",
        "ftp://files.example/a.jpg",
        "/relative/a.jpg?sig=hidden",
    ]
    body = {"images": [{"url": url} for url in urls]}
    assert service.send("POST", f"{project}/images/urls", json=body).status_code == 207
    line = the_line(lines)
    for reason in (
        "images[0] 'http://10.0.0.5/a.jpg?***': ErrorSource, ",
        "10.0.0.5 is private or local; --url-allow 10.0.0.5 would allow it.",
        "--url-allow 127.0.0.1 would allow it.",
        "::1 is private or local",
        "images[3] 'http://***@files.example/a.jpg': ErrorSource, URLs with a user name",
        "images[4] 'ftp://files.example/a.jpg': ErrorSource, Only http and https URLs are fetched.",
        "images[5] '/relative/a.jpg?***': ErrorSource, Only http and https",
    ):
        assert reason in line
    assert "hidden" not in line


def test_unknown_predictions(service: Service, lines: Lines) -> None:
    service.send("POST", f"{service.project()}/images/predictions", json={"images": [{"id": NOWHERE}]})
    assert f"images[0] '{NOWHERE}': ErrorSource, No stored prediction {NOWHERE}." in the_line(lines)


def test_metadata_of_unknown_images(service: Service, lines: Lines) -> None:
    project = service.project()
    service.send("POST", f"{project}/images/metadata", params={"imageIds": NOWHERE}, json={"a": "b"})
    assert f"imageIds '{NOWHERE}': ErrorImageNotFound, the project has no such image" in the_line(lines)


# --- tags and regions ---------------------------------------------------------------------------------------


def test_tags_of_images(service: Service, lines: Lines) -> None:
    project, red, blue = service.trainable()
    (image,) = service.images(project, [picture(99)], red)
    lines()
    pairs = [{"imageId": image, "tagId": red}, {"imageId": image, "tagId": blue}]
    service.post(f"{project}/images/tags", json={"tags": pairs})
    line = the_line(lines)
    assert f"tags[0] '{image}': duplicated: it has the tag {red} already" in line
    assert f"tags[1] '{image}': exceeded: it would have 2 tags" in line
    pairs = [
        {"imageId": image, "tagId": red},
        {"imageId": NOWHERE, "tagId": red},
        {"imageId": image, "tagId": NOWHERE},
    ]
    service.refused("POST", f"{project}/images/tags", json={"tags": pairs})
    line = the_line(lines)
    assert f"tags[1]: Image not found: {NOWHERE}; tags[2]: Tag not found: {NOWHERE}" in line


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((0.5, 0, 0.6, 1), "left + width is 1.1, more than 1"),
        ((0, -0.1, 1, 1), "top is -0.1, less than 0"),
        ((0, 0, 0, 1), "width is 0, which leaves nothing"),
        ((0, 0, 1, -1), "height is -1"),
        ((0, 0, 1, 1), "it repeats regions[0]"),
    ],
)
def test_regions_that_are_refused(
    service: Service, lines: Lines, box: tuple[float, float, float, float], reason: str
) -> None:
    project = detection_project(service)
    tag = service.tag(project, "tag")
    (image,) = service.images(project, [picture()])
    entries = [on(image, tag, WHOLE), on(image, tag, box)]
    service.refused("POST", f"{project}/images/regions", json={"regions": entries})
    assert "400 BadRequestImageRegions" in (line := the_line(lines))
    assert f"regions[1]: {reason}" in line
    upload(service, project, [picture(1)], [region(tag, WHOLE), region(tag, box)])
    assert f"images[0] 'image0': ErrorInvalidRegion, regions[1]: {reason}" in the_line(lines)


def test_regions_that_exist_or_refer_to_nothing(service: Service, lines: Lines) -> None:
    project = detection_project(service)
    tag = service.tag(project, "tag")
    (image,) = service.images(project, [picture()])
    create(service, project, on(image, tag))
    assert lines() == []
    create(service, project, on(image, tag))
    assert f"regions[0] '{image}': duplicated: it has this region already" in the_line(lines)
    entries = [on(image, tag, WHOLE), on(NOWHERE, tag), on(image, NOWHERE)]
    service.refused("POST", f"{project}/images/regions", json={"regions": entries})
    assert f"regions[1]: Image not found: {NOWHERE}; regions[2]: Tag not found" in the_line(lines)


# --- predictions --------------------------------------------------------------------------------------------


def test_predictions(service: Service, lines: Lines) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project), "my model")
    lines()
    cases = [
        (address, picture(format="WEBP"), "It is WebP"),
        (
            address.replace("my model", "My Model"),
            picture(),
            "No iteration is published as 'My Model'; published are: 'my model'.",
        ),
        (address.replace("classify", "detect"), picture(), "its paths have 'classify'"),
        (address, b"", "The request holds no image."),
    ]
    for path, data, reason in cases:
        assert service.predict(path, data).status_code >= 400
        assert reason in the_line(lines)
    service.request("POST", f"{address}/url", json={"url": "http://192.168.0.9/a.jpg"})
    assert "--url-allow 192.168.0.9 would allow it" in the_line(lines)


def test_tokens_of_projects(service: Service, lines: Lines) -> None:
    project = service.project()
    token = service.get(f"{project}/export")["token"]
    forged = token.replace("sig=", "sig=hidden")
    for text, reason in (
        ("x", "The token is not one of ExportProject"),
        (forged, "This emulator did not sign the token"),
        (
            "http://10.0.0.5/" + forged.partition("//")[2].partition("/")[2],
            "--url-allow 10.0.0.5 would allow it",
        ),
    ):
        service.refused("POST", "/projects/import", params={"token": text})
        assert reason in (line := the_line(lines))
        assert "hidden" not in line
    service.delete(project)
    service.refused("POST", "/projects/import", params={"token": token})
    assert "The exported project was deleted." in the_line(lines)


def test_a_training_with_unknown_tags(service: Service, lines: Lines) -> None:
    project, red, _ = service.trainable()
    lines()
    other = NOWHERE.replace("0000-4", "0001-4")
    service.refused("POST", f"{project}/train", json={"selectedTags": [NOWHERE, red, other]})
    line = the_line(lines)
    assert f"selectedTags '{NOWHERE}': the project has no such tag; selectedTags '{other}'" in line


def test_storage_that_cannot_be_used(service: Service, lines: Lines) -> None:
    uri = "http://10.0.0.5/account/queue?sv=1&sig=hidden"
    service.refused("POST", "/projects", params={"name": "x"}, json={"notificationQueueUri": uri})
    line = the_line(lines)
    assert "--url-allow 10.0.0.5 would allow it" in line
    assert "hidden" not in line


def test_suggestions_for_unknown_images(service: Service, lines: Lines) -> None:
    project, _, _ = service.trainable()
    iteration = service.train(project).rpartition("/")[2]
    lines()
    other = NOWHERE.replace("0000-4", "0001-4")
    parameters = {"iterationId": iteration, "imageIds": f"{NOWHERE},{other}"}
    service.refused("POST", f"{project}/tagsandregions/suggestions", params=parameters)
    line = the_line(lines)
    assert f"imageIds '{NOWHERE}': the project has no such image" in line
    assert f"imageIds '{other}'" in line


# --- responses of other parts -------------------------------------------------------------------------------


def logged_response(lines: Lines, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> str:
    """The line for a response of an application without the emulator's exception handlers."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def send(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"training-key", b"the-key")]}
    asyncio.run(RefusalLog(app)(scope, None, send))  # type: ignore[arg-type]
    return the_line(lines)


@pytest.mark.parametrize(
    ("body", "logged"),
    [
        (b'{"code":"BadRequest","message":"m"}', "GET /x 400 BadRequest (-): m"),
        (b'{"error":{"code":"400","message":"m"}}', "GET /x 400 (-): m"),
        (b"<Error><Code>C</Code><Message>m</Message></Error>", "GET /x 400 (-): m"),
        (b"plain the-key", "GET /x 400 (-): plain ***"),
        (b"[1]", "GET /x 400 (-): [1]"),
        (b"", "GET /x 400 (-): no reason is known"),
    ],
)
def test_every_body_of_an_error_is_logged(lines: Lines, body: bytes, logged: str) -> None:
    assert logged_response(lines, 400, body, []) == logged


def test_the_code_of_a_response_like_those_of_blob_storage(lines: Lines) -> None:
    line = logged_response(lines, 404, b"<Message>m</Message>", [(b"x-ms-error-code", b"BlobNotFound")])
    assert line == "GET /x 404 BlobNotFound (-): m"
