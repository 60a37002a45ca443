"""Whether a file is an image is decided alike by all routes, and what is stored is what is served."""

import errno
from pathlib import Path
from unittest import mock

import pytest
from sqlalchemy import text

from tests.support.harness import Service, refusal, test_settings
from tests.support.hostile_images import ODD_BUT_USABLE, TOO_MUCH_WORK, UNUSABLE
from tests.support.images import picture
from tests.support.predicting import Predicted, fetch, query

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
URIS = ("originalImageUri", "resizedImageUri", "thumbnailUri")


def quick_test(predicted: Predicted, data: bytes) -> tuple[int, str]:
    response = predicted.service.send(
        "POST",
        f"{predicted.project}/quicktest/image?iterationId={predicted.iteration.rpartition('/')[2]}",
        content=data,
        headers={"Content-Type": "application/octet-stream"},
    )
    return response.status_code, response.json().get("code", "")


def test_every_uri_of_an_accepted_image_works(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    for data in ODD_BUT_USABLE.values():
        (item,) = service.upload(project, [data])
        assert item["status"] == "OK"
        assert quick_test(predicted, data)[0] == 200
        assert service.predict(predicted.address, data).status_code == 200
        stored = query(service, project, orderBy="Newest")["results"][0]
        for uri in [item["image"][name] for name in URIS] + [stored[name] for name in URIS]:
            response = fetch(service, uri)
            assert response.status_code == 200
            path = uri.partition("?")[0].partition("//")[2].partition("/")[2]
            artifact = service.send("GET", f"{project}/artifacts", params={"path": f"/{path}"})
            assert artifact.content == response.content


@pytest.mark.parametrize("files", [TOO_MUCH_WORK, UNUSABLE], ids=["too much work", "unusable"])
def test_all_routes_refuse_what_one_refuses(predicted: Predicted, files: dict[str, bytes]) -> None:
    service, project = predicted.service, predicted.project
    for name, data in files.items():
        item = service.upload(project, [data, picture(500)])[0]
        assert item["status"] in ("ErrorImageFormat", "ErrorImageDimensions"), name
        assert quick_test(predicted, data)[0] == 400, name
        status, code, _ = refusal(service.predict(predicted.address, data))
        assert (status, code[:15]) == (400, "BadRequestImage"), name


def test_routes_that_fetch_decide_as_those_that_receive(predicted: Predicted, tmp_path: Path) -> None:
    service, project = predicted.service, predicted.project
    served = tmp_path / "served"
    served.mkdir()
    files = ODD_BUT_USABLE | TOO_MUCH_WORK | UNUSABLE
    for number, data in enumerate(files.values()):
        (served / str(number)).write_bytes(data)
    service.close()
    mapping = (("http://p.test/", served),)
    service.settings = test_settings(service.settings.data, url_fetch="off", url_map=mapping)
    service.clock.advance(microseconds=999)  # for other ids
    service.open()
    iteration = {"iterationId": predicted.iteration.rpartition("/")[2]}
    for number, name in enumerate(files):
        url = {"url": f"http://p.test/{number}"}
        is_usable = name in ODD_BUT_USABLE
        created = service.send("POST", f"{project}/images/urls", json={"images": [url]}).json()
        assert (created["images"][0]["status"] == "OK") is is_usable, name
        tested = service.send("POST", f"{project}/quicktest/url", params=iteration, json=url)
        assert tested.status_code == (200 if is_usable else 400), name
        scored = service.request("POST", f"{predicted.address}/url/nostore", json=url)
        assert scored.status_code == (200 if is_usable else 400), name


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "no"), OSError(errno.ENOMEM, "no"), MemoryError()])
def test_a_shortage_of_the_system_is_no_fault_of_the_image(service: Service, error: Exception) -> None:
    project = service.project()
    with mock.patch("PIL.PngImagePlugin.PngImageFile.load", side_effect=error):
        (item,) = service.upload(project, [picture()])
    assert (item["status"], item["image"]) == ("ErrorStorage", None)
    (item,) = service.upload(project, [picture()])
    assert item["status"] == "OK"
    with mock.patch("PIL.PngImagePlugin.PngImageFile.load", side_effect=error):
        assert fetch(service, item["image"]["thumbnailUri"]).status_code == 503
    assert fetch(service, item["image"]["thumbnailUri"]).status_code == 200


def test_an_image_that_an_earlier_version_accepted_is_served_as_it_is(service: Service) -> None:
    project = service.project()
    (item,) = service.upload(project, [picture()])
    blob = service.context.blobs.put(UNUSABLE["PNG without its palette"])
    with service.context.database.write() as session:
        session.execute(text("UPDATE image SET blob = :blob"), {"blob": blob})
    response = fetch(service, item["image"]["originalImageUri"])
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.content == UNUSABLE["PNG without its palette"]
