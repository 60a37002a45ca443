"""Regions: creation in batches and in uploads."""

from typing import Any

import pytest

from tests.support.detection import (
    WHOLE,
    boxes_of,
    create,
    delete,
    detection_project,
    image,
    marked_images,
    on,
    region,
    small_boxes,
    tags_of,
    upload,
)
from tests.support.harness import NOWHERE, Service, expect, files_body, test_settings, training_path
from tests.support.images import picture, pictures
from tests.support.regions import counts, revision

# --- creating -----------------------------------------------------------------------------------------------


def test_regions_put_their_tags_on_images(service: Service) -> None:
    project = detection_project(service)
    a, b = (service.tag(project, name) for name in "ab")
    one, two, three = service.images(project, pictures(3))
    summary = create(service, project, on(one, a), on(one, b, WHOLE), on(one, a, WHOLE), on(two, b))
    assert [(item["imageId"], item["tagId"], item["tagName"]) for item in summary["created"]] == [
        (one, a, None),
        (one, b, None),
        (one, a, None),
        (two, b, None),
    ]
    assert summary["duplicated"] == summary["exceeded"] == []
    assert boxes_of(service, project, one) == [(a, (0.25, 0.5, 0.125, 0.25)), (b, WHOLE), (a, WHOLE)]
    shown = image(service, project, one)
    assert [item["tagName"] for item in shown["regions"]] == ["a", "b", "a"]
    assert [item["regionId"] for item in shown["regions"]] == [
        item["regionId"] for item in summary["created"] if item["imageId"] == one
    ]
    assert [tag["tagName"] for tag in shown["tags"]] == ["a", "b"]
    assert "regions" not in image(service, project, three)
    assert counts(service, project) == (2, 1, {"a": 1, "b": 2})


def test_coordinates_come_back_in_single_precision(service: Service) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    (photo,) = service.images(project, pictures(1))
    entry = on(photo, tag, (0.1, 0.123456789, 1 / 3, 1e-5))
    created = service.send("POST", f"{project}/images/regions", json={"regions": [entry]})
    listed = service.send("GET", f"{project}/images/id", params={"imageIds": photo})
    for answer in (created, listed):
        assert b'"left":0.1,"top":0.123456791,"width":0.333333343,"height":1E-05}' in answer.content


def test_a_region_that_is_there_is_duplicated_and_changes_nothing(service: Service) -> None:
    project = detection_project(service)
    a, b = (service.tag(project, name) for name in "ab")
    one, two = service.images(project, pictures(2))
    create(service, project, on(one, a))
    before = revision(service)
    again = on(one, a, (0.25 + 1e-12, 0.5, 0.125, 0.25))
    assert create(service, project, again) == {"created": [], "duplicated": [on(one, a)], "exceeded": []}
    assert revision(service) == before
    # Another tag or image with the same box is another region.
    summary = create(service, project, on(one, a), on(one, b), on(two, a))
    assert (len(summary["created"]), summary["duplicated"]) == (2, [on(one, a)])


@pytest.mark.parametrize("more", [0, 1e-12])
def test_the_same_region_twice_refuses_the_whole_batch(service: Service, more: float) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    (photo,) = service.images(project, pictures(1))
    body = {
        "regions": [on(photo, tag), on(photo, tag, WHOLE), on(photo, tag, (0.25 + more, 0.5, 0.125, 0.25))]
    }
    assert service.refused("POST", f"{project}/images/regions", json=body) == (
        400,
        "BadRequestImageRegions",
        "Duplicate image regions",
    )
    assert counts(service, project) == (0, 1, {"a": 0})


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 0, 1),
        (0, 0, 1, 0),
        (0, 0, 1e-50, 1),
        (0, 0, -0.5, 1),
        (0.5, 0, -0.5, 1),
        (-0.01, 0, 0.5, 0.5),
        (-0.000002, 0, 0.5, 0.5),
        (0, 0.5, 0.5, 0.500002),
        (-0.000001, 0, 0.0000005, 0.5),
        (0, -0.01, 0.5, 0.5),
        (0.5, 0, 0.51, 1),
        (0, 0.5, 1, 0.51),
        (0, 0, 1.1, 1),
        (1, 1, 0.1, 0.1),
        (0, 0, 640, 480),
        (0, 0, 1e300, 1),
        ("NaN", 0, 1, 1),
        (0, 0, "NaN", 1),
        (0, 0, 1, "Infinity"),
        ("-Infinity", 0, 1, 1),
    ],
)
def test_boxes_that_no_image_can_have(service: Service, box: Any) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    one, two = service.images(project, pictures(2))
    body = {"regions": [on(one, tag), on(two, tag, box)]}
    assert service.refused("POST", f"{project}/images/regions", json=body) == (
        400,
        "BadRequestImageRegions",
        "Illegal region",
    )
    assert counts(service, project) == (0, 2, {"a": 0})
    items = upload(service, project, [picture(7), picture(8)], [region(tag, box)], [region(tag)]).json()
    assert [item["status"] for item in items["images"]] == ["ErrorInvalidRegion", "OK"]


@pytest.mark.parametrize(
    "box",
    [WHOLE, (0.3, 0.7, 0.7, 0.3), (1 / 3, 0, 2 / 3, 1), (0.9, 0.1, 0.1, 0.9), (-0.0, 0, 1 / 1600, 1 / 1600)],
)
def test_boxes_at_the_edge(service: Service, box: Any) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    (photo,) = service.images(project, pictures(1))
    (created,) = create(service, project, on(photo, tag, box))["created"]
    assert [created[name] for name in ("left", "top", "width", "height")] == pytest.approx(box)
    assert "-" not in str(created["left"])


EDGES = [
    # sent, stored
    ((-0.0000005, 0.25, 0.5, 0.5), (0, 0.25, 0.4999995, 0.5)),
    ((0.25, -0.000001, 0.5, 0.5), (0.25, 0, 0.5, 0.499999)),
    ((0.5, 0.25, 0.5000001, 0.5), (0.5, 0.25, 0.5, 0.5)),
    ((0.25, 0.5, 0.5, 0.500001), (0.25, 0.5, 0.5, 0.5)),
    ((-0.00000075, -0.00000075, 1.0000015, 1.0000015), WHOLE),
]


@pytest.mark.parametrize(("sent", "stored"), EDGES)
def test_rounding_is_forgiven_at_all_four_edges(service: Service, sent: Any, stored: Any) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    (photo,) = service.images(project, pictures(1))
    create(service, project, on(photo, tag, sent))
    assert len(create(service, project, on(photo, tag, sent))["duplicated"]) == 1
    (item,) = upload(service, project, [picture(7)], [region(tag, sent)]).json()["images"]
    assert item["status"] == "OK"
    for image_id in (photo, item["image"]["id"]):
        ((_, box),) = boxes_of(service, project, image_id)
        assert box == pytest.approx(stored, abs=1e-7)
        assert box[0] >= 0 <= box[1] and box[0] + box[2] <= 1 >= box[1] + box[3]


NO_REGIONS = (400, "BadRequestImageRegions", "No image regions provided")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"regions": []},
        {"regions": None},
        {"regions": 5},
        {"regions": [None]},
        {"regions": [{}]},
        {"regions": [{"imageId": NOWHERE, "tagId": NOWHERE, "left": 0, "top": 0, "width": 1}]},
        {"regions": [{"imageId": NOWHERE, **region("x")}]},
        {"regions": [on("x", NOWHERE)]},
        {"regions": [on(NOWHERE, NOWHERE)]},
        {"regions": [{**on(NOWHERE, NOWHERE), "left": "wide"}]},
        [],
        "regions",
    ],
)
def test_batches_with_nothing_to_do_are_refused(service: Service, body: Any) -> None:
    project = detection_project(service)
    assert service.refused("POST", f"{project}/images/regions", json=body) == NO_REGIONS


def test_invalid_json_is_refused(service: Service) -> None:
    project = detection_project(service)
    assert service.refused("POST", f"{project}/images/regions", content=b'{"regions": [') == NO_REGIONS


def test_a_batch_has_at_most_64_regions(service: Service) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    (photo,) = service.images(project, pictures(1))
    entries = [on(photo, tag, box) for box in small_boxes(65)]
    refused = service.refused("POST", f"{project}/images/regions", json={"regions": entries})
    assert refused[:2] == (400, "BadRequestExceededBatchSize")
    assert len(create(service, project, *entries[:64])["created"]) == 64


def test_an_unknown_id_refuses_the_whole_batch(service: Service) -> None:
    project, other = detection_project(service), detection_project(service)
    tag, foreign = service.tag(project, "a"), service.tag(other, "a")
    (photo,) = service.images(project, pictures(1))
    (foreign_image,) = service.images(other, pictures(1))
    for entry, code in (
        (on(foreign_image, tag), "NotFoundImage"),
        (on(NOWHERE, tag), "NotFoundImage"),
        (on(photo, foreign), "NotFoundTag"),
        (on(photo, NOWHERE), "NotFoundTag"),
    ):
        body = {"regions": [on(photo, tag), entry]}
        assert service.refused("POST", f"{project}/images/regions", json=body)[:2] == (404, code)
    assert counts(service, project) == (0, 1, {"a": 0})
    nowhere = f"/projects/{NOWHERE}/images/regions"
    assert service.refused("POST", nowhere, json={"regions": [on(photo, tag)]})[:2] == (
        404,
        "NotFoundProject",
    )


def fill(service: Service, project: str, photo: str, tag: str, count: int) -> None:
    boxes = small_boxes(count)
    for start in range(0, count, 64):
        create(service, project, *[on(photo, tag, box) for box in boxes[start : start + 64]])


def test_the_301st_region_of_an_image_is_exceeded(service: Service) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    one, two = service.images(project, pictures(2))
    fill(service, project, one, tag, 299)
    entries = [on(one, tag, box) for box in small_boxes(2, start=299)]
    summary = create(service, project, *entries, on(two, tag), status=207)
    assert [item["imageId"] for item in summary["created"]] == [one, two]
    assert summary["exceeded"] == [entries[1]]
    assert len(boxes_of(service, project, one)) == 300
    # Regions that exist already do not count.
    assert create(service, project, entries[0])["duplicated"] == [entries[0]]


@pytest.mark.parametrize("version", ["v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview"])
def test_exceeded_regions_are_207_from_3_3_on(service: Service, version: str) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    (photo,) = service.images(project, pictures(1))
    fill(service, project, photo, tag, 300)
    body = {"regions": [on(photo, tag, WHOLE)]}
    response = service.send("POST", f"{project}/images/regions", version, json=body)
    assert response.status_code == (207 if version >= "v3.3" else 200)
    assert response.json() == {"created": [], "duplicated": [], "exceeded": [on(photo, tag, WHOLE)]}
    body = {"regions": [on(photo, tag, small_boxes(1)[0])]}
    assert service.send("POST", f"{project}/images/regions", version, json=body).status_code == 200


def test_a_region_whose_tag_is_one_too_many_is_exceeded(service: Service) -> None:
    project = detection_project(service)
    tags = [service.tag(project, str(number)) for number in range(101)]
    (photo,) = service.images(project, pictures(1))
    create(service, project, *[on(photo, tag) for tag in tags[:60]])
    summary = create(service, project, *[on(photo, tag) for tag in tags[60:]], status=207)
    assert (len(summary["created"]), summary["exceeded"]) == (40, [on(photo, tags[-1])])
    assert len(create(service, project, on(photo, tags[0], WHOLE))["created"]) == 1


def test_a_tag_may_stand_on_an_image_without_a_region(service: Service) -> None:
    project = detection_project(service, classificationType="Multiclass")
    a, b = (service.tag(project, name) for name in "ab")
    (photo,) = service.images(project, pictures(1), a, b)
    assert (tags_of(service, project, photo), boxes_of(service, project, photo)) == ({a, b}, [])
    create(service, project, on(photo, a))
    assert counts(service, project) == (1, 0, {"a": 1, "b": 1})


# --- classification projects have none ----------------------------------------------------------------------


WRONG_TYPE = (400, "BadRequestNotSupported", "Invalid project type for operation.")


def test_classification_projects_refuse_regions(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "a")
    (photo,) = service.images(project, pictures(1))
    body = {"regions": [on(photo, tag)]}
    assert service.refused("POST", f"{project}/images/regions", json=body) == WRONG_TYPE
    for path, entry in (("files", {"contents": "AAAA"}), ("urls", {"url": "http://x.test/"})):
        body = {"images": [entry | {"regions": [region(tag)]}]}
        assert service.refused("POST", f"{project}/images/{path}", json=body) == WRONG_TYPE
    delete(service, project, NOWHERE)
    assert expect(upload(service, project, [picture(1)], []))["isBatchSuccessful"]


# --- uploads ------------------------------------------------------------------------------------------------


def test_uploads_bring_regions_and_their_tags(service: Service) -> None:
    project = detection_project(service)
    a, b = (service.tag(project, name) for name in "ab")
    summary = expect(
        upload(
            service, project, pictures(3), [region(a), region(b, WHOLE), region(a, WHOLE)], [region(b)], []
        )
    )
    assert summary["isBatchSuccessful"]
    first, second, third = (item["image"] for item in summary["images"])
    assert [(item["tagId"], item["tagName"]) for item in first["regions"]] == [
        (a, None),
        (b, None),
        (a, None),
    ]
    assert [tag["tagId"] for tag in first["tags"]] == [a, b]
    assert "regions" not in third
    assert "tags" not in third
    assert boxes_of(service, project, first["id"])[1:] == [(b, WHOLE), (a, WHOLE)]
    assert [item["regionId"] for item in image(service, project, second["id"])["regions"]] == [
        item["regionId"] for item in second["regions"]
    ]
    assert counts(service, project) == (2, 1, {"a": 1, "b": 2})


def test_regions_join_those_of_an_image_that_is_there(service: Service) -> None:
    project = detection_project(service)
    a, b = (service.tag(project, name) for name in "ab")
    (photo,) = marked_images(service, project, [picture()], a)
    before = revision(service)
    (item,) = upload(service, project, [picture()], [region(a)]).json()["images"]
    assert (item["status"], len(item["image"]["regions"]), revision(service)) == ("OKDuplicate", 1, before)
    upload(service, project, [picture()], [region(a, WHOLE)])
    assert revision(service) == before + 1
    (item,) = upload(service, project, [picture()], [region(a), region(a, WHOLE), region(b)]).json()["images"]
    assert (item["status"], item["image"]["id"]) == ("OKDuplicate", photo)
    assert [region["tagId"] for region in item["image"]["regions"]] == [a, a, b]
    assert boxes_of(service, project, photo) == [
        (a, (0.25, 0.5, 0.125, 0.25)),
        (a, WHOLE),
        (b, (0.25, 0.5, 0.125, 0.25)),
    ]
    assert revision(service) == before + 2
    assert counts(service, project) == (1, 0, {"a": 1, "b": 1})


@pytest.mark.parametrize("version", ["v3.0", "v3.3", "v3.4-preview"])
def test_images_fail_one_by_one_for_their_regions(service: Service, version: str) -> None:
    project = detection_project(service)
    tag = service.tag(project, "a")
    regions = [
        [region(tag)],
        [region(NOWHERE)],
        [region(tag), region(tag)],
        [region(tag, box) for box in small_boxes(301)],
        [region(tag, box) for box in small_boxes(300)],
    ]
    body = {
        "images": [
            entry | {"regions": of_image}
            for entry, of_image in zip(_entries(pictures(5)), regions, strict=True)
        ]
    }
    response = service.request("POST", training_path(f"{project}/images/files", version), json=body)
    assert response.status_code == (207 if version >= "v3.3" else 200)
    items = response.json()["images"]
    assert [item["status"] for item in items] == [
        "OK",
        "ErrorInvalidTag" if version == "v3.4-preview" else "ErrorUnknown",
        "ErrorInvalidRegion",
        "ErrorRegionLimitExceed",
        "OK",
    ]
    assert [item["image"] is None for item in items] == [False, True, True, True, False]
    assert counts(service, project) == (2, 0, {"a": 2})
    # One more on the image with 300 regions.
    body = {"images": [_entries(pictures(5))[4] | {"regions": [region(tag, WHOLE)]}]}
    (item,) = service.send("POST", f"{project}/images/files", json=body).json()["images"]
    assert item["status"] == "ErrorRegionLimitExceed"


def _entries(images: list[bytes]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = files_body(images)["images"]
    return entries


@pytest.mark.parametrize("regions", [[{}], [None], 5, [{"tagId": "x"}], [region("x")]])
def test_regions_that_do_not_parse_spoil_the_batch(service: Service, regions: Any) -> None:
    project = detection_project(service)
    body = {"images": [_entries(pictures(1))[0] | {"regions": regions}]}
    refused = service.refused("POST", f"{project}/images/files", json=body)
    assert refused == (400, "BadRequestImageBatch", "No valid image files")


def test_urls_bring_regions_too(service: Service, tmp_path: Any) -> None:
    (tmp_path / "0.png").write_bytes(picture())
    service.close()
    mapping = (("http://pictures.test/", tmp_path),)
    service.settings = test_settings(service.settings.data, url_fetch="off", url_map=mapping)
    service.open()
    project = detection_project(service)
    tag = service.tag(project, "a")
    urls = ("http://pictures.test/0.png", "http://pictures.test/1.png")
    body = {"images": [{"url": url, "regions": [region(tag)]} for url in urls]}
    items = service.send("POST", f"{project}/images/urls", json=body).json()["images"]
    assert [item["status"] for item in items] == ["OK", "ErrorSource"]
    assert boxes_of(service, project, items[0]["image"]["id"]) == [(tag, (0.25, 0.5, 0.125, 0.25))]
