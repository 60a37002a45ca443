"""The labeling queue: its order, its control group, and the number of labels to the next training."""

from typing import Any

import pytest

from emulator.core.context import Context
from emulator.core.labeling.queue import Candidate, ordered
from emulator.core.suggestions import suggest as suggestions
from tests.support.detection import detection_project, marked_images
from tests.support.harness import NOWHERE, PREDICTION_KEY, Service, expect, refusal
from tests.support.images import pictures


@pytest.fixture
def instant(service: Service) -> Service:
    service.context.trainers.default = "instant"
    return service


def ask(service: Service, project: str, **parameters: Any) -> Any:
    return service.request("GET", f"/_emulator{project}/labelingQueue", params=parameters)


def queue(service: Service, project: str, **parameters: Any) -> dict[str, Any]:
    found: dict[str, Any] = expect(ask(service, project, **parameters))
    assert found["status"] == "Completed"
    return found


def candidates(count: int, **fields: Any) -> list[Candidate]:
    return [Candidate(number, f"{number}", rank=number, **fields) for number in range(1, count + 1)]


# --- the order ----------------------------------------------------------------------------------------------


def test_uncertain_images_come_first() -> None:
    some = [
        item._replace(uncertainty=uncertainty, tag_id="a", probability=0.5)
        for item, uncertainty in zip(candidates(4), (0.1, 0.9, 0.4, 0.6), strict=True)
    ]
    assert [item.number for item, _ in ordered(some, {"a": 5})] == [2, 4, 3, 1]
    assert {reason for _, reason in ordered(some, {"a": 5})} == {"Uncertain"}


def test_rare_tags_count() -> None:
    common, rare = (
        candidates(2)[place]._replace(uncertainty=0.5, tag_id=tag, probability=0.9)
        for place, tag in enumerate(("common", "rare"))
    )
    counts = {"common": 100, "rare": 5}
    queued = ordered([common, rare], counts)
    assert [(item.tag_id, reason) for item, reason in queued] == [
        ("rare", "RareTag"),
        ("common", "Uncertain"),
    ]
    more_certain = ordered([common, rare._replace(uncertainty=0.4)], counts)
    assert [item.tag_id for item, _ in more_certain] == ["common", "rare"]


def test_groups_of_similar_images_take_turns() -> None:
    uncertain = [
        item._replace(uncertainty=1 - item.number / 100, tag_id="a", probability=0.5, group=item.number > 4)
        for item in candidates(8)
    ]
    assert [item.number for item, _ in ordered(uncertain, {"a": 1})] == [1, 5, 2, 6, 3, 7, 4, 8]


def test_images_without_predictions_follow_in_the_order_of_diversity() -> None:
    first, second, third = candidates(3)
    some = [first._replace(rank=9), second._replace(uncertainty=0.0), third._replace(rank=4)]
    queued = ordered(some, {})
    assert [(item.number, reason) for item, reason in queued] == [
        (2, "Uncertain"),
        (3, "Different"),
        (1, "Different"),
    ]


def test_each_tenth_image_is_a_random_one() -> None:
    some = candidates(1000)
    queued = ordered(some, {})
    assert sorted(item.number for item, _ in queued) == list(range(1, 1001))
    assert [place % 10 for place, (_, reason) in enumerate(queued) if reason == "Control"] == [9] * 100
    control = [item.number for item, reason in queued[:100] if reason == "Control"]
    assert max(control) > 300
    others = [item.number for item, reason in queued if reason != "Control"]
    assert others == sorted(others)
    assert ordered(some, {}) == queued
    assert ordered([], {}) == []


# --- requests -----------------------------------------------------------------------------------------------


def test_without_an_iteration_the_order_is_that_of_diversity(instant: Service) -> None:
    project = instant.project()
    ids = instant.images(project, [*pictures(6, "red"), *pictures(1, "blue"), *pictures(1, "grey")])
    found = queue(instant, project)
    assert (found["iterationId"], found["count"]) == (None, 8)
    listed = [image["id"] for image in found["images"]]
    assert sorted(listed) == sorted(ids)
    assert set(listed[:3]) >= {ids[6]}
    assert {
        (image["reason"], image["uncertainty"], image["suggestedTagId"]) for image in found["images"]
    } == {("Different", None, None)}
    assert queue(instant, project) == found
    assert instant.follow(found["images"][0]["thumbnailUri"]).status_code == 200


def test_predictions_of_the_newest_iteration_count(instant: Service) -> None:
    project, _, _ = instant.trainable()
    iteration = instant.train(project).rpartition("/")[2]
    ids = instant.images(project, [*pictures(4, "red", start=50), *pictures(4, "green", start=50)])
    found = queue(instant, project)
    assert found["iterationId"] == iteration
    assert sorted(image["id"] for image in found["images"]) == sorted(ids)
    suggested = instant.post(
        f"{project}/tagsandregions/suggestions", params={"iterationId": iteration, "imageIds": ",".join(ids)}
    )
    expected = {item["id"]: item for item in suggested}
    for image in found["images"]:
        item = expected[image["id"]]
        best = max(item["predictions"], key=lambda prediction: prediction["probability"])
        assert image["uncertainty"] == pytest.approx(item["predictionUncertainty"], abs=1e-6)
        assert (image["suggestedTagId"], image["suggestedTagName"]) == (best["tagId"], best["tagName"])
    assert {image["reason"] for image in found["images"]} <= {"Uncertain", "RareTag"}
    assert queue(instant, project, iterationId=iteration) == queue(instant, project)
    pages = [queue(instant, project, take=3, skip=skip)["images"] for skip in (0, 3, 6, 9)]
    assert [image["id"] for page in pages for image in page] == [
        image["id"] for image in queue(instant, project)["images"]
    ]


def test_labeled_images_leave_the_queue(instant: Service) -> None:
    project, red, _ = instant.trainable()
    instant.train(project)
    instant.images(project, pictures(4, "red", start=50))
    first = queue(instant, project)["images"][0]["id"]
    instant.post(f"{project}/images/tags", json={"tags": [{"imageId": first, "tagId": red}]})
    found = queue(instant, project)
    assert found["count"] == 3
    assert first not in [image["id"] for image in found["images"]]


def test_a_request_makes_a_limited_number_of_suggestions(
    instant: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.core.labeling.queue._FEWEST_SCORED", 2)
    monkeypatch.setattr("emulator.core.labeling.queue._SCORED_AT_A_TIME", 3)
    project, red, _ = instant.trainable()
    instant.train(project)
    instant.images(project, pictures(8, "red", start=50))
    for _ in range(2):
        found = queue(instant, project)
        scored = [image["id"] for image in found["images"] if image["uncertainty"] is not None]
        assert len(scored) == 3
        assert [image["id"] for image in found["images"]][:3] == scored
    pairs = [{"imageId": image, "tagId": red} for image in scored[:2]]
    instant.post(f"{project}/images/tags", json={"tags": pairs})
    found = queue(instant, project)
    assert sum(image["uncertainty"] is not None for image in found["images"]) == 4


def test_requests_at_once_make_the_same_suggestions_once(
    instant: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _, _ = instant.trainable()
    iteration = instant.train(project).rpartition("/")[2]
    ids = instant.images(project, pictures(4, "red", start=50))
    made: list[str] = []

    def suggest(context: Context, project_id: str, iteration_id: str, image_ids: list[str]) -> Any:
        made.extend(image_ids)
        return suggestions.suggest(context, project_id, iteration_id, image_ids)

    class AfterAnotherRequest:
        """A lock that is free only after another request has made the suggestions."""

        def __enter__(self) -> None:
            suggest(instant.context, project.rpartition("/")[2], iteration, ids)

        def __exit__(self, *_error: object) -> None: ...

    monkeypatch.setattr("emulator.core.labeling.queue.suggest", suggest)
    monkeypatch.setattr("emulator.core.labeling.queue._scoring", AfterAnotherRequest())
    found = queue(instant, project)
    assert None not in [image["uncertainty"] for image in found["images"]]
    assert sorted(made) == sorted(ids)


def test_labels_to_the_next_training(instant: Service) -> None:
    project = instant.project(classificationType="Multiclass")
    instant.images(project, pictures(4, "grey"))

    def needed() -> tuple[int, int]:
        found = queue(instant, project, take=0)
        assert (found["count"], found["images"]) == (4, [])
        return found["labelsSinceTraining"], found["labelsToNextTraining"]

    assert needed() == (0, 10)
    red = instant.tag(project, "red")
    instant.images(project, pictures(2), red)
    assert needed() == (2, 8)
    blue = instant.tag(project, "blue")
    instant.images(project, pictures(10, "blue"), blue)
    assert needed() == (12, 3)
    instant.images(project, pictures(3, start=20), red)
    assert needed() == (15, 0)
    instant.train(project)
    assert needed() == (0, 3)
    instant.images(project, pictures(2, start=30), red)
    assert needed() == (2, 1)
    instant.images(project, pictures(2, start=40), red)
    assert needed() == (4, 0)
    instant.tag(project, "new")
    assert needed() == (4, 5)


def test_no_more_labels_are_wanted_than_there_are_images(instant: Service) -> None:
    project, red, _ = instant.trainable()
    instant.train(project)
    assert queue(instant, project, take=0)["labelsToNextTraining"] == 0
    (image,) = instant.images(project, pictures(1, "grey"))
    assert queue(instant, project, take=0)["labelsToNextTraining"] == 1
    instant.send("POST", f"{project}/images/tags", json={"tags": [{"imageId": image, "tagId": red}]})
    assert queue(instant, project, take=0)["labelsToNextTraining"] == 0


def test_a_negative_tag_with_images_counts(instant: Service) -> None:
    project = instant.project(classificationType="Multiclass")
    negative = instant.tag(project, "none", type="Negative")
    assert queue(instant, project, take=0)["labelsToNextTraining"] == 10
    instant.images(project, pictures(2, "grey"), negative)
    assert queue(instant, project, take=0)["labelsToNextTraining"] == 8


def test_counts_compute_nothing(instant: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project, _, _ = instant.trainable()
    instant.images(project, pictures(3, "grey"))
    monkeypatch.setattr("emulator.core.labeling.queue.order_job", None)
    monkeypatch.setattr("emulator.core.labeling.queue.suggest", None)
    assert queue(instant, project, take=0)["count"] == 3


def test_labels_of_a_detection_project(instant: Service) -> None:
    project = detection_project(instant)
    tag = instant.tag(project, "here")
    marked_images(instant, project, pictures(10), tag)
    instant.images(project, pictures(1, "blue"), tag)
    found = queue(instant, project)
    assert (found["labelsSinceTraining"], found["labelsToNextTraining"]) == (10, 5)
    # The image without a box has the tag, and does not count.
    assert found["tags"] == [{"tagId": tag, "imageCount": 10}]
    assert instant.get(f"{project}/tags/{tag}")["imageCount"] == 11


def test_a_preliminary_order_while_features_are_computed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emulator.api.control.insight.image_jobs._MAX_WAIT_SECONDS", 0.01)
    project = service.project()
    ids = service.images(project, pictures(3))
    service.exporter.held = True
    response = ask(service, project)
    found = expect(response, 202)
    assert (found["status"], found["count"], response.headers["retry-after"]) == ("Running", 3, "1")
    assert [image["id"] for image in found["images"]] == ids


def test_what_is_refused(service: Service) -> None:
    project = service.project()
    for parameters in ({"take": "257"}, {"skip": "-1"}):
        assert refusal(ask(service, project, **parameters))[:2] == (400, "BadRequest")
    assert refusal(ask(service, project, iterationId="x"))[:2] == (400, "BadRequestInvalidIds")
    assert refusal(ask(service, project, iterationId=NOWHERE))[:2] == (404, "NotFoundIteration")
    assert refusal(ask(service, f"/projects/{NOWHERE}"))[:2] == (404, "NotFoundProject")
    for key in (None, PREDICTION_KEY):
        path = f"/_emulator{project}/labelingQueue"
        assert service.request("GET", path, key=key).status_code == 401
