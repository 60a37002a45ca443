"""Deleting images from the workspace, and from iterations."""

import pytest

from tests.support.harness import (
    NOWHERE,
    Service,
    refusal,
)
from tests.support.images import pictures


def test_deleting_images(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "a")
    ids = service.images(project, pictures(4), tag)
    gone = {"imageIds": f"{ids[0]},{ids[1]},{NOWHERE}"}
    response = service.send("DELETE", f"{project}/images", params=gone)
    assert (response.status_code, response.content) == (204, b"")
    assert service.get(f"{project}/images/count") == 2
    assert service.get(f"{project}/tags/{tag}")["imageCount"] == 2
    assert len(service.blobs()) == 4, "they can be restored for an hour"
    service.clock.advance(minutes=61)
    assert service.send("DELETE", f"{project}/images", params=gone).status_code == 204
    assert len(service.blobs()) == 2


@pytest.mark.parametrize(
    "parameters", [{}, {"imageIds": NOWHERE, "allImages": "true"}, {"allImages": "false"}]
)
def test_either_ids_or_all_images_must_be_given(service: Service, parameters: dict[str, str]) -> None:
    project = service.project()
    service.images(project, pictures(1))
    refused = refusal(service.send("DELETE", f"{project}/images", params=parameters))
    assert refused[:2] == (400, "BadRequestInvalidIds")
    assert service.get(f"{project}/images/count") == 1


def test_at_most_256_images_are_deleted_by_id(service: Service) -> None:
    project = service.project()
    for count, status in ((256, 204), (257, 400), (1_500, 400)):
        parameters = {"imageIds": ",".join([NOWHERE] * count)}
        assert service.send("DELETE", f"{project}/images", params=parameters).status_code == status


def test_images_of_another_project_are_not_deleted(service: Service) -> None:
    project, other = service.project(), service.project()
    image_id = service.images(other, pictures(1))[0]
    service.delete(f"{project}/images", params={"imageIds": image_id})
    assert service.get(f"{other}/images/count") == 1


def test_iterations_keep_deleted_images_unless_all_iterations_is_set(service: Service) -> None:
    project, red, _ = service.trainable()
    view = {"iterationId": service.train(project).rpartition("/")[2]}
    ids = [image["id"] for image in service.get(f"{project}/images")]
    service.delete(f"{project}/images", params={"imageIds": ids[0]})
    assert service.get(f"{project}/images/count") == 9
    assert [image["id"] for image in service.get(f"{project}/images", params=view)] == ids
    assert len(service.blobs()) == 12
    service.delete(f"{project}/images", params={"imageIds": ids[0], "allIterations": "true"})
    assert service.get(f"{project}/images/count", params=view) == 9
    service.delete(f"{project}/images", params={"imageIds": ids[1], "allIterations": "true"})
    assert service.get(f"{project}/images/count") == service.get(f"{project}/images/count", params=view) == 8
    assert service.blobs() == service.referenced_blobs()
    assert len(service.blobs()) == 10
    assert red in {tag["id"] for tag in service.get(f"{project}/tags", params=view)}


def test_deleting_an_iteration_deletes_images_that_only_it_contains(service: Service) -> None:
    project, _, blue = service.trainable()
    first = service.train(project)
    newest = [image["id"] for image in service.get(f"{project}/images", params={"take": "2"})]
    service.delete(f"{project}/images", params={"imageIds": ",".join(newest)})
    service.images(project, pictures(2, "blue", start=50), blue)
    second = service.train(project)
    assert service.rows("SELECT count(*) FROM image") == [(12,)]
    service.delete(first)
    assert service.rows("SELECT count(*) FROM image") == [(10,)]
    assert service.blobs() == service.referenced_blobs()
    assert service.get(second)["status"] == "Completed"
    assert len(service.get(f"{project}/images", params={"iterationId": second.rpartition("/")[2]})) == 10


def test_all_images_of_the_workspace(service: Service) -> None:
    project, red, _ = service.trainable()
    view = {"iterationId": service.train(project).rpartition("/")[2]}
    assert service.send("DELETE", f"{project}/images", params={"allImages": "true"}).status_code == 202
    assert service.get(f"{project}/images/count") == service.get(f"{project}/images/tagged/count") == 0
    assert service.get(f"{project}/tags/{red}")["imageCount"] == 0
    assert service.get(f"{project}/images/count", params=view) == 10
    everywhere = {"allImages": "true", "allIterations": "true"}
    assert service.send("DELETE", f"{project}/images", params=everywhere).status_code == 202
    assert service.get(f"{project}/images/count", params=view) == 0
    assert service.blobs() == service.referenced_blobs()
