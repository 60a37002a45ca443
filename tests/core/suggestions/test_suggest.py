"""Suggestions: creation and removal."""

from datetime import timedelta
from typing import Any

import pytest

from emulator.core.suggestions import suggest as suggestions
from tests.support import detection
from tests.support.harness import NOWHERE, Service, refusal
from tests.support.images import picture, pictures
from tests.support.stub_trainer import DETECTED, WHOLE_PICTURE
from tests.support.suggesting import VERSIONS, Suggesting, best, unsure

# --- making them --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_suggestions_as_they_were_recorded(suggesting: Suggesting, version: str) -> None:
    red, _, blue, _ = suggesting.images
    items = suggesting.suggest(blue, red, version=version)
    assert [item["id"] for item in items] == [blue, red]
    assert [best(item) for item in items] == [suggesting.blue, suggesting.red]
    for item in items:
        assert list(item) == [
            "id",
            "project",
            "iteration",
            "created",
            "predictions",
            "predictionUncertainty",
        ]
        assert (item["project"], item["iteration"]) == (
            suggesting.project.rpartition("/")[2],
            suggesting.iteration,
        )
        assert item["created"] == "2026-03-04T05:06:07.123Z"
        assert item["predictionUncertainty"] == pytest.approx(unsure(item), abs=1e-6)
        assert ("tagType" in item["predictions"][0]) is (version in ("v3.3", "v3.4-preview"))


def test_an_image_is_scored_as_a_quick_test_scores_it(suggesting: Suggesting) -> None:
    (item,) = suggesting.suggest(suggesting.images[0])
    tested = suggesting.service.post(
        f"{suggesting.project}/quicktest/image",
        params={"iterationId": suggesting.iteration, "store": "false"},
        content=picture(100, "red"),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert item["predictions"] == tested["predictions"]


def test_an_image_named_twice_is_answered_once(suggesting: Suggesting) -> None:
    first, second, *_ = suggesting.images
    assert [item["id"] for item in suggesting.suggest(second, first, second)] == [second, first]


def test_a_new_suggestion_takes_the_place_of_the_older(suggesting: Suggesting) -> None:
    suggesting.suggest()
    suggesting.service.clock.advance(minutes=1)
    suggesting.suggest(suggesting.images[0])
    created = {item["id"]: item["created"] for item in suggesting.query()["results"]}
    assert len(created) == suggesting.kept() == 4
    assert created[suggesting.images[0]].startswith("2026-03-04T05:07:")
    assert created[suggesting.images[1]].startswith("2026-03-04T05:06:")


def test_tagged_images_are_scored_but_not_kept(suggesting: Suggesting) -> None:
    (tagged,) = suggesting.service.images(suggesting.project, [picture(9)], suggesting.red)
    (item,) = suggesting.suggest(tagged)
    assert best(item) == suggesting.red
    assert suggesting.found() == []


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"imageIds": ""}, 400, "BadRequestRequiredParamIsNull"),
        ({"imageIds": "seven"}, 400, "BadRequestInvalidIds"),
        ({"imageIds": NOWHERE}, 404, "NotFoundImage"),
        ({"imageIds": ",".join(f"{NOWHERE[:-2]}{number:02}" for number in range(65))}, 400, None),
        ({"imageIds": ",".join([NOWHERE] * 65)}, 400, None),
        ({"iterationId": ""}, 400, "BadRequestRequiredParamIsNull"),
        ({"iterationId": "seven"}, 400, "BadRequestInvalidIds"),
        ({"iterationId": NOWHERE}, 404, "NotFoundIteration"),
    ],
)
def test_requests_that_are_refused(
    suggesting: Suggesting, parameters: dict[str, str], status: int, code: str | None
) -> None:
    refused = refusal(suggesting.send(suggesting.images[0], params=parameters))
    assert refused[:2] == (status, code or "BadRequestExceededBatchSize")


def test_one_unknown_image_refuses_the_request(suggesting: Suggesting) -> None:
    refused = refusal(suggesting.send(suggesting.images[0], NOWHERE))
    assert refused == (404, "NotFoundImage", f"Image not found: {NOWHERE}")
    assert suggesting.kept() == 0


def test_images_of_other_projects_are_unknown(suggesting: Suggesting) -> None:
    other = suggesting.service.project("other")
    (image,) = suggesting.service.images(other, [picture(1)])
    assert refusal(suggesting.send(image))[:2] == (404, "NotFoundImage")


def test_an_iteration_that_is_not_trained_suggests_nothing(suggesting: Suggesting) -> None:
    service = suggesting.service
    service.images(suggesting.project, [picture(50)], suggesting.red)
    training = service.post(f"{suggesting.project}/train")["id"]
    wanted = {"iterationId": training}
    for response in (
        suggesting.send(suggesting.images[0], params=wanted),
        suggesting.asked("", {}, params=wanted),
        suggesting.asked("/count", {}, params=wanted),
    ):
        assert refusal(response)[:2] == (400, "BadRequestIterationIsNotTrained")


def test_the_first_version_has_no_suggestions(suggesting: Suggesting) -> None:
    for response in (
        suggesting.send(suggesting.images[0], version="v3.0"),
        suggesting.asked("", {}, version="v3.0"),
        suggesting.asked("/count", {}, version="v3.0"),
    ):
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "404"


def test_regions_are_suggested_for_detection(service: Service) -> None:
    project = detection.detection_project(service)
    fork = service.tag(project, "fork")
    detection.marked_images(service, project, pictures(15), fork)
    iteration = service.train(project).rpartition("/")[2]
    (image,) = service.images(project, [picture(99)])
    parameters = {"iterationId": iteration, "imageIds": image}
    (item,) = service.post(f"{project}/tagsandregions/suggestions", params=parameters)
    probabilities = [prediction["probability"] for prediction in item["predictions"]]
    assert probabilities == pytest.approx([DETECTED, WHOLE_PICTURE])
    assert list(item["predictions"][0]["boundingBox"].values()) == pytest.approx(
        [0.25, 0.5, 0.125, 0.25], abs=0.01
    )
    assert item["predictionUncertainty"] == pytest.approx(unsure(item))
    (stored,) = service.post(f"{project}/images/suggested", params={"iterationId": iteration}, json={})[
        "results"
    ]
    assert stored["predictions"] == item["predictions"]
    counted = service.post(
        f"{project}/images/suggested/count", params={"iterationId": iteration}, json={"threshold": 0.1}
    )
    assert counted == {fork: 1}  # images, not boxes


# --- how they end -------------------------------------------------------------------------------------------


def test_tagging_an_image_ends_its_suggestions(suggesting: Suggesting) -> None:
    service, project = suggesting.service, suggesting.project
    first, second, third, fourth = suggesting.images
    suggesting.suggest()
    service.post(f"{project}/images/tags", json={"tags": [{"imageId": first, "tagId": suggesting.red}]})
    assert set(suggesting.found()) == {second, third, fourth}
    service.delete(f"{project}/images/tags", params={"imageIds": first, "tagIds": suggesting.red})
    assert set(suggesting.found()) == {second, third, fourth}
    service.images(project, [picture(101, "green")], suggesting.blue)  # a duplicate, which gets a tag
    assert set(suggesting.found()) == {third, fourth}
    service.images(project, [picture(102, "blue")])  # one which does not
    assert set(suggesting.found()) == {third, fourth}
    service.delete(f"{project}/images", params={"imageIds": third})
    assert suggesting.found() == [fourth]
    assert suggesting.count(tagIds=[suggesting.red]) == {suggesting.red: 1}
    service.delete(f"{project}/images", params={"allImages": "true"})
    assert suggesting.found() == []
    assert suggesting.kept() == 0


def test_drawing_a_region_ends_the_suggestions_of_its_image(service: Service) -> None:
    project = detection.detection_project(service)
    tag = service.tag(project, "fork")
    detection.marked_images(service, project, pictures(15), tag)
    iteration = service.train(project).rpartition("/")[2]
    image, other = service.images(project, pictures(2, "blue"))
    parameters = {"iterationId": iteration, "imageIds": f"{image},{other}"}
    service.post(f"{project}/tagsandregions/suggestions", params=parameters)
    detection.create(service, project, detection.on(image, tag))
    answer = service.post(f"{project}/images/suggested", params={"iterationId": iteration}, json={})
    assert [item["id"] for item in answer["results"]] == [other]


def test_an_image_that_an_iteration_still_shows_is_no_suggestion(suggesting: Suggesting) -> None:
    service = suggesting.service
    suggesting.suggest()
    service.images(suggesting.project, [picture(50)], suggesting.red)
    service.train(suggesting.project)  # which keeps the untagged images too
    service.delete(f"{suggesting.project}/images", params={"imageIds": suggesting.images[0]})
    assert set(suggesting.found()) == set(suggesting.images[1:])


@pytest.mark.parametrize("what", ["iteration", "project", "everything"])
def test_deleting_more_than_images(suggesting: Suggesting, what: str) -> None:
    suggesting.suggest()
    assert suggesting.kept() == 4
    service = suggesting.service
    if what == "iteration":
        service.delete(f"{suggesting.project}/iterations/{suggesting.iteration}")
    elif what == "project":
        service.delete(f"{suggesting.project}/iterations/{suggesting.iteration}")
        service.delete(suggesting.project)
    else:
        service.context.database.clear()
    assert suggesting.kept() == 0


def test_a_suggestion_for_an_image_that_was_tagged_meanwhile_is_not_stored(
    suggesting: Suggesting, monkeypatch: pytest.MonkeyPatch
) -> None:

    service, first, score = suggesting.service, suggesting.images[0], suggestions.probabilities_of

    def tag_and_score(*arguments: Any) -> Any:
        from emulator.core.labels import image_tags

        image_tags.create(service.context, suggesting.project.rpartition("/")[2], [(first, suggesting.red)])
        return score(*arguments)

    monkeypatch.setattr(suggestions, "probabilities_of", tag_and_score)
    assert len(suggesting.suggest(first)) == 1
    assert suggesting.kept() == 0


def test_suggestions_outlive_a_restart(suggesting: Suggesting) -> None:
    suggesting.suggest()
    before = suggesting.query()["results"]
    suggesting.service.restart()
    after = suggesting.query()["results"]
    assert [item["predictions"] for item in after] == [item["predictions"] for item in before]
    assert suggesting.service.clock.now() - suggesting.service.clock.time < timedelta(days=1)
