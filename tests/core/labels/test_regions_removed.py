"""Regions: deletion, and the regions that iterations keep."""

import pytest

from tests.support.detection import (
    WHOLE,
    boxes_of,
    create,
    delete,
    detection_project,
    freeze,
    image,
    marked_images,
    on,
    tags_of,
)
from tests.support.harness import NOWHERE, Service
from tests.support.images import picture, pictures
from tests.support.regions import counts, revision

# --- how they leave -----------------------------------------------------------------------------------------


def test_deleting_the_last_region_of_a_tag_removes_the_tag(service: Service) -> None:
    project = detection_project(service)
    a, b = (service.tag(project, name) for name in "ab")
    one, two = service.images(project, pictures(2), b)
    made = create(service, project, on(one, a), on(one, a, WHOLE), on(one, b), on(two, a))["created"]
    first, second, of_b, other = (item["regionId"] for item in made)
    delete(service, project, first)
    assert (tags_of(service, project, one), counts(service, project)[2]) == ({a, b}, {"a": 2, "b": 2})
    delete(service, project, second, of_b, NOWHERE)
    assert (tags_of(service, project, one), boxes_of(service, project, one)) == (set(), [])
    assert counts(service, project) == (1, 1, {"a": 1, "b": 1})
    before = revision(service)
    delete(service, project, second, of_b)
    assert revision(service) == before
    delete(service, project, other)
    # Its tag b was added without a region and stays.
    assert tags_of(service, project, two) == {b}


def test_regions_of_other_projects_are_left_alone(service: Service) -> None:
    project, other = detection_project(service), detection_project(service)
    tag = service.tag(other, "a")
    (photo,) = marked_images(service, other, [picture()], tag)
    (kept,) = image(service, other, photo)["regions"]
    delete(service, project, kept["regionId"])
    assert len(boxes_of(service, other, photo)) == 1


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "BadRequestRequiredParamIsNull"),
        ({"regionIds": ""}, "BadRequestRequiredParamIsNull"),
        ({"regionIds": "x"}, "BadRequestInvalidIds"),
        ({"regionIds": ",".join([NOWHERE] * 65)}, "BadRequestExceededBatchSize"),
    ],
)
def test_what_cannot_be_deleted(service: Service, parameters: dict[str, str], code: str) -> None:
    project = detection_project(service)
    assert service.refused("DELETE", f"{project}/images/regions", params=parameters)[:2] == (400, code)


def test_regions_go_with_their_tag_on_the_image(service: Service) -> None:
    project = detection_project(service)
    a, b = (service.tag(project, name) for name in "ab")
    one, two = service.images(project, pictures(2))
    create(service, project, on(one, a), on(one, b), on(two, a))
    service.delete(f"{project}/images/tags", params={"imageIds": one, "tagIds": a})
    assert boxes_of(service, project, one) == [(b, (0.25, 0.5, 0.125, 0.25))]
    assert len(boxes_of(service, project, two)) == 1
    service.delete(f"{project}/tags/{b}")
    assert (boxes_of(service, project, one), tags_of(service, project, one)) == ([], set())
    service.delete(f"{project}/images", params={"imageIds": two})
    assert service.rows("SELECT count(*) FROM region") == [(0,)]


def test_regions_go_with_their_project(service: Service) -> None:
    project = detection_project(service)
    marked_images(service, project, pictures(2), service.tag(project, "a"))
    service.delete(project)
    assert service.rows("SELECT count(*) FROM region") == [(0,)]


# --- iterations ---------------------------------------------------------------------------------------------


def test_iterations_keep_the_regions_that_they_were_trained_on(service: Service) -> None:
    project = detection_project(service)
    a, b = (service.tag(project, name) for name in "ab")
    one, two = marked_images(service, project, pictures(2), a)
    view = {"iterationId": freeze(service, project)}
    (region_id,) = (item["regionId"] for item in image(service, project, one)["regions"])
    delete(service, project, region_id)
    create(service, project, on(one, b, WHOLE))
    service.delete(f"{project}/images", params={"imageIds": two})
    then = [(a, (0.25, 0.5, 0.125, 0.25))]
    # The regions of an image are removed from the workspace with it.
    assert service.rows("SELECT count(*) FROM region WHERE removed IS NULL") == [(1,)]
    assert boxes_of(service, project, one) == [(b, WHOLE)]
    assert boxes_of(service, project, one, **view) == boxes_of(service, project, two, **view) == then
    assert (tags_of(service, project, one), tags_of(service, project, one, **view)) == ({b}, {a})
    service.delete(f"{project}/tags/{a}")
    service.restart()
    assert boxes_of(service, project, one, **view) == then
    assert image(service, project, one, **view)["regions"][0]["tagName"] == "a"
    # A region that is only in the iteration cannot be deleted.
    delete(service, project, region_id)
    assert boxes_of(service, project, one, **view) == then
    service.delete(f"{project}/iterations/{view['iterationId']}")
    assert service.rows("SELECT count(*) FROM region") == [(1,)]


def test_taken_off_and_put_back(service: Service) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    (photo,) = marked_images(service, project, [picture()], tag)
    view = {"iterationId": freeze(service, project)}
    # Rows that no iteration contains are deleted.
    (made,) = create(service, project, on(photo, tag, WHOLE))["created"]
    delete(service, project, made["regionId"])
    assert service.rows("SELECT count(*) FROM region") == [(1,)]
    for _ in range(3):
        delete(service, project, image(service, project, photo)["regions"][0]["regionId"])
        assert len(create(service, project, on(photo, tag))["created"]) == 1
    assert len(boxes_of(service, project, photo)) == len(boxes_of(service, project, photo, **view)) == 1
    assert service.rows("SELECT count(*) FROM region") == [(2,)]
    assert counts(service, project) == (1, 0, {"a": 1})
    service.delete(f"{project}/iterations/{view['iterationId']}")
    assert service.rows("SELECT count(*) FROM region") == [(1,)]
