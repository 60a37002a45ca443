"""Exports and imports of projects under a plan."""

from typing import Any

import pytest

from tests.support.choreographing import held, plan, start_runners, statuses, wait_until_executed
from tests.support.harness import Service, expect, wait_until
from tests.support.importing import start_import

FAILURE = {"code": "ErrorExporterInvalidClassifier", "message": "The model has no end."}


def begin_export(service: Service, iteration: str, platform: str = "ONNX") -> str:
    """The path of the exports of an iteration, of which one was requested."""
    path = f"{iteration}/export"
    assert service.post(path, params={"platform": platform})["status"] == "Exporting"
    return path


def exported(service: Service, path: str) -> list[tuple[str, bool]]:
    """Status of each export, and whether it has a URI."""
    return [(item["status"], item["downloadUri"] is not None) for item in service.get(path)]


def test_the_last_poll_shows_the_export(service: Service) -> None:
    iteration = service.exportable()
    start_runners(service)
    plan(service, export={"polls": 3})
    path = begin_export(service, iteration)
    wait_until_executed(service)
    assert (
        service.refused("POST", path, params={"platform": "ONNX"})[1] == "BadRequestExportAlreadyInProgress"
    )
    assert [exported(service, path)[0] for _ in range(4)] == [("Exporting", False)] * 2 + [("Done", True)] * 2
    (shown,) = service.get(path)
    assert service.follow(shown["downloadUri"]).status_code == 200


def test_polls_count_for_each_export_of_the_iteration(service: Service) -> None:
    iteration = service.exportable()
    start_runners(service)
    plan(service, export={"polls": 2})
    path = begin_export(service, iteration)
    assert exported(service, path) == [("Exporting", False)]
    begin_export(service, iteration, "TensorFlow")
    service.get(iteration)
    assert exported(service, path) == [("Done", True), ("Exporting", False)]
    own = service.request("GET", f"/_emulator{iteration}/exports").json()
    assert [item["status"] for item in own] == ["Done", "Done"]


def test_an_export_fails_as_planned_and_can_be_requested_again(service: Service) -> None:
    iteration = service.exportable()
    start_runners(service)
    plan(service, export={"polls": 2, "failure": FAILURE})
    path = begin_export(service, iteration)
    assert [exported(service, path)[0] for _ in range(2)] == [("Exporting", False), ("Failed", False)]
    (own,) = service.request("GET", f"/_emulator{iteration}/exports").json()
    assert own["failure"] == "ErrorExporterInvalidClassifier: The model has no end."
    assert service.exporter.jobs == []
    plan(service, export={"complete": "atOnce"})
    begin_export(service, iteration)
    assert exported(service, path) == [("Done", True)]


@pytest.mark.parametrize("what", ["iteration", "project"])
def test_a_held_export_ends_with_its_iteration(service: Service, what: str) -> None:
    iteration = service.exportable()
    start_runners(service)
    plan(service, export={"polls": 2})
    begin_export(service, iteration)
    wait_until_executed(service)
    service.delete(iteration if what == "iteration" else iteration.partition("/iterations")[0])
    assert held(service) == []
    assert [path for path in (service.settings.data / "exports").rglob("*") if path.is_file()] == []
    assert service.blobs() == service.referenced_blobs()


def test_after_a_restart_a_held_export_ends_as_usual(service: Service) -> None:
    iteration = service.exportable()
    start_runners(service)
    plan(service, export={"polls": 99})
    path = begin_export(service, iteration)
    wait_until_executed(service)
    service.restart()
    start_runners(service)
    wait_until(lambda: exported(service, path) == [("Done", True)], "the export")
    assert service.blobs() == service.referenced_blobs()


# --- imports ------------------------------------------------------------------------------------------------


def token(service: Service, project: str) -> str:
    return str(service.get(f"{project}/export")["token"])


def test_the_last_poll_shows_the_imported_project(service: Service) -> None:
    project, _, _ = service.trainable()
    start_runners(service)
    plan(service, imports={"polls": 3})
    copy = start_import(service, token(service, project))
    assert service.get(f"{copy}/images/count") == 0
    service.get(project)
    assert service.refused("GET", f"{copy}/export")[1] == "BadRequestNotSupported"
    assert service.get(copy)["status"] == "Importing"
    listed = {item["id"]: item["status"] for item in service.get("/projects")}
    assert listed == {project[-36:]: "Succeeded", copy[-36:]: "Importing"}
    assert service.get(copy)["status"] == "Succeeded"
    assert service.get(f"{copy}/images/count") == 10


@pytest.mark.parametrize("complete", [{"complete": "atOnce"}, {"seconds": 60}])
def test_imports_end_at_once_or_after_seconds(service: Service, complete: dict[str, Any]) -> None:
    project, _, _ = service.trainable()
    start_runners(service)
    plan(service, imports=complete)
    copy = start_import(service, token(service, project))
    if "seconds" in complete:
        assert statuses(service, copy, 3) == ["Importing"] * 3
        service.clock.advance(seconds=61)
        assert service.get(copy)["status"] == "Succeeded"
    assert service.get(f"{copy}/images/count") == 10


def test_an_import_fails_as_planned(service: Service) -> None:
    project, _, _ = service.trainable()
    start_runners(service)
    failure = {"code": "ErrorProjectImportRequestFailed", "message": "The copy is gone."}
    plan(service, project, imports={"polls": 2, "failure": failure})
    copy = start_import(service, token(service, project))
    assert [job["projectId"] for job in held(service, project)] == [copy[-36:]]
    assert statuses(service, copy, 2) == ["Importing", "Failed"]
    (unfinished,) = expect(service.request("GET", "/_emulator/imports"))
    assert unfinished["reason"] == "ErrorProjectImportRequestFailed: The copy is gone."
    assert service.get(f"{copy}/images/count") == 0


def test_held_imports_do_not_hold_others(service: Service) -> None:
    slow, _, _ = service.trainable()
    free, _, _ = service.trainable()
    start_runners(service)
    plan(service, slow, imports={"polls": 9000})
    first = start_import(service, token(service, slow))
    second = start_import(service, token(service, free))
    wait_until(lambda: service.get(second)["status"] == "Succeeded", "the free one")
    assert service.get(first)["status"] == "Importing"
    service.delete(first)
    assert held(service) == []


def test_after_a_restart_a_held_import_ends_as_usual(service: Service) -> None:
    project, _, _ = service.trainable()
    start_runners(service)
    plan(service, imports={"polls": 9000})
    copy = start_import(service, token(service, project))
    service.restart()
    start_runners(service)
    wait_until(lambda: service.get(copy)["status"] == "Succeeded", "the import")
