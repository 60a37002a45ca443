"""A full disk: requests get the service's errors, no partial state remains, and all works afterwards."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from emulator.core.jobs import thread
from emulator.core.notifications import outbox
from emulator.core.training.runner import TrainingWork
from emulator.store.database import StorageFull
from emulator.store.tables import JobKind
from tests.support.exported_models import classifier_zip
from tests.support.harness import Service, expect, files_body, refusal, wait_until
from tests.support.images import picture, pictures


@contextmanager
def full_for_blobs() -> Iterator[None]:
    """Make every write of a blob fail."""

    def no_room(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", no_room)
        yield


@contextmanager
def full_for_rows(service: Service) -> Iterator[None]:
    """Make the database fail to grow; its free pages are used up first."""
    engine = service.context.database._engine
    (pages,) = service.rows("PRAGMA page_count")[0]

    def limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def unlimit(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 4294967294")

    event.listen(engine, "begin", limit)
    try:
        yield
    finally:
        event.remove(engine, "begin", limit)
        event.listen(engine, "begin", unlimit)


def fill(service: Service) -> None:
    """Use up the free pages of the database with large tags."""
    project = service.project("filling")
    for number in range(1000):
        parameters = {"name": f"filling {number}", "description": "x" * 2000}
        if service.send("POST", f"{project}/tags", params=parameters).status_code == 507:
            return
    raise AssertionError("the database never was full")


def test_images_that_find_no_room_fail_one_by_one(service: Service) -> None:
    project = service.project()
    tag = service.tag(project, "a")
    service.images(project, pictures(2), tag)
    with full_for_blobs():
        items = service.upload(project, pictures(4), tag)
        assert [item["status"] for item in items] == ["OKDuplicate"] * 2 + ["ErrorStorage"] * 2
        assert [item["image"] is None for item in items] == [False, False, True, True]
    assert service.get(f"{project}/images/count") == 2
    assert service.blobs() == service.referenced_blobs()
    assert [item["status"] for item in service.upload(project, pictures(4), tag)] == ["OKDuplicate"] * 2 + [
        "OK"
    ] * 2


@pytest.mark.sqlite
def test_rows_that_find_no_room_are_refused_and_their_blobs_are_gone(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(2))
    with full_for_rows(service):
        fill(service)
        before = service.rows("SELECT * FROM image")
        big = {f"{number:0128}": "v" * 256 for number in range(10)}
        body = files_body(pictures(60, start=10)) | {"metadata": big}
        refused = refusal(service.send("POST", f"{project}/images/files", json=body))
        assert refused[0] == 507
        assert "full" in refused[2]
        assert service.rows("SELECT * FROM image") == before
        assert service.blobs() == service.referenced_blobs()
        # Reading still works.
        assert len(service.get(f"{project}/images")) == 2
        assert service.rows("PRAGMA integrity_check") == [("ok",)]
    assert len(service.images(project, pictures(5, start=10))) == 5


@pytest.mark.sqlite
def test_predictions_succeed_though_they_cannot_be_stored(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    project, red, _ = service.trainable()
    address = service.publish(service.train(project))
    with full_for_blobs(), caplog.at_level(logging.ERROR):
        response = expect(service.predict(address, picture(90)))
    assert response["predictions"][0]["tagId"] == red
    assert "not stored" in caplog.text
    with full_for_rows(service):
        fill(service)
        for number in range(5):
            expect(service.predict(address, picture(91 + number)))
    assert service.blobs() == service.referenced_blobs()


def test_a_training_whose_model_finds_no_room_fails_with_its_reason(service: Service) -> None:
    project, _, _ = service.trainable()
    with full_for_blobs():
        iteration = service.get(service.train(project))
    assert iteration["status"] == "Failed"
    assert "disk is full" in iteration["trainingErrorDetails"]
    assert service.blobs() == service.referenced_blobs()
    assert service.get(service.train(project))["status"] == "Completed"


def test_a_training_that_cannot_even_be_written_down_is_taken_up_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without space for a row, the job stays and its thread goes on; with space, the training ends."""
    project, _, _ = service.trainable()
    calls = []

    def without_room(really_end: Any) -> Any:
        def no_room(*arguments: Any) -> None:
            calls.append(arguments)
            if len(calls) <= 3:
                raise StorageFull("database or disk is full")
            really_end(*arguments)

        return no_room

    for end in ("complete", "fail"):
        monkeypatch.setattr(TrainingWork, end, without_room(getattr(TrainingWork, end)))
    monkeypatch.setattr(thread, "PAUSE_SECONDS", 0.01)
    service.runner(JobKind.TRAINING).start()
    iteration = service.post(f"{project}/train")
    path = f"{project}/iterations/{iteration['id']}"
    wait_until(lambda: service.get(path)["status"] != "Training", "the end of the training")
    assert service.get(path)["status"] in ("Completed", "Failed")
    assert service.runner(JobKind.TRAINING).is_alive
    assert len(calls) > 3


def test_an_export_that_finds_no_room_fails_with_its_reason_and_can_be_asked_for_again(
    service: Service,
) -> None:
    iteration = service.exportable()
    with full_for_blobs():
        failed = service.export(iteration, "ONNX")
    assert (failed["status"], failed["downloadUri"]) == ("Failed", None)
    (export,) = expect(service.request("GET", f"/_emulator{iteration}/exports"))
    assert export["failure"] == "The disk is full: the export could not be stored."
    assert service.blobs() == service.referenced_blobs()
    assert list((service.settings.data / "exports").iterdir()) == []
    assert service.export(iteration, "ONNX")["status"] == "Done"


def test_an_export_that_cannot_even_be_written_down_is_taken_up_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    iteration = service.exportable()
    really_note = outbox.note_export
    calls = []

    def no_room(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) <= 4:  # as Done, then twice as Failed
            raise StorageFull("database or disk is full")
        really_note(*arguments)

    monkeypatch.setattr(outbox, "note_export", no_room)
    monkeypatch.setattr(thread, "PAUSE_SECONDS", 0.01)
    service.runner(JobKind.EXPORT).start()
    service.post(f"{iteration}/export", params={"platform": "ONNX"})
    wait_until(lambda: service.get(f"{iteration}/export")[0]["status"] == "Done", "the export")
    assert len(calls) == 5
    assert service.blobs() == service.referenced_blobs()


@pytest.mark.sqlite
def test_a_full_disk_when_an_export_is_asked_for(service: Service) -> None:
    iteration = service.exportable()
    with full_for_rows(service):
        fill(service)
        responses = [
            service.send("POST", f"{iteration}/export", params={"platform": platform})
            for platform in ("ONNX", "CoreML", "VAIDK", "OpenVino")
        ]
        assert {response.status_code for response in responses} <= {200, 507}
        service.finish_exports()
    service.finish_exports()
    shown = service.get(f"{iteration}/export")
    assert len(shown) == sum(response.status_code == 200 for response in responses)
    assert {one["status"] for one in shown} <= {"Done", "Failed"}
    assert service.blobs() == service.referenced_blobs()


@pytest.mark.sqlite
def test_a_full_disk_at_the_start_of_a_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    with full_for_rows(service):
        fill(service)
        service.finish_trainings()
    service.finish_trainings()
    assert service.get(f"{project}/iterations")[0]["status"] == "Completed"


@pytest.mark.sqlite
def test_there_is_room_again_after_a_reset(service: Service) -> None:
    with full_for_rows(service):
        fill(service)
        assert service.request("POST", "/_emulator/reset").status_code == 204
        project, _, _ = service.trainable()
        assert service.get(f"{project}/images/count") == 10


def test_a_link_secret_cut_off_by_a_full_disk_is_made_anew_and_a_good_one_is_kept(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    path = service.settings.data / "link-secret"
    good = path.read_bytes()
    service.restart()
    assert path.read_bytes() == good
    assert caplog.text == ""
    path.write_bytes(good[:7])
    service.restart()
    assert len(path.read_bytes()) == len(good)
    assert f"{path} has 7 bytes instead of 32" in caplog.text


def test_a_link_secret_that_is_lost_beside_projects_is_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    path = service.settings.data / "link-secret"
    path.unlink()
    service.restart()
    assert caplog.text == ""
    service.project()
    path.write_bytes(b"")
    service.restart()
    assert "no longer valid" in caplog.text


def test_an_imported_model_that_finds_no_room_leaves_nothing(service: Service) -> None:
    def post() -> Any:
        return service.request(
            "POST", "/_emulator/models", params={"project": "imported"}, content=classifier_zip()
        )

    with full_for_blobs():
        assert post().status_code == 507
    assert (service.get("/projects"), service.blobs()) == ([], set())
    assert expect(post())["iterationName"] == "Iteration 1"
