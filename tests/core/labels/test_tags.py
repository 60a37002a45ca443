"""Tags: names, types, order, and the effect of deletion on images."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.labels.tags import guid_order
from tests.support.harness import NOWHERE, Service
from tests.support.images import pictures

DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"


def names(service: Service, project: str, **parameters: str) -> set[str]:
    return {tag["name"] for tag in service.get(f"{project}/tags", params=parameters)}


@pytest.mark.parametrize("name", ["a", "A", " a "])
def test_unique_names_are_not_case_sensitive(service: Service, name: str) -> None:
    project = service.project()
    service.tag(project, "a")
    refused = service.refused("POST", f"{project}/tags", params={"name": name})
    assert refused[:2] == (400, "BadRequestTagNameNotUnique")
    assert names(service, service.project()) == set()


def test_a_name_is_free_again_when_its_tag_is_deleted_and_in_other_projects(service: Service) -> None:
    project = service.project()
    service.delete(f"{project}/tags/{service.tag(project, 'a')}")
    service.tag(project, "A")
    service.tag(service.project(), "a")
    assert names(service, project) == {"A"}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "BadRequestRequiredParamIsNull"),
        ({"name": " "}, "BadRequestTagName"),
        ({"name": "x" * 10_000}, "BadRequestTagName"),
        ({"name": "a\0"}, "BadRequestTagName"),
        *(({"name": f"a{mark}b"}, "BadRequestTagName") for mark in "\t\r\n\x7f\x85\u2028\u2029"),
        ({"name": "a", "description": "x" * 10_000}, "BadRequestTagDescription"),
        ({"name": "a", "type": "Odd"}, "BadRequestTagType"),
        ({"name": "a", "type": "GeneralProduct"}, "BadRequestTagType"),
    ],
)
def test_invalid_values_of_a_tag(service: Service, parameters: dict[str, str], code: str) -> None:
    project = service.project()
    assert service.refused("POST", f"{project}/tags", params=parameters)[:2] == (400, code)
    assert names(service, project) == set()


def test_one_negative_tag_a_project(service: Service) -> None:
    project = service.project()
    service.tag(project, "none", "Negative")
    refused = service.refused("POST", f"{project}/tags", params={"name": "nothing", "type": "Negative"})
    assert refused[:2] == (400, "BadRequestMultipleNegativeTag")


def test_detection_has_no_negative_tag(service: Service) -> None:
    project = service.project(domainId=DETECTION)
    refused = service.refused("POST", f"{project}/tags", params={"name": "none", "type": "Negative"})
    assert refused[:2] == (400, "BadRequestTagType")


def test_types_match_in_any_case_and_are_returned_as_in_the_contract(service: Service) -> None:
    project = service.project()
    tag = service.post(f"{project}/tags", params={"name": "a", "type": "REGULAR"})
    path = f"{project}/tags/{tag['id']}"
    assert tag["type"] == "Regular"
    for sent, returned in (("regular", "Regular"), ("negATIVE", "Negative"), ("negative", "Negative")):
        assert service.send("PATCH", path, json={"type": sent}).json()["type"] == returned


def test_changing_a_tag(service: Service) -> None:
    project = service.project()
    path = f"{project}/tags/{service.tag(project, 'a')}"
    service.tag(project, "taken")
    changed = service.send("PATCH", path, json={"name": "b", "description": "new"}).json()
    assert (changed["name"], changed["description"], changed["type"]) == ("b", "new", "Regular")
    assert service.send("PATCH", path, json={"name": "B"}).json()["name"] == "B"
    assert service.send("PATCH", path, json={"description": ""}).json()["description"] is None
    assert service.refused("PATCH", path, json={"name": "TAKEN"})[1] == "BadRequestTagNameNotUnique"
    assert service.refused("PATCH", path, json={"name": ""})[1] == "BadRequestTagName"
    assert service.refused("PATCH", path, json={"type": "Odd"})[1] == "BadRequestTagType"
    assert service.get(path)["name"] == "B"
    assert service.refused("PATCH", f"{project}/tags/{NOWHERE}", json={"name": "c"})[1] == "NotFoundTag"


def test_a_tag_can_become_negative_only_while_it_is_alone_on_its_images(service: Service) -> None:
    project = service.project()
    shared, alone = service.tag(project, "shared"), service.tag(project, "alone")
    other = service.tag(project, "other")
    service.images(project, pictures(1), shared, other)
    service.images(project, pictures(1, start=5), alone)
    refused = service.refused("PATCH", f"{project}/tags/{shared}", json={"type": "Negative"})
    assert refused[1] == "BadRequestNegativeAndRegularTagOnSameImage"
    assert (
        service.send("PATCH", f"{project}/tags/{alone}", json={"type": "Negative"}).json()["type"]
        == "Negative"
    )
    assert service.refused("PATCH", f"{project}/tags/{other}", json={"type": "Negative"})[1] == (
        "BadRequestMultipleNegativeTag"
    )


def test_deleting_a_tag_removes_it_from_its_images(service: Service) -> None:
    project = service.project()
    gone, kept = service.tag(project, "gone"), service.tag(project, "kept")
    service.images(project, pictures(2), gone)
    service.images(project, pictures(2, start=5), gone, kept)
    service.delete(f"{project}/tags/{gone}")
    assert service.refused("GET", f"{project}/tags/{gone}")[:2] == (404, "NotFoundTag")
    assert service.refused("DELETE", f"{project}/tags/{gone}")[:2] == (404, "NotFoundTag")
    assert service.get(f"{project}/images/untagged/count") == 2
    assert service.get(f"{project}/images/tagged/count") == 2
    assert service.get(f"{project}/tags/{kept}")["imageCount"] == 2
    assert all(len(image["tags"]) == 1 for image in service.get(f"{project}/images/tagged"))


def test_an_iteration_keeps_the_tag_that_the_workspace_lost(service: Service) -> None:
    project, red, blue = service.trainable()
    iteration_id = service.train(project).rpartition("/")[2]
    service.delete(f"{project}/tags/{red}")
    assert names(service, project) == {"blue"}
    view = {"iterationId": iteration_id}
    assert names(service, project, **view) == {"red", "blue"}
    assert service.get(f"{project}/tags/{red}", params=view)["imageCount"] == 5
    assert service.get(f"{project}/images/tagged/count", params=view) == 10
    assert service.get(f"{project}/images/tagged/count") == 5
    service.delete(f"{project}/iterations/{iteration_id}")
    assert service.rows("SELECT id FROM tag") == [(blue,)]


def test_a_tag_made_after_an_iteration_is_not_in_its_view(service: Service) -> None:
    project, _, _ = service.trainable()
    view = {"iterationId": service.train(project).rpartition("/")[2]}
    late = service.tag(project, "late")
    assert names(service, project, **view) == {"red", "blue"}
    assert service.refused("GET", f"{project}/tags/{late}", params=view)[1] == "NotFoundTag"


def test_tags_of_another_project_are_not_there(service: Service) -> None:
    project, other = service.project(), service.project()
    tag = service.tag(other, "a")
    for method in ("GET", "DELETE"):
        assert service.refused(method, f"{project}/tags/{tag}")[1] == "NotFoundTag"


# The order in which SQL Server sorts ids, from its documentation: last six bytes, then two, then backwards.
SORTED = [
    "00000000-0000-0000-0000-000000000000",
    "01000000-0000-0000-0000-000000000000",
    "00000000-0100-0000-0000-000000000000",
    "00000000-0000-0100-0000-000000000000",
    "00000000-0000-0000-0100-000000000000",
    "00000000-0000-0000-0000-000000000001",
    "00000000-0000-0000-0000-010000000000",
    "ffffffff-ffff-ffff-ffff-020000000000",
]


def test_the_order_of_ids() -> None:
    assert sorted(SORTED, key=guid_order) == SORTED


@given(st.lists(st.uuids(), min_size=2, max_size=2, unique=True))
def test_the_order_of_ids_looks_at_the_last_six_bytes_first(ids: list[uuid.UUID]) -> None:
    low, high = sorted(map(str, ids), key=guid_order)
    assert low[-12:] <= high[-12:]


def test_tags_are_listed_in_the_order_of_their_ids(service: Service) -> None:
    project = service.project()
    ids = [service.tag(project, str(number)) for number in range(12)]
    listed = [tag["id"] for tag in service.get(f"{project}/tags")]
    assert listed == sorted(ids, key=guid_order) != ids


def test_tags_of_a_workspace_are_read_without_a_session(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread of the event loop reads them, and must not wait until a connection is free."""
    project = service.project()
    monkeypatch.setattr(service.context.database, "read", None)
    assert service.get(f"{project}/tags") == []
    assert service.refused("GET", f"{project}/tags/{NOWHERE}") == (404, "NotFoundTag", "Tag not found")
    for path in ("tags", f"tags/{NOWHERE}", "iterations", f"iterations/{NOWHERE}", "images/count"):
        assert service.refused("GET", f"/projects/{NOWHERE}/{path}")[1] == "NotFoundProject"
