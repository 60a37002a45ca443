"""Near-duplicate images: search, groups, and warnings about their tags and folds."""

from concurrent.futures import Future
from io import BytesIO
from typing import Any

import numpy
import pytest
from PIL import Image, ImageOps

from emulator.core.insight import near_duplicates
from emulator.worker.executor import WorkerDied
from tests.support.harness import (
    NOWHERE,
    PREDICTION_KEY,
    Service,
    expect,
    files_body,
    refusal,
    wait_until,
)
from tests.support.images import pictures
from tests.support.live_server import LiveServer


def photograph(seed: int, side: int = 160) -> Image.Image:
    """An image of soft coloured clouds, different for each seed."""
    random = numpy.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (9, 9, 3), numpy.uint8)).resize((side, side), 3)
    fine = Image.fromarray(random.integers(0, 255, (32, 32, 3), numpy.uint8)).resize((side, side), 3)
    return Image.blend(coarse, fine, 0.4)


def encoded(image: Image.Image, quality: int = 92) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def ask(service: Service, project: str, **parameters: Any) -> Any:
    return service.request("GET", f"/_emulator{project}/nearDuplicates", params=parameters)


def found(service: Service, project: str, **parameters: Any) -> dict[str, Any]:
    answer: dict[str, Any] = expect(ask(service, project, **parameters))
    assert answer["status"] == "Completed"
    return answer


def ids_of(answer: dict[str, Any]) -> list[set[str]]:
    return [{image["id"] for image in group["images"]} for group in answer["groups"]]


@pytest.fixture
def project(service: Service) -> str:
    return service.project(classificationType="Multiclass")


def test_copies_are_found_and_others_are_not(service: Service, project: str) -> None:
    originals = [photograph(seed) for seed in range(12)]
    ids = service.images(project, [encoded(image) for image in originals])
    worse, smaller, mirrored = service.images(
        project,
        [
            encoded(originals[0], 40),
            encoded(originals[1].resize((80, 80))),
            encoded(ImageOps.mirror(originals[2])),
        ],
    )
    (cropped,) = service.images(project, [encoded(originals[3].crop((6, 5, 154, 157)))])
    answer = found(service, project)
    expected = [{ids[0], worse}, {ids[1], smaller}, {ids[2], mirrored}, {ids[3], cropped}]
    assert sorted(map(sorted, ids_of(answer))) == sorted(map(sorted, expected))
    assert (answer["imageCount"], answer["groupCount"], answer["iterationId"]) == (16, 4, None)
    similarities = [group["similarity"] for group in answer["groups"]]
    assert similarities == sorted(similarities, reverse=True)
    for group in answer["groups"]:
        (pair,) = group["pairs"]
        assert pair["mirrored"] == (mirrored in pair["imageIds"])
        assert pair["similarity"] == group["similarity"] >= 0.8
        assert set(pair["imageIds"]) == {image["id"] for image in group["images"]}
        assert (group["contradictoryTags"], group["acrossFolds"]) == (False, False)
        assert {image["fold"] for image in group["images"]} == {None}


def test_a_group_is_a_connected_component(service: Service, project: str) -> None:
    image = photograph(1)
    ids = service.images(project, [encoded(image, quality) for quality in (95, 80, 60, 40)])
    (group,) = found(service, project)["groups"]
    assert {each["id"] for each in group["images"]} == set(ids)
    assert (group["imageCount"], len(group["pairs"])) == (4, 6)
    alike = [pair["similarity"] for pair in group["pairs"]]
    assert alike == sorted(alike, reverse=True)
    assert service.follow(group["images"][0]["imageUri"]).status_code == 200


def test_thresholds(service: Service, project: str) -> None:
    image = photograph(1)
    service.images(project, [encoded(image), encoded(image.crop((4, 4, 156, 156)))])
    (group,) = found(service, project)["groups"]
    assert found(service, project, threshold=1)["groups"] == []
    assert found(service, project, threshold=group["similarity"] - 0.001)["groupCount"] == 1
    assert found(service, project, threshold=min(1, group["similarity"] + 0.001))["groupCount"] == 0


def test_tags_that_contradict_each_other(service: Service, project: str) -> None:
    red, blue = service.tag(project, "red"), service.tag(project, "blue")
    agreeing, untagged, wrong = photograph(1), photograph(2), photograph(3)
    service.images(
        project, [encoded(agreeing), encoded(agreeing, 50), encoded(untagged), encoded(wrong)], red
    )
    service.images(project, [encoded(untagged, 50)])
    (other,) = service.images(project, [encoded(wrong, 50)], blue)
    answer = found(service, project)
    assert answer["groupCount"] == 3
    assert [group["contradictoryTags"] for group in answer["groups"]] == [True, False, False]
    first = answer["groups"][0]
    assert sorted(tag["tagName"] for image in first["images"] for tag in image["tags"]) == ["blue", "red"]
    assert found(service, project, contradictoryTags="true")["groups"] == [first]
    # Correcting a label does not start another search.
    searches = len(service.exporter.jobs)
    service.delete(f"{project}/images/tags", params={"imageIds": other, "tagIds": blue})
    service.post(f"{project}/images/tags", json={"tags": [{"imageId": other, "tagId": red}]})
    assert found(service, project, contradictoryTags="true")["groups"] == []
    assert len(service.exporter.jobs) == searches


def test_images_in_different_folds(service: Service, project: str) -> None:
    red, blue = service.tag(project, "red"), service.tag(project, "blue")
    apart, together = photograph(1), photograph(2)
    # The stand-in's folds are the images' numbers modulo 5.
    ids = service.images(project, [encoded(apart), encoded(apart, 50), *pictures(4), encoded(together)], red)
    ids += service.images(project, [*pictures(4, "blue"), encoded(together, 50)], blue)
    service.train(project)
    latest = service.train(project, params={"forceTrain": "true"}).rpartition("/")[2]
    answer = found(service, project, threshold=0.95)
    assert answer["iterationId"] == latest
    by_images = {frozenset(ids): group for ids, group in zip(ids_of(answer), answer["groups"], strict=True)}
    leak = by_images[frozenset(ids[:2])]
    assert [image["fold"] for image in leak["images"]] == [0, 1]
    assert leak["acrossFolds"]
    fine = by_images[frozenset((ids[6], ids[11]))]
    assert [image["fold"] for image in fine["images"]] == [1, 1]
    assert not fine["acrossFolds"]
    assert fine["contradictoryTags"]
    assert leak in found(service, project, threshold=0.95, acrossFolds="true")["groups"]
    assert (
        fine not in found(service, project, threshold=0.95, acrossFolds="true", iterationId=latest)["groups"]
    )


def test_pages(service: Service, project: str) -> None:
    for seed in range(5):
        service.images(project, [encoded(photograph(seed)), encoded(photograph(seed), 60)])
    whole = ids_of(found(service, project))
    assert len(whole) == 5
    pages = [group for skip in (0, 2, 4, 6) for group in ids_of(found(service, project, take=2, skip=skip))]
    assert pages == whole
    assert found(service, project, take=0)["groupCount"] == 5


def test_images_that_come_and_go(service: Service, project: str) -> None:
    image = photograph(1)
    first, second = service.images(project, [encoded(image), encoded(image, 60)])
    assert found(service, project)["groupCount"] == 1
    service.delete(f"{project}/images", params={"imageIds": second})
    assert found(service, project)["groupCount"] == 0
    (third,) = service.images(project, [encoded(image, 50)])
    assert ids_of(found(service, project)) == [{first, third}]


def test_pictures_with_nothing_on_them_and_damaged_ones(service: Service, project: str) -> None:
    blank = [Image.new("RGB", (60, 40), (shade, shade, shade)) for shade in (100, 101, 102)]
    ids = service.images(project, [encoded(image) for image in [*blank, photograph(1)]])
    (blob,) = (row[0] for row in service.rows(f"SELECT blob FROM image WHERE id = '{ids[-1]}'"))
    service.context.blobs.delete(blob)
    answer = found(service, project)
    assert (answer["imageCount"], answer["groups"]) == (4, [])


@pytest.mark.parametrize("count", [0, 1])
def test_few_images(service: Service, project: str, count: int) -> None:
    service.images(project, pictures(count)) if count else None
    assert found(service, project)["imageCount"] == count


def test_a_search_that_takes_its_time(
    service: Service, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.api.control.insight.image_jobs._MAX_WAIT_SECONDS", 0.01)
    service.images(project, pictures(2))
    service.exporter.held = True
    response = ask(service, project)
    answer = expect(response, 202)
    assert (answer["status"], answer["progress"], answer["imageCount"]) == ("Running", 0.0, 2)
    assert response.headers["retry-after"] == "1"
    # The same search, not another one.
    kept = near_duplicates.search_of(service.context, project.rpartition("/")[2])
    expect(ask(service, project), 202)
    kept.future.set_result([(0, 1, 0.9, False)])
    assert found(service, project)["groupCount"] == 1


def test_a_search_that_is_overtaken(service: Service, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.api.control.insight.image_jobs._MAX_WAIT_SECONDS", 0.01)
    service.images(project, pictures(2))
    service.exporter.held = True
    expect(ask(service, project), 202)
    project_id = project.rpartition("/")[2]
    before: Future[Any] = near_duplicates.search_of(service.context, project_id).future
    service.images(project, pictures(1, "blue"))
    assert expect(ask(service, project), 202)["imageCount"] == 3
    assert before.cancelled()
    service.request("POST", "/_emulator/reset")
    assert refusal(ask(service, project))[:2] == (404, "NotFoundProject")


def test_a_search_that_fails_is_begun_anew(service: Service, project: str) -> None:
    service.images(project, pictures(2))
    service.exporter.failures.append(WorkerDied("It died.", 9, ()))
    refused = refusal(ask(service, project))
    assert refused[:2] == (500, "ErrorUnknown")
    assert "It died." in refused[2]
    assert found(service, project)["imageCount"] == 2


def test_by_the_process_that_does_it(live: LiveServer) -> None:
    project = expect(live.client.post("/projects", params={"name": "live"}))["id"]
    image = photograph(1)
    body = files_body([encoded(image), encoded(photograph(2)), encoded(image, 50)])
    items = expect(live.client.post(f"/projects/{project}/images/files", json=body))["images"]
    first, _, copy = (item["image"]["id"] for item in items)

    def completed() -> dict[str, Any] | None:
        response = live.client.get(f"{live.endpoint}/_emulator/projects/{project}/nearDuplicates")
        answer: dict[str, Any] = response.json()
        return answer if expect(response, response.status_code)["status"] == "Completed" else None

    assert ids_of(wait_until(completed, "the search")) == [{first, copy}]
    assert live.terminate() == 0
    assert "Traceback" not in live.log()


def test_what_is_refused(service: Service, project: str) -> None:
    for parameters in (
        {"threshold": "0.59"},
        {"threshold": "1.01"},
        {"threshold": "nan"},
        {"take": "257"},
        {"skip": "-1"},
        {"contradictoryTags": "perhaps"},
        {"acrossFolds": "1"},
    ):
        assert refusal(ask(service, project, **parameters))[:2] == (400, "BadRequest"), parameters
    assert refusal(ask(service, project, iterationId="x"))[:2] == (400, "BadRequestInvalidIds")
    assert refusal(ask(service, project, iterationId=NOWHERE))[:2] == (404, "NotFoundIteration")
    assert refusal(ask(service, f"/projects/{NOWHERE}"))[:2] == (404, "NotFoundProject")
    assert ask(service, "/projects/x").status_code == 404
    for key in (None, PREDICTION_KEY):
        path = f"/_emulator{project}/nearDuplicates"
        assert service.request("GET", path, key=key).status_code == 401
