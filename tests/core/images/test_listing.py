"""Listing and counting images: order, pages, filters, views."""

from typing import Any

import pytest

from tests.support.harness import NOWHERE, Service
from tests.support.images import pictures


def ids(service: Service, path: str, **parameters: Any) -> list[str]:
    return [image["id"] for image in service.get(path, params=parameters)]


@pytest.fixture
def project(service: Service) -> str:
    """Twelve images, oldest first: four with tag a, four with a and b, four without."""
    path = service.project()
    a, b = service.tag(path, "a"), service.tag(path, "b")
    service.images(path, pictures(4), a)
    service.images(path, pictures(4, start=4), a, b)
    service.images(path, pictures(4, start=8))
    return path


def tag_ids(service: Service, project: str) -> dict[str, str]:
    return {tag["name"]: tag["id"] for tag in service.get(f"{project}/tags")}


def test_newest_first_by_default(service: Service, project: str) -> None:
    newest = ids(service, f"{project}/images")
    created = [image["created"] for image in service.get(f"{project}/images", params={"orderBy": "Oldest"})]
    assert created == sorted(created)
    assert ids(service, f"{project}/images", orderBy="Newest") == newest
    assert ids(service, f"{project}/images", orderBy="oldest") == newest[::-1]


@pytest.mark.parametrize("kind", ["", "/tagged", "/untagged"])
@pytest.mark.parametrize("order", ["Newest", "Oldest"])
@pytest.mark.parametrize("view", [False, True])
def test_pages_are_pieces_of_the_whole(service: Service, kind: str, order: str, view: bool) -> None:
    project, _, _ = service.trainable()
    service.images(project, pictures(7, "grey"))
    more: dict[str, Any] = {"orderBy": order}
    if view:
        more["iterationId"] = service.train(project).rpartition("/")[2]
        service.delete(f"{project}/images", params={"allImages": "true"})
    whole = ids(service, f"{project}/images{kind}", **more)
    assert len(whole) == {"": 17, "/tagged": 10, "/untagged": 7}[kind]
    for take in (1, 4, 256):
        pages = [
            ids(service, f"{project}/images{kind}", take=take, skip=skip, **more)
            for skip in range(0, 20, take)
        ]
        assert [image for page in pages for image in page] == whole
    assert ids(service, f"{project}/images{kind}", take=0, **more) == []
    assert ids(service, f"{project}/images{kind}", skip=17, **more) == []
    assert ids(service, f"{project}/images{kind}", skip=2**31 - 1, **more) == []


def test_pages_far_down_a_long_list(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "a")
    for start in range(0, 640, 64):
        service.images(project, pictures(64, start=start), tag)
    whole = ids(service, f"{project}/images", take=256) + ids(
        service, f"{project}/images", take=256, skip=256
    )
    whole += ids(service, f"{project}/images", take=256, skip=512)
    assert len(set(whole)) == 640
    for skip in (500, 511, 512, 513, 530, 639, 640):
        assert ids(service, f"{project}/images", take=20, skip=skip) == whole[skip : skip + 20]
        assert ids(service, f"{project}/images/tagged", take=20, skip=skip) == whole[skip : skip + 20]
        assert (
            ids(service, f"{project}/images", take=20, skip=skip, orderBy="Oldest")
            == whole[::-1][skip : skip + 20]
        )
    # Every change invalidates the cached list.
    service.delete(f"{project}/images", params={"imageIds": whole[600]})
    assert ids(service, f"{project}/images", take=20, skip=595) == (whole[:600] + whole[601:])[595:615]
    assert service.get(f"{project}/images/tagged/count", params={"tagIds": tag}) == 639


def test_a_page_has_50_images_by_default(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(60))
    assert [len(ids(service, f"{project}/images", **more)) for more in ({}, {"take": 60}, {"skip": 55})] == [
        50,
        60,
        5,
    ]


@pytest.mark.parametrize(
    "parameters",
    [
        {"take": "257"},
        {"take": "-1"},
        {"take": "x"},
        {"skip": "-1"},
        {"skip": "9" * 30},
        {"orderBy": "Random"},
    ],
)
def test_parameters_out_of_their_bounds(service: Service, project: str, parameters: dict[str, str]) -> None:
    refused = service.refused("GET", f"{project}/images", params=parameters)
    assert refused[:2] == (400, "BadRequest")
    assert next(iter(parameters)) in refused[2]


def test_tagging_status(service: Service, project: str) -> None:
    everything = ids(service, f"{project}/images")
    tagged = ids(service, f"{project}/images", taggingStatus="Tagged")
    untagged = ids(service, f"{project}/images", taggingStatus="untagged")
    assert tagged == ids(service, f"{project}/images/tagged")
    assert untagged == ids(service, f"{project}/images/untagged")
    assert untagged + tagged == everything == ids(service, f"{project}/images", taggingStatus="All")
    assert service.refused("GET", f"{project}/images", params={"taggingStatus": "Half"})[1] == "BadRequest"


def test_a_tag_filter_means_any_of_the_tags(service: Service, project: str) -> None:
    tags = tag_ids(service, project)
    a, b, both = tags["a"], tags["b"], f"{tags['a']},{tags['b']}"
    for parameters, number in (
        ({"tagIds": a}, 8),
        ({"tagIds": b}, 4),
        ({"tagIds": both}, 8),
        ({"tagIds": NOWHERE}, 0),
    ):
        for path in (f"{project}/images", f"{project}/images/tagged"):
            assert len(ids(service, path, **parameters)) == number
            assert service.get(f"{path}/count", params=parameters) == number


def test_at_most_20_tags_in_a_filter(service: Service, project: str) -> None:
    for named in ([f"{number:032x}" for number in range(21)], [NOWHERE] * 21):
        many = {"tagIds": ",".join(named)}
        for path in (f"{project}/images", f"{project}/images/tagged", f"{project}/images/tagged/count"):
            assert service.refused("GET", path, params=many)[:2] == (400, "BadRequestExceededBatchSize")


def test_counts(service: Service, project: str) -> None:
    assert service.get(f"{project}/images/count") == 12
    assert service.get(f"{project}/images/count", params={"taggingStatus": "Tagged"}) == 8
    assert service.get(f"{project}/images/tagged/count") == 8
    assert service.get(f"{project}/images/untagged/count") == 4


def test_by_ids_oldest_first_in_any_order_of_ids(service: Service, project: str) -> None:
    oldest = ids(service, f"{project}/images", orderBy="Oldest")
    asked = ",".join([oldest[7], NOWHERE, oldest[2], oldest[5].upper(), oldest[2]])
    assert ids(service, f"{project}/images/id", imageIds=asked) == [oldest[2], oldest[5], oldest[7]]
    assert ids(service, f"{project}/images/id") == []
    refused = service.refused("GET", f"{project}/images/id", params={"imageIds": ",".join([NOWHERE] * 257)})
    assert refused[:2] == (400, "BadRequestExceededBatchSize")
    assert (
        service.refused("GET", f"{project}/images/id", params={"imageIds": "x"})[1] == "BadRequestInvalidIds"
    )


def test_views_of_an_iteration(service: Service) -> None:
    project, red, _ = service.trainable()
    frozen = ids(service, f"{project}/images")
    view = {"iterationId": service.train(project).rpartition("/")[2]}
    service.delete(f"{project}/images", params={"imageIds": frozen[0]})
    added = service.images(project, pictures(2, "grey"))
    assert ids(service, f"{project}/images") == added[::-1] + frozen[1:]
    for path in (f"{project}/images", f"{project}/images/tagged"):
        assert ids(service, path, **view) == frozen
        assert service.get(f"{path}/count", params=view) == 10
    assert ids(service, f"{project}/images/untagged", **view) == []
    assert len(ids(service, f"{project}/images", tagIds=red, **view)) == 5
    assert ids(service, f"{project}/images/id", imageIds=f"{frozen[0]},{added[0]}", **view) == [frozen[0]]
    assert ids(service, f"{project}/images/id", imageIds=f"{frozen[0]},{added[0]}") == [added[0]]


@pytest.mark.parametrize(
    "path", ["images", "images/count", "images/tagged", "images/untagged/count", "images/id", "tags"]
)
def test_views_of_iterations_that_are_not_there(service: Service, path: str) -> None:
    project, _, _ = service.trainable()
    foreign = service.train(project).rpartition("/")[2]
    other = service.project()
    for iteration_id in (NOWHERE, foreign):
        refused = service.refused("GET", f"{other}/{path}", params={"iterationId": iteration_id})
        assert refused == (404, "NotFoundIteration", "Invalid iteration")
    assert service.refused("GET", f"{other}/{path}", params={"iterationId": "x"})[1] == "BadRequestInvalidIds"
