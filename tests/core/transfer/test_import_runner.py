"""Imports that are interrupted and resumed."""

from pathlib import Path
from typing import Any

import pytest

from emulator.store.tables import JobKind
from tests.conftest import Serve
from tests.support.harness import (
    TRAINING_KEY,
    Service,
    blobs_in,
    expect,
    referenced_blobs,
    wait_until,
)
from tests.support.importing import (
    Elsewhere,
    content,
    nothing_is_left,
    rich_project,
    run_imports,
    start_import,
)
from tests.support.live_server import LiveServer
from tests.support.web_servers import Visit

# --- interruptions ------------------------------------------------------------------------------------------


def test_an_import_outlives_the_process(elsewhere: Elsewhere, target: Service) -> None:
    project, _ = rich_project(elsewhere.service)
    copy = start_import(target, elsewhere.token(project))
    target.restart()
    assert target.get(copy)["status"] == "Importing"
    run_imports(target)
    assert target.get(copy)["status"] == "Succeeded"
    assert content(target, copy) == content(elsewhere.service, project)


def test_an_import_that_the_end_interrupts_is_begun_again(elsewhere: Elsewhere, target: Service) -> None:
    project, _ = rich_project(elsewhere.service)
    copy = start_import(target, elsewhere.token(project))

    def stop_halfway(visit: Visit, archive: bytes) -> None:
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {len(archive)}", archive[: len(archive) // 2])
        target.runner(JobKind.IMPORT).stop()
        visit.connection.sendall(archive[len(archive) // 2 :])

    elsewhere.break_off = stop_halfway
    run_imports(target)
    assert target.get(copy)["status"] == "Importing"
    assert target.get(f"{copy}/images") == target.get(f"{copy}/tags") == []
    elsewhere.break_off = None
    target.restart()
    run_imports(target)
    assert content(target, copy) == content(elsewhere.service, project)
    assert target.blobs() == target.referenced_blobs()


def test_a_transfer_that_breaks_off_is_tried_again_and_then_fails(
    elsewhere: Elsewhere, target: Service
) -> None:
    project, _, _ = elsewhere.service.trainable()
    copy = start_import(target, elsewhere.token(project))
    times = []

    def cut(visit: Visit, archive: bytes) -> None:
        times.append(1)
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {len(archive)}", archive[:-2000])

    elsewhere.break_off = cut
    run_imports(target)
    assert len(times) == 3
    assert target.get(copy)["status"] == "Failed"
    nothing_is_left(target, copy)


def test_an_import_into_a_deleted_project_stops(elsewhere: Elsewhere, target: Service) -> None:
    project, _, _ = elsewhere.service.trainable()
    copy = start_import(target, elsewhere.token(project))

    def delete_halfway(visit: Visit, archive: bytes) -> None:
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {len(archive)}", archive[: len(archive) // 2])
        target.delete(copy)
        visit.connection.sendall(archive[len(archive) // 2 :])

    elsewhere.break_off = delete_halfway
    run_imports(target)
    assert target.get("/projects") == []
    assert target.blobs() == set()
    assert target.rows("SELECT count(*) FROM job") == [(0,)]


def test_a_source_that_is_deleted_before_the_copy_begins(service: Service) -> None:
    project, _, _ = service.trainable()
    copy = start_import(service, service.get(f"{project}/export")["token"])
    service.delete(project)
    run_imports(service)
    assert service.get(copy)["status"] == "Failed"
    service.delete(copy)


def test_the_reason_of_a_failed_import(elsewhere: Elsewhere, target: Service) -> None:
    def listed() -> Any:
        return expect(target.request("GET", "/_emulator/imports"))

    assert target.request("GET", "/_emulator/imports", key=None).status_code == 401
    assert listed() == []
    project, _, _ = elsewhere.service.trainable()
    copy = start_import(target, elsewhere.token(project))
    waiting = {"projectId": copy.rpartition("/")[2], "name": "project (1)", "status": "Importing"}
    assert listed() == [waiting | {"attempts": 0, "reason": None}]
    elsewhere.service.delete(project)
    run_imports(target)
    (failed,) = listed()
    assert failed["reason"] and "404" in failed["reason"]
    assert failed == waiting | {"status": "Failed", "attempts": 1, "reason": failed["reason"]}
    # It stays as long as the project, and is not executed again.
    target.restart()
    run_imports(target)
    assert listed() == [failed]
    target.delete(copy)
    assert listed() == []
    assert target.rows("SELECT count(*) FROM job") == [(0,)]


def test_reset_ends_imports(service: Service) -> None:
    project, _, _ = service.trainable()
    start_import(service, service.get(f"{project}/export")["token"])
    assert service.request("POST", "/_emulator/reset").status_code == 204
    run_imports(service)
    assert service.get("/projects") == []
    assert service.blobs() == set()


# --- live servers -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_between_two_servers_by_the_sdk_although_one_is_killed(serve: Serve, tmp_path: Path) -> None:
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from msrest.authentication import ApiKeyCredentials

    def client(server: LiveServer) -> Any:
        credentials = ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY})
        return CustomVisionTrainingClient(server.endpoint, credentials)

    source = serve(data=tmp_path / "source")
    project = source.trainable(per_tag=32)
    exported = client(source).export_project(project.split("/")[2])
    assert (exported.image_count, exported.tag_count, exported.iteration_count) == (64, 2, 0)

    target = serve("--url-allow", "127.0.0.1", data=tmp_path / "target")
    made = client(target).import_project(exported.token, name="copy")
    assert (made.name, made.status) == ("copy", "Importing")
    target.kill()
    target = serve("--url-allow", "127.0.0.1", data=tmp_path / "target")
    copy = f"/projects/{made.id}"
    wait_until(lambda: target.get(copy)["status"] != "Importing", "the end of the import")
    assert target.get(copy)["status"] == "Succeeded"
    assert target.get(f"{copy}/images/tagged/count") == 64
    assert target.terminate() == 0
    assert blobs_in(tmp_path / "target") == referenced_blobs(tmp_path / "target")
