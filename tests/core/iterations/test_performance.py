"""Performance of an iteration: figures at any threshold, and images of the evaluation set."""

from pathlib import Path

import pytest
from sqlalchemy import update

from emulator.core.labels.tags import guid_order
from emulator.store.tables import Iteration
from tests.support.harness import NOWHERE, Service
from tests.support.images import pictures


@pytest.fixture
def trained(service: Service) -> tuple[str, str]:
    """A project and its iteration; one of the three tags is only partly distinguishable from another."""
    project = service.project(classificationType="Multiclass")
    red, blue, mixed = (service.tag(project, name) for name in ("red", "blue", "mixed"))
    service.images(project, pictures(10, "red"), red)
    service.images(project, pictures(10, "blue"), blue)
    service.images(project, pictures(4, "red", start=40) + pictures(4, "green", start=40), mixed)
    return project, service.train(project)


def test_figures(service: Service, trained: tuple[str, str]) -> None:
    figures = service.get(f"{trained[1]}/performance")
    assert list(figures) == [
        "perTagPerformance",
        "precision",
        "precisionStdDeviation",
        "recall",
        "recallStdDeviation",
        "averagePrecision",
    ]
    tags = figures["perTagPerformance"]
    assert {tag["name"] for tag in tags} == {"red", "blue", "mixed"}
    assert [tag["id"] for tag in tags] == sorted((tag["id"] for tag in tags), key=guid_order)
    mean = sum(tag["averagePrecision"] for tag in tags) / 3
    assert figures["averagePrecision"] == pytest.approx(mean, abs=1e-6)
    for figure in [figures, *tags]:
        for name in ("precision", "recall", "averagePrecision"):
            assert 0 <= figure[name] <= 1
    assert figures["recall"] < 1


def test_figures_at_a_threshold(service: Service, trained: tuple[str, str]) -> None:
    path = f"{trained[1]}/performance"
    by_threshold = {
        threshold: service.get(path, params={"threshold": threshold})
        for threshold in ("0", "0.2", "0.5", "0.9", "1")
    }
    assert by_threshold["0.5"] == service.get(path)
    recalls = [figures["recall"] for figures in by_threshold.values()]
    assert recalls == sorted(recalls, reverse=True)
    assert (recalls[0], recalls[-1]) == (1.0, 0.0)
    assert len({figures["averagePrecision"] for figures in by_threshold.values()}) == 1
    assert service.get(path, params={"threshold": "0.9", "overlapThreshold": "0.3"}) == by_threshold["0.9"]


@pytest.mark.parametrize("name", ["threshold", "overlapThreshold"])
@pytest.mark.parametrize("value", ["x", "nan", "inf", "1e999"])
def test_thresholds_that_are_no_numbers(
    service: Service, trained: tuple[str, str], name: str, value: str
) -> None:
    assert service.refused("GET", f"{trained[1]}/performance", params={name: value})[:2] == (
        400,
        "BadRequest",
    )


@pytest.mark.parametrize("value", ["-0.1", "1.1"])
def test_thresholds_out_of_their_bounds(service: Service, trained: tuple[str, str], value: str) -> None:
    refused = service.refused("GET", f"{trained[1]}/performance", params={"threshold": value})
    assert refused[:2] == (400, "BadRequest")


def test_images_held_out(service: Service, trained: tuple[str, str]) -> None:
    path = f"{trained[1]}/performance/images"
    found = service.get(path)
    assert service.get(f"{path}/count") == len(found) == pytest.approx(28 / 5, abs=2)
    assert {tag["tagName"] for image in found for tag in image["tags"]} == {"red", "blue", "mixed"}
    for image in found:
        assert list(image) == [
            "predictions",
            "id",
            "created",
            "width",
            "height",
            "imageUri",
            "thumbnailUri",
            "tags",
            "regions",
        ]
        assert len(image["predictions"]) == 3
        assert image["regions"] == []
    created = [image["created"] for image in found]
    assert created == sorted(created, reverse=True)
    oldest = service.get(path, params={"orderBy": "Oldest"})
    assert [image["id"] for image in oldest] == [image["id"] for image in found][::-1]


def test_images_by_tag_and_page(service: Service, trained: tuple[str, str]) -> None:
    project, iteration = trained
    path = f"{iteration}/performance/images"
    whole = [image["id"] for image in service.get(path)]
    pages = [
        image["id"] for skip in range(8) for image in service.get(path, params={"take": 1, "skip": skip})
    ]
    assert pages == whole
    tags = {tag["name"]: tag["id"] for tag in service.get(f"{project}/tags")}
    numbers = [service.get(f"{path}/count", params={"tagIds": tags[name]}) for name in tags]
    assert sum(numbers) == len(whole)
    assert min(numbers) >= 1
    red = service.get(path, params={"tagIds": tags["red"]})
    assert all(image["tags"][0]["tagName"] == "red" for image in red)
    assert service.get(path, params={"tagIds": NOWHERE}) == []
    assert service.refused("GET", path, params={"take": "257"})[1] == "BadRequest"
    for many in ([f"{number:032x}" for number in range(21)], [NOWHERE] * 21):
        refused = service.refused("GET", path, params={"tagIds": ",".join(many)})
        assert refused[1] == "BadRequestExceededBatchSize"


def test_images_deleted_from_the_workspace_are_still_there(
    service: Service, trained: tuple[str, str]
) -> None:
    project, iteration = trained
    path = f"{iteration}/performance/images"
    before = [image["id"] for image in service.get(path)]
    service.delete(f"{project}/images", params={"allImages": "true"})
    assert [image["id"] for image in service.get(path)] == before
    service.delete(f"{project}/images", params={"imageIds": before[0], "allIterations": "true"})
    assert [image["id"] for image in service.get(path)] == before[1:]
    assert service.get(f"{path}/count") == len(before) - 1
    assert service.get(f"{iteration}/performance")["perTagPerformance"]


@pytest.mark.parametrize("what", ["performance", "performance/images", "performance/images/count"])
def test_iterations_without_figures(service: Service, what: str) -> None:
    project, _, _ = service.trainable()
    training = service.post(f"{project}/train")["id"]
    refused = service.refused("GET", f"{project}/iterations/{training}/{what}")
    assert refused[:2] == (400, "BadRequestIterationIsNotTrained")
    assert service.refused("GET", f"{project}/iterations/{NOWHERE}/{what}")[:2] == (404, "NotFoundIteration")


@pytest.mark.parametrize("what", ["performance", "performance/images", "performance/images/count"])
def test_an_iteration_that_is_deleted_at_that_very_moment(
    service: Service, trained: tuple[str, str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs, verified_path = service.context.blobs, service.context.blobs.verified_path

    def path_after_deletion(name: str) -> Path:
        with service.context.database.write() as session:
            session.exec(update(Iteration).values(evaluation_blob=None))
        blobs.delete(name)
        return verified_path(name)

    monkeypatch.setattr(blobs, "verified_path", path_after_deletion)
    assert service.refused("GET", f"{trained[1]}/{what}")[:2] == (404, "NotFoundIteration")


def test_the_images_can_be_fetched(service: Service, trained: tuple[str, str]) -> None:
    image = service.get(f"{trained[1]}/performance/images")[0]
    for name in ("imageUri", "thumbnailUri"):
        assert service.follow(image[name]).status_code == 200
