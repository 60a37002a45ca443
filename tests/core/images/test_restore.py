"""Restoring deleted images and tags."""

from typing import Any

import pytest

from emulator.core import deletions
from emulator.core.rules.tiers import TIERS
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import pictures
from tests.support.importing import DETECTION


def restore_images(service: Service, project: str, *ids: str) -> list[dict[str, Any]]:
    body = {"imageIds": list(ids)}
    response = service.request("POST", f"/_emulator{project}/images/restore", json=body)
    found: list[dict[str, Any]] = expect(response)["images"]
    return found


def restore_tags(service: Service, project: str, *ids: str) -> list[dict[str, Any]]:
    response = service.request("POST", f"/_emulator{project}/tags/restore", json={"tagIds": list(ids)})
    found: list[dict[str, Any]] = expect(response)["tags"]
    return found


def delete_images(service: Service, project: str, *ids: str, **more: str) -> None:
    service.delete(f"{project}/images", params={"imageIds": ",".join(ids), **more})


def state(service: Service, project: str) -> tuple[Any, ...]:
    """All that a client sees of the workspace, without the signatures of links."""
    images = service.get(f"{project}/images", params={"take": 256})
    for image in images:
        for name in ("resizedImageUri", "thumbnailUri", "originalImageUri"):
            image[name] = image[name].partition("?")[0]
    counts = [service.get(f"{project}/images/{kind}count") for kind in ("", "tagged/", "untagged/")]
    return images, counts, service.get(f"{project}/tags")


def detection(service: Service) -> tuple[str, list[str], list[str]]:
    """A project with two tags, and four images, three of which have regions: its path and the ids."""
    project = service.project(domainId=DETECTION)
    tags = [service.tag(project, "left"), service.tag(project, "right")]
    images = service.images(project, pictures(4, "red"))
    regions = [
        {"imageId": image, "tagId": tag, "left": left, "top": 0.25, "width": 0.25, "height": 0.5}
        for image, tag, left in zip(
            [images[0], images[0], images[1], images[2]], [*tags, *tags], [0.0, 0.5, 0.1, 0.6], strict=True
        )
    ]
    service.post(f"{project}/images/regions", json={"regions": regions})
    return project, tags, images


def train_detection(service: Service, project: str, tag: str) -> None:
    more = service.images(project, pictures(15, "blue"))
    regions = [
        {"imageId": image, "tagId": tag, "left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}
        for image in more
    ]
    service.post(f"{project}/images/regions", json={"regions": regions})
    service.train(project, params={"selectedTags": tag}, json={"selectedTags": [tag]})


def test_images_come_back_as_they_were(service: Service) -> None:
    project, _, _ = service.trainable(classificationType="Multilabel")
    ids = service.images(project, pictures(2, "green"))
    response = service.send(
        "POST", f"{project}/images/metadata", params={"imageIds": ids[0]}, json={"shop": "north"}
    )
    assert response.status_code == 200
    before = state(service, project)
    assert {"shop": "north"} in [image.get("metadata") for image in before[0]]
    everything = [image["id"] for image in before[0]]
    delete_images(service, project, *everything[:7], ids[0])
    assert service.get(f"{project}/images/count") == 12 - len({*everything[:7], ids[0]})
    restored = restore_images(service, project, *everything[:7], ids[0])
    assert {item["status"] for item in restored} == {"Restored"}
    assert all(item["imageId"] == item["requestedId"] for item in restored)
    assert state(service, project) == before
    assert service.blobs() == service.referenced_blobs()


def test_regions_come_back_with_their_ids(service: Service) -> None:
    project, _, images = detection(service)
    before = state(service, project)
    assert sum(len(image.get("regions", ())) for image in before[0]) == 4
    delete_images(service, project, *images)
    assert restore_images(service, project, *images)[0]["status"] == "Restored"
    assert state(service, project) == before


def test_images_of_an_iteration_come_back_with_their_labels(service: Service) -> None:
    project, tags, images = detection(service)
    train_detection(service, project, tags[0])
    service.post(
        f"{project}/images/regions",
        json={
            "regions": [
                {"imageId": images[3], "tagId": tags[1], "left": 0, "top": 0, "width": 0.5, "height": 0.5}
            ]
        },
    )
    iteration = service.get(f"{project}/iterations")[0]["id"]
    before = state(service, project)
    of_iteration = service.get(f"{project}/images", params={"iterationId": iteration, "take": 256})
    delete_images(service, project, *images)
    restored = restore_images(service, project, *images)
    assert [item["imageId"] for item in restored] == images
    assert state(service, project) == before
    after = service.get(f"{project}/images", params={"iterationId": iteration, "take": 256})
    assert [(one["id"], one.get("tags"), one.get("regions")) for one in after] == [
        (one["id"], one.get("tags"), one.get("regions")) for one in of_iteration
    ]


def test_an_iteration_that_was_trained_in_between_does_not_get_the_image(service: Service) -> None:
    project, red, blue = service.trainable()
    service.images(project, pictures(3, "red", start=20), red)
    service.images(project, pictures(3, "blue", start=20), blue)
    service.train(project)
    gone = service.get(f"{project}/images", params={"tagIds": red})[0]["id"]
    delete_images(service, project, gone)
    second = service.train(project).split("/")[-1]
    (restored,) = restore_images(service, project, gone)
    assert restored["status"] == "Restored"
    assert restored["imageId"] not in (None, gone)
    assert service.get(f"{project}/images/count") == 16
    assert service.get(f"{project}/images/count", params={"iterationId": second}) == 15
    first = service.get(f"{project}/iterations")[0]["id"]
    found = service.get(f"{project}/images", params={"iterationId": first, "take": 256})
    assert gone in [image["id"] for image in found]


def test_what_was_never_in_an_iteration_keeps_its_id_after_a_training(service: Service) -> None:
    project, red, _ = service.trainable()
    (image,) = service.images(project, pictures(1, "red", start=30), red)
    delete_images(service, project, image)
    iteration = service.train(project).split("/")[-1]
    assert restore_images(service, project, image)[0]["imageId"] == image
    assert service.get(f"{project}/images/count", params={"iterationId": iteration}) == 10


def test_a_deleted_image_keeps_its_number(service: Service) -> None:
    project = service.project()
    (first,) = service.images(project, pictures(1, "red"))
    delete_images(service, project, first)
    (second,) = service.images(project, pictures(1, "blue"))
    assert restore_images(service, project, first)[0]["imageId"] == first
    assert service.rows("SELECT id FROM image ORDER BY number") == [(first,), (second,)]
    assert {image["id"] for image in service.get(f"{project}/images")} == {first, second}


def test_after_an_hour_the_bytes_are_deleted_and_nothing_is_restored(service: Service) -> None:
    project = service.project()
    first, second = service.images(project, pictures(2, "red"))
    count = len(service.blobs())
    delete_images(service, project, first)
    assert len(service.blobs()) == count
    service.clock.advance(minutes=61)
    assert restore_images(service, project, first)[0] == {
        "requestedId": first,
        "status": "NotFound",
        "imageId": None,
    }
    service.images(project, pictures(1, "blue"))
    assert len(service.blobs()) == count, "one less, and the new one"
    service.clock.advance(minutes=61)
    delete_images(service, project, second)
    assert service.rows("SELECT count(*) FROM deletion") == [(1,)]


def test_a_deletion_from_all_iterations_is_final(service: Service) -> None:
    project = service.project()
    first, second = service.images(project, pictures(2, "red"))
    delete_images(service, project, first)
    delete_images(service, project, first, second, allIterations="true")
    assert [item["status"] for item in restore_images(service, project, first, second)] == ["NotFound"] * 2
    assert service.blobs() == set()


def test_deleted_projects_keep_nothing(service: Service) -> None:
    project = service.project()
    ids = service.images(project, pictures(2, "red"))
    delete_images(service, project, *ids)
    service.delete(project)
    assert service.blobs() == set()
    assert service.rows("SELECT count(*) FROM deletion") == [(0,)]


def test_all_images_can_be_restored_after_deleting_all(service: Service) -> None:
    project, _, _ = service.trainable()
    before = state(service, project)
    service.delete(f"{project}/images", params={"allImages": "true"})
    assert service.get(f"{project}/images/count") == 0
    restore_images(service, project, *(image["id"] for image in before[0]))
    assert state(service, project) == before


def test_too_many_at_once_are_not_kept(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "LARGEST", 1)
    project = service.project()
    ids = service.images(project, pictures(2, "red"))
    delete_images(service, project, *ids)
    assert restore_images(service, project, ids[0])[0]["status"] == "NotFound"
    assert service.blobs() == set()


def test_an_image_that_is_there_is_not_restored_twice(service: Service) -> None:
    project = service.project()
    images = pictures(1, "red")
    (image,) = service.images(project, images)
    assert restore_images(service, project, image)[0]["status"] == "Present"
    delete_images(service, project, image)
    (again,) = service.images(project, images)
    assert restore_images(service, project, image)[0] == {
        "requestedId": image,
        "status": "Present",
        "imageId": again,
    }
    assert service.get(f"{project}/images/count") == 1


def test_the_limit_of_the_tier_holds(service: Service) -> None:
    project = service.project()
    image, _ = service.images(project, pictures(2, "red"))
    delete_images(service, project, image)
    tier = TIERS["f0"]
    service.context.tier = type(tier)(**(vars(tier) | {"images_per_project": 1, "calls_per_second": {}}))
    assert restore_images(service, project, image)[0]["status"] == "LimitExceeded"
    service.context.tier = TIERS["unlimited"]
    assert restore_images(service, project, image)[0]["status"] == "Restored"


def test_tags_that_are_gone_are_left_out(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "tag")
    (image,) = service.images(project, pictures(1, "red"), tag)
    delete_images(service, project, image)
    service.delete(f"{project}/tags/{tag}")
    assert restore_images(service, project, image)[0]["status"] == "Restored"
    assert service.get(f"{project}/images/untagged/count") == 1


def test_a_tag_comes_back_on_its_images_with_its_regions(service: Service) -> None:
    project, tags, _ = detection(service)
    before = state(service, project)
    service.delete(f"{project}/tags/{tags[0]}")
    assert restore_tags(service, project, tags[0]) == [
        {"requestedId": tags[0], "status": "Restored", "tagId": tags[0]}
    ]
    after = state(service, project)
    assert after[1:] == before[1:]
    assert [_labels(image) for image in after[0]] == [_labels(image) for image in before[0]]


def _labels(image: dict[str, Any]) -> tuple[Any, ...]:
    """The labels of an image in a fixed order: those that were restored are at the end of a list."""
    tags = sorted(map(repr, image.get("tags", ())))
    return image["id"], tags, sorted(map(repr, image.get("regions", ())))


def test_undoing_in_reverse_order_restores_everything(service: Service) -> None:
    project, tags, images = detection(service)
    train_detection(service, project, tags[0])
    before = state(service, project)
    service.delete(f"{project}/tags/{tags[1]}")
    delete_images(service, project, images[0])
    restore_images(service, project, images[0])
    restore_tags(service, project, tags[1])
    after = state(service, project)
    assert after[1:] == before[1:]
    assert [_labels(image) for image in after[0]] == [_labels(image) for image in before[0]]


def test_an_iteration_that_was_trained_without_the_tag_does_not_get_it(service: Service) -> None:
    project, _, _ = service.trainable(classificationType="Multilabel")
    extra = service.tag(project, "extra")
    service.images(project, pictures(5, "green"), extra)
    service.train(project)
    service.delete(f"{project}/tags/{extra}")
    second = service.train(project).split("/")[-1]
    (restored,) = restore_tags(service, project, extra)
    assert restored["tagId"] not in (None, extra)
    names = [tag["name"] for tag in service.get(f"{project}/tags", params={"iterationId": second})]
    assert sorted(names) == ["blue", "red"]
    counts = {tag["name"]: tag["imageCount"] for tag in service.get(f"{project}/tags")}
    assert counts == {"blue": 5, "red": 5, "extra": 5}


def test_rules_that_changed_in_between_hold(service: Service) -> None:
    project, red, blue = service.trainable()  # Multiclass
    image = service.get(f"{project}/images", params={"tagIds": red})[0]["id"]
    service.delete(f"{project}/tags/{red}")
    service.post(f"{project}/images/tags", json={"tags": [{"imageId": image, "tagId": blue}]})
    assert restore_tags(service, project, red)[0]["status"] == "Restored"
    counts = {tag["name"]: tag["imageCount"] for tag in service.get(f"{project}/tags")}
    assert counts == {"red": 4, "blue": 6}


def test_a_name_that_is_taken_is_said(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "Tag")
    service.delete(f"{project}/tags/{tag}")
    service.tag(project, "tag")
    assert restore_tags(service, project, tag)[0] == {
        "requestedId": tag,
        "status": "NameInUse",
        "tagId": None,
    }


def test_wrong_requests_are_refused(service: Service) -> None:
    project = service.project()
    other = service.project("other")
    (image,) = service.images(other, pictures(1, "red"))
    delete_images(service, other, image)
    for what, name in (("images", "imageIds"), ("tags", "tagIds")):
        path = f"/_emulator{project}/{what}/restore"
        assert refusal(service.request("POST", path, json={name: []}))[0] == 400
        assert refusal(service.request("POST", path, json={name: ["x"]}))[0] == 400
        assert refusal(service.request("POST", path, json={}))[0] == 400
        assert refusal(service.request("POST", path, json={name: [NOWHERE] * 300}))[0] == 400
        nowhere = f"/_emulator/projects/{NOWHERE}/{what}/restore"
        assert refusal(service.request("POST", nowhere, json={name: [NOWHERE]}))[:2] == (
            404,
            "NotFoundProject",
        )
    assert restore_images(service, project, image)[0]["status"] == "NotFound", "it is of another project"


def test_a_deletion_survives_a_restart(service: Service) -> None:
    project = service.project()
    (image,) = service.images(project, pictures(1, "red"))
    delete_images(service, project, image)
    service.restart()
    assert restore_images(service, project, image)[0]["status"] == "Restored"
