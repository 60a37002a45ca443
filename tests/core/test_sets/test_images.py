"""Images of test sets: the checks and statuses of every upload, labels, and that no training uses them."""

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from sqlmodel import Session

from emulator.core.test_sets import images
from tests.core.test_sets.conftest import Held
from tests.support.detection import detection_project
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture, pictures
from tests.support.test_sets import Sets


def entry(data: bytes, **more: Any) -> dict[str, Any]:
    return {"contents": base64.b64encode(data).decode(), **more}


def test_images_have_tags_by_id_or_by_name(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    added = sets.add_entries(
        path,
        entry(picture(50), name="a.png", tagIds=[tested.red]),
        entry(picture(51), tagNames=[" RED "]),
        entry(picture(52, "grey"), name=None),
    )
    assert [item["status"] for item in added] == ["OK", "OK", "OK"]
    assert [item["sourceUrl"] for item in added] == ["a.png", None, None]
    listed = sets.get(f"{path}/images")
    assert [item["image"] for item in added] == listed
    assert [[tag["tagName"] for tag in image["tags"]] for image in listed] == [["red"], ["red"], []]
    assert [(image["width"], image["height"]) for image in listed] == [(48, 36)] * 3
    found = sets.get(path)
    assert (found["imageCount"], found["untaggedImageCount"], found["revision"]) == (3, 1, 1)
    assert found["tags"] == [{"tagId": tested.red, "tagName": "red", "imageCount": 2}]


def test_tags_of_the_batch_apply_to_all_images(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    sets.add_entries(path, entry(picture(50)), entry(picture(51)), tagNames=["blue"])
    sets.add_entries(path, entry(picture(52)), tagIds=[tested.red])
    assert [[tag["tagName"] for tag in image["tags"]] for image in sets.get(f"{path}/images")] == [
        ["blue"],
        ["blue"],
        ["red"],
    ]


def test_a_form_with_files(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    files = [
        ("0", ("cats/a, b.png", picture(50), "image/png")),
        ("1", ('a"b.png', picture(51), "image/png")),
    ]
    added = expect(sets.send("POST", f"{path}/images", files=files, params={"tagName": "red"}))
    assert [item["sourceUrl"] for item in added["images"]] == ["cats/a, b.png", 'a"b.png']
    assert sets.get(path)["tags"][0]["imageCount"] == 2
    one = sets.send(
        "POST",
        f"{path}/images",
        content=picture(52),
        params={"tagIds": tested.blue},
        headers={"Content-Type": "application/octet-stream"},
    )
    assert expect(one)["images"][0]["image"]["tags"][0]["tagName"] == "blue"


def test_names_of_tags_may_contain_commas(tested: Held) -> None:
    tested.service.tag(tested.project, "black, white")
    path = tested.sets.create()
    files = [("0", ("a.png", picture(50), "image/png"))]
    added = expect(
        tested.sets.send("POST", f"{path}/images", files=files, params={"tagName": "black, white"})
    )
    assert added["images"][0]["image"]["tags"][0]["tagName"] == "black, white"


def test_images_are_refused_one_by_one(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    added = sets.add_entries(
        path,
        entry(picture(50), name="good", tagNames=["red"]),
        entry(b"no image", name="text"),
        {"name": "no base64", "contents": "%%%"},
        entry(picture(51, size=(2, 300)), name="narrow"),
        entry(picture(52), name="two tags", tagNames=["red", "blue"]),
        entry(picture(53), name="unknown name", tagNames=["green"]),
        entry(picture(54), name="unknown id", tagIds=[NOWHERE]),
    )
    assert [(item["sourceUrl"], item["status"]) for item in added] == [
        ("good", "OK"),
        ("text", "ErrorImageFormat"),
        ("no base64", "ErrorImageFormat"),
        ("narrow", "ErrorImageDimensions"),
        ("two tags", "ErrorTagLimitExceed"),
        ("unknown name", "ErrorInvalidTag"),
        ("unknown id", "ErrorInvalidTag"),
    ]
    assert added[5]["reason"] == "the project has no tag named 'green'"
    assert all(item["reason"] for item in added[1:])
    assert sets.get(path)["imageCount"] == 1
    assert tested.service.blobs() == tested.service.referenced_blobs()


def test_a_large_image_is_refused(tested: Held) -> None:
    path = tested.sets.create()
    data = picture(50) + bytes(6 * 1024 * 1024)
    files = [("0", ("large.png", data, "image/png")), ("1", ("b.png", picture(51), "image/png"))]
    response = tested.sets.send("POST", f"{path}/images", files=files)
    assert [item["status"] for item in expect(response, 207)["images"]] == ["ErrorImageSize", "OK"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"images": []}, "BadRequestImageBatch"),
        ({"images": [{"contents": "AAAA"}]}, "BadRequestImageBatch"),
        ({"images": [{"contents": ""}] * 65}, "BadRequestExceededBatchSize"),
        ({"images": [{"contents": ""}], "tagIds": [NOWHERE] * 21}, "BadRequestExceededBatchSize"),
        ({"images": [{"contents": "", "regions": [{"left": 0, "top": 0, "width": 1, "height": 1}]}]}, None),
        ({"images": [{"contents": "", "tagName": "red"}]}, None),
        ({"pictures": []}, None),
        ([], None),
    ],
)
def test_whole_batches_are_refused(tested: Held, body: Any, code: str | None) -> None:
    path = tested.sets.create()
    status, found, message = refusal(tested.sets.send("POST", f"{path}/images", json=body))
    assert (status, found) == (400, code or "BadRequest")
    assert message
    assert tested.sets.get(path)["revision"] == 0


def test_repeated_images_are_in_the_set_once(service: Service) -> None:
    project = service.project(classificationType="Multilabel")
    for name in ("red", "round"):
        service.tag(project, name)
    sets = Sets(service, project)
    path = sets.create()
    added = sets.add_entries(
        path, entry(picture(50), name="a", tagNames=["red"]), entry(picture(50), name="b", tagNames=["red"])
    )
    assert [item["status"] for item in added] == ["OK", "OKDuplicate"]
    (again,) = sets.add(path, [picture(50)], tagNames=["round"])
    assert again["status"] == "OKDuplicate"
    assert again["reason"] == f"the test set has these bytes already, as image {added[0]['image']['id']}"
    assert {tag["tagName"] for tag in again["image"]["tags"]} == {"red", "round"}
    found = sets.get(path)
    assert (found["imageCount"], found["revision"]) == (1, 2)
    sets.add(path, [picture(50)], tagNames=["round"])
    assert sets.get(path)["revision"] == 2  # nothing has changed


def test_an_image_of_the_project_is_accepted_and_marked(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    added = sets.add(path, [*pictures(1, "red"), picture(50)], tagNames=["red"])
    assert [item["status"] for item in added] == ["OK", "OK"]
    assert [item["image"]["alsoInTraining"] for item in added] == [True, False]
    tested.service.images(tested.project, [picture(50)], tested.red)
    assert [item["alsoInTraining"] for item in sets.get(f"{path}/images")] == [True, True]


def test_a_batch_is_compared_with_the_images_of_the_project_at_once(
    tested: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = []

    def images_of_workspace(session: Session, project_id: str, blobs: Sequence[str]) -> set[str]:
        queries.append(blobs)
        return found(session, project_id, blobs)

    found = images.images_of_workspace
    monkeypatch.setattr(images, "images_of_workspace", images_of_workspace)
    path = tested.sets.create()
    queries.clear()
    tested.sets.add(path, pictures(6, start=80))
    assert len([blobs for blobs in queries if blobs]) == 1


def test_boxes_of_objects(service: Service) -> None:
    project = detection_project(service)
    here, there = service.tag(project, "here"), service.tag(project, "there")
    sets = Sets(service, project)
    path = sets.create()
    box = {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25}
    added = sets.add_entries(
        path,
        entry(picture(1), regions=[{"tagId": here, **box}, {"tagName": "There", **box}]),
        entry(picture(2), regions=[{"tagName": "nowhere", **box}]),
        entry(picture(3), regions=[{"tagId": here, **box, "width": 2}]),
        entry(picture(4), regions=[{"tagId": here, **box}, {"tagId": here, **box}]),
    )
    assert [item["status"] for item in added] == [
        "OK",
        "ErrorInvalidTag",
        "ErrorInvalidRegion",
        "ErrorInvalidRegion",
    ]
    (image,) = sets.get(f"{path}/images")
    assert image["regions"] == [
        {"tagId": here, "tagName": "here", **box},
        {"tagId": there, "tagName": "there", **box},
    ]
    assert {tag["tagId"] for tag in image["tags"]} == {here, there}
    assert [tag["imageCount"] for tag in sets.get(path)["tags"]] == [1, 1]
    status, _, message = refusal(
        sets.send(
            "POST",
            f"{path}/images",
            json={"images": [entry(picture(5), regions=[{"tagId": here, "tagName": "here", **box}])]},
        )
    )
    assert status == 400
    assert message.startswith("images[0].regions[0]")


def test_classified_images_have_no_boxes(tested: Held) -> None:
    path = tested.sets.create()
    region = {"tagId": tested.red, "left": 0, "top": 0, "width": 1, "height": 1}
    response = tested.sets.send(
        "POST", f"{path}/images", json={"images": [entry(picture(50), regions=[region])]}
    )
    assert refusal(response)[:2] == (400, "BadRequestNotSupported")


def test_lists_have_pages_and_filters(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    sets.add(path, pictures(2, "blue", start=50), tagNames=["blue"])
    sets.add(path, pictures(1, "grey", start=50))
    everything = sets.get(f"{path}/images")
    assert sets.get(f"{path}/images", take=2, skip=1) == everything[1:3]
    assert sets.get(f"{path}/images", tagId=tested.blue) == everything[3:5]
    assert sets.get(f"{path}/images", untagged=True) == everything[5:]
    assert sets.get(f"{path}/images", skip=6) == []


def test_images_are_deleted(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    before = tested.service.blobs()
    added = sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    ids = [item["image"]["id"] for item in added]
    deleted = sets.send("DELETE", f"{path}/images", params={"imageIds": f"{ids[0]},{ids[2]},{NOWHERE}"})
    assert deleted.status_code == 204
    assert [image["id"] for image in sets.get(f"{path}/images")] == [ids[1]]
    found = sets.get(path)
    assert (found["imageCount"], found["revision"]) == (1, 2)
    assert len(tested.service.blobs()) == len(before) + 1
    assert refusal(sets.send("DELETE", f"{path}/images"))[0] == 400
    too_many = ",".join([NOWHERE] * 257)
    assert refusal(sets.send("DELETE", f"{path}/images", params={"imageIds": too_many}))[0] == 400


def test_bytes_and_thumbnails_are_served_by_signed_uris(tested: Held) -> None:
    sets, path = tested.sets, tested.sets.create()
    (added,) = sets.add(path, [picture(50)], tagNames=["red"])
    for name in ("imageUri", "thumbnailUri"):
        response = tested.service.follow(added["image"][name])
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/jpeg"
    uri = added["image"]["imageUri"]
    sets.send("DELETE", path)
    assert tested.service.follow(uri).status_code == 404


def test_no_operation_of_the_service_has_these_images(tested: Held) -> None:
    service, sets, project = tested.service, tested.sets, tested.project
    before = service.get(f"{project}/images/count"), service.get(f"{project}/tags"), service.get(project)
    path = sets.create()
    (added, *_) = sets.add(path, pictures(4, "red", start=50), tagNames=["red"])
    after = service.get(f"{project}/images/count"), service.get(f"{project}/tags"), service.get(project)
    assert after == before
    assert service.get(f"{project}/images/id", params={"imageIds": added["image"]["id"]}) == []
    # Nothing has changed that a training would use.
    assert service.refused("POST", f"{project}/train")[1] == "BadRequestTrainingNotNeeded"
    service.images(project, [picture(60)], tested.red)
    service.train(project)
    assert len(service.worker.jobs[-1]["dataset"].images) == 11


def test_the_limit_of_a_tier_applies_to_each_test_set(tested: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(
        tested.service.context, "tier", replace(tested.service.context.tier, images_per_project=2)
    )
    path = tested.sets.create()
    added = tested.sets.add(path, pictures(3, "red", start=50), tagNames=["red"])
    assert [item["status"] for item in added] == ["OK", "OK", "ErrorLimitExceed"]
