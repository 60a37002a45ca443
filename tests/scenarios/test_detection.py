"""Detection through HTTP: training, the four ways to predict, stored predictions, performance, copies."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulator.store.tables import JobKind
from tests.support import stub_trainer
from tests.support.detection import GENERAL, WHOLE, Coordinates, detection_project, region, upload
from tests.support.harness import NOWHERE, PREDICTION_KEY, Service, expect, refusal
from tests.support.images import picture, pictures

SIDES = ("left", "top", "width", "height")
APPLE: Coordinates = (0.25, 0.5, 0.25, 0.25)
PEAR: Coordinates = (0.0, 0.125, 0.5, 0.75)
SERVED = "https://pictures.test"
WRONG_TYPE = (400, "BadRequestNotSupported", "Invalid project type for operation.")


@dataclass(frozen=True)
class Detector:
    """A trained, published project; the tag for pears is older than that for apples. It finds both."""

    service: Service
    project: str
    iteration: str
    address: str
    pear: str
    apple: str

    def detect(self, how: str = "/image", version: str = "v3.1", **more: Any) -> dict[str, Any]:
        response: dict[str, Any] = expect(self.request_prediction(how, version, **more))
        return response

    def request_prediction(self, how: str = "/image", version: str = "v3.1", **more: Any) -> httpx.Response:
        return request_prediction(self.service, self.address.replace("v3.1", version) + how, **more)


def request_prediction(service: Service, address: str, **more: Any) -> httpx.Response:
    """A prediction of an image, by URL if the address ends so."""
    if "/url" in address:
        headers = {"Prediction-Key": PREDICTION_KEY}
        return service.request(
            "POST", address, key=None, headers=headers, json={"url": f"{SERVED}/a.png"}, **more
        )
    return service.predict(address, picture(99), suffix="", **more)


@pytest.fixture
def detector(service: Service, tmp_path: Path) -> Detector:
    served = tmp_path / "served"
    served.mkdir()
    (served / "a.png").write_bytes(picture(99))
    service.context.fetch_policy = replace(service.context.fetch_policy, mapping=((SERVED, served),))
    project = detection_project(service)
    pear, apple = service.tag(project, "pear"), service.tag(project, "apple")
    regions = [[region(pear, PEAR), region(apple, APPLE)]] * 15
    expect(upload(service, project, pictures(15), *regions))
    iteration = service.train(project)
    return Detector(
        service, project, iteration, service.publish(iteration, kind="detect"), pear=pear, apple=apple
    )


def box_of(item: dict[str, Any]) -> Coordinates:
    assert list(item["boundingBox"]) == list(SIDES)
    left, top, width, height = item["boundingBox"].values()
    return left, top, width, height


# --- predicting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["/image", "/image/nostore", "/url", "/url/nostore"])
@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
def test_objects_are_detected(detector: Detector, version: str, how: str) -> None:
    response = detector.detect(how, version)
    assert list(response) == ["id", "project", "iteration", "created", "predictions"]
    assert detector.iteration == f"/projects/{response['project']}/iterations/{response['iteration']}"
    found = response["predictions"]
    properties = ["probability", "tagId", "tagName", "boundingBox", "tagType"]
    for item in found:
        assert list(item) == (properties if version == "v3.1" else properties[:-1])
        assert item.get("tagType", "Regular") == "Regular"
    # Sorted by the names of tags, although pears are more probable; within a tag by probability.
    named = [(item["tagName"], item["tagId"], item["probability"]) for item in found]
    more = stub_trainer.MORE_BY_TAG
    assert named == [
        ("apple", detector.apple, pytest.approx(stub_trainer.DETECTED)),
        ("apple", detector.apple, pytest.approx(stub_trainer.WHOLE_PICTURE)),
        ("pear", detector.pear, pytest.approx(stub_trainer.DETECTED + more)),
        ("pear", detector.pear, pytest.approx(stub_trainer.WHOLE_PICTURE + more)),
    ]
    for item, box in zip(found, (APPLE, WHOLE, PEAR, WHOLE), strict=True):
        assert box_of(item) == pytest.approx(box, abs=1e-3)
    query = detector.service.post(f"{detector.project}/predictions/query", json={})
    assert [item["id"] for item in query["results"]] == ([] if "nostore" in how else [response["id"]])


@pytest.mark.parametrize("how", ["/image", "/image/nostore", "/url", "/url/nostore"])
def test_each_kind_of_project_has_its_own_operations(detector: Detector, how: str) -> None:
    service = detector.service
    classifier = service.publish(service.train(service.trainable()[0]))
    for address in (
        detector.address.replace("/detect/", "/classify/"),
        classifier.replace("/classify/", "/detect/"),
    ):
        assert refusal(request_prediction(service, address + how)) == WRONG_TYPE
        # For any name: the project does not support it.
        assert refusal(request_prediction(service, f"{address}-other{how}")) == WRONG_TYPE
    assert refusal(request_prediction(service, f"{detector.address}-other{how}"))[:2] == (
        404,
        "NotFoundIteration",
    )
    nowhere = detector.address.replace(detector.project.rpartition("/")[2], NOWHERE)
    assert refusal(request_prediction(service, nowhere + how))[:2] == (404, "NotFoundProject")


def test_a_file_that_is_not_an_image(detector: Detector) -> None:
    response = detector.service.predict(detector.address, b"no picture")
    assert refusal(response)[:2] == (400, "BadRequestImageFormat")


@pytest.mark.parametrize("how", ["image", "url"])
def test_quick_test(detector: Detector, how: str) -> None:
    service = detector.service
    path = f"{detector.project}/quicktest/{how}"
    iteration = {"iterationId": detector.iteration.rpartition("/")[2]}
    body: dict[str, Any] = {"json": {"url": f"{SERVED}/a.png"}}
    if how == "image":
        body = {"content": picture(99), "headers": {"Content-Type": "application/octet-stream"}}
    response = service.post(path, params=iteration, **body)
    assert response["predictions"] == detector.detect()["predictions"]


# --- what is stored -----------------------------------------------------------------------------------------


def test_stored_predictions_have_their_boxes(detector: Detector) -> None:
    response = detector.detect()
    (item,) = detector.service.post(f"{detector.project}/predictions/query", json={})["results"]
    assert {key: item[key] for key in response} == response
    assert item["domain"] == GENERAL
    for tag, matches in ((detector.apple, True), (NOWHERE, False)):
        wanted = {"tags": [{"id": tag, "minThreshold": 0.7, "maxThreshold": 1}]}
        found = detector.service.post(f"{detector.project}/predictions/query", json=wanted)["results"]
        assert bool(found) is matches


def test_a_prediction_becomes_an_image_with_regions(detector: Detector) -> None:
    service = detector.service
    made = detector.detect()
    best = made["predictions"][0]
    entry = {"id": made["id"], "regions": [{"tagId": best["tagId"], **best["boundingBox"]}]}
    summary = service.post(f"{detector.project}/images/predictions", json={"images": [entry]})
    (item,) = summary["images"]
    assert item["status"] == "OK"
    (shown,) = service.get(f"{detector.project}/images", params={"take": 1})
    assert shown["id"] == item["image"]["id"]
    (marked,) = shown["regions"]
    assert {side: marked[side] for side in SIDES} == best["boundingBox"]
    assert [tag["tagName"] for tag in shown["tags"]] == ["apple"]
    assert service.post(f"{detector.project}/predictions/query", json={})["results"] == []
    assert service.get(f"{detector.project}/tags/{detector.apple}")["imageCount"] == 16


# --- figures ------------------------------------------------------------------------------------------------


def test_figures(detector: Detector) -> None:
    path = f"{detector.iteration}/performance"
    figures = detector.service.get(path)
    # Above the threshold each object has one box, and it is correct.
    assert (figures["precision"], figures["recall"], figures["averagePrecision"]) == (1, 1, 1)
    assert {tag["name"] for tag in figures["perTagPerformance"]} == {"apple", "pear"}
    low = detector.service.get(path, params={"threshold": "0.1"})
    assert (low["precision"], low["recall"]) == (0.5, 1)
    assert detector.service.get(path, params={"threshold": "0.9"})["recall"] == 0


def test_figures_depend_on_the_overlap(service: Service) -> None:
    project = detection_project(service)
    tag = service.tag(project, "apple")
    # The detector finds the mean of these, which overlaps each of them by half.
    boxes: list[Coordinates] = [(0.125, 0.25, 0.25, 0.5), (0.375, 0.25, 0.25, 0.5)] * 8
    expect(upload(service, project, pictures(16), *[[region(tag, box)] for box in boxes]))
    path = f"{service.train(project)}/performance"
    by_overlap = {
        overlap: service.get(path, params={"overlapThreshold": overlap}) for overlap in ("0.3", "0.5", "1")
    }
    assert [figures["recall"] for figures in by_overlap.values()] == [1, 0, 0]
    assert service.get(path) == by_overlap["0.3"]
    assert by_overlap["0.3"]["averagePrecision"] > by_overlap["0.5"]["averagePrecision"]
    for wrong in ("-0.1", "1.1"):
        refused = service.refused("GET", path, params={"overlapThreshold": wrong})
        assert refused[:2] == (400, "BadRequest")


def test_images_held_out(detector: Detector) -> None:
    path = f"{detector.iteration}/performance/images"
    shown = detector.service.get(path)
    assert len(shown) == detector.service.get(f"{path}/count") == 3
    for image in shown:
        assert {(item["tagName"], item["left"], item["width"]) for item in image["regions"]} == {
            ("apple", 0.25, 0.25),
            ("pear", 0.0, 0.5),
        }
        assert image["predictions"] == detector.detect()["predictions"]
    some = detector.service.get(path, params={"tagIds": detector.apple})
    assert [image["id"] for image in some] == [image["id"] for image in shown]


def test_an_older_version_knows_no_type_of_a_tag(detector: Detector) -> None:
    (image, *_) = detector.service.get(f"{detector.iteration}/performance/images", version="v3.0")
    properties = ["probability", "tagId", "tagName", "boundingBox"]
    assert {tuple(item) for item in image["predictions"]} == {tuple(properties)}


# --- what depends on a training -----------------------------------------------------------------------------


def test_a_deleted_tag_is_detected_by_the_iterations_that_know_it(detector: Detector) -> None:
    service = detector.service
    service.delete(f"{detector.project}/tags/{detector.pear}")
    assert {item["tagName"] for item in detector.detect()["predictions"]} == {"apple", "pear"}
    later = service.publish(service.train(detector.project), "later", kind="detect")
    found = expect(request_prediction(service, f"{later}/image"))["predictions"]
    assert {item["tagName"] for item in found} == {"apple"}


def test_a_copy_detects_the_same(detector: Detector) -> None:
    service = detector.service
    token = service.get(f"{detector.project}/export")["token"]
    copy = f"/projects/{service.post('/projects/import', params={'token': token})['id']}"
    service.runner(JobKind.IMPORT).run_waiting()
    assert service.get(copy)["status"] == "Succeeded"
    (twin,) = service.get(f"{copy}/iterations")
    iteration = f"{copy}/iterations/{twin['id']}"
    there = expect(request_prediction(service, f"{service.publish(iteration, kind='detect')}/image"))[
        "predictions"
    ]
    here = detector.detect()["predictions"]
    different = {"tagId"}
    assert [{key: item[key] for key in item.keys() - different} for item in there] == [
        {key: item[key] for key in item.keys() - different} for item in here
    ]
    assert {item["tagId"] for item in there} == {tag["id"] for tag in service.get(f"{copy}/tags")}
    names = ("precision", "recall", "averagePrecision")
    figures, own = (service.get(f"{path}/performance") for path in (iteration, detector.iteration))
    assert [figures[name] for name in names] == [own[name] for name in names]
    assert service.get(f"{iteration}/performance/images/count") == 3
    assert service.blobs() == service.referenced_blobs()
