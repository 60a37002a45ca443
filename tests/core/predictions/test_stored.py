"""Stored predictions: content, queries, invalid queries, deletion."""

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture
from tests.support.predicting import GENERAL, INVALID, Predicted, fetch, found, query, refused_query
from tests.support.suggesting import unsure

# --- the shape of an answer ---------------------------------------------------------------------------------


def test_a_query_as_it_was_recorded(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = predicted.predict()
    answer = query(service, project, maxCount=0, orderBy="Newest")
    session = answer["token"].pop("session")
    assert answer["token"] == {
        "continuation": None,
        "maxCount": 0,
        "orderBy": "Newest",
        "tags": None,
        "iterationId": None,
        "startTime": None,
        "endTime": None,
        "application": None,
    }
    assert session == "0:1"
    (item,) = answer["results"]
    assert list(item) == [
        "resizedImageUri",
        "thumbnailUri",
        "originalImageUri",
        "domain",
        "id",
        "project",
        "iteration",
        "created",
        "predictions",
    ]
    assert item["id"] == made
    assert item["domain"] == GENERAL
    assert project.endswith(item["project"])
    assert predicted.iteration.endswith(item["iteration"])
    assert item["created"] == "2026-03-04T05:06:08.123Z"


def test_stored_predictions_equal_the_responses(predicted: Predicted) -> None:
    answer = expect(predicted.service.predict(predicted.address, picture(70)))
    (item,) = query(predicted.service, predicted.project)["results"]
    assert {key: item[key] for key in answer} == answer


@pytest.mark.parametrize(("version", "typed"), [("v3.0", False), ("v3.2", False), ("v3.3", True)])
def test_older_versions_know_no_type_of_a_tag(predicted: Predicted, version: str, typed: bool) -> None:
    predicted.predict()
    answer = predicted.service.post(f"{predicted.project}/predictions/query", json={}, version=version)
    assert ("tagType" in answer["results"][0]["predictions"][0]) is typed


def test_a_domain_is_that_of_the_model(predicted: Predicted) -> None:
    service = predicted.service
    food = "c151d5b5-dd07-472a-acc8-15d29dea8518"
    project = service.get(predicted.project)
    project["settings"]["domainId"] = food
    expect(service.send("PATCH", predicted.project, json=project))
    predicted.predict()
    assert query(service, predicted.project)["results"][0]["domain"] == GENERAL


# --- pictures -----------------------------------------------------------------------------------------------


def test_pictures_are_fetched_without_a_key(predicted: Predicted) -> None:
    service = predicted.service
    data = picture(70, size=(2000, 1000), format="JPEG")
    made = expect(service.predict(predicted.address, data))["id"]
    (item,) = query(service, predicted.project)["results"]
    assert item["originalImageUri"] == item["resizedImageUri"]
    of_project = predicted.project.rpartition("/")[2]
    digits = made.replace("-", "")
    assert urlsplit(item["originalImageUri"]).path == f"/predictionimages/{of_project}/o-{digits}"
    assert urlsplit(item["thumbnailUri"]).path == f"/predictionimages/{of_project}/t-{digits}"
    for uri, size in ((item["originalImageUri"], (1600, 800)), (item["thumbnailUri"], (256, 128))):
        response = fetch(service, uri)
        assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
        assert Image.open(BytesIO(response.content)).size == size


def test_pictures_need_their_own_signature(predicted: Predicted) -> None:
    service = predicted.service
    predicted.predict()
    uri = query(service, predicted.project)["results"][0]["thumbnailUri"]
    assert fetch(service, uri.replace("/t-", "/o-")).status_code == 403
    assert fetch(service, uri.replace("sig=", "sig=x")).status_code == 403
    assert fetch(service, uri.partition("?")[0]).status_code == 403
    service.clock.advance(hours=25)
    assert fetch(service, uri).status_code == 403


def test_pictures_of_deleted_and_of_expired_predictions_are_gone(predicted: Predicted) -> None:
    service = predicted.service
    deleted = predicted.predict()
    uri = query(service, predicted.project)["results"][0]["thumbnailUri"]
    service.delete(f"{predicted.project}/predictions", params={"ids": deleted})
    assert fetch(service, uri).status_code == 404
    predicted.predict()
    service.clock.advance(days=29.9)
    uri = query(service, predicted.project)["results"][0]["thumbnailUri"]
    assert fetch(service, uri).status_code == 200
    service.clock.advance(hours=12)
    assert fetch(service, uri).status_code == 404
    assert found(service, predicted.project) == []


# --- what is found ------------------------------------------------------------------------------------------


def test_orders(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = [predicted.predict(colour) for colour in ("red", "grey", "blue", "green")]
    assert found(service, project) == made[::-1]
    assert found(service, project, orderBy="newest") == made[::-1]
    assert found(service, project, orderBy="Oldest") == made
    suggested = query(service, project, orderBy="Suggested")["results"]
    doubts = [unsure(item) for item in suggested]
    assert doubts == sorted(doubts, reverse=True)
    assert {item["id"] for item in suggested} == set(made)
    assert {item["id"] for item in suggested[-2:]} == {made[0], made[2]}


def test_multilabel_predictions_are_suggested_by_the_tags_in_doubt(service: Service) -> None:
    predicted = Predicted(service, classificationType="Multilabel")
    for colour in ("red", "grey", "blue", "green"):
        predicted.predict(colour)
    suggested = query(service, predicted.project, orderBy="Suggested")["results"]
    doubts = [unsure(item) for item in suggested]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > doubts[-1]


def test_thresholds_of_tags(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    reddish, bluish = predicted.predict("red"), predicted.predict("blue")
    assert found(service, project, tags=[{"id": predicted.red, "minThreshold": 0.9}]) == [reddish]
    assert found(service, project, tags=[{"id": predicted.red, "maxThreshold": 0.1}]) == [bluish]
    assert set(found(service, project, tags=[{"id": predicted.red}])) == {reddish, bluish}
    assert found(service, project, tags=[{"id": NOWHERE}]) == []
    assert len(found(service, project, tags=[])) == 2
    # Every tag counts.
    both = [{"id": tag, "minThreshold": 0.9, "maxThreshold": 1} for tag in (predicted.red, predicted.blue)]
    assert found(service, project, tags=both) == []
    both[1] |= {"minThreshold": 0, "maxThreshold": 0.5}
    answer = query(service, project, tags=both)
    assert [item["id"] for item in answer["results"]] == [reddish]
    assert answer["token"]["tags"] == [
        {"id": predicted.red, "minThreshold": pytest.approx(0.9), "maxThreshold": 1.0},
        {"id": predicted.blue, "minThreshold": 0.0, "maxThreshold": 0.5},
    ]


def test_a_probability_as_it_was_answered_is_a_threshold_that_is_met(predicted: Predicted) -> None:
    made = predicted.predict("grey")
    entry = query(predicted.service, predicted.project)["results"][0]["predictions"][0]
    exactly = {"minThreshold": entry["probability"], "maxThreshold": entry["probability"]}
    tags = [{"id": entry["tagId"], **exactly}]
    assert found(predicted.service, predicted.project, tags=tags) == [made]


def test_times_include_both_ends_to_the_millisecond(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    first, second, third = (predicted.predict() for _ in range(3))
    times = {item["id"]: item["created"] for item in query(service, project)["results"]}
    assert found(service, project, startTime=times[second]) == [third, second]
    assert found(service, project, endTime=times[second], orderBy="Oldest") == [first, second]
    assert found(service, project, startTime=times[second], endTime=times[second]) == [second]
    # Other spellings of the same time.
    naive = times[second].rstrip("Z")
    assert found(service, project, startTime=naive, endTime=f"{naive}4567+00:00") == [second]
    shifted = naive.replace("T05", "T07") + "+02:00"
    answer = query(service, project, startTime=shifted, endTime=shifted)
    assert [item["id"] for item in answer["results"]] == [second]
    assert answer["token"]["startTime"] == answer["token"]["endTime"] == times[second]
    assert found(service, project, endTime="0001-01-01T00:00:00") == []
    assert len(found(service, project, startTime="0001-01-01T00:00:00Z", endTime="9999-12-31")) == 3


def test_iterations_and_applications(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    plain, named = predicted.predict(), predicted.predict(application=" my app ")
    assert set(found(service, project, application="")) == {plain, named}
    answer = query(service, project, application="my app")
    assert [item["id"] for item in answer["results"]] == [named]
    assert answer["token"]["application"] == "my app"
    assert found(service, project, application="My App") == []
    of_iteration = {"iterationId": predicted.iteration.rpartition("/")[2]}
    assert set(found(service, project, **of_iteration)) == {plain, named}
    assert query(service, project, **of_iteration)["token"]["iterationId"] == of_iteration["iterationId"]
    assert found(service, project, iterationId=NOWHERE) == []


def test_quick_tests_are_found_too_and_other_projects_are_not(predicted: Predicted) -> None:
    service = predicted.service
    other = Predicted(service)
    made = expect(
        service.send(
            "POST",
            f"{other.project}/quicktest/image",
            params={"iterationId": other.iteration.rpartition("/")[2]},
            content=picture(60),
            headers={"Content-Type": "application/octet-stream"},
        )
    )["id"]
    assert found(service, predicted.project) == []
    assert found(service, other.project) == [made]


# --- queries that are refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"orderBy": "Best"}, INVALID),
        ({"orderBy": 5}, INVALID),
        ({"maxCount": -1}, INVALID),
        ({"maxCount": "many"}, INVALID),
        ({"maxCount": 257}, "BadRequestPredictionResultsExceededCount"),
        ({"maxCount": 2**31}, "BadRequestPredictionResultsExceededCount"),
        ({"maxCount": 2**70}, INVALID),
        ({"tags": [{"id": NOWHERE}] * 3}, "BadRequestPredictionTagsExceededCount"),
        ({"tags": [{"id": "x"}]}, "BadRequestInvalidIds"),
        ({"tags": [{}]}, INVALID),
        ({"tags": {}}, INVALID),
        ({"tags": [{"id": NOWHERE, "minThreshold": 0.6, "maxThreshold": 0.5}]}, INVALID),
        ({"tags": [{"id": NOWHERE, "minThreshold": -0.1}]}, INVALID),
        ({"tags": [{"id": NOWHERE, "maxThreshold": 1.1}]}, INVALID),
        ({"tags": [{"id": NOWHERE, "maxThreshold": "NaN"}]}, INVALID),
        ({"tags": [{"id": NOWHERE, "maxThreshold": "1e999"}]}, INVALID),
        ({"iterationId": "x"}, "BadRequestInvalidIds"),
        ({"startTime": "yesterday"}, INVALID),
        ({"startTime": 1}, INVALID),
        ({"endTime": "2026-13-01T00:00:00Z"}, INVALID),
        ({"endTime": "9999-12-31T23:59:59-14:00"}, INVALID),
        ({"startTime": "2026-01-02", "endTime": "2026-01-01"}, INVALID),
        ({"application": "x" * 257}, "BadRequestPredictionInvalidApplicationName"),
        ({"application": "a\0"}, "BadRequestPredictionInvalidApplicationName"),
        ({"session": "x"}, INVALID),
        ({"continuation": "x"}, INVALID),
        ({"continuation": "é" * 40}, INVALID),
        ({"continuation": "x" * 100_000}, INVALID),
    ],
)
def test_queries_that_are_refused(service: Service, body: dict[str, Any], code: str) -> None:
    project = service.project()
    assert refused_query(service, project, **body) == (400, code)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b'"x"'])
def test_bodies_that_are_no_query(service: Service, content: bytes) -> None:
    project = service.project()
    assert service.refused("POST", f"{project}/predictions/query", content=content)[1] == INVALID


def test_an_unknown_project(service: Service) -> None:
    assert refused_query(service, f"/projects/{NOWHERE}") == (404, "NotFoundProject")
    gone = service.refused("DELETE", f"/projects/{NOWHERE}/predictions", params={"ids": NOWHERE})
    assert gone[:2] == (404, "NotFoundProject")


def test_names_of_applications_are_checked_when_predicting(predicted: Predicted) -> None:
    response = predicted.service.predict(predicted.address, picture(70), params={"application": "x" * 257})
    assert refusal(response)[:2] == (400, "BadRequestPredictionInvalidApplicationName")


# --- deleting -----------------------------------------------------------------------------------------------


def test_deleting(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    before = service.blobs()
    first, second, third = (predicted.predict() for _ in range(3))
    parameters = {"ids": f"{first},{third},{NOWHERE},{first}"}
    assert service.send("DELETE", f"{project}/predictions", params=parameters).status_code == 204
    assert found(service, project) == [second]
    assert len(service.blobs() - before) == 1
    assert service.blobs() == service.referenced_blobs()
    assert service.send("DELETE", f"{project}/predictions", params=parameters).status_code == 204


def test_deletions_that_are_refused(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = predicted.predict()
    for ids, code in (
        ("", "BadRequestPredictionIdsMissing"),
        ("x", "BadRequestInvalidIds"),
        (",".join([made] + [NOWHERE] * 64), "BadRequestPredictionIdsExceededCount"),
    ):
        assert service.refused("DELETE", f"{project}/predictions", params={"ids": ids})[:2] == (400, code)
    assert service.refused("DELETE", f"{project}/predictions")[1] == "BadRequestPredictionIdsMissing"
    service.delete(f"{service.project()}/predictions", params={"ids": made})
    assert found(service, project) == [made]
