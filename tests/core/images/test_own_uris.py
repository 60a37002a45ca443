"""The emulator's own signed image URIs are sources of images, without a network."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from emulator.core.errors import ServiceError
from emulator.core.fetching.client import FetchRejected
from emulator.core.images.sources import FromUrl, read_image
from tests.support.harness import PREDICTION_KEY, Service, expect, refusal, running_service
from tests.support.images import picture
from tests.support.predicting import Predicted, fetch

BASES = [
    "http://emulator.example",
    "https://emulator.example:8443",
    "http://10.1.2.3:5000",
    "https://proxy.example/behind/a/path",
    "http://[::1]:1234/",
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_nothing(url: str, *_more: object) -> bytes:
        raise AssertionError(f"fetched {url}")

    monkeypatch.setattr("emulator.core.fetching.client.fetch", fetch_nothing)


def moved(uri: str, base: str) -> str:
    """A signed URI as a client knows it that has another base address for the emulator."""
    parts = urlsplit(uri)
    return f"{base}{parts.path}?{parts.query}"


def predict_url(service: Service, address: str, uri: str) -> httpx.Response:
    headers = {"Prediction-Key": PREDICTION_KEY}
    return service.request("POST", f"{address}/url", key=None, json={"url": uri}, headers=headers)


def take(service: Service, project: str, *urls: str) -> list[dict[str, object]]:
    response = service.send("POST", f"{project}/images/urls", json={"images": [{"url": url} for url in urls]})
    items: list[dict[str, object]] = response.json()["images"]
    return items


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", ["originalImageUri", "resizedImageUri", "thumbnailUri"])
def test_images_are_copied_between_projects(service: Service, base: str, name: str) -> None:
    source, target = service.project("source"), service.project("target")
    image = service.upload(source, [picture(size=(400, 300))])[0]["image"]
    uri = moved(image[name], base)

    (item,) = take(service, target, uri)

    assert (item["status"], item["sourceUrl"]) == ("OK", uri)
    (copy,) = service.get(f"{target}/images")
    longest = 256 if name == "thumbnailUri" else 400
    assert (copy["width"], copy["height"]) == (longest, longest * 3 // 4)


def test_they_are_sources_when_urls_are_not_fetched(tmp_path: Path) -> None:
    for service in running_service(tmp_path / "off", url_fetch="off"):
        project = service.project()
        image = service.upload(project, [picture(1), picture(2)])[0]["image"]
        assert take(service, service.project("copy"), image["originalImageUri"])[0]["status"] == "OK"


def test_predictions_and_quick_tests_take_them(predicted: Predicted) -> None:
    service = predicted.service
    image = service.upload(predicted.project, [picture(77)])[0]["image"]
    predicted.predict()
    stored = service.post(f"{predicted.project}/predictions/query", json={})["results"][0]
    for uri in (image["originalImageUri"], stored["originalImageUri"], stored["thumbnailUri"]):
        body = {"url": moved(uri, BASES[0])}
        address = f"{predicted.project}/quicktest/url?iterationId={predicted.iteration.rpartition('/')[2]}"
        assert service.post(address, json=body)["predictions"]
        response = predict_url(service, predicted.address, body["url"])
        assert expect(response)["predictions"]


def test_expired_and_deleted_ones_are_refused_with_a_reason(predicted: Predicted) -> None:
    service = predicted.service
    images = service.upload(predicted.project, [picture(78), picture(79)])
    kept, deleted = (item["image"] for item in images)
    service.delete(f"{predicted.project}/images?imageIds={deleted['id']}&allIterations=true")

    response = predict_url(service, predicted.address, deleted["originalImageUri"])
    assert refusal(response)[:2] == (400, "BadRequestImageUrl")
    assert "deleted" in refusal(response)[2]

    service.clock.advance(hours=25)
    response = predict_url(service, predicted.address, kept["originalImageUri"])
    assert refusal(response)[:2] == (400, "BadRequestImageUrl")
    assert "expired" in refusal(response)[2]
    assert fetch(service, kept["originalImageUri"]).status_code == 403
    assert take(service, predicted.project, kept["originalImageUri"])[0]["status"] == "ErrorSource"


@pytest.mark.parametrize(
    "change",
    [
        lambda uri: uri.replace("sig=", "sig=A"),
        lambda uri: uri.replace("se=20", "se=21"),
        lambda uri: uri.partition("?")[0],
        lambda uri: uri.replace("/i-", "/t-", 1),
        lambda uri: uri.replace("sig=", "sig=\ud800"),
        lambda uri: uri.replace("http:", "file:"),
    ],
)
def test_a_forged_uri_is_fetched_like_any_other(
    service: Service, change: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    requested = []

    def reject(url: str, *_more: object) -> bytes:
        requested.append(url)
        raise FetchRejected("not fetched")

    monkeypatch.setattr("emulator.core.fetching.client.fetch", reject)
    project = service.project()
    uri = change(service.upload(project, [picture()])[0]["image"]["originalImageUri"])

    with pytest.raises(ServiceError, match="not fetched"):
        read_image(service.context, project, FromUrl(uri), 10_000)
    assert requested == [uri]
