"""Test sets: names, lists, and what is deleted with what."""

import pytest

from tests.core.test_sets.conftest import Held
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import pictures
from tests.support.test_sets import Sets


def test_a_test_set_is_created_listed_renamed_and_deleted(tested: Held) -> None:
    sets = tested.sets
    first, second = sets.create(" first  "), sets.create("second")
    assert [item["name"] for item in sets.get()] == ["first", "second"]
    made = sets.get(first)
    assert (made["imageCount"], made["untaggedImageCount"], made["tags"], made["revision"]) == (0, 0, [], 0)
    tested.service.clock.advance(seconds=1)
    renamed = expect(sets.send("PATCH", first, json={"name": "FIRST"}))
    assert renamed["name"] == "FIRST"
    assert renamed["lastModified"] > renamed["created"]
    assert sets.send("DELETE", first).status_code == 204
    assert [f"/{item['id']}" for item in sets.get()] == [second]
    assert refusal(sets.send("GET", first))[:2] == (404, "NotFound")


@pytest.mark.parametrize("name", ["", "   ", "x" * 257, "line\nbreak", "control\x07", "lone \ud800"])
def test_names_have_the_rules_of_names_of_tags(tested: Held, name: str) -> None:
    text = f'{{"name": "{name.encode("unicode_escape").decode()}"}}'
    status, code, message = refusal(tested.sets.send("POST", content=text.replace("\\x07", "\\u0007")))
    assert (status, code) == (400, "BadRequest")
    assert message
    assert tested.sets.get() == []


def test_names_are_unique_in_the_project(tested: Held) -> None:
    sets = tested.sets
    sets.create("Straße")
    other = sets.create("other")
    taken = "Test set name 'STRASSE' is already in use."
    assert refusal(sets.send("POST", json={"name": "STRASSE"})) == (400, "BadRequest", taken)
    assert refusal(sets.send("PATCH", other, json={"name": "STRASSE"})) == (400, "BadRequest", taken)
    elsewhere = Sets(tested.service, tested.service.project("elsewhere"))
    assert elsewhere.create("Straße")


def test_a_project_has_at_most_100_test_sets(tested: Held) -> None:
    for number in range(100):
        tested.sets.create(f"{number}")
    status, code, message = refusal(tested.sets.send("POST", json={"name": "one more"}))
    assert (status, code) == (400, "BadRequest")
    assert message.startswith("The project has 100 test sets")
    assert len(tested.sets.get()) == 100


def test_a_test_set_belongs_to_its_project(tested: Held) -> None:
    own = tested.sets.create()
    elsewhere = Sets(tested.service, tested.service.project("elsewhere"))
    for method, path, more in (
        ("GET", own, {}),
        ("PATCH", own, {"json": {"name": "x"}}),
        ("DELETE", own, {}),
        ("GET", f"{own}/images", {}),
        ("GET", f"{own}/evaluations", {}),
        ("GET", f"{own}/evaluations.csv", {}),
        ("POST", f"{own}/evaluations", {"json": {"iterationIds": [NOWHERE]}}),
    ):
        assert refusal(elsewhere.send(method, path, **more))[:2] == (404, "NotFound"), (method, path)
    assert refusal(Sets(tested.service, f"/projects/{NOWHERE}").send("GET"))[1] == "NotFoundProject"


def test_all_is_deleted_with_the_test_set(tested: Held) -> None:
    sets, service = tested.sets, tested.service
    before = service.blobs()
    path = sets.create()
    sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    sets.evaluate(path, tested.iteration)
    assert len(service.blobs()) == len(before) + 4
    sets.send("DELETE", path)
    assert service.blobs() == before == service.referenced_blobs()
    for table in ("test_set", "test_image", "test_label", "test_evaluation", "job"):
        assert service.rows(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_an_image_of_the_project_keeps_its_bytes(tested: Held) -> None:
    """The test set and the project share the blob."""
    path = tested.sets.create()
    tested.sets.add(path, pictures(1, "red"), tagNames=["red"])
    tested.sets.send("DELETE", path)
    (image,) = tested.service.get(f"{tested.project}/images", params={"take": 1, "orderBy": "Oldest"})
    assert tested.service.follow(image["originalImageUri"]).status_code == 200


def test_all_is_deleted_with_the_project(tested: Held) -> None:
    path = tested.sets.create()
    tested.sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    tested.sets.evaluate(path, tested.iteration)
    tested.service.delete(tested.project)
    assert tested.service.blobs() == set()
    for table in ("test_set", "test_image", "test_label", "test_evaluation"):
        assert tested.service.rows(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_evaluations_are_deleted_with_their_iteration(tested: Held) -> None:
    path = tested.sets.create()
    tested.sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    tested.sets.evaluate(path, tested.iteration)
    tested.service.delete(tested.iteration)
    assert tested.sets.get(f"{path}/evaluations") == []
    assert tested.service.blobs() == tested.service.referenced_blobs()
    assert tested.sets.get(path)["imageCount"] == 3


def test_a_deleted_tag_is_removed_from_test_images(tested: Held) -> None:
    path = tested.sets.create()
    tested.sets.add(path, pictures(2, "red", start=50), tagNames=["red"])
    tested.sets.add(path, pictures(2, "blue", start=50), tagNames=["blue"])
    tested.sets.evaluate(path, tested.iteration)
    tested.service.delete(f"{tested.project}/tags/{tested.red}")
    found = tested.sets.get(path)
    assert (found["imageCount"], found["untaggedImageCount"]) == (4, 2)
    assert [(tag["tagName"], tag["imageCount"]) for tag in found["tags"]] == [("blue", 2)]
    assert [item["isStale"] for item in tested.sets.get(f"{path}/evaluations")] == [True]


def test_a_restored_tag_is_on_test_images_again(tested: Held) -> None:
    path = tested.sets.create()
    added = tested.sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    tested.service.delete(f"{tested.project}/tags/{tested.red}")
    gone = added[0]["image"]["id"]
    tested.sets.send("DELETE", f"{path}/images", params={"imageIds": gone})
    restored = tested.service.request(
        "POST", f"/_emulator{tested.project}/tags/restore", json={"tagIds": [tested.red]}
    )
    (found,) = expect(restored)["tags"]
    tags = tested.sets.get(path)["tags"]
    assert tags == [{"tagId": found["tagId"], "tagName": "red", "imageCount": 2}]


def test_a_later_test_image_does_not_get_a_restored_tag(tested: Held) -> None:
    path = tested.sets.create()
    (gone,) = tested.sets.add(path, pictures(1, "red", start=50), tagNames=["red"])
    tested.service.delete(f"{tested.project}/tags/{tested.red}")
    tested.sets.send("DELETE", f"{path}/images", params={"imageIds": gone["image"]["id"]})
    tested.sets.add(path, pictures(1, "grey", start=50))
    tested.service.request("POST", f"/_emulator{tested.project}/tags/restore", json={"tagIds": [tested.red]})
    assert tested.sets.get(path)["tags"] == []


def test_a_reset_deletes_test_sets(tested: Held) -> None:
    path = tested.sets.create()
    tested.sets.add(path, pictures(1, "red", start=50), tagNames=["red"])
    tested.service.request("POST", "/_emulator/reset")
    assert tested.service.rows("SELECT count(*) FROM test_image") == [(0,)]
    assert tested.service.blobs() == set()


def test_snapshots_have_test_sets(tested: Held) -> None:
    service, sets = tested.service, tested.sets
    path = sets.create()
    sets.add(path, pictures(2, "red", start=50), tagNames=["red"])
    sets.add(path, pictures(2, "blue", start=50), tagNames=["blue"])
    sets.evaluate(path, tested.iteration)
    before = sets.result(path, tested.iteration)
    expect(service.request("PUT", "/_emulator/snapshots/kept"), 201)
    sets.send("DELETE", path)
    service.delete(tested.project)
    expect(service.request("POST", "/_emulator/snapshots/kept/restore"))
    assert sets.result(path, tested.iteration) == before
    for image in sets.get(f"{path}/images"):
        assert service.follow(image["imageUri"]).status_code == 200
    assert service.blobs() == service.referenced_blobs()


def test_a_restart_keeps_test_sets_and_their_blobs(tested: Held) -> None:
    service, sets = tested.service, tested.sets
    path = sets.create()
    sets.add(path, pictures(2, "red", start=50), tagNames=["red"])
    sets.evaluate(path, tested.iteration)
    before = sets.get(f"{path}/evaluations")
    (service.settings.data / "unclean").touch()  # then the start looks for blobs without a row
    service.restart()
    service.parts.start()
    sweep = service.parts.sweep
    assert sweep is not None
    sweep.join()
    assert sets.get(f"{path}/evaluations") == before
    assert service.blobs() == service.referenced_blobs()
    (image, _) = sets.get(f"{path}/images")
    assert service.follow(image["imageUri"]).status_code == 200


def test_copies_of_a_project_have_no_test_sets(service: Service) -> None:
    project, _, _ = service.trainable()
    sets = Sets(service, project)
    sets.add(sets.create(), pictures(1, "red", start=50), tagNames=["red"])
    service.train(project)
    exported = service.get(f"{project}/export")
    assert exported["imageCount"] == 10
