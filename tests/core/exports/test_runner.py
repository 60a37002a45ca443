"""Running exports: failures, restarts, the queue, and deletion during an export."""

import errno
import logging
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator.store.tables import JobKind
from emulator.vision.exports.formats import ExportFailed
from emulator.worker.executor import WorkerDied
from tests.support.exporting import details, fetched, left_over, refusal_of, request_export
from tests.support.harness import Service, expect, wait_until


@pytest.fixture
def iteration(service: Service) -> str:
    """The path of a trained iteration of General (compact)."""
    return service.exportable()


# --- failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        ([ExportFailed("Install this and that.")], "Install this and that."),
        ([ValueError("odd")], "The emulator could not export: odd"),
        ([OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))], "The disk is full"),
        ([WorkerDied("The worker process exited with code 3")] * 3, "ended 3 times"),
    ],
    ids=["refused", "broken", "full", "dead"],
)
def test_a_failure_tells_its_reason(
    service: Service,
    iteration: str,
    failures: list[Exception],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.exporter.failures = list(failures)
    with caplog.at_level(logging.WARNING):
        failed = service.export(iteration, "ONNX", "ONNX12")
    assert failed == {
        "platform": "ONNX",
        "status": "Failed",
        "downloadUri": None,
        "flavor": "ONNX12",
        "newerVersionAvailable": False,
    }
    (found,) = details(service, iteration)
    assert reason in found["failure"]
    assert reason in caplog.text
    assert iteration.split("/")[-1] in caplog.text
    assert service.rows("SELECT * FROM job") == []
    assert service.blobs() == service.referenced_blobs()
    assert left_over(service) == []


def test_a_worker_that_dies_is_given_another_try(service: Service, iteration: str) -> None:
    service.exporter.failures = [WorkerDied("The worker process exited with code 3")] * 2
    assert service.export(iteration, "ONNX")["status"] == "Done"
    assert len(service.exporter.jobs) == 3


def test_one_failure_holds_up_nothing(service: Service, iteration: str) -> None:
    service.exporter.failures = [ExportFailed("no")]
    for platform in ("ONNX", "CoreML"):
        expect(request_export(service, iteration, platform))
    service.finish_exports()
    assert [one["status"] for one in service.get(f"{iteration}/export")] == ["Failed", "Done"]


# --- restarts -----------------------------------------------------------------------------------------------


def test_an_export_survives_a_restart(service: Service, iteration: str) -> None:
    expect(request_export(service, iteration, "ONNX"))
    service.runner(JobKind.EXPORT).claim()
    leftover = service.settings.data / "exports" / "left"
    leftover.mkdir(parents=True)
    service.restart()
    service.runner(JobKind.EXPORT).start()
    wait_until(lambda: service.get(f"{iteration}/export")[0]["status"] == "Done", "the export")
    assert not leftover.exists()
    fetched(service, service.get(f"{iteration}/export")[0])


def test_three_interruptions_by_the_end_of_the_emulator_fail_it(service: Service, iteration: str) -> None:
    expect(request_export(service, iteration, "ONNX"))
    for _ in range(3):
        service.runner(JobKind.EXPORT).claim()  # and then the process dies
        service.restart()
    service.finish_exports()
    assert service.get(f"{iteration}/export")[0]["status"] == "Failed"
    assert "interrupted 3 times" in details(service, iteration)[0]["failure"]
    assert service.exporter.jobs == []


def test_a_finished_export_and_its_link_survive_a_restart(service: Service, iteration: str) -> None:
    done = service.export(iteration, "ONNX")
    content = fetched(service, done)
    service.restart()
    assert fetched(service, done) == content
    assert refusal_of(service, iteration, platform="ONNX")[1] == "BadRequestExportAlreadyInProgress"


# --- with the thread that carries exports out ---------------------------------------------------------------


@pytest.fixture
def held(service: Service, iteration: str) -> Iterator[str]:
    """An iteration whose export runs until the test releases it."""
    service.exporter.held = True
    service.runner(JobKind.EXPORT).start()
    expect(request_export(service, iteration, "ONNX"))
    wait_until(lambda: service.exporter.waiting, "the export to begin")
    yield iteration


def test_progress_can_be_seen(service: Service, held: str) -> None:
    assert [details(service, held)[0][key] for key in ("progress", "step")] == [None, None]
    service.exporter.jobs[0]["on_progress"](0.25, "Writing operations")
    assert [details(service, held)[0][key] for key in ("progress", "step")] == [0.25, "Writing operations"]
    service.exporter.release()
    done = wait_until(lambda: [one for one in details(service, held) if one["status"] == "Done"], "its end")[
        0
    ]
    assert (done["progress"], done["step"], done["failure"]) == (None, None, None)
    assert done["fileName"] == urlsplit(done["downloadUri"]).path.rpartition("/")[2]
    assert done["size"] == len(fetched(service, done))


def test_an_export_does_not_wait_for_a_training(service: Service, iteration: str) -> None:
    service.worker.held = True
    service.runner(JobKind.TRAINING).start()
    service.runner(JobKind.EXPORT).start()
    other, _, _ = service.trainable()
    service.post(f"{other}/train")
    wait_until(lambda: service.worker.waiting, "the training to begin")
    expect(request_export(service, iteration, "ONNX"))
    wait_until(lambda: service.get(f"{iteration}/export")[0]["status"] == "Done", "the export")
    assert service.get(f"{other}/iterations")[0]["status"] == "Training"
    service.worker.release()


@pytest.mark.parametrize("what", ["iteration", "project", "everything"])
def test_deleting_stops_an_export_and_leaves_nothing(service: Service, held: str, what: str) -> None:
    kept = service.exportable()
    if what == "everything":
        service.request("POST", "/_emulator/reset")
        kept = service.exportable()
    else:
        service.delete(held if what == "iteration" else "/".join(held.split("/")[:3]))
    assert service.exporter.waiting[0].cancelled()
    service.exporter.held = False
    expect(request_export(service, kept, "ONNX"))
    wait_until(lambda: service.get(f"{kept}/export")[0]["status"] == "Done", "the next export")
    assert service.rows("SELECT count(*) FROM export") == [(1,)]
    assert service.rows("SELECT * FROM job") == []
    assert service.blobs() == service.referenced_blobs()
    wait_until(lambda: not left_over(service), "its files to be deleted")  # which follows its end


def test_an_export_that_ends_just_when_its_iteration_goes_leaves_nothing(
    service: Service, iteration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect(request_export(service, iteration, "ONNX"))
    write = service.exporter.finish

    def write_and_delete(future: Any) -> None:
        write(future)
        service.delete(iteration)

    monkeypatch.setattr(service.exporter, "finish", write_and_delete)
    service.finish_exports()
    assert service.rows("SELECT * FROM export") == service.rows("SELECT * FROM job") == []
    assert service.blobs() == service.referenced_blobs()


def test_the_end_of_the_emulator_leaves_the_job(service: Service, held: str) -> None:
    service.restart()
    service.exporter.held = False
    assert service.get(f"{held}/export")[0]["status"] == "Exporting"
    service.finish_exports()
    assert service.get(f"{held}/export")[0]["status"] == "Done"


@pytest.mark.parametrize("what", ["iteration", "project"])
def test_files_are_deleted_with_their_iteration_or_project(
    service: Service, iteration: str, what: str
) -> None:
    done = [service.export(iteration, platform) for platform in ("ONNX", "CoreML")]
    files = {row[0] for row in service.rows("SELECT blob FROM export")}
    assert len(files) == 2
    assert files <= service.blobs()
    service.delete(iteration if what == "iteration" else "/".join(iteration.split("/")[:3]))
    assert not files & service.blobs()
    for export in done:
        parts = urlsplit(export["downloadUri"])
        assert service.request("GET", f"{parts.path}?{parts.query}", key=None).status_code == 404


def test_sweeping_keeps_the_files_of_exports(service: Service, iteration: str) -> None:
    from emulator.core.blob_sweep import sweep_all

    done = service.export(iteration, "ONNX")
    sweep_all(service.context)
    fetched(service, done)
