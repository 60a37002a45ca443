"""The operation that inserts a pulled project into a running emulator."""

from pathlib import Path

import pytest

from emulator.core.pulled.archive import PullArchive
from tests.support.cloud import Cloud, guid
from tests.support.harness import Service, expect
from tests.support.pulled import pull_into, write_archive

_PATH = "/_emulator/pulledProjects"


def test_a_pulled_project_is_inserted_and_replaced_on_request(service: Service, tmp_path: Path) -> None:
    folder = str(write_archive(tmp_path / "archive"))
    assert expect(service.request("POST", _PATH, json={"folder": folder})) == {
        "projectId": guid(1),
        "projectName": "pulled",
        "imageCount": 0,
        "iterationCount": 0,
        "trainingIterationId": None,
        "trainingIterationName": None,
        "notes": [],
    }
    assert [tag["id"] for tag in service.get(f"/projects/{guid(1)}/tags")] == [guid(2)]
    refused = service.request("POST", _PATH, json={"folder": folder})
    assert (refused.status_code, refused.json()["code"]) == (409, "Conflict")
    assert "there is a project with the id" in refused.json()["message"]
    service.tag(f"/projects/{guid(1)}", "made here")
    expect(service.request("POST", _PATH, json={"folder": folder, "replace": True}))
    assert len(service.get(f"/projects/{guid(1)}/tags")) == 1


@pytest.mark.parametrize("folder", ["relative", "/nowhere/at/all", "/with\0zero"])
def test_other_folders_are_refused(service: Service, folder: str) -> None:
    refused = service.request("POST", _PATH, json={"folder": folder})
    assert (refused.status_code, refused.json()["code"]) == (400, "BadRequest")
    assert service.get("/projects") == []


def test_a_training_is_requested_where_the_last_iteration_has_no_model(
    service: Service, tmp_path: Path
) -> None:
    with Cloud(0) as cloud:
        for number in range(12):
            tag = cloud.tags[number % 2]
            tags = [{"tagId": tag["id"], "tagName": tag["name"], "created": "2020-11-06T16:16:00"}]
            cloud.add(number, tags=tags)
        cloud.iterate()
        archive = PullArchive(tmp_path / "archive")
        pull_into(service.context, cloud, archive)
        archive.close()
        body = {"folder": str(tmp_path / "archive"), "replace": True, "retrain": True}
        found = expect(service.request("POST", _PATH, json=body))
        assert found["trainingIterationName"] == "Iteration 2"
        service.finish_trainings()
        iteration = service.get(f"/projects/{cloud.id}/iterations/{found['trainingIterationId']}")
        assert iteration["status"] == "Completed"


def test_a_project_that_cannot_be_trained_is_inserted_with_a_note(service: Service, tmp_path: Path) -> None:
    with Cloud(2) as cloud:
        cloud.iterate()
        archive = PullArchive(tmp_path / "archive")
        pull_into(service.context, cloud, archive)
        archive.close()
        body = {"folder": str(tmp_path / "archive"), "replace": True, "retrain": True}
        found = expect(service.request("POST", _PATH, json=body))
        assert found["trainingIterationId"] is None
        assert found["notes"][-1].startswith("no training was requested: ")
