"""Predictions, quick tests, and the predictions that are stored."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from emulator.core.iterations import manage, publishing
from emulator.core.predictions import predict as predictions
from tests.support.harness import NOWHERE, RESOURCE_ID, Service, expect, refusal, test_settings
from tests.support.images import picture, pictures

DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
OCTETS = {"Content-Type": "application/octet-stream"}


# --- predicting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["published", "with space", "a/b", "ümläut", "100%", "image", "a?b#c"])
def test_any_name_can_be_predicted_with(service: Service, name: str) -> None:
    project, red, _ = service.trainable()
    service.publish(service.train(project), name)
    of_project = f"/customvision/v3.1/prediction/{project.rpartition('/')[2]}"
    address = f"{of_project}/classify/iterations/{quote(name, safe='')}"
    assert expect(service.predict(address, picture(70)))["predictions"][0]["tagId"] == red
    assert refusal(service.predict(f"{address}x", picture(70))) == (
        404,
        "NotFoundIteration",
        "Invalid iteration",
    )


def test_every_tag_is_predicted_likeliest_first(service: Service) -> None:
    project, red, blue = service.trainable()
    green = service.tag(project, "green")
    service.images(project, pictures(5, "green"), green)
    address = service.publish(service.train(project))
    for colour, tag in (("red", red), ("blue", blue), ("green", green)):
        predictions = expect(service.predict(address, picture(71, colour)))["predictions"]
        probabilities = [item["probability"] for item in predictions]
        assert (predictions[0]["tagId"], predictions[0]["tagName"]) == (tag, colour)
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        assert {item["tagId"] for item in predictions} == {red, blue, green}


def test_unpublishing_and_republishing_take_effect_at_once(service: Service) -> None:
    project, _, _ = service.trainable()
    first = service.train(project)
    address = service.publish(first)
    assert len(expect(service.predict(address, picture(72)))["predictions"]) == 2
    service.delete(f"{first}/publish")
    assert refusal(service.predict(address, picture(72)))[:2] == (404, "NotFoundIteration")
    service.images(project, pictures(5, "green"), service.tag(project, "green"))
    assert service.publish(service.train(project)) == address
    assert len(expect(service.predict(address, picture(72)))["predictions"]) == 3


def test_a_model_that_is_replaced_and_deleted_after_the_look_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _, _ = service.trainable()
    first = service.train(project)
    address = service.publish(first)
    service.images(project, pictures(5, "green"), service.tag(project, "green"))
    second = service.train(project)
    context, score = service.context, predictions.probabilities_of

    def replaced_before(*arguments: Any) -> Any:
        monkeypatch.setattr(predictions, "probabilities_of", score)
        project_id, first_id = first.split("/")[2::2]
        publishing.publish(context, project_id, second.rpartition("/")[2], "published", RESOURCE_ID, True)
        manage.delete(context, project_id, first_id)
        return score(*arguments)

    monkeypatch.setattr(predictions, "probabilities_of", replaced_before)
    answer = expect(service.predict(address, picture(72)))
    assert answer["iteration"] == second.rpartition("/")[2]
    assert len(answer["predictions"]) == 3


def test_the_wrong_kind_of_operation(service: Service) -> None:
    project, _, _ = service.trainable()
    address = service.publish(service.train(project))
    detector = service.project(domainId=DETECTION).removeprefix("/projects")
    wrong = (400, "BadRequestNotSupported", "Invalid project type for operation.")
    assert (
        refusal(service.predict(f"/customvision/v3.1/prediction{detector}/classify/iterations/x", picture()))
        == wrong
    )
    assert refusal(service.predict(address.replace("/classify/", "/detect/"), picture()))[:2] == wrong[:2]


@pytest.mark.parametrize("suffix", ["/image", "/image/nostore"])
def test_only_predictions_to_be_stored_are_stored(service: Service, suffix: str) -> None:
    project, red, _ = service.trainable()
    address = service.publish(service.train(project))
    before = service.blobs()
    data = picture(73)
    answer = expect(service.predict(address, data, suffix, params={"application": "my app"}))
    rows = service.rows("SELECT id, application, predictions FROM stored_prediction")
    if suffix.endswith("nostore"):
        assert (rows, service.blobs()) == ([], before)
    else:
        assert [row[:2] for row in rows] == [(answer["id"], "my app")]
        assert red in rows[0][2]
        assert len(service.blobs() - before) == 1
        assert service.blobs() == service.referenced_blobs()


# --- URLs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def mapped(service: Service, tmp_path: Path) -> tuple[Service, str, str]:
    """A service that reads http://p.test/ from a folder, an address to predict, and the tag of red."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "red.png").write_bytes(picture(80))
    (tmp_path / "pictures" / "large.png").write_bytes(picture(81) + b"\0" * (4 * 2**20))
    (tmp_path / "pictures" / "text").write_bytes(b"no image")
    project, red, _ = service.trainable()
    address = service.publish(service.train(project))
    service.close()
    mapping = (("http://p.test/", tmp_path / "pictures"),)
    service.settings = test_settings(service.settings.data, url_fetch="off", url_map=mapping)
    service.open()
    return service, address, red


def by_url(service: Service, address: str, body: Any, suffix: str = "/url") -> Any:
    return service.request("POST", address + suffix, json=body)


@pytest.mark.parametrize(("suffix", "stored"), [("/url", 1), ("/url/nostore", 0)])
def test_predicting_by_url(mapped: tuple[Service, str, str], suffix: str, stored: int) -> None:
    service, address, red = mapped
    response = by_url(service, address, {"Url": "http://p.test/red.png"}, suffix)
    assert expect(response)["predictions"][0]["tagId"] == red
    assert service.rows("SELECT count(*) FROM stored_prediction") == [(stored,)]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": None},
        {"url": 5},
        {"url": ""},
        [],
        "x",
        {"url": "http://q.test/"},
        {"url": "file:///etc/passwd"},
    ],
)
def test_urls_that_are_refused(mapped: tuple[Service, str, str], body: Any) -> None:
    service, address, _ = mapped
    assert refusal(by_url(service, address, body))[:2] == (400, "BadRequestImageUrl")


def test_images_from_urls_are_checked_like_others(mapped: tuple[Service, str, str]) -> None:
    service, address, _ = mapped
    assert refusal(by_url(service, address, {"url": "http://p.test/text"}))[1] == "BadRequestImageFormat"
    assert refusal(by_url(service, address, {"url": "http://p.test/large.png"}))[1] == "BadRequestImageUrl"


def test_an_unknown_name_is_refused_before_anything_is_fetched(mapped: tuple[Service, str, str]) -> None:
    service, address, _ = mapped
    assert refusal(by_url(service, address + "x", {"url": "http://q.test/"}))[1] == "NotFoundIteration"


# --- quick tests --------------------------------------------------------------------------------------------


def quick_test(service: Service, project: str, data: bytes, **parameters: str) -> Any:
    return service.send("POST", f"{project}/quicktest/image", params=parameters, content=data, headers=OCTETS)


def test_quick_tests_need_no_publishing(service: Service) -> None:
    project, red, _ = service.trainable()
    iteration_id = service.train(project).rpartition("/")[2]
    answer = expect(quick_test(service, project, picture(82), iterationId=iteration_id))
    assert answer["predictions"][0]["tagId"] == red


def test_quick_tests_are_stored_by_default(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration_id = service.train(project).rpartition("/")[2]
    for parameters, stored in (({}, 1), ({"store": "false"}, 1), ({"store": "true"}, 2)):
        expect(quick_test(service, project, picture(83), iterationId=iteration_id, **parameters))
        assert service.rows("SELECT count(*) FROM stored_prediction") == [(stored,)]


def test_quick_tests_that_are_refused(service: Service) -> None:
    project, _, _ = service.trainable()
    assert refusal(quick_test(service, project, picture()))[:2] == (404, "NotFoundProjectDefaultIteration")
    assert refusal(quick_test(service, project, picture(), iterationId=NOWHERE))[:2] == (
        404,
        "NotFoundIteration",
    )
    assert refusal(quick_test(service, project, picture(), iterationId="x"))[:2] == (
        400,
        "BadRequestInvalidIds",
    )
    training = service.post(f"{project}/train")["id"]
    assert refusal(quick_test(service, project, picture(), iterationId=training))[:2] == (
        400,
        "BadRequestIterationIsNotTrained",
    )
    assert refusal(quick_test(service, f"/projects/{NOWHERE}", picture()))[:2] == (404, "NotFoundProject")


def test_quick_tests_by_url(mapped: tuple[Service, str, str]) -> None:
    service, _, red = mapped
    project = f"/projects/{service.get('/projects')[0]['id']}"
    view = {"iterationId": service.get(f"{project}/iterations")[0]["id"]}
    body = {"url": "http://p.test/red.png"}
    answer = service.post(f"{project}/quicktest/url", params=view, json=body)
    assert answer["predictions"][0]["tagId"] == red
    refused = service.refused("POST", f"{project}/quicktest/url", params=view, json={"url": "http://q.test/"})
    assert refused[:2] == (400, "BadRequestImageUrl")
    assert (
        service.refused("POST", f"{project}/quicktest/url", json=body)[1] == "NotFoundProjectDefaultIteration"
    )
    larger = {"url": "http://p.test/large.png"}
    assert service.post(f"{project}/quicktest/url", params=view, json=larger)["predictions"]
