"""Requests for exports of iterations: valid and invalid ones, and their states."""

import json
import zipfile
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator.core.exports import request as exports
from emulator.core.exports.formats import FORMATS
from emulator.store.tables import JobKind
from emulator.vision.exports.formats import ExportFailed
from tests.support.detection import marked_images
from tests.support.exporting import details, fetched, own, refusal_of, request_export
from tests.support.fakes import hide_package
from tests.support.harness import COMPACT, NOWHERE, Service, expect, running_service, training_path
from tests.support.images import picture, pictures

GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
COMPACT_DETECTOR = "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"
VERSIONS = ("v3.0", "v3.1", "v3.2", "v3.3", "v3.4-preview")
REFUSED = "BadRequestExportValidationFailed"


@pytest.fixture
def iteration(service: Service) -> str:
    """The path of a trained iteration of General (compact)."""
    return service.exportable()


# --- from asking to fetching --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_export_is_requested_polled_and_fetched(service: Service, iteration: str, version: str) -> None:
    asked = expect(request_export(service, iteration, "ONNX", "ONNX12", version=version))
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


def test_the_order_that_the_writer_receives(service: Service, iteration: str) -> None:
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


def test_every_format_can_be_requested(service: Service, iteration: str) -> None:
    for (platform, flavor), chosen in FORMATS.items():
        if chosen.addition:
            continue
        done = service.export(iteration, platform, flavor)
        assert (done["platform"], done["flavor"], done["status"]) == (platform, flavor, "Done")
        name = ".".join(part for part in (platform, flavor) if part)
        assert urlsplit(done["downloadUri"]).path.endswith(f".{name}{chosen.suffix}")
        fetched(service, done)


def test_exports_are_listed_in_the_order_of_requests(service: Service, iteration: str) -> None:
    assert service.get(f"{iteration}/export") == []
    wanted = [("ONNX", None), ("CoreML", None), ("ONNX", "ONNX10"), ("DockerFile", "Linux"), ("VAIDK", None)]
    for platform, flavor in wanted:
        expect(request_export(service, iteration, platform, flavor))
    service.finish_exports()
    assert [(one["platform"], one["flavor"]) for one in service.get(f"{iteration}/export")] == wanted


def test_names_are_not_case_sensitive(service: Service, iteration: str) -> None:
    asked = expect(request_export(service, iteration, "tensorflow", "TENSORFLOWlite"))
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
    assert expect(request_export(service, iteration, "TensorFlow", version=version))["flavor"] == flavor
    assert expect(request_export(service, iteration, "ONNX", version=version))["flavor"] is None
    shown = service.get(f"{iteration}/export", version=version)
    assert [one["flavor"] for one in shown] == [flavor, None]
    # An export without a flavor differs from those with one, also where responses show one.
    expect(request_export(service, iteration, "TensorFlow", "TensorFlowNormal", version="v3.1"))
    service.finish_exports()
    names = [
        file_in(one["downloadUri"]).partition(".")[2]
        for one in service.get(f"{iteration}/export", version=version)
    ]
    with_flavor = ["TensorFlow.TensorFlowNormal.zip"] if version != "v3.0" else []
    assert names == ["TensorFlow.zip", "ONNX.zip", *with_flavor]


def file_in(uri: str) -> str:
    return uri.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize(
    ("platform", "flavor", "since"),
    [
        ("ONNX", "ONNX10", "v3.0"),
        ("ONNX", "OnnxFloat16", "v3.0"),
        ("TensorFlow", "TensorFlowNormal", "v3.1"),
        ("TensorFlow", "TensorFlowLite", "v3.1"),
        ("TensorFlow", "TensorFlowJs", "v3.1"),
        ("OpenVino", "", "v3.3"),
        ("OpenVino", "NoPostProcess", "v3.3"),
    ],
)
def test_a_version_takes_and_shows_what_it_has(
    service: Service, iteration: str, platform: str, flavor: str, since: str
) -> None:
    before = VERSIONS[: VERSIONS.index(since)]
    for version in before:
        response = request_export(service, iteration, platform, flavor, version=version)
        assert (response.status_code, response.json()["code"]) == (400, "BadRequest")
    expect(request_export(service, iteration, platform, flavor, version=since))
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
def test_requests_that_are_refused(service: Service, iteration: str, version: str) -> None:
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


@pytest.mark.parametrize(
    ("package", "platform", "flavor", "extra"),
    [
        ("coremltools", "CoreML", None, "coreml"),
        ("coremltools", "CoreML", "CoreMLFloat16", "coreml"),
        ("openvino", "OpenVino", None, "openvino"),
        ("tflite", "TensorFlow", "TensorFlowLite", "export"),
        ("onnx", "ONNX", None, "export"),
        ("onnx", "DockerFile", "Linux", "export"),
    ],
)
def test_formats_whose_packages_are_not_installed(
    service: Service,
    iteration: str,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    platform: str,
    flavor: str | None,
    extra: str,
) -> None:
    hide_package(monkeypatch, package)
    parameters = {"platform": platform} | ({"flavor": flavor} if flavor else {})
    reason = (
        f"Exporting to {platform} needs packages that are not installed; install "
        f"custom-vision-emulator[{extra}] ({package})."
    )
    assert refusal_of(service, iteration, **parameters) == (400, REFUSED, reason)
    # The emulator's own API says the same, and nothing waits to be exported.
    response = service.request("POST", own(iteration), params=parameters)
    assert response.json()["message"] == reason
    assert service.rows("SELECT * FROM export") == service.rows("SELECT * FROM job") == []
    monkeypatch.undo()
    assert service.export(iteration, platform, flavor)["status"] == "Done"


@pytest.mark.parametrize(("platform", "flavor"), [("tensorflow", "TENSORFLOWLITE"), ("ONNX", "onnxint8")])
def test_the_own_api_takes_platforms_and_flavors_in_any_case(
    service: Service, iteration: str, platform: str, flavor: str
) -> None:
    shown = expect(service.request("POST", own(iteration), params={"platform": platform, "flavor": flavor}))
    wanted = {"TENSORFLOWLITE": ("TensorFlow", "TensorFlowLite"), "onnxint8": ("ONNX", "OnnxInt8")}[flavor]
    assert (shown["platform"], shown["flavor"]) == wanted


@pytest.mark.parametrize(
    ("version", "platforms"),
    [
        ("v3.0", ["CoreML", "DockerFile", "ONNX", "TensorFlow"]),
        ("v3.2", ["CoreML", "DockerFile", "ONNX", "TensorFlow"]),
        ("v3.3", ["CoreML", "DockerFile", "ONNX", "OpenVino", "TensorFlow"]),
        ("v3.4-preview", None),
    ],
)
def test_the_platforms_of_an_iteration(
    service: Service, iteration: str, version: str, platforms: list[str] | None
) -> None:
    project = "/".join(iteration.split("/")[:3])
    for shown in (
        service.get(iteration, version=version),
        service.get(f"{project}/iterations", version=version)[0],
        expect(service.send("PATCH", iteration, version, json={"name": version})),
    ):
        assert shown["exportableTo"] == platforms
    for platform in platforms or ():
        expect(request_export(service, iteration, platform, version=version))


@pytest.mark.parametrize("version", ["v3.2", "v3.3"])
def test_platforms_that_a_domain_lacks_are_not_listed(service: Service, version: str) -> None:
    project = service.project("boxes", domainId=COMPACT_DETECTOR)
    marked_images(service, project, pictures(15), service.tag(project, "red"))
    shown = service.get(service.train(project), version=version)
    assert shown["exportableTo"] == ["CoreML", "DockerFile", "ONNX", "TensorFlow"]


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
    expect(request_export(service, iteration, "ONNX", flavor))
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


def test_a_failed_export_can_be_requested_again(service: Service, iteration: str) -> None:
    service.exporter.failures = [ExportFailed("a thing is missing")]
    failed = service.export(iteration, "ONNX")
    assert (failed["status"], failed["downloadUri"]) == ("Failed", None)
    again = expect(request_export(service, iteration, "ONNX"))
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
    (found,) = details(service, iteration)
    assert {key: found[key] for key in shown} == shown


# --- beside other rules -------------------------------------------------------------------------------------


def test_an_imported_copy_can_be_exported_and_has_no_exports_of_its_source(
    service: Service, iteration: str
) -> None:
    service.export(iteration, "ONNX")
    project = "/".join(iteration.split("/")[:3])
    token = service.get(f"{project}/export")["token"]
    copy = service.post("/projects/import", params={"token": token})["id"]
    service.runner(JobKind.IMPORT).run_waiting()
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
