"""The map of the images of a project: places, tags, and the job behind it."""

from typing import Any

import numpy
import pytest

from emulator.core.caches.image_jobs import ImageJob
from emulator.core.insight import image_map
from emulator.worker.executor import WorkerDied
from tests.support.harness import NOWHERE, PREDICTION_KEY, Service, expect, refusal, wait_until
from tests.support.images import pictures
from tests.support.live_server import LiveServer


def ask(service: Service, project: str, **parameters: Any) -> Any:
    return service.request("GET", f"/_emulator{project}/map", params=parameters)


def mapped(service: Service, project: str, **parameters: Any) -> dict[str, Any]:
    found: dict[str, Any] = expect(ask(service, project, **parameters))
    assert found["status"] == "Completed"
    return found


@pytest.fixture
def instant(service: Service) -> Service:
    service.context.trainers.default = "instant"
    return service


def test_each_image_has_a_place_and_its_tags(instant: Service) -> None:
    project, red, blue = instant.trainable()
    (untagged,) = instant.images(project, pictures(1, "grey"))
    found = mapped(instant, project)
    assert (found["method"], found["features"]) == ("NeighborEmbedding", "ColorAndShapeStatistics")
    assert (found["imageCount"], len(found["images"]), found["iterationId"]) == (11, 11, None)
    tags = {image["id"]: image["tagIds"] for image in found["images"]}
    listed = instant.get(f"{project}/images", params={"take": 256})
    assert tags == {item["id"]: [tag["tagId"] for tag in item.get("tags", [])] for item in listed}
    assert tags[untagged] == []
    of = {
        tag: numpy.array([[image["x"], image["y"]] for image in found["images"] if image["tagIds"] == [tag]])
        for tag in (red, blue)
    }
    between = numpy.linalg.norm(of[red].mean(axis=0) - of[blue].mean(axis=0))
    within = [numpy.linalg.norm(places - places.mean(axis=0), axis=1).max() for places in of.values()]
    assert between > max(within)


def test_other_images_need_another_map(instant: Service) -> None:
    project = instant.project()
    project_id = project.rpartition("/")[2]
    ids = instant.images(project, pictures(4))

    def keep(*places: int) -> ImageJob:
        restored = instant.request("POST", f"/_emulator{project}/images/restore", json={"imageIds": ids})
        assert restored.status_code == 200
        gone = [image_id for place, image_id in enumerate(ids) if place not in places]
        instant.delete(f"{project}/images", params={"imageIds": ",".join(gone)})
        return image_map.job(instant.context, project_id)

    outer, inner = keep(0, 3), keep(1, 2)  # numbers with the same sum
    assert (outer.numbers, inner.numbers) == ([1, 4], [2, 3])
    assert image_map.job(instant.context, project_id) is inner


def test_few_images_are_placed_by_principal_components(instant: Service) -> None:
    project = instant.project()
    assert mapped(instant, project)["images"] == []
    instant.images(project, pictures(3))
    found = mapped(instant, project)
    assert (found["method"], len(found["images"])) == ("PrincipalComponents", 3)


def test_tags_of_an_iteration(instant: Service) -> None:
    project, red, _ = instant.trainable()
    iteration = instant.train(project).rpartition("/")[2]
    before = mapped(instant, project)
    image = next(image["id"] for image in before["images"] if image["tagIds"] == [red])
    instant.delete(f"{project}/images/tags", params={"imageIds": image, "tagIds": red})
    tags = {one["id"]: one["tagIds"] for one in mapped(instant, project)["images"]}
    assert tags[image] == []
    then = mapped(instant, project, iterationId=iteration)
    assert then["iterationId"] == iteration
    assert then["images"] == before["images"]


def test_the_map_is_kept_until_images_change(instant: Service) -> None:
    project, _, _ = instant.trainable()
    project_id = project.rpartition("/")[2]
    first = mapped(instant, project)
    kept = image_map.job(instant.context, project_id)
    assert mapped(instant, project) == first
    assert image_map.job(instant.context, project_id) is kept
    instant.images(project, pictures(1, "grey"))
    assert mapped(instant, project)["imageCount"] == 11
    assert image_map.job(instant.context, project_id) is not kept


def test_a_map_that_takes_its_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.api.control.insight.image_jobs._MAX_WAIT_SECONDS", 0.01)
    project = service.project()
    service.images(project, pictures(2))
    service.exporter.held = True
    response = ask(service, project)
    found = expect(response, 202)
    assert (found["status"], found["progress"], found["images"]) == ("Running", 0.0, [])
    assert response.headers["retry-after"] == "1"
    job = image_map.job(service.context, project.rpartition("/")[2])
    job.future.set_result(numpy.array([[0.25, 0.5], [numpy.nan, numpy.nan]]))
    assert [(image["x"], image["y"]) for image in mapped(service, project)["images"]] == [(0.25, 0.5)]


def test_a_map_that_fails_is_begun_anew(instant: Service) -> None:
    project = instant.project()
    instant.images(project, pictures(2))
    instant.exporter.failures.append(WorkerDied("It died.", 9, ()))
    refused = refusal(ask(instant, project))
    assert refused[:2] == (500, "ErrorUnknown")
    assert "It died." in refused[2]
    assert mapped(instant, project)["imageCount"] == 2


def test_by_the_process_that_does_it(live: LiveServer) -> None:
    project = expect(live.client.post("/projects", params={"name": "live"}))["id"]

    def completed() -> dict[str, Any] | None:
        response = live.client.get(f"{live.endpoint}/_emulator/projects/{project}/map")
        answer: dict[str, Any] = response.json()
        return answer if expect(response, response.status_code)["status"] == "Completed" else None

    assert wait_until(completed, "the map")["images"] == []
    assert live.terminate() == 0
    assert "Traceback" not in live.log()


def test_what_is_refused(service: Service) -> None:
    project = service.project()
    assert refusal(ask(service, project, iterationId="x"))[:2] == (400, "BadRequestInvalidIds")
    assert refusal(ask(service, project, iterationId=NOWHERE))[:2] == (404, "NotFoundIteration")
    assert refusal(ask(service, f"/projects/{NOWHERE}"))[:2] == (404, "NotFoundProject")
    for key in (None, PREDICTION_KEY):
        path = f"/_emulator{project}/map"
        assert service.request("GET", path, key=key).status_code == 401
