"""Stored predictions: queries and their pages, their pictures, deletion, and images made from them."""

import base64
import json
import tempfile
from datetime import timedelta
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from emulator.core import prediction_rows
from emulator.core.stored_predictions import ORDERS, uncertainty
from emulator.store.tables import StoredPrediction
from tests.harness import NOWHERE, Service, expect, picture, refusal, test_settings

INVALID = "BadRequestPredictionInvalidQueryParameters"
NO_BLOB = "0" * 64
GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"


def query(service: Service, project: str, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = service.post(f"{project}/predictions/query", json=body)
    return answer


def found(service: Service, project: str, **body: Any) -> list[str]:
    return [item["id"] for item in query(service, project, **body)["results"]]


def refused_query(service: Service, project: str, **body: Any) -> tuple[int, str]:
    return service.refused("POST", f"{project}/predictions/query", json=body)[:2]


def pages(service: Service, project: str, **body: Any) -> list[list[str]]:
    """The ids of all pages; each query is the token of the answer before."""
    listed, token = [], body
    while True:
        answer = query(service, project, **token)
        listed.append([item["id"] for item in answer["results"]])
        token = answer["token"]
        if token["continuation"] is None:
            return listed


class Predicted:
    """A trained, published project and predictions made with it."""

    def __init__(self, service: Service, **parameters: str) -> None:
        self.service = service
        self.project, self.red, self.blue = service.trainable(**parameters)
        self.iteration = service.train(self.project)
        self.address = service.publish(self.iteration)
        self.number = 100

    def predict(self, colour: str = "red", **parameters: str) -> str:
        """The id of a prediction, a second after the one before."""
        self.service.clock.advance(seconds=1)
        self.number += 1
        response = self.service.predict(self.address, picture(self.number, colour), params=parameters)
        return str(expect(response)["id"])


@pytest.fixture
def predicted(service: Service) -> Predicted:
    return Predicted(service)


def insert(service: Service, project: str, rows: list[dict[str, Any]]) -> list[str]:
    """Stored predictions as a prediction would leave them, without their pictures; their ids."""
    ids = [service.context.ids.new() for _ in rows]
    with service.context.database.write() as session:
        for prediction_id, row in zip(ids, rows, strict=True):
            values = {
                "id": prediction_id,
                "project_id": project.rpartition("/")[2],
                "iteration_id": NOWHERE,
                "created": service.clock.now(),
                "blob": NO_BLOB,
                "predictions": [],
                "domain_id": GENERAL,
            }
            prediction_rows.add(service.context, session, StoredPrediction(**(values | row)))
    return ids


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


def test_what_was_answered_is_what_is_stored(predicted: Predicted) -> None:
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


def fetch(service: Service, uri: str) -> httpx.Response:
    parts = urlsplit(uri)
    return service.request("GET", f"{parts.path}?{parts.query}", key=None)


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
    margins = [
        item["predictions"][0]["probability"] - item["predictions"][1]["probability"] for item in suggested
    ]
    assert margins == sorted(margins)
    assert {item["id"] for item in suggested} == set(made)
    assert {item["id"] for item in suggested[-2:]} == {made[0], made[2]}


def test_multilabel_predictions_are_suggested_by_the_tag_in_doubt(service: Service) -> None:
    predicted = Predicted(service, classificationType="Multilabel")
    for colour in ("red", "grey", "blue", "green"):
        predicted.predict(colour)
    suggested = query(service, predicted.project, orderBy="Suggested")["results"]
    doubts = [min(abs(entry["probability"] - 0.5) for entry in item["predictions"]) for item in suggested]
    assert doubts == sorted(doubts)
    assert doubts[0] < doubts[-1]


@given(st.lists(st.floats(0, 1), max_size=6), st.booleans())
def test_uncertainty_lies_between_0_and_1(probabilities: list[float], exclusive: bool) -> None:
    total = sum(probabilities)
    shares = [value / total for value in probabilities] if exclusive and total else probabilities
    assert -1e-9 <= uncertainty(shares, exclusive) <= 1


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
    # Other ways to write the same moment.
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


# --- pages --------------------------------------------------------------------------------------------------


def test_pages_follow_each_other(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = [predicted.predict() for _ in range(5)]
    newest = made[::-1]
    assert pages(service, project, maxCount=2) == [newest[:2], newest[2:4], newest[4:]]
    assert pages(service, project, maxCount=5) == [newest]
    # The size of a page may change on the way.
    token = query(service, project, maxCount=1)["token"]
    assert found(service, project, **(token | {"maxCount": 3})) == newest[1:4]


def test_what_comes_and_goes_between_pages(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = [predicted.predict() for _ in range(6)]
    newest, oldest = (query(service, project, maxCount=2, orderBy=order)["token"] for order in ORDERS[:2])
    service.delete(f"{project}/predictions", params={"ids": f"{made[5]},{made[4]},{made[1]}"})
    later = predicted.predict()
    assert found(service, project, **newest) == [made[3], made[2]]
    token = query(service, project, **oldest)["token"]
    assert found(service, project, **oldest) + found(service, project, **token) == [made[2], made[3], later]


def test_pages_go_on_after_a_restart(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = [predicted.predict() for _ in range(2)]
    token = query(service, project, maxCount=1)["token"]
    service.restart()
    assert found(service, project, **token) == [made[0]]


def test_without_a_size_a_page_has_fifty(service: Service) -> None:
    project = service.project()
    insert(service, project, [{}] * 60)
    assert [len(page) for page in pages(service, project)] == [50, 10]
    assert [len(page) for page in pages(service, project, maxCount=256)] == [60]


rows = st.lists(
    st.fixed_dictionaries(
        {
            "seconds": st.integers(0, 5),
            "uncertainty": st.sampled_from([0.0, 0.1, 1 / 3, 0.9999999, 1.0]),
            "probability": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
            "application": st.sampled_from([None, "a", "b"]),
        }
    ),
    max_size=20,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=rows,
    order=st.sampled_from(ORDERS),
    size=st.integers(1, 7),
    application=st.sampled_from([None, "a"]),
    bounds=st.sampled_from([None, (0.0, 0.25), (0.5, 1.0)]),
    start=st.one_of(st.none(), st.integers(0, 5)),
)
def test_pages_partition_the_list_in_order(
    shared: Service,
    rows: list[dict[str, Any]],
    order: str,
    size: int,
    application: str | None,
    bounds: tuple[float, float] | None,
    start: int | None,
) -> None:
    service = shared
    project, tag = service.project(), NOWHERE
    epoch = service.clock.now()
    stored = []
    for number, row in enumerate(rows):
        # Some moments are the same, and some differ by less than answers show.
        created = epoch + timedelta(seconds=row["seconds"], microseconds=number % 3)
        entry = {"tagId": tag, "tagName": "x", "tagType": "Regular", "probability": row["probability"]}
        stored.append(
            {
                "created": created,
                "uncertainty": row["uncertainty"],
                "application": row["application"],
                "predictions": [entry],
            }
        )
    ids = insert(service, project, stored)
    wanted: dict[str, Any] = {"orderBy": order, "maxCount": size, "application": application}
    matching = [number for number in range(len(rows)) if application in (None, rows[number]["application"])]
    if bounds is not None:
        wanted["tags"] = [{"id": tag, "minThreshold": bounds[0], "maxThreshold": bounds[1]}]
        matching = [number for number in matching if bounds[0] <= rows[number]["probability"] <= bounds[1]]
    if start is not None:
        wanted["startTime"] = (epoch + timedelta(seconds=start)).isoformat()
        matching = [number for number in matching if rows[number]["seconds"] >= start]
    key = "uncertainty" if order == "Suggested" else "created"
    matching.sort(key=lambda number: (stored[number][key], number), reverse=order != "Oldest")
    listed = pages(service, project, **wanted)
    assert list(chain.from_iterable(listed)) == [ids[number] for number in matching]
    assert all(len(page) == size for page in listed[:-1])
    assert listed[-1] or len(listed) == 1


@pytest.fixture(scope="module")
def shared() -> Any:
    """One service for all examples of a property, each in a project of its own."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(test_settings(Path(folder)))
        yield service
        service.end()


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


@pytest.fixture
def token(service: Service) -> tuple[str, dict[str, Any]]:
    """A project with two predictions, and the token of the first page of one."""
    project = service.project()
    insert(service, project, [{}] * 2)
    return project, query(service, project, maxCount=1)["token"]


def test_a_continuation_is_for_its_own_list_alone(service: Service, token: tuple[str, Any]) -> None:
    project, given = token
    other = service.project()
    insert(service, other, [{}] * 2)
    assert refused_query(service, other, **given) == (400, INVALID)
    for change in (
        {"orderBy": "Oldest"},
        {"orderBy": "Suggested"},
        {"application": "x"},
        {"iterationId": NOWHERE},
        {"startTime": "2026-01-01"},
        {"tags": [{"id": NOWHERE}]},
    ):
        assert refused_query(service, project, **(given | change)) == (400, INVALID)
    assert len(found(service, project, **given)) == 1


def test_a_forged_continuation_is_refused(service: Service, token: tuple[str, Any]) -> None:
    project, given = token
    text = given["continuation"]
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    expires, position = json.loads(data[16:])
    for content in ([expires + 1, position], [expires, [position[0], position[1] - 1]], []):
        forged = base64.urlsafe_b64encode(data[:16] + json.dumps(content).encode()).decode().rstrip("=")
        assert refused_query(service, project, **(given | {"continuation": forged})) == (400, INVALID)
    for number in range(len(text)):
        forged = text[:number] + ("A" if text[number] != "A" else "B") + text[number + 1 :]
        if base64.urlsafe_b64decode(forged + "=" * (-len(forged) % 4)) != data:
            assert refused_query(service, project, **(given | {"continuation": forged})) == (400, INVALID)


def test_a_stale_continuation_is_refused(service: Service, token: tuple[str, Any]) -> None:
    project, given = token
    service.clock.advance(hours=23)
    assert len(found(service, project, **given)) == 1
    service.clock.advance(hours=2)
    assert refused_query(service, project, **given) == (400, INVALID)


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


# --- images from predictions --------------------------------------------------------------------------------


def take(service: Service, project: str, body: Any, version: str = "v3.4-preview") -> httpx.Response:
    return service.send("POST", f"{project}/images/predictions", json=body, version=version)


def test_images_from_predictions(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    green = service.tag(project, "green")
    first, second, third = (predicted.predict() for _ in range(3))
    count = service.get(f"{project}/images/count")
    entries = [{"id": second, "tagIds": [predicted.red]}, {"id": first}]
    response = take(service, project, {"images": entries[:1], "metadata": {"from": "prediction"}})
    (item,) = expect(response)["images"]
    assert (item["sourceUrl"], item["status"]) == (second, "OK")
    assert item["image"]["id"] != second
    assert item["image"]["metadata"] == {"from": "prediction"}
    assert [tag["tagId"] for tag in item["image"]["tags"]] == [predicted.red]
    (item,) = expect(take(service, project, {"images": entries[1:], "tagIds": [green]}))["images"]
    assert [tag["tagId"] for tag in item["image"]["tags"]] == [green]
    assert found(service, project) == [third]
    assert service.get(f"{project}/images/count") == count + 2
    newest = service.get(f"{project}/images", params={"take": 1})[0]
    assert newest["id"] == item["image"]["id"]
    assert fetch(service, newest["originalImageUri"]).status_code == 200
    assert service.blobs() == service.referenced_blobs()


@pytest.mark.parametrize(("version", "status"), [("v3.0", 200), ("v3.2", 200), ("v3.3", 207)])
def test_each_fails_for_itself(predicted: Predicted, version: str, status: int) -> None:
    service, project = predicted.service, predicted.project
    made, untaken = predicted.predict(), predicted.predict()
    elsewhere = insert(service, service.project(), [{}])[0]
    entries = [
        {"id": NOWHERE},
        {"id": made},
        {"id": elsewhere},
        {"id": untaken, "tagIds": [NOWHERE]},
    ]
    summary = expect(take(service, project, {"images": entries}, version), status)
    assert [item["status"] for item in summary["images"]] == [
        "ErrorSource",
        "OK",
        "ErrorSource",
        "ErrorUnknown",
    ]
    assert summary["isBatchSuccessful"] is False
    assert [item["image"] is None for item in summary["images"]] == [True, False, True, True]
    assert found(service, project) == [untaken]
    assert service.blobs() == service.referenced_blobs() - {NO_BLOB}


def test_a_picture_that_the_project_has_is_a_duplicate(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    answer = expect(service.predict(predicted.address, picture(0)))
    count = service.get(f"{project}/images/count")
    (item,) = expect(take(service, project, {"images": [{"id": answer["id"]}]}), 207)["images"]
    assert item["status"] == "OKDuplicate"
    assert found(service, project) == []
    assert service.get(f"{project}/images/count") == count
    assert service.blobs() == service.referenced_blobs()


def test_one_prediction_twice_in_a_batch(predicted: Predicted) -> None:
    made = predicted.predict()
    response = take(predicted.service, predicted.project, {"images": [{"id": made}, {"id": made}]})
    first, second = expect(response, 207)["images"]
    assert (first["status"], second["status"]) == ("OK", "OKDuplicate")
    assert first["image"]["id"] == second["image"]["id"]


def test_one_prediction_taken_by_two_clients_at_once(predicted: Predicted) -> None:
    service, project = predicted.service, predicted.project
    made = predicted.predict()
    count = service.get(f"{project}/images/count")
    request = (
        "POST",
        f"/customvision/v3.4-preview/training{project}/images/predictions",
        {"json": {"images": [{"id": made}]}},
    )
    statuses = [
        item["status"]
        for response in service.together(*[(*request[:2], dict(request[2])) for _ in range(4)])
        for item in response.json()["images"]
    ]
    assert statuses.count("OK") == 1
    assert set(statuses) <= {"OK", "OKDuplicate", "ErrorSource"}
    assert service.get(f"{project}/images/count") == count + 1
    assert service.blobs() == service.referenced_blobs()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "BadRequestImageBatch"),
        ({"images": []}, "BadRequestImageBatch"),
        ({"images": [{}]}, "BadRequestImageBatch"),
        ({"images": [{"id": "x"}]}, "BadRequestImageBatch"),
        ({"images": [{"id": NOWHERE}] * 65}, "BadRequestExceededBatchSize"),
        ({"images": [{"id": NOWHERE}], "tagIds": [NOWHERE] * 21}, "BadRequestExceededBatchSize"),
        ({"images": [{"id": NOWHERE}], "metadata": {"k" * 129: ""}}, "BadRequestImageMetadataKey"),
    ],
)
def test_batches_that_are_refused(service: Service, body: Any, code: str) -> None:
    assert refusal(take(service, service.project(), body))[:2] == (400, code)
