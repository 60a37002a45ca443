"""Suggestions: making them, looking through them page by page, counting them, and how they end."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from emulator.core import suggestions
from emulator.core.predictions import uncertainty_of
from emulator.core.stored_predictions import uncertainty
from emulator.store.tables import Iteration, Suggestion
from tests import detection
from tests.harness import NOWHERE, Service, expect, picture, pictures, refusal
from tests.standin import DETECTED, WHOLE_PICTURE

INVALID = "BadRequestPredictionInvalidQueryParameters"
GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
ASCENDING, DESCENDING = "UncertaintyAscending", "UncertaintyDescending"
VERSIONS = ("v3.1", "v3.2", "v3.3", "v3.4-preview")


class Suggesting:
    """A trained project of two tags, and images in it that have none."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.project, self.red, self.blue = service.trainable()
        self.iteration = service.train(self.project).rpartition("/")[2]
        self.images = service.images(
            self.project,
            [picture(100, "red"), picture(101, "green"), picture(102, "blue"), picture(103, "grey")],
        )

    def send(self, *image_ids: str, **more: Any) -> Any:
        parameters = {"iterationId": self.iteration, "imageIds": ",".join(image_ids)} | more.pop("params", {})
        return self.service.send(
            "POST", f"{self.project}/tagsandregions/suggestions", params=parameters, **more
        )

    def suggest(self, *image_ids: str, **more: Any) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = expect(self.send(*(image_ids or self.images), **more))
        return answer

    def query(self, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = expect(self.asked("", body))
        return answer

    def asked(self, suffix: str, body: dict[str, Any], **more: Any) -> Any:
        parameters = more.pop("params", {"iterationId": self.iteration})
        path = f"{self.project}/images/suggested{suffix}"
        return self.service.send("POST", path, params=parameters, json=body, **more)

    def found(self, **body: Any) -> list[str]:
        return [item["id"] for item in self.query(**body)["results"]]

    def count(self, **body: Any) -> dict[str, int]:
        answer: dict[str, int] = expect(self.asked("/count", body))
        return answer

    def kept(self) -> int:
        return len(self.service.rows("SELECT number FROM suggestion"))


@pytest.fixture
def suggesting(service: Service) -> Suggesting:
    return Suggesting(service)


def best(item: dict[str, Any]) -> str:
    return str(item["predictions"][0]["tagId"])


def by_uncertainty(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in sorted(items, key=lambda item: item["predictionUncertainty"])]


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
        first, second = (prediction["probability"] for prediction in item["predictions"])
        assert item["predictionUncertainty"] == pytest.approx(1 - (first - second), abs=1e-6)
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


def test_one_unknown_image_spoils_all(suggesting: Suggesting) -> None:
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
    assert item["predictionUncertainty"] == pytest.approx(uncertainty(probabilities, exclusive=False))
    (stored,) = service.post(f"{project}/images/suggested", params={"iterationId": iteration}, json={})[
        "results"
    ]
    assert stored["predictions"] == item["predictions"]
    counted = service.post(
        f"{project}/images/suggested/count", params={"iterationId": iteration}, json={"threshold": 0.1}
    )
    assert counted == {fork: 1}  # images, not boxes


def test_boxes_exclude_nothing() -> None:
    from emulator.core.scores import TagProbability

    sure = [TagProbability("a", "a", "Regular", 0.99), TagProbability("b", "b", "Regular", 0.98)]
    iteration = Iteration(domain_id=detection.GENERAL, classification_type="Multiclass")
    assert uncertainty_of(iteration, sure) == pytest.approx(0.04)
    iteration.domain_id = GENERAL
    assert uncertainty_of(iteration, sure) == pytest.approx(0.99)


# --- looking through them -----------------------------------------------------------------------------------


def test_a_query_as_it_was_recorded(suggesting: Suggesting) -> None:
    (made,) = suggesting.suggest(suggesting.images[0])
    body = {
        "tagIds": [suggesting.red],
        "threshold": 0.0,
        "session": None,
        "continuation": None,
        "maxCount": 10,
        "sortBy": ASCENDING,
    }
    response = suggesting.asked("", body)
    answer = expect(response)
    assert list(answer) == ["token", "results"]
    assert list(answer["token"]) == list(body)
    assert answer["token"] | {"session": None} == body
    assert answer["token"]["session"] == "0:1"
    assert b'"threshold":0.0,' in response.content
    (item,) = answer["results"]
    assert list(item) == [
        "width",
        "height",
        "resizedImageUri",
        "thumbnailUri",
        "originalImageUri",
        "domain",
        "id",
        "project",
        "iteration",
        "created",
        "predictions",
        "predictionUncertainty",
    ]
    assert {name: item[name] for name in made if name != "created"} == {
        name: value for name, value in made.items() if name != "created"
    }
    assert not item["created"].endswith("Z")
    assert (item["width"], item["height"], item["domain"]) == (48, 36, GENERAL)
    (listed,) = suggesting.service.get(f"{suggesting.project}/images/id", params={"imageIds": item["id"]})
    for name in ("originalImageUri", "resizedImageUri", "thumbnailUri"):
        ours, theirs = (
            suggesting.service.unjudged("GET", uri.partition("emulator.test")[2])
            for uri in (item[name], listed[name])
        )
        assert ours.status_code == 200
        assert ours.content == theirs.content


def test_the_order_is_that_of_uncertainty(suggesting: Suggesting) -> None:
    expected = by_uncertainty(suggesting.suggest())
    assert suggesting.found() == expected
    assert suggesting.found(sortBy=ASCENDING) == expected
    assert suggesting.found(sortBy=DESCENDING.lower()) == expected[::-1]


def test_tags_and_thresholds(suggesting: Suggesting) -> None:
    items = suggesting.suggest()
    of_red = {
        item["id"]: prediction["probability"]
        for item in items
        for prediction in item["predictions"]
        if prediction["tagId"] == suggesting.red
    }
    for least in (0.5, *of_red.values()):  # what an answer shows is a threshold that is met
        expected = {image for image, probability in of_red.items() if probability >= least}
        assert set(suggesting.found(tagIds=[suggesting.red], threshold=least)) == expected
        assert suggesting.count(tagIds=[suggesting.red], threshold=least) == {suggesting.red: len(expected)}
    assert set(suggesting.found(tagIds=[suggesting.red, suggesting.blue], threshold=0.5)) == set(of_red)
    assert set(suggesting.found(threshold=0.5)) == set(of_red)
    assert suggesting.found(threshold=1.0) == []
    assert suggesting.found(tagIds=[NOWHERE]) == []


@pytest.mark.parametrize("order", [ASCENDING, DESCENDING])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_pages(suggesting: Suggesting, order: str, size: int) -> None:
    suggesting.suggest()
    listed, token = [], {"maxCount": size, "sortBy": order}
    while True:
        answer = suggesting.query(**token)
        assert len(answer["results"]) <= size
        listed += [item["id"] for item in answer["results"]]
        token = answer["token"]
        if token["continuation"] is None:
            break
        # What comes again between two pages moves nothing.
        suggesting.suggest(suggesting.images[0])
    assert listed == suggesting.found(sortBy=order)
    assert len(listed) == 4


def test_pages_of_equal_uncertainty(suggesting: Suggesting) -> None:
    numbers = [row[0] for row in suggesting.service.rows("SELECT number FROM image")]
    insert(suggesting, numbers, uncertainty=1 / 3)
    listed, token = [], {"maxCount": 3}
    while True:
        answer = suggesting.query(**token)
        listed += [item["id"] for item in answer["results"]]
        token = answer["token"]
        if token["continuation"] is None:
            break
    assert listed == [row[0] for row in suggesting.service.rows("SELECT id FROM image ORDER BY number")]


def insert(suggesting: Suggesting, numbers: Sequence[int], **values: Any) -> None:
    with suggesting.service.context.database.write() as session:
        for number in numbers:
            row = {
                "image_number": number,
                "iteration_id": suggesting.iteration,
                "created": suggesting.service.clock.now(),
                "predictions": [],
            }
            suggestions.add(suggesting.service.context, session, Suggestion(**(row | values)))


def test_a_continuation_is_for_its_list_alone(suggesting: Suggesting) -> None:
    suggesting.suggest()
    token = suggesting.query(maxCount=1)["token"]
    for changes in (
        {"sortBy": DESCENDING},
        {"threshold": 0.25},
        {"tagIds": [suggesting.red]},
        {"continuation": "forged"},
    ):
        assert refusal(suggesting.asked("", token | changes))[:2] == (400, INVALID)
    suggesting.service.clock.advance(hours=25)
    assert refusal(suggesting.asked("", token))[:2] == (400, INVALID)


def test_iterations_do_not_see_each_others_suggestions(suggesting: Suggesting) -> None:
    service = suggesting.service
    suggesting.suggest()
    service.images(suggesting.project, [picture(50)], suggesting.red)
    newer = service.train(suggesting.project).rpartition("/")[2]
    assert expect(suggesting.asked("", {}, params={"iterationId": newer}))["results"] == []
    answer = expect(suggesting.asked("/count", {}, params={"iterationId": newer}))
    assert answer == {suggesting.red: 0, suggesting.blue: 0}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"maxCount": 257}, "BadRequestPredictionResultsExceededCount"),
        ({"maxCount": -1}, INVALID),
        ({"maxCount": "many"}, INVALID),
        ({"threshold": 1.01}, INVALID),
        ({"threshold": -0.01}, INVALID),
        ({"sortBy": "Newest"}, INVALID),
        ({"session": "yesterday"}, INVALID),
        ({"tagIds": ["seven"]}, "BadRequestInvalidIds"),
        ({"tagIds": [NOWHERE] * 501}, "BadRequestPredictionTagsExceededCount"),
    ],
)
def test_queries_that_are_refused(suggesting: Suggesting, body: dict[str, Any], code: str) -> None:
    assert refusal(suggesting.asked("", body))[:2] == (400, code)
    if "tagIds" in body or "threshold" in body:
        assert refusal(suggesting.asked("/count", body))[:2] == (400, code)


def test_queries_of_unknown_iterations(suggesting: Suggesting) -> None:
    for suffix in ("", "/count"):
        for iteration, status, code in (
            (NOWHERE, 404, "NotFoundIteration"),
            ("", 400, "BadRequestRequiredParamIsNull"),
            ("seven", 400, "BadRequestInvalidIds"),
        ):
            response = suggesting.asked(suffix, {}, params={"iterationId": iteration})
            assert refusal(response)[:2] == (status, code)


def test_counts(suggesting: Suggesting) -> None:
    suggesting.suggest(suggesting.images[0], suggesting.images[2])
    assert suggesting.count(tagIds=[suggesting.blue, NOWHERE], threshold=0.5) == {
        suggesting.blue: 1,
        NOWHERE: 0,
    }
    assert suggesting.count() == {suggesting.red: 2, suggesting.blue: 2}
    assert suggesting.count(threshold=1.0) == {suggesting.red: 0, suggesting.blue: 0}


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


def test_suggestions_are_kept_for_thirty_days(suggesting: Suggesting) -> None:
    suggesting.suggest(*suggesting.images[:3])
    suggesting.service.clock.advance(days=30, seconds=-1)
    assert len(suggesting.found()) == 3
    suggesting.service.clock.advance(seconds=2)
    assert suggesting.found() == []
    assert suggesting.count(tagIds=[suggesting.red]) == {suggesting.red: 0}
    suggesting.suggest(suggesting.images[3])
    assert suggesting.kept() == 1


def test_what_is_tagged_while_it_is_scored_is_not_kept(
    suggesting: Suggesting, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulator.core import suggestions

    service, first, score = suggesting.service, suggesting.images[0], suggestions.probabilities_of

    def tag_and_score(*arguments: Any) -> Any:
        from emulator.core import image_tags

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
