"""Data sets in the control API: streamed bodies, refusals before work is done, and what is kept."""

import json

import pytest

from emulator.core.data_sets import kept
from emulator.core.disk_space import DiskGuard
from tests.support.data_sets import DataSets, zip_of
from tests.support.harness import NOWHERE, Service, expect, refusal
from tests.support.images import picture

PATH = "/_emulator/dataSets"
FILES = {"cats/1.png": picture(1), "dogs/2.png": picture(2)}


@pytest.fixture
def sets(service: Service) -> DataSets:
    return DataSets(service)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "The name of the project must not be empty."),
        ({"project": "p", "format": "x"}, "There is no format 'x'; there are coco, yolo, "),
        ({"project": "p", "domain": "Space"}, "There is no domain 'Space'."),
        ({"project": "p", "classificationType": "Some"}, "Unknown classification type 'Some'"),
        ({"project": "p", "dryRun": "maybe"}, "The value 'maybe' is not valid for 'dryRun'"),
        ({"project": NOWHERE}, "Project not found"),
        ({"project": "p"}, "The request has no data set: its body is empty."),
    ],
)
def test_wrong_requests_are_refused_and_leave_nothing(
    service: Service, parameters: dict[str, str], message: str
) -> None:
    body = b"" if message.endswith("empty.") and parameters else zip_of(FILES)
    response = service.request("POST", PATH, params=parameters, content=body)
    assert refusal(response)[2].startswith(message)
    assert expect(service.request("GET", PATH)) == []
    assert list(kept.folder(service.context).glob("*")) == []


def test_a_body_is_refused_when_the_disk_has_no_room(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskGuard, "shortage", lambda *_arguments: "no room")
    response = service.request("POST", PATH, params={"project": "p"}, content=zip_of(FILES))
    assert response.status_code == 507
    assert list(kept.folder(service.context).glob("*")) == []


def test_imports_are_listed_and_forgotten(service: Service, sets: DataSets) -> None:
    first = sets.imported(FILES, "one")
    service.clock.advance(seconds=1)
    second = sets.imported({"a.png": b""}, "two")
    assert [item["id"] for item in expect(service.request("GET", PATH))] == [second["id"], first["id"]]
    assert not kept.archive_path(service.context, first["id"]).exists()
    assert service.request("DELETE", f"{PATH}/{first['id']}").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/import")):
        response = service.request(method, f"{PATH}/{first['id']}{path}")
        assert refusal(response)[:2] == (404, "NotFound")


def test_the_archive_of_a_dry_run_is_kept_for_an_hour(service: Service, sets: DataSets) -> None:
    checked = sets.imported(FILES, "one", dryRun="true")
    service.clock.advance(minutes=59)
    sets.imported(FILES, "two")
    assert kept.archive_path(service.context, checked["id"]).exists()
    service.clock.advance(minutes=2)
    sets.imported(FILES, "three")
    response = service.request("POST", f"{PATH}/{checked['id']}/import")
    assert refusal(response)[:2] == (409, "Conflict")


def test_a_restart_and_a_reset_forget_what_nobody_can_need(service: Service, sets: DataSets) -> None:
    sets.imported(FILES, "one", dryRun="true")
    service.restart()
    assert expect(service.request("GET", PATH)) == []
    sets.begin(FILES, "two")
    assert service.request("POST", "/_emulator/reset").status_code == 204
    assert expect(service.request("GET", PATH)) == []
    sets.run()
    assert service.get("/projects") == []


def test_an_export_is_an_archive_with_a_name(service: Service, sets: DataSets) -> None:
    project = sets.added(FILES, "Bären & co")["projectId"]
    path = f"/_emulator/projects/{project}/dataSet?format=coco"
    response = service.request("GET", path)
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''B%C3%A4ren%20%26%20co-coco.zip"
    )
    assert service.request("HEAD", path).status_code == 200
    assert refusal(service.request("GET", path.replace("coco", "yolo")))[2] == (
        "YOLO, Ultralytics cannot have tags of whole images. "
        "Formats that can: coco, yolo-classification, cvat, label-studio, azure-ml, csv, folders."
    )
    assert "There is no format" in refusal(service.request("GET", path.replace("coco", "x")))[2]
    response = service.request("GET", f"/_emulator/projects/{NOWHERE}/dataSet?format=coco")
    assert refusal(response)[0] == 404


def test_parts_and_the_domain_can_be_chosen(service: Service, sets: DataSets) -> None:
    files = {"train/cats/1.png": picture(1), "val/cats/2.png": picture(2)}
    report = sets.added(files, "pets", parts="train", domain="food", classificationType="multilabel")
    assert report["parts"] == [{"name": "train", "imageCount": 1}, {"name": "val", "imageCount": 1}]
    assert report["newImageCount"] == 1
    settings = service.get(f"/projects/{report['projectId']}")["settings"]
    domain = service.get(f"/domains/{settings['domainId']}")
    assert (domain["name"], settings["classificationType"]) == ("Food", "Multilabel")


def test_a_domain_without_boxes_refuses_them(service: Service, sets: DataSets) -> None:
    boxes = {
        "images": [{"id": 1, "file_name": "1.png", "width": 48, "height": 36}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    ended = sets.imported({"a.json": json.dumps(boxes), "1.png": picture(1)}, "pets", domain="Food")
    assert ended["failure"] == "The domain Food has no projects of ObjectDetection, as the data set needs."
