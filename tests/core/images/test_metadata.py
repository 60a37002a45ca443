"""Metadata of images: set at upload and later, within limits."""

from typing import Any

import httpx
import pytest

from tests.support.harness import NOWHERE, Service, expect, files_body, refusal
from tests.support.images import pictures


def update(
    service: Service, project: str, image_ids: list[str], metadata: Any, **more: Any
) -> httpx.Response:
    parameters = {"imageIds": ",".join(image_ids)}
    return service.send("POST", f"{project}/images/metadata", params=parameters, json=metadata, **more)


@pytest.fixture
def project(service: Service) -> str:
    return service.project()


def test_pairs_are_set_and_others_stay(service: Service, project: str) -> None:
    first, second = service.images(project, pictures(2))
    answer = expect(update(service, project, [first], {"type": "unit test", "value": "30"}))
    entry = {"imageId": first, "status": "OK", "metadata": {"type": "unit test", "value": "30"}}
    assert answer == {"isBatchSuccessful": True, "images": [entry]}
    answer = expect(update(service, project, [second, first], {"value": "31", "Größe": "'\"\\ \u2028"}))
    assert [item["imageId"] for item in answer["images"]] == [second, first]
    both = {"value": "31", "Größe": "'\"\\ \u2028"}
    shown = {image["id"]: image["metadata"] for image in service.get(f"{project}/images")}
    assert shown == {second: both, first: {"type": "unit test", **both}}
    by_id = service.get(f"{project}/images/id", params={"imageIds": first})
    assert by_id[0]["metadata"] == shown[first]


def test_images_show_metadata_from_3_3_on(service: Service, project: str) -> None:
    body = {**files_body(pictures(1)), "metadata": {"a": "b"}}
    for version in ("v3.3", "v3.4-preview"):
        made = expect(
            service.send("POST", f"{project}/images/files", version=version, json=body),
            200 if version == "v3.3" else 207,
        )
        assert made["images"][0]["image"]["metadata"] == {"a": "b"}
    for version, known in (("v3.0", False), ("v3.2", False), ("v3.3", True)):
        (image,) = service.get(f"{project}/images/untagged", version=version)
        assert ("metadata" in image) is known


def test_metadata_of_older_versions_uploads_are_passed_over(service: Service, project: str) -> None:
    body = {**files_body(pictures(1)), "metadata": {"a": "b"}}
    service.post(f"{project}/images/files", version="v3.2", json=body)
    assert "metadata" not in service.get(f"{project}/images")[0]


def test_each_image_fails_for_itself(service: Service, project: str) -> None:
    full, free = service.images(project, pictures(2))
    expect(update(service, project, [full], {f"k{number}": "v" for number in range(10)}))
    for version in ("v3.3", "v3.4-preview"):
        response = update(service, project, [full, NOWHERE, free], {"new": version}, version=version)
        assert response.status_code == 207
        assert response.json() == {
            "isBatchSuccessful": False,
            "images": [
                {"imageId": full, "status": "ErrorLimitExceed"},
                {"imageId": NOWHERE, "status": "ErrorImageNotFound"},
                {"imageId": free, "status": "OK", "metadata": {"new": version}},
            ],
        }
    # An existing key does not count again.
    assert expect(update(service, project, [full], {"k3": "other"}))["isBatchSuccessful"]


def test_images_of_other_projects_and_deleted_ones_are_not_there(service: Service, project: str) -> None:
    (elsewhere,) = service.images(service.project(), pictures(1))
    (deleted,) = service.images(project, pictures(1))
    service.delete(f"{project}/images", params={"imageIds": deleted})
    answer = expect(update(service, project, [elsewhere, deleted, elsewhere], {"a": "b"}), 207)
    assert [item["status"] for item in answer["images"]] == ["ErrorImageNotFound"] * 2


def test_the_longest_that_is_allowed(service: Service, project: str) -> None:
    (image,) = service.images(project, pictures(1))
    pairs = {f"{number}" + "k" * 127: "ä" * 256 for number in range(10)}
    assert expect(update(service, project, [image], pairs))["images"][0]["metadata"] == pairs


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({f"k{number}": "v" for number in range(11)}, "BadRequestImageMetadataKey"),
        ({"": "v"}, "BadRequestImageMetadataKey"),
        ({"k" * 129: "v"}, "BadRequestImageMetadataKey"),
        ({"k": "v" * 257}, "BadRequestImageMetadataValue"),
        ({}, "BadRequestRequiredParamIsNull"),
        (None, "BadRequestRequiredParamIsNull"),
        ({"k": None}, "BadRequest"),
        ({"k": 5}, "BadRequest"),
        ({"k": {"a": "b"}}, "BadRequest"),
        ([], "BadRequest"),
        ("x", "BadRequest"),
    ],
)
def test_metadata_that_are_refused(service: Service, project: str, metadata: Any, code: str) -> None:
    (image,) = service.images(project, pictures(1))
    assert refusal(update(service, project, [image], metadata))[:2] == (400, code)
    assert "metadata" not in service.get(f"{project}/images")[0]


def test_ids_that_are_refused(service: Service, project: str) -> None:
    assert refusal(update(service, project, [], {"a": "b"}))[1] == "BadRequestRequiredParamIsNull"
    assert refusal(update(service, project, ["x"], {"a": "b"}))[1] == "BadRequestInvalidIds"
    assert refusal(update(service, project, [NOWHERE] * 65, {"a": "b"}))[1] == "BadRequestExceededBatchSize"
    assert update(service, project, [NOWHERE] * 64, {"a": "b"}).status_code == 207
    nowhere = refusal(update(service, f"/projects/{NOWHERE}", [NOWHERE], {"a": "b"}))
    assert nowhere[:2] == (404, "NotFoundProject")


def test_metadata_are_nothing_new_to_train(service: Service) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    image = service.get(f"{project}/images")[0]["id"]
    before = service.get(project)["lastModified"]
    service.clock.advance(minutes=1)
    expect(update(service, project, [image], {"a": "b"}))
    assert service.refused("POST", f"{project}/train")[1] == "BadRequestTrainingNotNeeded"
    after = service.get(project)["lastModified"]
    assert after > before
    service.clock.advance(minutes=1)
    expect(update(service, project, [image], {"a": "b"}))
    assert service.get(project)["lastModified"] == after


def test_older_versions_lack_the_operation(service: Service, project: str) -> None:
    response = update(service, project, [NOWHERE], {"a": "b"}, version="v3.2")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "404")
