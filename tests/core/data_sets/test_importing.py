"""Imports of data sets into projects: all or nothing, by the rules of every upload."""

import json

import pytest

from emulator.data_sets.formats import FORMATS
from emulator.store.tables import JobKind
from tests.support.cloud import DETECTION, GENERAL
from tests.support.data_sets import DataSets, boxed_set, everything_of, files_in, written
from tests.support.harness import Service
from tests.support.images import picture

PETS = {
    "cats/1.png": picture(1),
    "cats/2.png": picture(2),
    "dogs/3.png": picture(3, "blue"),
    "_untagged/4.png": picture(4, "grey"),
    "_negative/5.png": picture(5, "green"),
}


def coco(boxes: list[list[float]], size: tuple[int, int] = (48, 36)) -> str:
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "1.png", "width": size[0], "height": size[1]}],
            "categories": [{"id": 7, "name": "cat"}],
            "annotations": [
                {"id": number, "image_id": 1, "category_id": 7, "bbox": box}
                for number, box in enumerate(boxes)
            ],
        }
    )


def test_folders_become_a_project_with_tags(service: Service, sets: DataSets) -> None:
    report = sets.added(PETS, "pets")
    assert (report["imageCount"], report["newImageCount"], report["untaggedImageCount"]) == (5, 5, 1)
    project = everything_of(service, report["projectId"])
    assert project["project"]["name"] == "pets"
    assert project["project"]["settings"]["classificationType"] == "Multiclass"
    tags = {tag["name"]: (tag["type"], tag["imageCount"]) for tag in project["tags"]}
    assert tags == {"cats": ("Regular", 2), "dogs": ("Regular", 1), "Negative": ("Negative", 1)}
    assert service.get(f"/projects/{report['projectId']}/images/tagged/count") == 4
    assert service.referenced_blobs() == service.blobs()


def test_the_same_import_twice_adds_nothing(service: Service, sets: DataSets) -> None:
    first = sets.added(PETS, "pets")
    before = everything_of(service, first["projectId"])
    again = sets.added(PETS, "pets")
    assert [again[name] for name in ("newImageCount", "newTagCount", "changedImageCount")] == [0, 0, 0]
    assert again["knownImageCount"] == 5
    assert everything_of(service, first["projectId"]) == before


def test_imports_into_one_new_name_at_once_make_one_project(service: Service, sets: DataSets) -> None:
    begun = [sets.begin({f"cats/{number}.png": picture(number)}, "pets") for number in (1, 1, 2)]
    sets.run()
    ended = [sets.get(one["id"]) for one in begun]
    assert [one["report"]["newImageCount"] for one in ended] == [1, 0, 1]
    assert len({one["projectId"] for one in ended}) == 1
    (project,) = service.get("/projects")
    assert service.get(f"/projects/{project['id']}/images/tagged/count") == 2
    assert [service.get(f"/projects/{project['id']}/tags")[0]["imageCount"]] == [2]


def test_an_image_in_two_folders_has_two_tags(service: Service, sets: DataSets) -> None:
    report = sets.added({"cats/1.png": picture(1), "small/x.png": picture(1), "dogs/2.png": picture(2)})
    shown = everything_of(service, report["projectId"])
    assert shown["project"]["settings"]["classificationType"] == "Multilabel"
    assert sorted(len(image["tags"]) for image in shown["images"]) == [1, 2]


def test_boxes_of_coco_become_regions(service: Service, sets: DataSets) -> None:
    files = {"annotations.json": coco([[12, 9, 24, 18]]), "images/1.png": picture(1)}
    report = sets.added(files)
    (image,) = everything_of(service, report["projectId"])["images"]
    (region,) = image["regions"]
    assert [region[name] for name in ("left", "top", "width", "height")] == [0.25, 0.25, 0.5, 0.5]
    assert [tag["tagName"] for tag in image["tags"]] == ["cat"]
    again = sets.added(files)
    assert (again["newBoxCount"], again["changedImageCount"]) == (0, 0)


def test_boxes_that_a_format_has_rounded_are_not_doubled(service: Service, sets: DataSets) -> None:
    files = {"annotations.json": coco([[12.2, 9.3, 24, 18]]), "images/1.png": picture(1)}
    sets.added(files)
    report = sets.added({**files, "annotations.json": coco([[12, 9, 24, 18]])})
    assert report["newBoxCount"] == 0
    report = sets.added({**files, "annotations.json": coco([[14, 9, 24, 18]])})
    assert (report["newBoxCount"], report["changedImageCount"]) == (1, 1)


def test_nothing_is_written_when_one_image_is_wrong(service: Service, sets: DataSets) -> None:
    ended = sets.imported({**PETS, "dogs/6.png": b"no image"}, "pets")
    assert ended["status"] == "Failed"
    assert ended["failure"] == (
        "dogs/6.png: The data is not a JPEG, PNG, BMP or GIF image. It is text. Nothing was imported."
    )
    assert ended["report"]["errorCount"] == 1
    assert service.get("/projects") == []
    assert service.blobs() == set()


def test_a_dry_run_shows_what_an_import_does_and_writes_nothing(service: Service, sets: DataSets) -> None:
    checked = sets.imported(PETS, "pets", dryRun="true")
    assert checked["status"] == "Checked"
    assert {tag["name"]: (tag["imageCount"], tag["isNew"]) for tag in checked["report"]["tags"]} == {
        "Negative": (1, True),
        "cats": (2, True),
        "dogs": (1, True),
    }
    assert checked["report"]["newImageCount"] == 5
    assert service.get("/projects") == []
    assert service.blobs() == set()


def test_a_checked_data_set_is_imported_without_being_sent_again(service: Service, sets: DataSets) -> None:
    checked = sets.imported(PETS, "pets", dryRun="true")
    path = f"/_emulator/dataSets/{checked['id']}"
    assert service.request("POST", f"{path}/import").status_code == 202
    assert service.request("POST", f"{path}/import").status_code == 409
    sets.run()
    assert sets.get(checked["id"])["status"] == "Completed"
    assert len(service.get("/projects")) == 1
    response = service.request("POST", f"{path}/import")
    assert response.status_code == 409


def test_tags_are_known_by_their_names_in_any_case(service: Service, sets: DataSets) -> None:
    project = service.project("pets", classificationType="Multiclass")
    cats = service.tag(project, "CATS")
    none = service.tag(project, "nothing", "Negative")
    report = sets.added(PETS, "pets")
    counts = {tag["id"]: tag["imageCount"] for tag in service.get(f"{project}/tags")}
    assert (counts[cats], counts[none], report["newTagCount"]) == (2, 1, 1)


def test_rules_of_the_project_refuse_a_data_set_with_file_and_reason(
    service: Service, sets: DataSets
) -> None:
    service.project("pets", classificationType="Multiclass")
    ended = sets.imported({"cats/1.png": picture(1), "dogs/2.png": picture(1)}, "pets")
    assert ended["failure"].startswith("cats/1.png: 'cats/1.png': it would have 2 tags")
    files = {"annotations.json": coco([[12, 9, 24, 18]]), "images/1.png": picture(1)}
    ended = sets.imported(files, "pets")
    assert "The data set has boxes, and the project classifies whole images." in ended["failure"]
    assert ended["failure"].startswith("annotations.json, line 1: ")


def test_an_interrupted_import_is_carried_out_after_the_next_start(service: Service, sets: DataSets) -> None:
    begun = sets.begin(PETS, "pets")
    runner = service.runner(JobKind.DATA_SET)
    runner.stop()
    runner._run_next()
    assert sets.get(begun["id"])["status"] == "Waiting"
    assert (service.get("/projects"), service.blobs()) == ([], set())
    service.restart()
    sets.run()
    assert sets.get(begun["id"])["status"] == "Completed"
    assert service.referenced_blobs() == service.blobs()


def test_a_deleted_import_adds_nothing(service: Service, sets: DataSets) -> None:
    begun = sets.begin(PETS, "pets")
    assert service.request("DELETE", f"/_emulator/dataSets/{begun['id']}").status_code == 204
    sets.run()
    assert service.get("/projects") == []
    assert service.request("GET", f"/_emulator/dataSets/{begun['id']}").status_code == 404


def test_it_is_listed_and_cancelled_as_a_job(service: Service, sets: DataSets) -> None:
    begun = sets.begin(PETS, "pets")
    (job,) = service.request("GET", "/_emulator/jobs").json()["jobs"]
    assert (job["id"], job["kind"], job["projectName"], job["status"]) == (
        begun["jobId"],
        "import",
        "pets",
        "Waiting",
    )
    assert service.request("POST", f"/_emulator/jobs/{job['id']}/cancel").status_code == 200
    ended = sets.get(begun["id"])
    assert (ended["status"], ended["failure"][:9]) == ("Failed", "Cancelled")


def test_a_dry_run_is_a_job_of_its_own_kind_and_its_import_another(service: Service, sets: DataSets) -> None:
    checked = sets.imported(PETS, "pets", dryRun="true")
    assert service.request("POST", f"/_emulator/dataSets/{checked['id']}/import").status_code == 202
    listed = service.request("GET", "/_emulator/jobs").json()["jobs"]
    assert [(job["kind"], job["status"]) for job in listed] == [("import", "Waiting"), ("check", "Completed")]


def test_a_data_set_that_was_exported_comes_back_with_its_ids(service: Service, sets: DataSets) -> None:
    report = sets.added(written(boxed_set(), "coco"), "boxes")
    project = f"/projects/{report['projectId']}"
    tag = service.get(f"{project}/tags")[0]
    service.send("PATCH", f"{project}/tags/{tag['id']}", json={"description": "of the zoo"})
    before = everything_of(service, report["projectId"])
    for name in ("coco", "yolo", "darknet", "voc", "cvat", "label-studio", "azure-ml", "csv", "folders"):
        archive = sets.export(report["projectId"], name)
        service.delete(project)
        back = sets.added(archive, "boxes")
        assert everything_of(service, back["projectId"]) == before, name


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("tags", [(), ("cat", "Vogel \xe4")])
def test_an_empty_project_comes_back_from_every_format(
    service: Service, sets: DataSets, format: str, tags: tuple[str, ...]
) -> None:
    kinds = {name: getattr(FORMATS[format], name) for name in ("detection", "classification")}
    for domain in [name for name in ("detection", "classification") if kinds[name]]:
        project = service.project(domainId=DETECTION if domain == "detection" else GENERAL)
        for name in tags:
            service.tag(project, name)
        project_id = project.rpartition("/")[2]
        before = everything_of(service, project_id)
        archive = sets.export(project_id, format)
        service.delete(project)
        checked = sets.imported(archive, "project", dryRun="true")["report"]
        assert (checked["imageCount"], checked["newTagCount"]) == (0, len(tags))
        back = sets.added(archive, "project")
        assert everything_of(service, back["projectId"]) == before, domain
        service.delete(project)


@pytest.mark.parametrize("format", ["yolo-classification", "azure-ml"])
def test_a_format_that_leaves_out_all_images_is_refused(
    service: Service, sets: DataSets, format: str
) -> None:
    project = sets.added({"_untagged/1.png": picture(1)})["projectId"]
    response = service.request("GET", f"/_emulator/projects/{project}/dataSet", params={"format": format})
    assert (response.status_code, response.json()["code"]) == (400, "BadRequestNotSupported")
    assert response.json()["message"].startswith("None of the 1 images has a tag")


def test_several_tags_are_refused_before_anything_is_sent(service: Service, sets: DataSets) -> None:
    project = sets.added({"cats/1.png": picture(1), "dogs/1.png": picture(1)})["projectId"]
    response = service.request(
        "GET", f"/_emulator/projects/{project}/dataSet", params={"format": "yolo-classification"}
    )
    assert response.status_code == 400


def test_images_that_were_added_to_the_files_of_an_empty_project_are_read(
    service: Service, sets: DataSets
) -> None:
    project_id = service.project().rpartition("/")[2]
    added = sets.added({**files_in(sets.export(project_id, "folders")), "cats/1.png": picture(1)}, "added")
    assert (added["newImageCount"], added["newTagCount"]) == (1, 1)


def test_an_image_that_is_missing_is_no_empty_project(service: Service, sets: DataSets) -> None:
    project_id = service.project(domainId=DETECTION).rpartition("/")[2]
    files = files_in(sets.export(project_id, "coco"))
    ended = sets.imported({**files, "annotations.json": coco([[12, 9, 24, 18]])})
    assert ended["status"] == "Failed"
    assert "1.png" in ended["failure"]
