"""Metadata of images: set at upload and later, within limits."""

from typing import Any

import httpx
import pytest

from emulator.contract.version_differences import metadata_limits
from emulator.contract.versions import VERSIONS
from emulator.core.rules.limits import METADATA_LIMITS
from tests.support.harness import NOWHERE, Service, expect, files_body, refusal
from tests.support.images import pictures

# Pairs of an image, characters of a key, of a value.
LIMITS = [("v3.3", (50, 256, 512)), ("v3.4-preview", (10, 128, 256))]


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
    for version, (most, _, _) in LIMITS:
        pairs = {f"k{number}": "v" for number in range(most)}
        expect(update(service, project, [full], pairs, version=version))
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


def pairs_of(count: int, key_length: int = 3, value_length: int = 1) -> dict[str, str]:
    return {f"{number:03}".ljust(key_length, "k"): "ä" * value_length for number in range(count)}


@pytest.mark.parametrize(("version", "limits"), LIMITS)
def test_the_longest_that_is_allowed(
    service: Service, project: str, version: str, limits: tuple[int, int, int]
) -> None:
    (image,) = service.images(project, pictures(1))
    pairs = pairs_of(*limits)
    updated = expect(update(service, project, [image], pairs, version=version))
    assert updated["images"][0]["metadata"] == pairs
    body = {**files_body(pictures(1, start=7)), "metadata": pairs}
    uploaded = service.send("POST", f"{project}/images/files", version=version, json=body).json()
    assert uploaded["images"][0]["image"]["metadata"] == pairs


@pytest.mark.parametrize(("version", "limits"), LIMITS)
@pytest.mark.parametrize(
    ("longer", "code"),
    [
        ((1, 0, 0), "BadRequestImageMetadataKey"),
        ((0, 1, 0), "BadRequestImageMetadataKey"),
        ((0, 0, 1), "BadRequestImageMetadataValue"),
    ],
)
def test_longer_ones_are_refused(
    service: Service,
    project: str,
    version: str,
    limits: tuple[int, int, int],
    longer: tuple[int, int, int],
    code: str,
) -> None:
    pairs = pairs_of(*(limit + more for limit, more in zip(limits, longer, strict=True)))
    (image,) = service.images(project, pictures(1))
    assert refusal(update(service, project, [image], pairs, version=version))[:2] == (400, code)
    batches = {
        "files": files_body(pictures(1, start=7)),
        "urls": {"images": [{"url": "http://127.0.0.1:9/a.png"}]},
        "predictions": {"images": [{"id": NOWHERE}]},
    }
    for name, body in batches.items():
        body = {**body, "metadata": pairs}
        response = service.send("POST", f"{project}/images/{name}", version=version, json=body)
        assert refusal(response)[:2] == (400, code)


def test_a_version_with_smaller_limits_shows_and_keeps_larger_metadata(
    service: Service, project: str
) -> None:
    (image,) = service.images(project, pictures(1))
    pairs = pairs_of(50, 256, 512)
    expect(update(service, project, [image], pairs, version="v3.3"))
    assert service.get(f"{project}/images", version="v3.4-preview")[0]["metadata"] == pairs
    key = next(iter(pairs))
    short = {key[:128]: "new"}
    response = update(service, project, [image], short, version="v3.4-preview")
    assert (response.status_code, response.json()["images"][0]["status"]) == (207, "ErrorLimitExceed")
    expect(update(service, project, [image], {"x": "1"}, version="v3.3"), 207)
    # Pairs that it has can be changed.
    (other,) = service.images(project, pictures(1, start=5))
    expect(update(service, project, [other], pairs_of(20), version="v3.3"))
    changed = expect(update(service, project, [other], {"003": "new"}, version="v3.4-preview"))
    assert changed["images"][0]["metadata"] == {**pairs_of(20), "003": "new"}


def test_no_version_allows_more_than_is_stored() -> None:
    limits = [metadata_limits(version) for version in VERSIONS["training"]]
    assert tuple(max(column) for column in zip(*limits, strict=True)) == METADATA_LIMITS


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"": "v"}, "BadRequestImageMetadataKey"),
        ({}, "BadRequestRequiredParamIsNull"),
        (None, "BadRequestRequiredParamIsNull"),
        ({"k": None}, "BadRequest"),
        ({"k": [5]}, "BadRequest"),
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
