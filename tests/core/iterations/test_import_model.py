"""Exported models imported as iterations, and rejected files."""

from typing import Any

import pytest

from emulator.store.tables import JobKind
from emulator.vision.exported.files import ExportUnusable
from emulator.vision.exported.input_choices import with_choices
from tests.support.exported_models import (
    COLOURS,
    classifier_zip,
    colour_classifier,
    detector_zip,
    export_zip,
    finished_detector,
    metadata_properties,
    plain,
    s1_classifier,
    spot,
)
from tests.support.harness import RESOURCE_ID, Service, expect, refusal
from tests.support.images import pictures


def imported(service: Service, export: bytes, **parameters: str) -> dict[str, Any]:
    """The response to a successful import, by default into a project named `imported`."""
    answer: dict[str, Any] = expect(post(service, export, **parameters))
    return answer


def post(service: Service, export: bytes, **parameters: str) -> Any:
    parameters = {"project": "imported", **parameters}
    return service.request("POST", "/_emulator/models", params=parameters, content=export)


def refused(service: Service, export: bytes, **parameters: str) -> tuple[int, str, str]:
    return refusal(post(service, export, **parameters))


def prediction_path(answer: dict[str, Any], kind: str = "classify") -> str:
    return f"/customvision/v3.1/prediction/{answer['projectId']}/{kind}/iterations/{answer['publishName']}"


PUBLISHED = {"publishName": "live", "predictionId": RESOURCE_ID}


def test_a_classifier_answers_predictions(service: Service) -> None:
    answer = imported(service, classifier_zip(), **PUBLISHED)
    assert (answer["projectCreated"], answer["domainType"]) == (True, "Classification")
    predicted = expect(service.predict(prediction_path(answer), plain("red")))
    assert predicted["iteration"] == answer["iterationId"]
    ids = {tag["name"]: tag["id"] for tag in answer["tags"]}
    assert [(one["tagName"], one["probability"], one["tagId"]) for one in predicted["predictions"]] == [
        ("red", 1, ids["red"]),
        ("blue", 0, ids["blue"]),
        ("green", 0, ids["green"]),
    ]


def test_a_detector_answers_predictions(service: Service) -> None:
    answer = imported(service, detector_zip(), **PUBLISHED)
    assert answer["domainType"] == "ObjectDetection"
    path = prediction_path(answer, "detect")
    predicted = expect(service.predict(path, spot("red", (64, 128, 96, 160), (512, 512))))
    (one,) = predicted["predictions"]
    assert (one["tagName"], round(one["probability"], 2)) == ("red", 1)
    assert one["boundingBox"]["left"] == pytest.approx(2.5 / 16 - 0.573 / 32, abs=1e-6)


def test_the_iteration_is_one_that_has_been_trained(service: Service) -> None:
    answer = imported(service, classifier_zip())
    project = f"/projects/{answer['projectId']}"
    (iteration,) = service.get(f"{project}/iterations")
    assert iteration["id"] == answer["iterationId"]
    assert (iteration["name"], iteration["status"]) == ("Iteration 1", "Completed")
    assert iteration["trainedAt"] and iteration["exportable"] is False and iteration["publishName"] is None
    assert iteration["classificationType"] == "Multiclass"
    assert service.get(f"{project}")["settings"]["domainId"] == iteration["domainId"]
    assert {tag["name"]: tag["imageCount"] for tag in service.get(f"{project}/tags")} == dict.fromkeys(
        COLOURS, 0
    )
    same = service.get(f"{project}/tags", params={"iterationId": iteration["id"]})
    assert {tag["name"] for tag in same} == set(COLOURS)


@pytest.mark.parametrize(
    ("export", "domain"),
    [
        (classifier_zip(), "0732100f-1a38-4e49-a514-c9b44c697ab5"),
        (export_zip(s1_classifier(), COLOURS), "a1db07ca-a19a-4830-bae8-e004a42dc863"),
        (detector_zip(), "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"),
        (
            export_zip(finished_detector([[0, 0, 1, 1]], [0], [0.9]), "a"),
            "7ec2ac80-887b-48a6-8df9-8b1357765430",
        ),
    ],
    ids=["classifier", "classifier S1", "detector", "detector S1"],
)
def test_the_domain_is_that_of_the_export(service: Service, export: bytes, domain: str) -> None:
    answer = imported(service, export)
    iteration = service.get(f"/projects/{answer['projectId']}/iterations/{answer['iterationId']}")
    assert iteration["domainId"] == domain


@pytest.mark.parametrize(
    ("method", "asked", "given"),
    [
        (None, None, "Multiclass"),
        (None, "Multilabel", "Multilabel"),
        ("ClassificationMultiLabel", None, "Multilabel"),
        ("ClassificationMultiLabel", "Multiclass", "Multilabel"),
        ("ClassificationMultiClass", None, "Multiclass"),
    ],
)
def test_the_classification_type(service: Service, method: str | None, asked: str | None, given: str) -> None:
    metadata = metadata_properties(method) if method else None
    answer = imported(
        service,
        export_zip(colour_classifier(), COLOURS, metadata),
        **({"classificationType": asked} if asked else {}),
    )
    assert answer["classificationType"] == given


# --- projects that are there --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["id", "ID in capitals", "name"])
def test_into_a_project_that_is_there_whose_tags_it_takes(service: Service, by: str) -> None:
    project = service.project("mine")
    red = service.tag(project, "Red")
    project_id = project.removeprefix("/projects/")
    named = {"id": project_id, "name": "mine"}.get(by, project_id.upper())
    answer = imported(service, classifier_zip(), project=named, **PUBLISHED)
    assert (answer["projectId"], answer["projectCreated"]) == (project_id, False)
    assert {tag["name"] for tag in service.get(f"{project}/tags")} == {"Red", "blue", "green"}
    predicted = expect(service.predict(prediction_path(answer), plain("red")))
    assert (predicted["predictions"][0]["tagName"], predicted["predictions"][0]["tagId"]) == ("Red", red)


def test_a_second_import_is_a_second_iteration(service: Service) -> None:
    first = imported(service, classifier_zip(), **PUBLISHED)
    code = refused(service, classifier_zip(), **PUBLISHED)[:2]
    assert code == (400, "BadRequestInvalidPublishName")
    second = imported(service, classifier_zip(), **PUBLISHED, overwrite="true")
    assert (second["projectId"], second["iterationName"]) == (first["projectId"], "Iteration 2")
    iterations = service.get(f"/projects/{first['projectId']}/iterations")
    assert [iteration["publishName"] for iteration in iterations] == [None, "live"]
    assert second["tags"] == first["tags"]


def test_an_import_makes_no_training_unneeded_and_none_needed(service: Service) -> None:
    project, _, _ = service.trainable()
    service.images(project, pictures(5, "green"), service.tag(project, "green"))
    imported(service, classifier_zip(), project=project.removeprefix("/projects/"))
    service.train(project)
    imported(service, classifier_zip(), project=project.removeprefix("/projects/"))
    names = [iteration["name"] for iteration in service.get(f"{project}/iterations")]
    assert names == ["Iteration 1", "Iteration 2", "Iteration 3"]
    assert service.refused("POST", f"{project}/train")[1] == "BadRequestTrainingNotNeeded"


def test_the_project_must_be_of_its_kind(service: Service) -> None:
    detects = service.project("detects", domainId="da2e3a8a-40a5-4171-82f4-58522f70fbc1")
    answer = refused(service, classifier_zip(), project="detects")
    assert answer == (
        400,
        "BadRequestNotSupported",
        "The export classifies images, and the project finds objects.",
    )
    assert service.get(f"{detects}/tags") == []
    service.project("classifies")
    assert refused(service, detector_zip(), project="classifies")[2].startswith("The export finds objects")


def test_a_name_of_several_projects_is_no_name(service: Service) -> None:
    service.project("twin")
    service.project("twin")
    assert refused(service, classifier_zip(), project="twin") == (
        400,
        "BadRequestProjectName",
        "2 projects are named 'twin'; give an id.",
    )


def test_an_unknown_project_id(service: Service) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert refused(service, classifier_zip(), project=unknown)[:2] == (404, "NotFoundProject")


# --- life of an imported iteration --------------------------------------------------------------------------


def test_it_survives_a_restart(service: Service) -> None:
    answer = imported(service, classifier_zip(), **PUBLISHED)
    service.restart()
    predicted = expect(service.predict(prediction_path(answer), plain("blue")))
    assert predicted["predictions"][0]["tagName"] == "blue"


def test_a_chosen_preprocessing_is_kept(service: Service) -> None:
    """Also after a restart, and in a copy of the project."""
    planes = ("first", "second", "third")
    export = export_zip(colour_classifier(planes), planes)
    answer = imported(service, export, **PUBLISHED, preprocessing="channels=rgb,range=0-255")
    names = {"project": "as the export says", "publishName": "other", "predictionId": RESOURCE_ID}
    other = imported(service, export, **names)

    def best(path: str) -> str:
        tag: str = expect(service.predict(path, plain("red")))["predictions"][0]["tagName"]
        return tag

    assert (best(prediction_path(answer)), best(prediction_path(other))) == ("first", "third")
    service.restart()
    assert (best(prediction_path(answer)), best(prediction_path(other))) == ("first", "third")
    token = service.get(f"/projects/{answer['projectId']}/export")["token"]
    copy = service.post("/projects/import", params={"token": token})
    service.runner(JobKind.IMPORT).run_waiting()
    (iteration,) = service.get(f"/projects/{copy['id']}/iterations")
    assert best(service.publish(f"/projects/{copy['id']}/iterations/{iteration['id']}")) == "first"


@pytest.mark.parametrize(
    ("preprocessing", "message"),
    [
        ("bgr", "The value of 'preprocessing' is not valid. 'bgr' is not of the form NAME=VALUE."),
        ("range=2", "The value of 'preprocessing' is not valid. range: '2' is not one of: 0-255, 0-1."),
        ("resize=300,crop=stretch", "The export cannot be used. resize needs crop=center-of-resized."),
    ],
)
def test_a_preprocessing_that_cannot_be_used(service: Service, preprocessing: str, message: str) -> None:
    said = refused(service, classifier_zip(), preprocessing=preprocessing)
    assert said == (400, "BadRequest", message)
    assert (service.get("/projects"), service.blobs()) == ([], set())


def test_an_export_that_has_choices_takes_no_others(service: Service) -> None:
    export = with_choices(classifier_zip(), {"channels": "bgr"})
    assert "has choices already" in refused(service, export, preprocessing="channels=rgb")[2]
    assert imported(service, export)["projectCreated"]


def test_it_is_unpublished_published_and_deleted(service: Service) -> None:
    answer = imported(service, classifier_zip(), **PUBLISHED)
    iteration = f"/projects/{answer['projectId']}/iterations/{answer['iterationId']}"
    service.delete(f"{iteration}/publish")
    address = service.publish(iteration, "again")
    assert (
        expect(service.predict(address, plain("green"), "/image/nostore"))["predictions"][0]["tagName"]
        == "green"
    )
    service.delete(f"{iteration}/publish")
    assert len(service.blobs()) == 1
    service.delete(iteration)
    assert service.blobs() == set()


def test_deleting_the_project_deletes_it(service: Service) -> None:
    answer = imported(service, classifier_zip())
    service.delete(f"/projects/{answer['projectId']}")
    assert service.blobs() == set()


def test_a_model_that_is_imported_twice_goes_with_the_second(service: Service) -> None:
    first, second = (imported(service, classifier_zip(), project=name) for name in ("one", "two"))
    service.delete(f"/projects/{first['projectId']}")
    iteration = f"/projects/{second['projectId']}/iterations/{second['iterationId']}"
    assert expect(service.predict(service.publish(iteration), plain("red")))


def test_a_copy_of_the_project_predicts_the_same(service: Service) -> None:
    answer = imported(service, classifier_zip())
    token = service.get(f"/projects/{answer['projectId']}/export")["token"]
    copy = service.post("/projects/import", params={"token": token})
    service.runner(JobKind.IMPORT).run_waiting()
    (iteration,) = service.get(f"/projects/{copy['id']}/iterations")
    address = service.publish(f"/projects/{copy['id']}/iterations/{iteration['id']}")
    assert expect(service.predict(address, plain("red")))["predictions"][0]["tagName"] == "red"


def test_quick_tests_and_suggestions_use_it(service: Service) -> None:
    answer = imported(service, classifier_zip())
    project = f"/projects/{answer['projectId']}"
    (image,) = service.images(project, [plain("red", (300, 300))])
    tested = service.post(
        f"{project}/quicktest/image",
        params={"iterationId": answer["iterationId"]},
        content=plain("blue"),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert tested["predictions"][0]["tagName"] == "blue"
    (suggested,) = service.post(
        f"{project}/tagsandregions/suggestions",
        params={"iterationId": answer["iterationId"], "imageIds": image},
    )
    assert suggested["predictions"][0]["tagName"] == "red"


def test_it_is_not_exported_again(service: Service) -> None:
    answer = imported(service, classifier_zip())
    iteration = f"/projects/{answer['projectId']}/iterations/{answer['iterationId']}"
    assert service.get(iteration, version="v3.1")["exportableTo"] == []
    status, _, message = service.refused("POST", f"{iteration}/export", params={"platform": "ONNX"})
    assert (status, message) == (
        400,
        "The iteration is an imported model, which is not exported again; its export exists.",
    )


def test_a_model_that_no_longer_runs_is_an_error_of_the_service(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = imported(service, classifier_zip(), **PUBLISHED)

    def gone(*_: object, **__: object) -> None:
        raise ExportUnusable("Install something.")

    monkeypatch.setattr("emulator.vision.exported.model.load", gone)
    service.restart()
    predicted = service.predict(prediction_path(answer), plain("red"))
    assert refusal(predicted) == (500, "ErrorPrediction", "The model cannot be run. Install something.")


@pytest.mark.parametrize("path", ["performance", "performance/images", "performance/images/count"])
def test_an_imported_iteration_has_no_performance(service: Service, path: str) -> None:
    answer = imported(service, classifier_zip())
    iteration = f"/projects/{answer['projectId']}/iterations/{answer['iterationId']}"
    status, code, message = service.refused("GET", f"{iteration}/{path}")
    assert (status, code) == (404, "NotFoundIterationPerformance")
    assert "imported model" in message


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (b"", "The export cannot be used. It is not a zip."),
        (b"PK no", "The export cannot be used. It is not a zip."),
        (export_zip(b"no model", COLOURS), "The export cannot be used. The ONNX model does not load"),
        (export_zip(colour_classifier(), None), "The export cannot be used. labels.txt is missing"),
        (export_zip(s1_classifier(), ("a", "b")), "labels.txt does not fit the model"),
    ],
)
def test_an_export_that_cannot_be_used_leaves_nothing(service: Service, export: bytes, message: str) -> None:
    status, code, said = refused(service, export)
    assert (status, code) == (400, "BadRequest")
    assert message in said
    assert (service.get("/projects"), service.blobs()) == ([], set())


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"project": ""}, "BadRequestProjectName"),
        ({"project": "x" * 300}, "BadRequestProjectName"),
        ({"publishName": "live"}, "BadRequestInvalidPublishTarget"),
        ({"publishName": "live", "predictionId": "mine"}, "BadRequestInvalidPublishTarget"),
        ({"publishName": " ", "predictionId": RESOURCE_ID}, "BadRequestInvalidPublishName"),
        ({**PUBLISHED, "overwrite": "perhaps"}, "BadRequest"),
        ({"classificationType": "Multi"}, "BadRequestProjectUnknownClassification"),
    ],
)
def test_parameters_that_make_no_sense(service: Service, parameters: dict[str, str], code: str) -> None:
    assert refused(service, classifier_zip(), **parameters)[:2] == (400, code)
    assert (service.get("/projects"), service.blobs()) == ([], set())


def test_labels_that_no_project_can_have_leave_nothing(service: Service) -> None:
    labels = ("Cat", "cat", "dog")
    answer = refused(service, export_zip(colour_classifier(labels), labels))
    assert answer[:2] == (400, "BadRequestTagNameNotUnique")
    assert (service.get("/projects"), service.blobs()) == ([], set())


def test_a_publish_name_that_is_taken_leaves_nothing(service: Service) -> None:
    project, _, _ = service.trainable()
    service.publish(service.train(project), "live")
    before = service.blobs()
    tags = service.get(f"{project}/tags")
    project_id = project.removeprefix("/projects/")
    answer = refused(service, classifier_zip(), project=project_id, **PUBLISHED)
    assert answer[1] == "BadRequestInvalidPublishName"
    assert (service.blobs(), service.get(f"{project}/tags")) == (before, tags)
    assert len(service.get(f"{project}/iterations")) == 1


def test_images_can_be_added_and_trained_afterwards(service: Service) -> None:
    answer = imported(service, classifier_zip())
    project = f"/projects/{answer['projectId']}"
    for tag in answer["tags"]:
        service.images(project, pictures(5, tag["name"]), tag["id"])
    assert service.get(service.train(project))["name"] == "Iteration 2"


def test_without_a_key_nothing_is_imported(service: Service) -> None:
    answer = service.request("POST", "/_emulator/models?project=x", key=None, content=classifier_zip())
    assert answer.status_code == 401
