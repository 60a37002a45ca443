"""Suggestions: pages and counts."""

from collections.abc import Sequence
from typing import Any

import pytest

from emulator.core.scored_rows import suggestion_rows
from emulator.store.tables import Suggestion
from tests.support.harness import NOWHERE, expect, refusal
from tests.support.images import picture
from tests.support.suggesting import (
    ASCENDING,
    DESCENDING,
    GENERAL,
    INVALID,
    Suggesting,
    by_uncertainty,
)


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
            suggesting.service.send_unvalidated("GET", uri.partition("emulator.localhost")[2])
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
        # A suggestion that is replaced between two pages does not move.
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
            suggestion_rows.add(suggesting.service.context, session, Suggestion(**(row | values)))


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


def test_a_continuation_is_for_its_project_alone(suggesting: Suggesting) -> None:
    service = suggesting.service
    suggesting.suggest()
    token = suggesting.query(maxCount=1)["token"]
    others = Suggesting(service)
    others.suggest()
    refused = refusal(others.asked("", token))
    assert refused[:2] == (400, INVALID)
    # The response has no data of the other project, and the token stays valid in its own project.
    assert not any(image in refused[2] for image in suggesting.images)
    assert len(suggesting.query(**token)["results"]) == 1
    # Nor does the iteration of another project.
    wrong = {"iterationId": others.iteration}
    assert refusal(suggesting.asked("", token, params=wrong))[:2] == (404, "NotFoundIteration")
    assert refusal(suggesting.asked("/count", {}, params=wrong))[:2] == (404, "NotFoundIteration")
    assert refusal(suggesting.send(suggesting.images[0], params=wrong))[:2] == (404, "NotFoundIteration")


@pytest.mark.parametrize("session", ["0:1", "7:99"])
def test_a_session_of_another_project_opens_nothing(suggesting: Suggesting, session: str) -> None:
    others = Suggesting(suggesting.service)
    others.suggest()
    assert suggesting.found(session=session) == []


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
