"""Tags on images: adding, removing, counting."""

from typing import Any

import pytest

from tests.support.harness import NOWHERE, Service, expect
from tests.support.images import pictures


def add(service: Service, project: str, *pairs: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    body = {"tags": [{"imageId": image, "tagId": tag} for image, tag in pairs]}
    summary = expect(service.send("POST", f"{project}/images/tags", json=body))
    assert list(summary) == ["created", "duplicated", "exceeded"]
    return {name: [(item["imageId"], item["tagId"]) for item in items] for name, items in summary.items()}


def counts(service: Service, project: str) -> tuple[int, int, dict[str, int]]:
    """Tagged images, untagged images, and the images of each tag by its name."""
    tagged = service.get(f"{project}/images/tagged/count")
    untagged = service.get(f"{project}/images/untagged/count")
    return tagged, untagged, {tag["name"]: tag["imageCount"] for tag in service.get(f"{project}/tags")}


def test_adding_tags(service: Service) -> None:
    project = service.project()
    a, b = (service.tag(project, name) for name in "ab")
    one, two = service.images(project, pictures(2))
    assert add(service, project, (one, a), (two, b), (one, a)) == {
        "created": [(one, a), (two, b)],
        "duplicated": [(one, a)],
        "exceeded": [],
    }
    assert add(service, project, (one, a), (one, b))["created"] == [(one, b)]
    assert counts(service, project) == (2, 0, {"a": 1, "b": 2})


def test_a_second_tag_on_a_multiclass_image_is_exceeded(service: Service) -> None:
    project = service.project(classificationType="Multiclass")
    a, b = (service.tag(project, name) for name in "ab")
    (image,) = service.images(project, pictures(1))
    assert add(service, project, (image, a), (image, b)) == {
        "created": [(image, a)],
        "duplicated": [],
        "exceeded": [(image, b)],
    }
    assert counts(service, project) == (1, 0, {"a": 1, "b": 0})


def test_the_hundred_and_first_tag_is_exceeded(service: Service) -> None:
    project = service.project()
    tags = [service.tag(project, str(number)) for number in range(101)]
    (image,) = service.images(project, pictures(1))
    outcome = add(service, project, *[(image, tag) for tag in tags])
    assert (len(outcome["created"]), outcome["exceeded"]) == (100, [(image, tags[-1])])


@pytest.mark.parametrize("first", ["negative", "regular"])
def test_negative_beside_regular_refuses_the_whole_batch(service: Service, first: str) -> None:
    project = service.project()
    tags = {"negative": service.tag(project, "none", "Negative"), "regular": service.tag(project, "a")}
    image, other = service.images(project, pictures(2))
    add(service, project, (image, tags.pop(first)))
    (second,) = tags.values()
    body = {"tags": [{"imageId": other, "tagId": second}, {"imageId": image, "tagId": second}]}
    refused = service.refused("POST", f"{project}/images/tags", json=body)
    assert refused[:2] == (400, "BadRequestNegativeAndRegularTagOnSameImage")
    assert counts(service, project)[:2] == (1, 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "BadRequestImageTags")),
        ({"tags": []}, (400, "BadRequestImageTags")),
        ({"tags": None}, (400, "BadRequestImageTags")),
        ({"tags": [{"imageId": NOWHERE, "tagId": NOWHERE}] * 129}, (400, "BadRequestExceededBatchSize")),
        ({"tags": [{"imageId": NOWHERE, "tagId": NOWHERE}]}, (404, "NotFoundImage")),
        ({"tags": [{"imageId": "x", "tagId": NOWHERE}]}, (400, "BadRequestInvalidIds")),
        ({"tags": [{"imageId": NOWHERE}]}, (400, "BadRequest")),
        ({"tags": "x"}, (400, "BadRequest")),
    ],
)
def test_what_is_refused(service: Service, body: Any, expected: tuple[int, str]) -> None:
    project = service.project()
    assert service.refused("POST", f"{project}/images/tags", json=body)[:2] == expected


def test_an_unknown_id_refuses_the_whole_batch(service: Service) -> None:
    project, other = service.project(), service.project()
    tag, foreign = service.tag(project, "a"), service.tag(other, "a")
    (image,) = service.images(project, pictures(1))
    (foreign_image,) = service.images(other, pictures(1))
    for pair, code in (((image, foreign), "NotFoundTag"), ((foreign_image, tag), "NotFoundImage")):
        body = {"tags": [{"imageId": image, "tagId": tag}, {"imageId": pair[0], "tagId": pair[1]}]}
        assert service.refused("POST", f"{project}/images/tags", json=body)[:2] == (404, code)
    assert counts(service, project) == (0, 1, {"a": 0})


def test_removing_tags(service: Service) -> None:
    project = service.project()
    a, b = (service.tag(project, name) for name in "ab")
    images = service.images(project, pictures(3), a, b)
    parameters = {"imageIds": ",".join([*images[:2], NOWHERE]), "tagIds": f"{a},{NOWHERE}"}
    response = service.send("DELETE", f"{project}/images/tags", params=parameters)
    assert (response.status_code, response.content) == (204, b"")
    assert counts(service, project) == (3, 0, {"a": 1, "b": 3})
    service.delete(f"{project}/images/tags", params=parameters)
    service.delete(f"{project}/images/tags", params={"imageIds": images[0], "tagIds": b})
    assert counts(service, project) == (2, 1, {"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "BadRequestRequiredParamIsNull"),
        ({"imageIds": NOWHERE}, "BadRequestRequiredParamIsNull"),
        ({"tagIds": NOWHERE}, "BadRequestRequiredParamIsNull"),
        ({"imageIds": "x", "tagIds": NOWHERE}, "BadRequestInvalidIds"),
        ({"imageIds": ",".join([NOWHERE] * 65), "tagIds": NOWHERE}, "BadRequestExceededBatchSize"),
        ({"imageIds": NOWHERE, "tagIds": ",".join([NOWHERE] * 21)}, "BadRequestExceededBatchSize"),
    ],
)
def test_what_cannot_be_removed(service: Service, parameters: dict[str, str], code: str) -> None:
    project = service.project()
    assert service.refused("DELETE", f"{project}/images/tags", params=parameters)[:2] == (400, code)


def test_iterations_keep_the_tags_that_images_lost_and_get_no_new_ones(service: Service) -> None:
    project, red, blue = service.trainable(classificationType="Multilabel")
    view = {"iterationId": service.train(project).rpartition("/")[2]}
    image = service.get(f"{project}/images/tagged", params={"tagIds": red})[0]["id"]
    service.delete(f"{project}/images/tags", params={"imageIds": image, "tagIds": red})
    add(service, project, (image, blue))

    def tags_of(**parameters: str) -> set[str]:
        (found,) = service.get(f"{project}/images/id", params={"imageIds": image, **parameters})
        return {tag["tagName"] for tag in found["tags"]}

    assert (tags_of(), tags_of(**view)) == ({"blue"}, {"red"})
    assert service.get(f"{project}/tags/{red}", params=view)["imageCount"] == 5
    assert service.get(f"{project}/tags/{blue}", params=view)["imageCount"] == 5
    assert counts(service, project)[2] == {"red": 4, "blue": 6}


def test_taken_off_and_put_back(service: Service) -> None:
    project, red, _ = service.trainable()
    view = {"iterationId": service.train(project).rpartition("/")[2]}
    image = service.get(f"{project}/images/tagged", params={"tagIds": red})[0]["id"]
    for _ in range(3):
        service.delete(f"{project}/images/tags", params={"imageIds": image, "tagIds": red})
        assert add(service, project, (image, red))["created"] == [(image, red)]
    assert counts(service, project)[2] == {"red": 5, "blue": 5}
    assert service.get(f"{project}/images/tagged/count", params=view) == 10
    assert service.get(f"{project}/tags/{red}", params=view)["imageCount"] == 5
