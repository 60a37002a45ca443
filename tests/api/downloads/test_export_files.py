"""Files of exports: downloads by a signed link without a key, whole or in part, for a day."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from sqlmodel import delete

from emulator.store.tables import Export
from tests.support.harness import NOWHERE, Service, test_settings


@pytest.fixture
def iteration(service: Service) -> str:
    return service.exportable()


@pytest.fixture
def uri(service: Service, iteration: str) -> str:
    """The link to the file of an export."""
    return str(service.export(iteration, "ONNX", "ONNX12")["downloadUri"])


def fetch(service: Service, uri: str, method: str = "GET", **headers: str) -> httpx.Response:
    parts = urlsplit(uri)
    return service.request(method, f"{parts.path}?{parts.query}", key=None, headers=headers)


def stored(service: Service) -> bytes:
    [(name,)] = service.rows("SELECT blob FROM export")
    return service.context.blobs.read(name)


def test_a_file_and_its_headers(service: Service, uri: str) -> None:
    response = fetch(service, uri)
    name = urlsplit(uri).path.rpartition("/")[2]
    assert (response.status_code, response.content) == (200, stored(service))
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert response.headers["accept-ranges"] == "bytes"
    assert int(response.headers["content-length"]) == len(response.content)
    assert "last-modified" in response.headers


def test_head_tells_the_same_without_the_file(service: Service, uri: str) -> None:
    response, whole = fetch(service, uri, "HEAD"), fetch(service, uri)
    assert (response.status_code, response.content) == (200, b"")
    for name in ("content-length", "content-type", "etag"):
        assert response.headers[name] == whole.headers[name]


@pytest.mark.parametrize(("asked", "start", "end"), [("bytes=0-9", 0, 10), ("bytes=100-", 100, None)])
def test_a_download_that_broke_off_goes_on(
    service: Service, uri: str, asked: str, start: int, end: int | None
) -> None:
    response, whole = fetch(service, uri, Range=asked), stored(service)
    assert (response.status_code, response.content) == (206, whole[start:end])
    assert response.headers["content-range"].endswith(f"/{len(whole)}")


def test_a_range_beyond_the_end(service: Service, uri: str) -> None:
    assert fetch(service, uri, Range="bytes=99999999-").status_code == 416


def test_a_link_is_signed_for_a_day(service: Service, uri: str) -> None:
    query = dict(parse_qsl(urlsplit(uri).query))
    assert list(query) == ["sv", "sr", "sig", "se", "sp"]
    assert query["se"] == "2026-03-05T05:06:07Z"
    service.clock.advance(hours=23)
    assert fetch(service, uri).status_code == 200
    service.clock.advance(hours=2)
    refused = fetch(service, uri)
    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
    assert "expired" in refused.text


def test_a_link_to_an_export_is_valid_for_a_day_with_any_lifetime_of_images(
    service: Service, iteration: str
) -> None:
    service.close()
    service.settings = test_settings(
        service.settings.data, image_uri_hours=1, public_url="https://cv.example"
    )
    service.open()
    uri = service.export(iteration, "ONNX")["downloadUri"]
    assert uri.startswith("https://cv.example/m-")
    service.clock.advance(hours=23)
    assert fetch(service, uri).status_code == 200


@pytest.mark.parametrize("change", ["sig", "se", "other project", "other file", "no query"])
def test_a_link_that_was_changed_leads_nowhere(service: Service, uri: str, change: str) -> None:
    parts = urlsplit(uri)
    query, path = dict(parse_qsl(parts.query)), parts.path
    if change == "no query":
        query = {}
    elif change == "other project":
        path = path.replace(path[3:35], NOWHERE.replace("-", ""), 1)
    elif change == "other file":
        path = path.replace("ONNX12", "ONNX10")
    else:
        query[change] = query[change].replace("2026", "2027") if change == "se" else "x" * 44
    refused = service.request("GET", f"{path}?{urlencode(query)}", key=None)
    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


@pytest.mark.parametrize("path", ["/m-x/y", "/m-{0}/{0}", "/m-{0}/{0}.ONNX", "/m-{0}/../link-secret"])
def test_paths_that_are_not_of_a_file(service: Service, path: str) -> None:
    digits = NOWHERE.replace("-", "")
    assert service.request("GET", path.format(digits), key=None).status_code == 404


def test_no_file_no_link_works(service: Service, iteration: str, uri: str) -> None:
    """A file that is unfinished or deleted is not found, even with a valid signature."""
    from emulator.core import signed_uris

    for name in (uri.partition("?")[0].replace("ONNX12", "ONNX10"), uri.partition("?")[0] + "x"):
        path = urlsplit(name).path
        gone = fetch(service, signed_uris.signed(service.context, "", path))
        assert (gone.status_code, gone.headers["x-ms-error-code"]) == (404, "BlobNotFound")
    with service.context.database.write() as session:
        session.exec(delete(Export))
    assert fetch(service, uri).status_code == 404


def test_the_file_is_an_artifact_too(service: Service, iteration: str, uri: str) -> None:
    project = "/".join(iteration.split("/")[:3])
    path = urlsplit(uri).path
    for text in (path, path.removeprefix("/")):
        response = service.send("GET", f"{project}/artifacts", params={"path": text})
        assert (response.status_code, response.content) == (200, stored(service))
    other = service.project()
    refused = service.refused("GET", f"{other}/artifacts", params={"path": path})
    assert refused[:2] == (400, "BadRequestInvalidArtifactUri")
