"""Exports and imports of projects by token."""

import io
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.harness import NOWHERE, Service, expect
from tests.support.images import picture, pictures
from tests.support.importing import (
    DETECTION,
    INVALID,
    Elsewhere,
    content,
    imported,
    rich_project,
    run_imports,
    start_import,
)

# --- exporting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v3.2", "v3.3", "v3.4-preview"])
def test_an_export_counts_and_signs(service: Service, version: str) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    exported = service.get(f"{project}/export", version=version)
    digits = project.split("/")[2].replace("-", "")
    token = exported.pop("token")
    assert token.startswith(
        f"http://emulator.localhost/prjexp-{digits}/project-export-info?sv=2017-04-17&sr=b&sig="
    )
    assert token.endswith("&se=2026-03-05T05%3A06%3A07Z&sp=r")
    assert exported.pop("estimatedImportTimeInMS") > 0
    # Up to 3.3, the workspace counts as an iteration.
    count = 1 if version == "v3.4-preview" else 2
    assert exported == {"iterationCount": count, "imageCount": 10, "tagCount": 4, "regionCount": 0}


def test_an_export_waits_for_the_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    status, code, _ = service.refused("GET", f"{project}/export")
    assert (status, code) == (400, "BadRequestExportWhileTraining")
    service.finish_trainings()
    assert service.get(f"{project}/export")["iterationCount"] == 1


def test_only_existing_projects_can_be_exported(service: Service) -> None:
    assert service.refused("GET", f"/projects/{NOWHERE}/export")[:2] == (404, "NotFoundProject")
    project = service.project()
    assert service.send("GET", f"{project}/export", version="v3.1").status_code == 404
    copy = start_import(service, service.get(f"{project}/export")["token"])
    assert service.refused("GET", f"{copy}/export")[:2] == (400, "BadRequestNotSupported")


# --- importing ----------------------------------------------------------------------------------------------


def test_an_import_answers_at_once(service: Service) -> None:
    project, _, _ = service.trainable()
    token = service.get(f"{project}/export")["token"]
    service.clock.advance(hours=1)
    source = service.get(project)
    made = service.post("/projects/import", params={"token": token})
    assert made["name"] == "project (1)"
    assert made["status"] == "Importing"
    assert made["created"] == made["lastModified"] > source["created"]
    assert made["settings"] == source["settings"]
    assert made["id"] != source["id"]
    assert service.get(f"/projects/{made['id']}/images") == []


@pytest.mark.parametrize(
    ("version", "name"), [("v3.2", "project (1)"), ("v3.3", "mine"), ("v3.4-preview", "mine")]
)
def test_a_copy_can_be_named_since_3_3(service: Service, version: str, name: str) -> None:
    token = service.get(f"{service.project()}/export")["token"]
    made = service.post("/projects/import", version=version, params={"token": token, "name": "mine"})
    assert made["name"] == name


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_copy_is_like_the_original(where: str, elsewhere: Elsewhere, target: Service) -> None:
    source = elsewhere.service
    project, iteration = rich_project(source)
    source.publish(iteration)
    token = elsewhere.token(project)
    if where == "here":
        target = source
    target.clock.advance(hours=2)
    copy = imported(target, token)

    assert content(target, copy) == content(source, project)
    (original,), (twin,) = source.get(f"{project}/iterations"), target.get(f"{copy}/iterations")
    assert content(target, copy, twin["id"]) == content(source, project, original["id"])
    own = {"id", "projectId", "created", "lastModified", "publishName", "originalPublishResourceId"}
    assert {key: value for key, value in twin.items() if key not in own} == {
        key: value for key, value in original.items() if key not in own
    }
    assert twin["id"] != original["id"]
    assert twin["publishName"] is twin["originalPublishResourceId"] is None
    assert twin["created"] == target.get(copy)["created"]
    assert original["publishName"] == "published"

    ids = {item["id"] for item in source.get(f"{project}/images") + source.get(f"{project}/tags")}
    assert ids.isdisjoint(item["id"] for item in target.get(f"{copy}/images") + target.get(f"{copy}/tags"))
    answer = expect(target.predict(target.publish(f"{copy}/iterations/{twin['id']}"), picture(90, "red")))
    tags = target.get(f"{copy}/tags", params={"iterationId": twin["id"]})
    assert answer["predictions"][0]["tagId"] == next(tag["id"] for tag in tags if tag["name"] == "red")
    figures = [
        performance(source, f"{project}/iterations/{original['id']}"),
        performance(target, f"{copy}/iterations/{twin['id']}"),
    ]
    assert figures[0] == figures[1]
    assert target.blobs() == target.referenced_blobs()
    assert target.rows("SELECT count(*) FROM job") == [(0,)]


def performance(service: Service, iteration: str) -> Any:
    found = service.get(f"{iteration}/performance", params={"threshold": "0.5", "overlapThreshold": "0.3"})
    found["perTagPerformance"] = sorted(
        ({key: value for key, value in tag.items() if key != "id"} for tag in found["perTagPerformance"]),
        key=lambda tag: tag["name"],
    )
    return found


def test_a_copy_goes_on_by_itself(service: Service) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    copy = imported(service, service.get(f"{project}/export")["token"])
    assert service.refused("POST", f"{copy}/train")[2] == "Nothing changed since last training"
    red = next(tag["id"] for tag in service.get(f"{copy}/tags") if tag["name"] == "red")
    service.images(copy, pictures(3, "grey"), red)
    again = service.get(service.train(copy))
    assert (again["name"], again["status"]) == ("Iteration 2", "Completed")
    service.delete(project)  # blobs that both have stay
    assert len(service.get(f"{copy}/images")) == 13
    assert service.blobs() == service.referenced_blobs()
    service.delete(copy)
    assert service.blobs() == set()


def test_regions_are_copied(elsewhere: Elsewhere, target: Service) -> None:
    source = elsewhere.service
    project = source.project(domainId=DETECTION)
    fork = source.tag(project, "fork")
    image = source.images(project, [picture(1)], fork)[0]
    box = {"left": 0.1, "top": 0.25, "width": 0.5, "height": 0.125}
    source.post(f"{project}/images/regions", json={"regions": [{"imageId": image, "tagId": fork, **box}]})
    assert source.get(f"{project}/export")["regionCount"] == 1
    copy = imported(target, elsewhere.token(project))
    assert content(target, copy) == content(source, project)
    assert len(target.get(f"{copy}/images")[0]["regions"]) == 1


def test_a_project_that_is_being_imported_cannot_be_changed(service: Service) -> None:
    project, _, _ = service.trainable()
    copy = start_import(service, service.get(f"{project}/export")["token"])
    modified = (400, "BadRequestWorkspaceCannotBeModified")
    assert service.refused("POST", f"{copy}/tags", params={"name": "mine"})[:2] == modified
    upload = service.send("POST", f"{copy}/images", content=picture(3), headers={"Content-Type": "image/png"})
    assert upload.json()["code"] == "BadRequestWorkspaceCannotBeModified"
    run_imports(service)
    service.tag(copy, "mine")
    assert service.blobs() == service.referenced_blobs()


def test_two_imports_of_one_token(service: Service) -> None:
    project, _, _ = service.trainable()
    token = service.get(f"{project}/export")["token"]
    copies = [start_import(service, token), start_import(service, token)]
    run_imports(service)
    assert [len(service.get(f"{copy}/images")) for copy in copies] == [10, 10]


# --- tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "nonsense",
        lambda token: "http://[",
        lambda token: token.partition("&")[0],  # what a client sends that does not encode it
        lambda token: token.replace("sig=", "sig=A"),
        lambda token: token.replace("2026-03-05", "2036-03-05"),
        lambda token: token.replace("/prjexp-", "/prjexp-0"),
        lambda token: token.replace("project-export-info", "project-export-data"),
        lambda token: token.replace("http://", "ftp://"),
        lambda token: f"{token.replace('sig=', 'sig=A')}{'&x=1' * 900}",
    ],
)
def test_a_token_that_was_not_issued_here(service: Service, spoil: Callable[[str], str]) -> None:
    token = spoil(service.get(f"{service.project()}/export")["token"])
    status, code, message = service.refused("POST", "/projects/import", params={"token": token})
    assert (status, code, message[:13]) == INVALID
    assert len(service.get("/projects")) == 1


def test_a_token_is_needed(service: Service) -> None:
    assert service.refused("POST", "/projects/import")[:2] == (400, "BadRequestRequiredParamIsNull")


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_token_expires_after_a_day(where: str, elsewhere: Elsewhere, target: Service) -> None:
    source = elsewhere.service
    project = source.project()
    token = elsewhere.token(project)
    importer = source if where == "here" else target
    if where == "here":
        token = source.get(f"{project}/export")["token"]
    source.clock.advance(hours=23, minutes=59)
    importer.post("/projects/import", params={"token": token})
    source.clock.advance(minutes=2)
    assert importer.refused("POST", "/projects/import", params={"token": token}) == INVALID


def test_a_token_of_a_deleted_project(elsewhere: Elsewhere, target: Service) -> None:
    project = elsewhere.service.project()
    there, here = elsewhere.token(project), elsewhere.service.get(f"{project}/export")["token"]
    elsewhere.service.delete(project)
    assert target.refused("POST", "/projects/import", params={"token": there}) == INVALID
    assert elsewhere.service.refused("POST", "/projects/import", params={"token": here}) == INVALID


def test_only_where_fetching_is_allowed(elsewhere: Elsewhere, service: Service) -> None:
    token = elsewhere.token(elsewhere.service.project())
    status, code, message = service.refused("POST", "/projects/import", params={"token": token})
    assert (status, code) == INVALID[:2]
    assert message == "Invalid Token. The URL points to a private or local address (see --url-allow)."


def test_the_archive_needs_the_signature(service: Service) -> None:
    project, _, _ = service.trainable()
    path = service.get(f"{project}/export")["token"].removeprefix("http://emulator.localhost")
    archive = path.replace("project-export-info", "project-export-data")
    assert expect(service.request("GET", path, key=None))["image_count"] == 10
    response = service.request("GET", archive, key=None)
    assert response.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(response.content)) as opened:
        assert opened.getnames()[0] == "manifest.json"
        assert len(opened.getnames()) == 11
    for wrong in (
        archive.replace("sig=", "sig=A"),
        archive.partition("?")[0],
        archive.replace("se=2026", "se=2027"),
    ):
        assert service.request("GET", wrong, key=None).status_code == 403
    assert service.request("GET", archive.replace("-data", "-else"), key=None).status_code == 404
    service.clock.advance(hours=25)
    assert service.request("GET", archive, key=None).status_code == 403
