"""The operation that inserts a pulled project into a running emulator."""

from pathlib import Path

import pytest

from tests.support.cloud import guid
from tests.support.harness import Service, expect
from tests.support.pulled import write_archive

_PATH = "/_emulator/pulledProjects"


def test_a_pulled_project_is_inserted_and_replaced_on_request(service: Service, tmp_path: Path) -> None:
    folder = str(write_archive(tmp_path / "archive"))
    assert expect(service.request("POST", _PATH, json={"folder": folder})) == {
        "projectId": guid(1),
        "projectName": "pulled",
        "imageCount": 0,
        "iterationCount": 0,
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
