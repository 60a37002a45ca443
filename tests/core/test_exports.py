"""Exports of iterations: what can be asked for, states, failures, restarts, and what is left of them."""

import errno
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator.core import exports
from emulator.jobs.worker import WorkerDied
from emulator.vision.exports import FORMATS, ExportFailed
from tests.detection import marked_images
from tests.harness import (
    COMPACT,
    NOWHERE,
    Service,
    expect,
    picture,
    pictures,
    running_service,
    training_path,
    wait_until,
)

GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
COMPACT_DETECTOR = "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"
VERSIONS = ("v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
REFUSED = "BadRequestExportValidationFailed"


@pytest.fixture
def iteration(service: Service) -> str:
    """The path of a trained iteration of General (compact)."""
    return service.exportable()


def ask(service: Service, iteration: str, platform: str, flavor: str | None = None, **more: Any) -> Any:
    parameters = {"platform": platform} | ({"flavor": flavor} if flavor else {})
    return service.send("POST", f"{iteration}/export", params=parameters, **more)


def refusal_of(service: Service, iteration: str, **parameters: str) -> tuple[int, str, str]:
    return service.refused("POST", f"{iteration}/export", params=parameters)


def own(iteration: str) -> str:
    """The path of the emulator's own view of the exports of an iteration."""
    return f"/_emulator{iteration}/exports"


def details(service: Service, iteration: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = expect(service.request("GET", own(iteration)))
    return found


def left_over(service: Service) -> list[Any]:
    """What is left of the writing of exports."""
    return list((service.settings.data / "exports").glob("*"))


def fetched(service: Service, export: dict[str, Any]) -> bytes:
    parts = urlsplit(export["downloadUri"])
    response = service.request("GET", f"{parts.path}?{parts.query}", key=None)
    assert response.status_code == 200
    return response.content


# --- from asking to fetching --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_export_is_asked_for_polled_and_fetched(service: Service, iteration: str, version: str) -> None:
    asked = expect(ask(service, iteration, "ONNX", "ONNX12", version=version))
    shape = {"platform": "ONNX", "status": "Exporting", "downloadUri": None, "flavor": "ONNX12"}
    assert list(asked.items()) == list({**shape, "newerVersionAvailable": False}.items())
    assert service.get(f"{iteration}/export", version=version) == [asked]
    service.finish_exports()
    (done,) = service.get(f"{iteration}/export", version=version)
    assert done == {**asked, "status": "Done", "downloadUri": done["downloadUri"]}

    _, _, project, _, iteration_id = iteration.split("/")
    path = f"/m-{project.replace('-', '')}/{iteration_id.replace('-', '')}.ONNX.ONNX12.zip"
    assert urlsplit(done["downloadUri"]).path == path
    with zipfile.ZipFile(BytesIO(fetched(service, done))) as archive:
        assert sorted(archive.read("labels.txt").decode().split()) == ["blue", "red"]
    assert service.rows("SELECT * FROM job") == []
    assert service.blobs() == service.referenced_blobs()


def test_what_the_writer_is_told(service: Service, iteration: str) -> None:
    service.export(iteration, "ONNX")
    order = service.exporter.jobs[0]["order"]
    _, _, project, _, iteration_id = iteration.split("/")
    assert (order.project_id, order.iteration_id) == (project, iteration_id)
    assert (order.platform, order.flavor) == ("ONNX", None)
    assert (order.domain, order.domain_type, order.classification_type) == (
        "General (compact)",
        "Classification",
        "Multiclass",
    )
    tags = {tag["id"]: tag["name"] for tag in service.get(f"/projects/{project}/tags")}
    [(model_tags,)] = service.rows("SELECT model_tags FROM iteration")
    assert order.labels == tuple(tags[tag["id"]] for tag in json.loads(model_tags))
    assert order.created.tzinfo is not None


def test_a_detector_has_no_classification_type(service: Service) -> None:
    project = service.project("boxes", domainId=COMPACT_DETECTOR)
    marked_images(service, project, pictures(15), service.tag(project, "red"))
    assert service.export(service.train(project), "ONNX")["status"] == "Done"
    order = service.exporter.jobs[0]["order"]
    assert (order.domain_type, order.classification_type) == ("ObjectDetection", None)


def test_every_format_can_be_asked_for(service: Service, iteration: str) -> None:
    for (platform, flavor), chosen in FORMATS.items():
        if chosen.addition:
            continue
        done = service.export(iteration, platform, flavor)
        assert (done["platform"], done["flavor"], done["status"]) == (platform, flavor, "Done")
        name = ".".join(part for part in (platform, flavor) if part)
        assert urlsplit(done["downloadUri"]).path.endswith(f".{name}{chosen.suffix}")
        fetched(service, done)


def test_exports_are_listed_as_they_were_asked_for(service: Service, iteration: str) -> None:
    assert service.get(f"{iteration}/export") == []
    wanted = [("ONNX", None), ("CoreML", None), ("ONNX", "ONNX10"), ("DockerFile", "Linux"), ("VAIDK", None)]
    for platform, flavor in wanted:
        expect(ask(service, iteration, platform, flavor))
    service.finish_exports()
    assert [(one["platform"], one["flavor"]) for one in service.get(f"{iteration}/export")] == wanted


def test_names_match_whatever_their_case(service: Service, iteration: str) -> None:
    asked = expect(ask(service, iteration, "tensorflow", "TENSORFLOWlite"))
    assert (asked["platform"], asked["flavor"]) == ("TensorFlow", "TensorFlowLite")


# --- versions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "flavor"),
    [
        ("v3.0", None),
        ("v3.1", "TensorFlowNormal"),
        ("v3.2", "TensorFlowNormal"),
        ("v3.3", None),
        ("v3.4-preview", None),
    ],
)
def test_a_flavor_that_was_not_named(
    service: Service, iteration: str, version: str, flavor: str | None
) -> None:
    assert expect(ask(service, iteration, "TensorFlow", version=version))["flavor"] == flavor
    assert expect(ask(service, iteration, "ONNX", version=version))["flavor"] is None
    shown = service.get(f"{iteration}/export", version=version)
    assert [one["flavor"] for one in shown] == [flavor, None]
    # No flavor is a choice of its own, except where it stands for one.
    again = ask(service, iteration, "TensorFlow", "TensorFlowNormal", version="v3.1")
    assert again.status_code == (400 if flavor else 200)


@pytest.mark.parametrize(
    ("platform", "flavor", "since"),
    [
        ("ONNX", "ONNX10", "v3.0"),
        ("ONNX", "OnnxFloat16", "v3.0"),
        ("TensorFlow", "TensorFlowNormal", "v3.1"),
        ("TensorFlow", "TensorFlowLite", "v3.1"),
        ("TensorFlow", "TensorFlowJs", "v3.1"),
        ("OpenVino", "", "v3.4-preview"),
        ("OpenVino", "NoPostProcess", "v3.4-preview"),
    ],
)
def test_a_version_takes_and_shows_what_it_has(
    service: Service, iteration: str, platform: str, flavor: str, since: str
) -> None:
    before = VERSIONS[: VERSIONS.index(since)]
    for version in before:
        response = ask(service, iteration, platform, flavor, version=version)
        assert (response.status_code, response.json()["code"]) == (400, "BadRequest")
    expect(ask(service, iteration, platform, flavor, version=since))
    service.finish_exports()
    for version in VERSIONS:
        shown = service.get(f"{iteration}/export", version=version)
        assert len(shown) == (version not in before)


# --- what cannot be exported --------------------------------------------------------------------------------


UNKNOWN = (
    ({}, "BadRequestRequiredParamIsNull"),
    ({"platform": ""}, "BadRequestRequiredParamIsNull"),
    ({"platform": "Toaster"}, "BadRequest"),
    ({"platform": "IVS"}, "BadRequest"),
    ({"platform": "Torch"}, "BadRequest"),
    ({"platform": "ONNX", "flavor": "Purple"}, "BadRequest"),
    ({"platform": "ONNX", "flavor": "OnnxInt8"}, "BadRequest"),
    ({"platform": "ONNX", "flavor": "Linux"}, REFUSED),
    ({"platform": "DockerFile", "flavor": "ONNX10"}, REFUSED),
    ({"platform": "VAIDK", "flavor": "ARM"}, REFUSED),
)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_cannot_be_asked_for(service: Service, iteration: str, version: str) -> None:
    for parameters, code in UNKNOWN:
        refused = service.refused("POST", f"{iteration}/export", params=parameters, version=version)
        assert refused[:2] == (400, code), parameters
    assert service.rows("SELECT * FROM export") == service.rows("SELECT * FROM job") == []


def test_iterations_that_are_not_trained(service: Service) -> None:
    project, _, _ = service.trainable(domainId=COMPACT)
    path = f"{project}/iterations/{service.post(f'{project}/train')['id']}"
    assert refusal_of(service, path, platform="ONNX") == (
        400,
        "BadRequestIterationIsNotTrained",
        "Iteration is not trained: its status is Training.",
    )
    service.worker.failures = [MemoryError("no")]
    service.finish_trainings()
    assert refusal_of(service, path, platform="ONNX")[1:] == (
        "BadRequestIterationIsNotTrained",
        "Iteration is not trained: its status is Failed.",
    )


def test_domains_that_are_not_compact(service: Service) -> None:
    project, _, _ = service.trainable(domainId=GENERAL)
    status, code, message = refusal_of(service, service.train(project), platform="ONNX")
    assert (status, code) == (400, REFUSED)
    assert "compact" in message


@pytest.mark.parametrize("platform", ["VAIDK", "OpenVino"])
def test_platforms_that_a_compact_domain_lacks(service: Service, platform: str) -> None:
    project = service.project("boxes", domainId=COMPACT_DETECTOR)
    marked_images(service, project, pictures(15), service.tag(project, "red"))
    status, code, message = refusal_of(service, service.train(project), platform=platform)
    assert (status, code) == (400, REFUSED)
    assert message == f"Iterations of the domain General (compact) cannot be exported to {platform}."


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_projects_and_iterations_that_are_not_there(service: Service, iteration: str, method: str) -> None:
    project = "/".join(iteration.split("/")[:3])
    parameters = {"params": {"platform": "ONNX"}}
    other = service.project()
    for path, code in (
        (f"{project}/iterations/{NOWHERE}", "NotFoundIteration"),
        (f"{other}/iterations/{iteration.split('/')[-1]}", "NotFoundIteration"),
        (f"/projects/{NOWHERE}/iterations/{NOWHERE}", "NotFoundProject"),
    ):
        assert service.refused(method, f"{path}/export", **parameters)[:2] == (404, code)
        refused = service.request(method, own(path), **parameters)
        assert (refused.status_code, refused.json()["code"]) == (404, code)
    nowhere = service.request(method, "/_emulator/projects/x/iterations/y/exports", **parameters)
    assert nowhere.status_code == 404
    assert service.request(method, own(iteration), key=None, **parameters).status_code == 401


# --- twice --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavor", [None, "ONNX12"])
def test_the_same_again_is_refused_also_when_it_is_done(
    service: Service, iteration: str, flavor: str | None
) -> None:
    expect(ask(service, iteration, "ONNX", flavor))
    parameters = {"platform": "ONNX"} | ({"flavor": flavor} if flavor else {})
    iteration_id = iteration.split("/")[-1]
    for _ in range(2):
        assert refusal_of(service, iteration, **parameters) == (
            400,
            "BadRequestExportAlreadyInProgress",
            f"{iteration_id} is already queued for export",
        )
        service.finish_exports()
    assert len(service.exporter.jobs) == 1


def test_two_clients_at_once_get_one_export(service: Service, iteration: str) -> None:
    request = ("POST", training_path(f"{iteration}/export"), {"params": {"platform": "ONNX"}})
    answers = service.together(*[request] * 6)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5
    assert {answer.json().get("code") for answer in answers} == {None, "BadRequestExportAlreadyInProgress"}
    assert service.rows("SELECT count(*) FROM export") == service.rows("SELECT count(*) FROM job") == [(1,)]


def test_what_failed_can_be_asked_for_again(service: Service, iteration: str) -> None:
    service.exporter.failures = [ExportFailed("a thing is missing")]
    failed = service.export(iteration, "ONNX")
    assert (failed["status"], failed["downloadUri"]) == ("Failed", None)
    again = expect(ask(service, iteration, "ONNX"))
    assert again["status"] == "Exporting"
    assert [one["failure"] for one in details(service, iteration)] == [None]
    service.finish_exports()
    (done,) = service.get(f"{iteration}/export")
    assert done["status"] == "Done"
    fetched(service, done)


def test_a_newer_program_offers_to_export_anew(
    service: Service, iteration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = service.export(iteration, "ONNX")
    before = fetched(service, old)
    assert old["newerVersionAvailable"] is False
    monkeypatch.setattr(exports, "EXPORTER", exports.EXPORTER + 1)
    (shown,) = service.get(f"{iteration}/export")
    assert (shown["status"], shown["newerVersionAvailable"]) == ("Done", True)
    fetched(service, shown)
    service.clock.advance(days=1)
    new = service.export(iteration, "ONNX")
    assert (new["status"], new["newerVersionAvailable"]) == ("Done", False)
    assert fetched(service, new) != before
    assert service.blobs() == service.referenced_blobs()
    assert refusal_of(service, iteration, platform="ONNX")[1] == "BadRequestExportAlreadyInProgress"


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
    (told,) = details(service, iteration)
    assert reason in told["failure"]
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
        expect(ask(service, iteration, platform))
    service.finish_exports()
    assert [one["status"] for one in service.get(f"{iteration}/export")] == ["Failed", "Done"]


# --- restarts -----------------------------------------------------------------------------------------------


def test_an_export_survives_a_restart(service: Service, iteration: str) -> None:
    expect(ask(service, iteration, "ONNX"))
    service.context.export_runs._claim()
    leftover = service.settings.data / "exports" / "left"
    leftover.mkdir(parents=True)
    service.restart()
    service.context.export_runs.start()
    wait_until(lambda: service.get(f"{iteration}/export")[0]["status"] == "Done", "the export")
    assert not leftover.exists()
    fetched(service, service.get(f"{iteration}/export")[0])


def test_three_interruptions_by_the_end_of_the_emulator_fail_it(service: Service, iteration: str) -> None:
    expect(ask(service, iteration, "ONNX"))
    for _ in range(3):
        service.context.export_runs._claim()  # and then the process dies
        service.restart()
    service.finish_exports()
    assert service.get(f"{iteration}/export")[0]["status"] == "Failed"
    assert "interrupted 3 times" in details(service, iteration)[0]["failure"]
    assert service.exporter.jobs == []


def test_what_is_done_and_its_link_survive_a_restart(service: Service, iteration: str) -> None:
    done = service.export(iteration, "ONNX")
    content = fetched(service, done)
    service.restart()
    assert fetched(service, done) == content
    assert refusal_of(service, iteration, platform="ONNX")[1] == "BadRequestExportAlreadyInProgress"


# --- with the thread that carries exports out ---------------------------------------------------------------


@pytest.fixture
def held(service: Service, iteration: str) -> Iterator[str]:
    """An iteration of which an export is being written, until the test releases it."""
    service.exporter.held = True
    service.context.export_runs.start()
    expect(ask(service, iteration, "ONNX"))
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
    service.context.training_runs.start()
    service.context.export_runs.start()
    other, _, _ = service.trainable()
    service.post(f"{other}/train")
    wait_until(lambda: service.worker.waiting, "the training to begin")
    expect(ask(service, iteration, "ONNX"))
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
    expect(ask(service, kept, "ONNX"))
    wait_until(lambda: service.get(f"{kept}/export")[0]["status"] == "Done", "the next export")
    assert service.rows("SELECT count(*) FROM export") == [(1,)]
    assert service.rows("SELECT * FROM job") == []
    assert service.blobs() == service.referenced_blobs()
    assert left_over(service) == []


def test_an_export_that_ends_just_when_its_iteration_goes_leaves_nothing(
    service: Service, iteration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect(ask(service, iteration, "ONNX"))
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
def test_files_go_with_what_they_were_exported_from(service: Service, iteration: str, what: str) -> None:
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
    from emulator.core.sweeping import sweep_all

    done = service.export(iteration, "ONNX")
    sweep_all(service.context)
    fetched(service, done)


# --- the emulator's own view --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "flavor"),
    [(*key,) for key, chosen in FORMATS.items() if chosen.addition],
)
def test_formats_of_the_emulators_own(service: Service, iteration: str, platform: str, flavor: str) -> None:
    parameters = {"platform": platform, "flavor": flavor}
    asked = expect(service.request("POST", own(iteration), params=parameters))
    assert (asked["platform"], asked["flavor"], asked["status"]) == (platform, flavor, "Exporting")
    service.finish_exports()
    (done,) = details(service, iteration)
    assert (done["status"], done["fileName"].partition(".")[2]) == ("Done", f"{platform}.{flavor}.zip")
    assert len(fetched(service, done)) == done["size"]
    for version in VERSIONS:
        assert service.get(f"{iteration}/export", version=version) == []
    again = service.request("POST", own(iteration), params=parameters)
    assert again.json()["code"] == "BadRequestExportAlreadyInProgress"


def test_what_is_no_format_at_all(service: Service, iteration: str) -> None:
    for parameters, code, words in (
        ({}, "BadRequestRequiredParamIsNull", "platform"),
        ({"platform": "Toaster"}, REFUSED, "no export to 'Toaster'"),
        ({"platform": "x" * 500}, REFUSED, "x" * 100 + "'."),
        ({"platform": "Torch"}, REFUSED, "needs a flavor: TorchStateDict"),
        ({"platform": "ONNX", "flavor": "ARM"}, REFUSED, "'ARM' is no flavor of ONNX, which has ONNX10"),
        ({"platform": "VAIDK", "flavor": "ARM"}, REFUSED, "which has none"),
    ):
        refused = service.request("POST", own(iteration), params=parameters)
        assert (refused.status_code, refused.json()["code"]) == (400, code)
        assert words in refused.json()["message"]


def test_both_views_share_their_exports(service: Service, iteration: str) -> None:
    expect(service.request("POST", own(iteration), params={"platform": "CoreML"}))
    assert refusal_of(service, iteration, platform="CoreML")[1] == "BadRequestExportAlreadyInProgress"
    service.finish_exports()
    (shown,) = service.get(f"{iteration}/export")
    (told,) = details(service, iteration)
    assert {key: told[key] for key in shown} == shown


# --- beside other rules -------------------------------------------------------------------------------------


def test_an_imported_copy_can_be_exported_and_has_no_exports_of_its_source(
    service: Service, iteration: str
) -> None:
    service.export(iteration, "ONNX")
    project = "/".join(iteration.split("/")[:3])
    token = service.get(f"{project}/export")["token"]
    copy = service.post("/projects/import", params={"token": token})["id"]
    service.context.project_imports.run_waiting()
    (copied,) = service.get(f"/projects/{copy}/iterations")
    path = f"/projects/{copy}/iterations/{copied['id']}"
    assert service.get(f"{path}/export") == []
    assert service.export(path, "ONNX")["status"] == "Done"


def test_exporting_changes_no_iteration_and_a_published_one_may_be_exported(
    service: Service, iteration: str
) -> None:
    service.publish(iteration)
    before = service.get(iteration)
    service.export(iteration, "ONNX")
    assert service.get(iteration) == before


def test_exports_of_several_iterations_are_their_own(tmp_path: Any) -> None:
    for service in running_service(tmp_path):
        first = service.exportable()
        project = "/".join(first.split("/")[:3])
        tag = service.get(f"{project}/tags")[0]["id"]
        service.images(project, [picture(77)], tag)
        second = service.train(project)
        service.export(first, "ONNX")
        assert service.get(f"{second}/export") == []
        assert service.export(second, "ONNX")["status"] == "Done"
        assert service.rows("SELECT count(DISTINCT blob) FROM export") == [(2,)]
