"""Image bytes in bodies: forms and raw bytes, with and without file names."""

from typing import Any

import httpx
import pytest

from tests.support.harness import Service, expect, refusal
from tests.support.images import picture, pictures

BOUNDARY = "a-boundary"


def form(*parts: tuple[str, bytes], boundary: str = BOUNDARY) -> bytes:
    """A form of parts, given as their header lines and their content."""
    body = b"".join(
        f"--{boundary}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n" for headers, content in parts
    )
    return body + f"--{boundary}--\r\n".encode()


def post(
    service: Service, project: str, body: bytes, content_type: str | None = None, **more: Any
) -> httpx.Response:
    headers = {"Content-Type": content_type or f"multipart/form-data; boundary={BOUNDARY}"}
    return service.send("POST", f"{project}/images", content=body, headers=headers, **more)


def items(service: Service, body: bytes, content_type: str | None = None) -> list[tuple[str | None, str]]:
    summary = post(service, service.project(), body, content_type).json()
    return [(item["sourceUrl"], item["status"]) for item in summary["images"]]


DISPOSITION = "Content-Disposition: form-data; name=imageData"


@pytest.mark.parametrize(
    ("headers", "source_url"),
    [
        (f'{DISPOSITION}; filename="hemlock_10.jpg"', '"hemlock_10.jpg"'),
        (
            f'{DISPOSITION}; filename="E:\\dir\\hemlock_1.jpg"\r\nContent-Type: application/octet-stream',
            '"E:\\dir\\hemlock_1.jpg"',
        ),
        (f"{DISPOSITION}; filename=plain.jpg", "plain.jpg"),
        (f"{DISPOSITION}; filename=E:\\full\\path.jpg; size=4", "E:\\full\\path.jpg"),
        (f'{DISPOSITION}; filename="a;b.jpg"', '"a;b.jpg"'),
        (f'{DISPOSITION}; filename="bäume.jpg"', '"bäume.jpg"'),
        (f'{DISPOSITION}; filename=""', '""'),
        (DISPOSITION, None),
        ('Content-Disposition: form-data; name="0"; filename="x.png"', '"x.png"'),
        ('content-disposition: form-data; name="anything at all"', None),
        ('Content-Disposition: form-data; name=""', None),
    ],
)
def test_a_part_with_any_name_is_an_image_and_its_file_name_is_returned(
    service: Service, headers: str, source_url: str | None
) -> None:
    assert items(service, form((headers, picture()))) == [(source_url, "OK")]


def test_several_parts_are_several_images_in_their_order(service: Service) -> None:
    parts = [(f'{DISPOSITION}; filename="{number}"', data) for number, data in enumerate(pictures(5))]
    assert items(service, form(*parts)) == [(f'"{number}"', "OK") for number in range(5)]


@pytest.mark.parametrize(
    "content_type",
    [
        f'multipart/form-data; boundary="{BOUNDARY}"',
        f"Multipart/Form-Data; charset=utf-8; Boundary={BOUNDARY}",
        f"multipart/form-data;boundary={BOUNDARY};x=y",
    ],
)
def test_the_boundary_is_found(service: Service, content_type: str) -> None:
    assert items(service, form((DISPOSITION, picture())), content_type) == [(None, "OK")]


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "image/png", "Application/Octet-Stream; x=y"]
)
def test_raw_bytes_are_one_image(service: Service, content_type: str) -> None:
    assert items(service, picture(), content_type) == [(None, "OK")]


def test_raw_bytes_need_no_content_type(service: Service) -> None:
    project = service.project()
    response = service.send("POST", f"{project}/images", content=picture())
    assert expect(response)["images"][0]["status"] == "OK"


def test_tags_of_the_query_come_on_every_image(service: Service) -> None:
    project = service.project()
    tags = [service.tag(project, name) for name in ("a", "b")]
    body = form(*((DISPOSITION, data) for data in pictures(2)))
    for parameters in ([("tagIds", ",".join(tags))], [("tagIds", tags[0]), ("tagIds", tags[1])]):
        summary = post(service, project, body, params=parameters).json()
        assert [{tag["tagId"] for tag in item["image"]["tags"]} for item in summary["images"]] == [
            set(tags)
        ] * 2


def test_bad_images_in_a_form_fail_one_by_one(service: Service) -> None:
    body = form((DISPOSITION, b"no image"), (DISPOSITION, picture()), (DISPOSITION, b""))
    assert [status for _, status in items(service, body)] == ["ErrorImageFormat", "OK", "ErrorImageFormat"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (form(), None),
        (b"", "application/octet-stream"),
        (b"no image", "application/octet-stream"),
        (form((DISPOSITION, b"no image")), None),
    ],
)
def test_nothing_valid_in_the_body(service: Service, body: bytes, content_type: str | None) -> None:
    project = service.project()
    status, code, message = refusal(post(service, project, body, content_type))
    # An empty body is no form at all.
    expected = [("BadRequestImageBatch", "No valid image files"), ("BadRequestImageStream", message)]
    assert status == 400
    assert (code, message) in expected
    assert service.get(f"{project}/images/count") == 0


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form((DISPOSITION, picture())), "multipart/form-data"),
        (form((DISPOSITION, picture())), "multipart/form-data; boundary="),
        (form((DISPOSITION, picture())), "multipart/form-data; boundary=another"),
        (form((DISPOSITION, picture()))[:-10], None),
        (form((DISPOSITION, picture()))[:60], None),
        (form(("no header line", picture())), None),
        (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; filename="'.encode() + b"\xff\xfe\r\n\r\nx\r\n",
            None,
        ),
    ],
)
def test_forms_that_do_not_parse_are_refused(service: Service, body: bytes, content_type: str | None) -> None:
    project = service.project()
    assert refusal(post(service, project, body, content_type))[:2] == (400, "BadRequestImageStream")
    assert service.get(f"{project}/images/count") == 0
    assert service.blobs() == set()


def test_more_than_64_images_are_refused_as_a_whole(service: Service) -> None:
    project = service.project()
    body = form(*((DISPOSITION, b"x") for _ in range(65)))
    assert refusal(post(service, project, body))[:2] == (400, "BadRequestExceededBatchSize")
    many = form(*((DISPOSITION, b"x") for _ in range(1100)))
    assert refusal(post(service, project, many))[0] == 400
    exactly = form(*((DISPOSITION, data) for data in pictures(64)))
    assert expect(post(service, project, exactly))["isBatchSuccessful"]


def test_a_prediction_takes_the_first_part(service: Service) -> None:
    project, red, _ = service.trainable()
    address = service.publish(service.train(project))
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    body = form(('Content-Disposition: form-data; name="x"', picture(9)), (DISPOSITION, picture(9, "blue")))
    response = service.request("POST", f"{address}/image", content=body, headers=headers)
    assert expect(response)["predictions"][0]["tagId"] == red


def test_a_prediction_without_an_image(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    for body in (b"", form()):
        assert refusal(service.request("POST", f"{address}/image", content=body, headers=headers))[:2] == (
            400,
            "BadRequestImageStream",
        )
    assert refusal(service.predict(address, b""))[:2] == (400, "BadRequestImageStream")
