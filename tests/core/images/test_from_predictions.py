"""Images created from stored predictions."""

from typing import Any

import httpx
import pytest

from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture
from tests.support.predicting import NO_BLOB, Predicted, fetch, found, insert


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
