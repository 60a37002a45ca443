"""Images: the three kinds of upload, duplicates, limits."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.support.harness import (
    NOWHERE,
    Service,
    expect,
    files_body,
    test_settings,
    training_path,
)
from tests.support.images import picture, pictures


def statuses(items: list[dict[str, Any]]) -> list[str]:
    return [item["status"] for item in items]


def urls_body(*urls: str) -> dict[str, Any]:
    return {"images": [{"url": url} for url in urls]}


@pytest.fixture
def with_folder(service: Service, tmp_path: Path) -> Service:
    """URLs below http://pictures.test/ are read from the folder ``pictures``; all others are refused."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").write_bytes(picture(number))
    (folder / "text.png").write_text("no image")
    service.close()
    mapping = (("http://pictures.test/", folder),)
    service.settings = test_settings(service.settings.data, url_fetch="off", url_map=mapping)
    service.open()
    return service


# --- uploads ------------------------------------------------------------------------------------------------


def test_files_come_with_their_names_and_tags(service: Service) -> None:
    project = service.project()
    common, own = service.tag(project, "common"), service.tag(project, "own")
    body = files_body(pictures(2), [common], name="dir\\sub/")
    body["images"][1]["tagIds"] = [own, common]
    body["images"][1]["name"] = None
    summary = expect(service.send("POST", f"{project}/images/files", json=body))
    assert [item["sourceUrl"] for item in summary["images"]] == ["dir\\sub/0", None]
    tags = [{tag["tagId"] for tag in item["image"]["tags"]} for item in summary["images"]]
    assert tags == [{common}, {common, own}]
    assert service.get(f"{project}/tags/{common}")["imageCount"] == 2
    assert service.get(f"{project}/tags/{own}")["imageCount"] == 1


def test_urls_are_fetched_and_come_back(with_folder: Service) -> None:
    project = with_folder.project()
    tag = with_folder.tag(project, "a")
    body = urls_body("http://pictures.test/0.png", "http://pictures.test/1.png?x=y") | {"tagIds": [tag]}
    summary = expect(with_folder.send("POST", f"{project}/images/urls", json=body))
    assert summary["isBatchSuccessful"]
    assert [item["sourceUrl"] for item in summary["images"]] == [entry["url"] for entry in body["images"]]
    assert with_folder.get(f"{project}/images/tagged/count") == 2


def test_urls_that_cannot_be_fetched_fail_one_by_one(with_folder: Service) -> None:
    project = with_folder.project()
    body = urls_body(
        "http://pictures.test/missing.png",
        "http://pictures.test/text.png",
        "http://pictures.test/2.png",
        "http://elsewhere.test/x.png",
        "no url at all",
        "",
    )
    response = with_folder.send("POST", f"{project}/images/urls", json=body)
    assert response.status_code == 207
    assert (
        statuses(response.json()["images"]) == ["ErrorSource", "ErrorImageFormat", "OK"] + ["ErrorSource"] * 3
    )
    assert [item["image"] is None for item in response.json()["images"]] == [
        True,
        True,
        False,
        True,
        True,
        True,
    ]


def test_a_batch_without_any_fetched_url_has_a_status_for_each_item(with_folder: Service) -> None:
    project = with_folder.project()
    response = with_folder.send("POST", f"{project}/images/urls", json=urls_body("http://elsewhere.test/"))
    assert (response.status_code, statuses(response.json()["images"])) == (207, ["ErrorSource"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("files", {}),
        ("files", {"images": None}),
        ("files", {"images": []}),
        ("files", {"images": [{"name": "a", "contents": None}]}),
        ("files", {"images": [{"name": "a", "contents": "!!!"}]}),
        ("files", {"images": [{"name": "a", "contents": "ä"}]}),
        ("files", {"images": [{"name": "a", "contents": base64.b64encode(b"text").decode()}, {}]}),
        ("files", {"images": [{"tagIds": ["x"]}]}),
        ("files", {"images": 5}),
        ("files", []),
        ("urls", {}),
        ("urls", {"images": []}),
        ("urls", {"images": [{}]}),
        ("urls", {"images": [{"url": "http://a/", "tagIds": ["x"]}]}),
        ("urls", "x"),
    ],
)
def test_batches_with_nothing_valid_are_refused_as_a_whole(service: Service, path: str, body: Any) -> None:
    project = service.project()
    message = "No valid image files" if path == "files" else "No image urls provided"
    assert service.refused("POST", f"{project}/images/{path}", json=body) == (
        400,
        "BadRequestImageBatch",
        message,
    )
    assert service.blobs() == set()


def test_base64_may_be_broken_into_lines(service: Service) -> None:
    project = service.project()
    body = {"images": [{"name": "a", "contents": base64.encodebytes(picture()).decode()}]}
    assert expect(service.send("POST", f"{project}/images/files", json=body))["isBatchSuccessful"]


@pytest.mark.parametrize("path", ["files", "urls"])
def test_limits_of_a_batch(service: Service, path: str) -> None:
    project = service.project()
    entry = {"name": "a", "contents": "AAAA"} if path == "files" else {"url": "http://a.test/"}
    for body in (
        {"images": [entry] * 65},
        {"images": [entry], "tagIds": [NOWHERE] * 21},
    ):
        refused = service.refused("POST", f"{project}/images/{path}", json=body)
        assert refused[:2] == (400, "BadRequestExceededBatchSize")


def test_64_images_are_one_batch(service: Service) -> None:
    project = service.project()
    assert statuses(service.upload(project, pictures(64))) == ["OK"] * 64
    assert service.get(f"{project}/images/count") == 64


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({str(number): "x" for number in range(11)}, "BadRequestImageMetadataKey"),
        ({"k" * 129: "x"}, "BadRequestImageMetadataKey"),
        ({"": "x"}, "BadRequestImageMetadataKey"),
        ({"k": "v" * 257}, "BadRequestImageMetadataValue"),
    ],
)
def test_limits_of_metadata(service: Service, metadata: dict[str, str], code: str) -> None:
    project = service.project()
    body = files_body(pictures(1)) | {"metadata": metadata}
    assert service.refused("POST", f"{project}/images/files", json=body)[:2] == (400, code)
    assert service.get(f"{project}/images/count") == 0


def test_the_largest_metadata(service: Service) -> None:
    project = service.project()
    metadata = {f"{number:0128}": "v" * 256 for number in range(10)}
    body = files_body(pictures(1)) | {"metadata": metadata}
    summary = expect(service.send("POST", f"{project}/images/files", json=body))
    assert summary["images"][0]["image"]["metadata"] == metadata


def test_unknown_tags_fail_the_images_that_should_bear_them(service: Service) -> None:
    project = service.project()
    foreign = service.tag(service.project(), "foreign")
    body = files_body(pictures(3))
    body["images"][0]["tagIds"] = [NOWHERE]
    body["images"][1]["tagIds"] = [foreign]
    response = service.send("POST", f"{project}/images/files", json=body)
    assert statuses(response.json()["images"]) == ["ErrorInvalidTag", "ErrorInvalidTag", "OK"]
    assert len(service.blobs()) == 1


def test_the_first_image_warms_the_worker_up(service: Service) -> None:
    project = service.project()
    service.upload(project, [b"no image", picture()])
    assert service.worker.warm_ups == 1
    service.refused("POST", f"{project}/images/files", json=files_body([b"no image"]))
    assert service.worker.warm_ups == 1


# --- duplicates ---------------------------------------------------------------------------------------------


def test_the_same_bytes_again_are_the_image_that_is_there_with_new_tags_added(service: Service) -> None:
    project = service.project()
    first, second = service.tag(project, "first"), service.tag(project, "second")
    image_id = service.images(project, pictures(1), first)[0]
    again = service.upload(project, pictures(1), second)[0]
    assert (again["status"], again["image"]["id"]) == ("OKDuplicate", image_id)
    assert [tag["tagId"] for tag in again["image"]["tags"]] == [first, second]
    assert service.get(f"{project}/images/count") == 1
    assert service.get(f"{project}/tags/{first}")["imageCount"] == 1


def test_the_same_bytes_twice_in_a_batch(service: Service) -> None:
    project = service.project()
    items = service.upload(project, [picture(), picture(), picture(1)])
    assert statuses(items) == ["OK", "OKDuplicate", "OK"]
    assert items[0]["image"]["id"] == items[1]["image"]["id"]


def test_the_same_bytes_in_two_projects_are_two_images_and_one_blob(service: Service) -> None:
    ids = [service.images(service.project(), pictures(1))[0] for _ in range(2)]
    assert ids[0] != ids[1]
    assert len(service.blobs()) == 1


def test_deleted_bytes_uploaded_again_are_a_new_image(service: Service) -> None:
    project = service.project()
    before = service.images(project, pictures(1))[0]
    service.delete(f"{project}/images", params={"imageIds": before})
    after = service.upload(project, pictures(1))[0]
    assert (after["status"], after["image"]["id"] == before) == ("OK", False)


def test_a_duplicate_that_cannot_bear_its_tags_changes_nothing(service: Service) -> None:
    project = service.project(classificationType="Multiclass")
    one, two = service.tag(project, "one"), service.tag(project, "two")
    service.images(project, pictures(1), one)
    again = service.upload(project, pictures(1), two)[0]
    assert (again["status"], again["image"]) == ("ErrorTagLimitExceed", None)
    assert [tag["tagId"] for tag in service.get(f"{project}/images")[0]["tags"]] == [one]
    assert len(service.blobs()) == 1


def test_uploads_of_the_same_bytes_at_the_same_time_are_one_image(service: Service) -> None:
    project = service.project()
    upload = ("POST", training_path(f"{project}/images/files"), {"json": files_body(pictures(3))})
    answers = service.together(*[(method, path, dict(more)) for method, path, more in [upload] * 6])
    found = [statuses(answer.json()["images"]) for answer in answers]
    assert sorted(found) == [["OK"] * 3] + [["OKDuplicate"] * 3] * 5
    assert len({item["image"]["id"] for answer in answers for item in answer.json()["images"]}) == 3
    assert service.get(f"{project}/images/count") == 3


# --- tags on uploads ----------------------------------------------------------------------------------------


def test_a_multiclass_image_bears_one_tag(service: Service) -> None:
    project = service.project(classificationType="Multiclass")
    tags = [service.tag(project, name) for name in "ab"]
    assert statuses(service.upload(project, pictures(1), *tags)) == ["ErrorTagLimitExceed"]
    assert statuses(service.upload(project, pictures(1), tags[0], tags[0])) == ["OK"]


def test_a_negative_tag_stands_alone(service: Service) -> None:
    project = service.project()
    negative, regular = service.tag(project, "none", "Negative"), service.tag(project, "a")
    problem = ["ErrorNegativeAndRegularTagOnSameImage"]
    assert statuses(service.upload(project, pictures(1), negative, regular)) == problem
    assert statuses(service.upload(project, pictures(1), negative)) == ["OK"]
    assert statuses(service.upload(project, pictures(1), regular)) == problem
    assert statuses(service.upload(project, pictures(1), negative)) == ["OKDuplicate"]


def test_an_image_bears_a_hundred_tags(service: Service) -> None:
    project = service.project()
    tags = [service.tag(project, str(number)) for number in range(101)]
    body = files_body(pictures(1))
    body["images"][0]["tagIds"] = tags
    assert statuses(service.send("POST", f"{project}/images/files", json=body).json()["images"]) == [
        "ErrorTagLimitExceed"
    ]
    body["images"][0]["tagIds"] = tags[:100]
    assert statuses(expect(service.send("POST", f"{project}/images/files", json=body))["images"]) == ["OK"]
