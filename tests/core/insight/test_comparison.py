"""Two iterations compared, by the images that each of them gets right."""

from typing import Any

import pytest

from tests.support.detection import detection_project, marked_images, region, upload
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture, pictures


class Compared:
    """Two iterations of a project, given by their paths."""

    def __init__(self, service: Service, project: str, first: str, second: str) -> None:
        self.service, self.project, self.first, self.second = service, project, first, second

    def send(self, iteration: str, what: str, **parameters: Any) -> Any:
        return self.service.request("GET", f"/_emulator{iteration}/{what}", params=parameters)

    def compare(self, **parameters: Any) -> Any:
        """The second iteration compared with the first."""
        return expect(self.send(self.second, "comparison", **{"with": _id(self.first)}, **parameters))

    def images(self, change: str, **parameters: Any) -> Any:
        return expect(
            self.send(
                self.second, "comparison/images", **{"with": _id(self.first)}, change=change, **parameters
            )
        )

    def right(self, iteration: str, **parameters: Any) -> set[str]:
        """The ids of the images on the diagonal of the confusion matrix of an iteration."""
        tags = expect(self.send(iteration, "confusionMatrix", **parameters))["tags"]
        found: set[str] = set()
        for tag in tags:
            cell = {"actual": tag["id"], "predicted": tag["id"], "take": 256}
            images = expect(self.send(iteration, "confusionMatrix/images", **cell, **parameters))
            found.update(image["id"] for image in images)
        return found


def _id(path: str) -> str:
    return path.rsplit("/", 1)[1]


@pytest.fixture
def compared(service: Service) -> Compared:
    """Between the trainings, many blue images were tagged red, which moves the border between the tags."""
    project = service.project(classificationType="Multiclass")
    red, blue = service.tag(project, "red"), service.tag(project, "blue")
    service.images(project, [*pictures(8, "red"), picture(1, "grey")], red)
    service.images(project, [*pictures(8, "blue"), *pictures(2, "grey", start=10)], blue)
    first = service.train(project)
    service.images(project, pictures(6, "grey", start=30), red)
    return Compared(service, project, first, service.train(project))


@pytest.mark.parametrize("threshold", [0.5, 0.55, 0.7])
def test_gained_and_lost_images_are_those_of_the_confusion_matrices(
    compared: Compared, threshold: float
) -> None:
    before = compared.right(compared.first, threshold=threshold)
    after = compared.right(compared.second, threshold=threshold)
    found = compared.compare(threshold=threshold)
    # The six new images are in one evaluation alone.
    assert (found["imageCount"], found["onlyImageCount"], found["onlyOtherImageCount"]) == (19, 6, 0)
    common = {
        image["id"]
        for image in compared.service.get(
            f"{compared.project}/images", params={"take": 256, "iterationId": _id(compared.first)}
        )
    }
    for change, expected in (("Gained", after - before), ("Lost", before - after)):
        expected &= common
        images = compared.images(change, threshold=threshold)
        assert {image["id"] for image in images["images"]} == expected
        assert images["imageCount"] == len(expected) == found[f"{change.lower()}ImageCount"]
    assert found["otherRightImageCount"] == len(before & common)
    assert found["rightImageCount"] == len(after & common)


def test_something_is_gained_and_something_lost(compared: Compared) -> None:
    """Or the tests before this one would compare empty lists."""
    found = compared.compare()
    assert found["gainedImageCount"] + found["lostImageCount"] > 0
    (image, *_) = compared.images("Lost")["images"] + compared.images("Gained")["images"]
    assert {item["tagName"] for item in image["otherPredictions"]} == {"red", "blue"}
    assert image["predictions"] != image["otherPredictions"]


def test_figures_are_of_the_compared_images(compared: Compared) -> None:
    """All images of the first evaluation are compared, so that its figures are those of the performance."""
    found = compared.compare()
    performance = compared.service.get(f"{compared.first}/performance", params={"threshold": 0.5})
    tags = {tag["id"]: tag for tag in performance["perTagPerformance"]}
    for name in ("precision", "recall", "averagePrecision"):
        assert found["otherFigures"][name] == pytest.approx(performance[name])
        for tag in found["perTag"]:
            assert tag["otherFigures"][name] == pytest.approx(tags[tag["tagId"]][name])
            assert tag["difference"][name] == pytest.approx(
                tag["figures"][name] - tag["otherFigures"][name], abs=1e-6
            )
    assert [tag["count"] for tag in found["perTag"]] in ([9, 10], [10, 9])


def test_a_comparison_is_the_reverse_of_the_other_one(compared: Compared) -> None:
    forth = compared.compare()
    back = expect(compared.send(compared.first, "comparison", **{"with": _id(compared.second)}))
    assert forth["gainedImageCount"] == back["lostImageCount"]
    assert forth["figures"] == back["otherFigures"]
    assert forth["difference"]["recall"] == -back["difference"]["recall"]
    assert back["onlyOtherImageCount"] == 6


def test_relabeled_images_are_not_compared(service: Service) -> None:
    project = service.project(classificationType="Multiclass")
    red, blue = service.tag(project, "red"), service.tag(project, "blue")
    ids = service.images(project, pictures(6, "red"), red)
    service.images(project, pictures(6, "blue"), blue)
    first = service.train(project)
    service.delete(f"{project}/images/tags", params={"imageIds": ids[0], "tagIds": red})
    service.post(f"{project}/images/tags", json={"tags": [{"imageId": ids[0], "tagId": blue}]})
    found = Compared(service, project, first, service.train(project)).compare()
    assert (found["imageCount"], found["relabeledImageCount"]) == (11, 1)
    assert (found["onlyImageCount"], found["onlyOtherImageCount"]) == (0, 0)


def test_a_new_tag_has_figures_of_one_iteration(service: Service) -> None:
    project, _, _ = service.trainable()
    first = service.train(project)
    green = service.tag(project, "green")
    service.images(project, pictures(5, "green"), green)
    found = Compared(service, project, first, service.train(project)).compare()
    (tag,) = (tag for tag in found["perTag"] if tag["tagId"] == green)
    assert (tag["otherFigures"], tag["difference"]) == (None, None)
    assert tag["figures"]["recall"] == 0  # none of the compared images has it
    assert (found["imageCount"], found["onlyImageCount"]) == (10, 5)


def test_pages_have_the_largest_changes_first(compared: Compared) -> None:
    everything = (
        compared.images("Lost") if compared.compare()["lostImageCount"] else compared.images("Gained")
    )
    change = "Lost" if compared.compare()["lostImageCount"] else "Gained"

    def change_of(image: dict[str, Any]) -> float:
        (tag,) = image["tags"]
        before, after = (
            next(item["probability"] for item in image[name] if item["tagId"] == tag["tagId"])
            for name in ("otherPredictions", "predictions")
        )
        return abs(float(after) - float(before))

    changes = [change_of(image) for image in everything["images"]]
    assert changes == sorted(changes, reverse=True)
    assert compared.images(change, take=1)["images"] == everything["images"][:1]
    assert compared.images(change, skip=len(changes)) == {"imageCount": len(changes), "images": []}


def test_images_that_were_deleted_for_good_are_not_listed(compared: Compared) -> None:
    change = "Lost" if compared.compare()["lostImageCount"] else "Gained"
    before = compared.images(change)
    gone = before["images"][0]["id"]
    compared.service.delete(f"{compared.project}/images", params={"imageIds": gone, "allIterations": "true"})
    after = compared.images(change)
    assert after["imageCount"] == before["imageCount"] - 1
    assert [image["id"] for image in after["images"]] == [image["id"] for image in before["images"][1:]]


def test_detectors_are_compared_by_their_boxes(service: Service) -> None:
    project = detection_project(service)
    here, there = service.tag(project, "here"), service.tag(project, "there")
    marked_images(service, project, pictures(15, "red"), here)
    expect(
        upload(
            service,
            project,
            pictures(15, "blue"),
            *[[region(there, (0.7, 0.1, 0.2, 0.2))] for _ in range(15)],
        )
    )
    first = service.train(project)
    # The mean box of the tag moves away from that of the images before.
    expect(
        upload(
            service,
            project,
            pictures(40, "green"),
            *[[region(here, (0.7, 0.7, 0.125, 0.25))] for _ in range(40)],
        )
    )
    compared = Compared(service, project, first, service.train(project))
    found = compared.compare(threshold=0.5, overlapThreshold=0.3)
    assert (found["imageCount"], found["onlyImageCount"]) == (30, 40)
    tags = {tag["tagName"]: tag for tag in found["perTag"]}
    assert (tags["here"]["otherFigures"]["recall"], tags["here"]["figures"]["recall"]) == (1, 0)
    assert tags["here"]["count"] == 15
    # Both detect boxes of both tags in every image, so that no image is right.
    assert found["rightImageCount"] == found["otherRightImageCount"] == 0


def test_requests_that_are_refused(compared: Compared) -> None:
    first, second = compared.first, compared.second
    for parameters, expected in (
        ({}, (400, "BadRequestRequiredParamIsNull")),
        ({"with": "x"}, (400, "BadRequestInvalidIds")),
        ({"with": NOWHERE}, (404, "NotFoundIteration")),
        ({"with": _id(second)}, (400, "BadRequest")),
        ({"with": _id(first), "threshold": 2}, (400, "BadRequest")),
    ):
        assert refusal(compared.send(second, "comparison", **parameters))[:2] == expected, parameters
    both = {"with": _id(first)}
    assert refusal(compared.send(second, "comparison/images", **both))[1] == "BadRequestRequiredParamIsNull"
    assert refusal(compared.send(second, "comparison/images", **both, change="all"))[1] == "BadRequest"
