"""Concurrent requests have the same result as sequential ones."""

from collections import Counter
from typing import Any

import httpx
import pytest

from tests.support.harness import RESOURCE_ID, Service, files_body, training_path
from tests.support.images import picture, pictures

AT_A_TIME = 8


def outcomes(responses: list[httpx.Response]) -> Counter[str]:
    """The number of responses by error code, or "ok"."""
    return Counter("ok" if item.status_code < 300 else item.json()["code"] for item in responses)


def post(path: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
    return "POST", training_path(path), more


def test_one_tag_of_a_name(service: Service) -> None:
    project = service.project()
    requests = [post(f"{project}/tags", params={"name": "a"}) for _ in range(AT_A_TIME)]
    assert outcomes(service.together(*requests)) == {"ok": 1, "BadRequestTagNameNotUnique": AT_A_TIME - 1}


def test_one_negative_tag(service: Service) -> None:
    project = service.project()
    requests = [
        post(f"{project}/tags", params={"name": str(n), "type": "Negative"}) for n in range(AT_A_TIME)
    ]
    assert outcomes(service.together(*requests)) == {"ok": 1, "BadRequestMultipleNegativeTag": AT_A_TIME - 1}


def test_one_training(service: Service) -> None:
    project, _, _ = service.trainable()
    requests = [post(f"{project}/train", params={"forceTrain": "true"}) for _ in range(AT_A_TIME)]
    assert outcomes(service.together(*requests)) == {
        "ok": 1,
        "BadRequestTrainingAlreadyInProgress": AT_A_TIME - 1,
    }
    assert len(service.get(f"{project}/iterations")) == 1


def test_one_publication_of_a_name(service: Service) -> None:
    project, _, _ = service.trainable()
    iterations = [service.train(project, params={"forceTrain": "true"}) for _ in range(3)]
    parameters = {"publishName": "a", "predictionId": RESOURCE_ID}
    requests = [post(f"{iteration}/publish", params=parameters) for iteration in iterations]
    assert outcomes(service.together(*requests)) == {"ok": 1, "BadRequestInvalidPublishName": 2}


def test_a_name_that_is_published_again_answers_all_the_time(service: Service) -> None:
    project, _, _ = service.trainable()
    iterations = [service.train(project, params={"forceTrain": "true"}) for _ in range(2)]
    address = service.publish(iterations[0])
    parameters = {"publishName": "published", "predictionId": RESOURCE_ID, "overwrite": "true"}
    headers = {"Content-Type": "application/octet-stream"}
    image = {"content": picture(), "headers": headers}
    requests = [
        request
        for _ in range(10)
        for iteration in reversed(iterations)
        for request in (
            ("POST", f"{address}/image/nostore", dict(image)),
            post(f"{iteration}/publish", params=parameters),
            ("POST", f"{address}/image", dict(image)),
        )
    ]
    responses = service.together(*requests)
    changes = outcomes([item for item in responses if item.request.url.path.endswith("/publish")])
    assert changes["ok"] >= 1
    assert changes.keys() <= {"ok", "BadRequestIterationIsPublished"}
    predictions = [item for item in responses if "/prediction/" in item.request.url.path]
    assert outcomes(predictions) == {"ok": 40}
    answering = {item.json()["iteration"] for item in predictions}
    assert answering <= {iteration.rpartition("/")[2] for iteration in iterations}


def test_counters_under_uploads_tags_and_deletions(service: Service) -> None:
    project = service.project()
    tags = [service.tag(project, name) for name in "ab"]
    ids = service.images(project, pictures(40))
    requests: list[tuple[str, str, dict[str, Any]]] = []
    for number in range(10):
        requests += [
            post(f"{project}/images/files", json=files_body(pictures(3, start=100 + 2 * number), tags)),
            post(f"{project}/images/tags", json={"tags": [{"imageId": ids[number], "tagId": tags[0]}]}),
            ("DELETE", training_path(f"{project}/images"), {"params": {"imageIds": ids[20 + number]}}),
        ]
    assert outcomes(service.together(*requests)) == {"ok": 30}
    shown = service.get(f"{project}/images", params={"take": 256})
    assert service.get(f"{project}/images/count") == len(shown) == 30 + 21
    tagged = [image for image in shown if image.get("tags")]
    assert service.get(f"{project}/images/tagged/count") == len(tagged) == 10 + 21
    for tag in service.get(f"{project}/tags"):
        bearers = [image for image in tagged if tag["id"] in {item["tagId"] for item in image["tags"]}]
        assert tag["imageCount"] == len(bearers)
    assert service.blobs() == service.referenced_blobs()


@pytest.mark.parametrize("round_", range(3))
def test_a_project_that_is_deleted_while_images_arrive(service: Service, round_: int) -> None:
    project = service.project()
    requests: list[tuple[str, str, dict[str, Any]]] = [
        post(f"{project}/images/files", json=files_body(pictures(4, start=4 * number))) for number in range(6)
    ]
    requests.insert(round_ * 2, ("DELETE", training_path(project), {}))
    counted = outcomes(service.together(*requests))
    assert set(counted) <= {"ok", "NotFoundProject"}
    assert service.get("/projects") == []
    assert service.blobs() == set()


def test_an_iteration_that_goes_while_it_predicts(service: Service) -> None:
    project, _, _ = service.trainable()
    for _ in range(3):
        iteration = service.train(project, params={"forceTrain": "true"})
        iteration_id = iteration.rpartition("/")[2]
        quick = post(
            f"{project}/quicktest/image",
            params={"iterationId": iteration_id},
            content=picture(500),
            headers={"Content-Type": "application/octet-stream"},
        )
        figures = ("GET", training_path(f"{iteration}/performance"), {})
        requests = [(method, path, dict(more)) for method, path, more in [quick, figures] * 3]
        requests.insert(3, ("DELETE", training_path(iteration), {}))
        assert set(outcomes(service.together(*requests))) <= {"ok", "NotFoundIteration"}
    assert service.blobs() == service.referenced_blobs()
