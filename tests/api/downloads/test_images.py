"""Image URIs: downloads without a key for a day, by valid signatures only."""

from importlib import resources
from io import BytesIO
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from PIL import Image

from emulator.vision.imaging import decode
from tests.support.harness import NOWHERE, Service, test_settings
from tests.support.images import picture


def uploaded(service: Service, data: bytes) -> dict[str, str]:
    project = service.project()
    image: dict[str, str] = service.upload(project, [data])[0]["image"]
    return image | {"project": project}


def fetch(service: Service, uri: str, method: str = "GET") -> httpx.Response:
    parts = urlsplit(uri)
    return service.request(method, f"{parts.path}?{parts.query}", key=None)


def changed(uri: str, **parameters: str) -> str:
    parts = urlsplit(uri)
    query = dict(parse_qsl(parts.query)) | parameters
    return f"{parts.path}?{urlencode({key: value for key, value in query.items() if value})}"


def size(response: httpx.Response) -> tuple[int, int]:
    return Image.open(BytesIO(response.content)).size


def test_the_form_of_a_uri_is_the_services(service: Service) -> None:
    image = uploaded(service, picture())
    parts = urlsplit(image["originalImageUri"])
    project_digits = image["project"].rpartition("/")[2].replace("-", "")
    assert f"{parts.scheme}://{parts.netloc}" == "http://emulator.localhost"
    assert parts.path == f"/i-{project_digits}/i-{image['id'].replace('-', '')}"
    query = dict(parse_qsl(parts.query))
    assert list(query) == ["sv", "sr", "sig", "se", "sp"]
    assert query["se"] == "2026-03-05T05:06:07Z"
    assert "%3A" in parts.query


def test_the_host_of_a_uri_is_the_one_the_client_used_or_the_public_one(service: Service) -> None:
    project = service.project()
    service.images(project, [picture()])
    response = service.get(f"{project}/images", headers={"Host": "elsewhere.localhost:81"})
    assert response[0]["originalImageUri"].startswith("http://elsewhere.localhost:81/i-")
    service.close()
    service.settings = test_settings(service.settings.data, public_url="https://cv.example")
    service.open()
    assert service.get(f"{project}/images")[0]["originalImageUri"].startswith("https://cv.example/i-")


def test_an_image_and_its_thumbnail_are_fetched_without_a_key(service: Service) -> None:
    data = picture(size=(2000, 1000), format="JPEG")
    image = uploaded(service, data)
    assert (image["width"], image["height"]) == (1600, 800)
    stored = fetch(service, image["originalImageUri"])
    assert (stored.status_code, stored.headers["content-type"], size(stored)) == (
        200,
        "image/jpeg",
        (1600, 800),
    )
    thumbnail = fetch(service, image["thumbnailUri"])
    assert (thumbnail.status_code, thumbnail.headers["content-type"], size(thumbnail)) == (
        200,
        "image/jpeg",
        (256, 128),
    )


def test_the_thumbnail_of_a_photograph_is_made_once_and_goes_with_its_image(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = uploaded(service, (resources.files("skimage") / "data" / "rocket.jpg").read_bytes())
    made = []
    encode = decode.to_jpeg
    monkeypatch.setattr(decode, "to_jpeg", lambda *args, **more: made.append(args) or encode(*args, **more))
    first, second = (fetch(service, image["thumbnailUri"]) for _ in range(2))
    assert (first.content, max(size(first)), len(made)) == (second.content, 256, 1)
    assert len(first.content) <= 15_000
    thumbnails = service.settings.data / "thumbnails"
    assert len(list(thumbnails.glob("*/*"))) == 1
    service.delete(image["project"])
    assert list(thumbnails.glob("*/*")) == []


def test_a_reset_deletes_thumbnails(service: Service) -> None:
    image = uploaded(service, picture(size=(2000, 1000)))
    fetch(service, image["thumbnailUri"])
    assert service.request("POST", "/_emulator/reset").status_code == 204
    assert not (service.settings.data / "thumbnails").exists()


def test_a_small_jpeg_comes_back_byte_by_byte(service: Service) -> None:
    data = picture(format="JPEG")
    assert fetch(service, uploaded(service, data)["originalImageUri"]).content == data


def test_head_has_the_headers_of_get(service: Service) -> None:
    image = uploaded(service, picture())
    got, head = (fetch(service, image["originalImageUri"], method) for method in ("GET", "HEAD"))
    assert head.status_code == got.status_code == 200
    for name in ("content-type", "content-length", "last-modified", "cache-control"):
        assert head.headers[name] == got.headers[name]


def test_browsers_may_keep_what_they_fetched_as_long_as_the_uri_is_valid(service: Service) -> None:
    image = uploaded(service, picture())
    headers = fetch(service, image["thumbnailUri"]).headers
    assert headers["cache-control"] == "private, max-age=86400, immutable"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_do_nothing(service: Service, method: str) -> None:
    image = uploaded(service, picture())
    parts = urlsplit(image["originalImageUri"])
    response = service._loop.run(service.client.request(method, image["originalImageUri"]))
    assert response.status_code == 404
    assert service.request("GET", f"{parts.path}?{parts.query}", key=None).status_code == 200


def test_a_uri_expires_after_its_day(service: Service) -> None:
    uri = uploaded(service, picture())["originalImageUri"]
    service.clock.advance(hours=24, seconds=-1)
    assert fetch(service, uri).status_code == 200
    service.clock.advance(seconds=2)
    expired = fetch(service, uri)
    assert (expired.status_code, expired.headers["content-type"]) == (403, "application/xml")
    assert b"AuthenticationFailed" in expired.content


def test_the_lifetime_is_an_option(service: Service) -> None:
    service.close()
    service.settings = test_settings(service.settings.data, image_uri_hours=1)
    service.open()
    uri = uploaded(service, picture())["originalImageUri"]
    service.clock.advance(hours=1, seconds=1)
    assert fetch(service, uri).status_code == 403


@pytest.mark.parametrize(
    "parameters",
    [
        {"sig": ""},
        {"sig": "AAAA"},
        {"sig": "\N{SNOWMAN}"},
        {"se": "2099-01-01T00:00:00Z"},
        {"se": ""},
        {"se": "never"},
    ],
)
def test_a_forged_uri_opens_nothing(service: Service, parameters: dict[str, str]) -> None:
    image = uploaded(service, picture())
    forged = service.request("GET", changed(image["originalImageUri"], **parameters), key=None)
    assert (forged.status_code, forged.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_a_signature_opens_its_own_image_alone(service: Service) -> None:
    first, second = (uploaded(service, picture(number)) for number in range(2))
    query = urlsplit(first["originalImageUri"]).query
    for uri in (second["originalImageUri"], second["thumbnailUri"], first["thumbnailUri"]):
        assert service.request("GET", f"{urlsplit(uri).path}?{query}", key=None).status_code == 403


def test_the_keys_of_another_data_folder_open_nothing(service: Service) -> None:
    uri = uploaded(service, picture())["originalImageUri"]
    service.close()
    (service.settings.data / "link-secret").unlink()
    service.open()
    assert fetch(service, uri).status_code == 403


def test_uris_outlive_a_restart(service: Service) -> None:
    uri = uploaded(service, picture())["originalImageUri"]
    service.restart()
    assert fetch(service, uri).status_code == 200


def test_the_uri_of_a_deleted_image_leads_nowhere(service: Service) -> None:
    image = uploaded(service, picture())
    service.delete(f"{image['project']}/images", params={"imageIds": image["id"]})
    gone = fetch(service, image["originalImageUri"])
    assert (gone.status_code, gone.headers["x-ms-error-code"]) == (404, "BlobNotFound")


def test_an_image_that_an_iteration_still_shows_can_still_be_fetched(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration_id = service.train(project).rpartition("/")[2]
    image = service.get(f"{project}/images")[0]
    service.delete(f"{project}/images", params={"imageIds": image["id"]})
    assert fetch(service, image["originalImageUri"]).status_code == 200
    service.delete(f"{project}/iterations/{iteration_id}")
    assert fetch(service, image["originalImageUri"]).status_code == 404


@pytest.mark.parametrize(
    "path", [f"/i-{NOWHERE}/i-x", "/i-1/i-2", "/container/blob", f"/i-{'0' * 32}/x-{'0' * 32}"]
)
def test_paths_of_another_form_are_unknown(service: Service, path: str) -> None:
    assert service.send_unvalidated("GET", path).status_code == 404


def test_projects_show_the_thumbnail_of_their_first_image(service: Service) -> None:
    project = service.project()
    assert service.get(project)["thumbnailUri"] is None
    first, second = service.images(project, [picture(0), picture(1)])
    for shown in (service.get(project), service.get("/projects")[0]):
        assert f"/t-{first.replace('-', '')}?" in shown["thumbnailUri"]
        assert fetch(service, shown["thumbnailUri"]).status_code == 200
    service.delete(f"{project}/images", params={"imageIds": first})
    assert f"/t-{second.replace('-', '')}?" in service.get(project)["thumbnailUri"]
