"""Requests for trainings: preconditions, and when a training is needed."""

from typing import Any

import pytest

from emulator.vision.training.errors import TrainingFailed
from tests.support.harness import NOWHERE, Service
from tests.support.images import pictures

COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"


def refused(service: Service, project: str, **more: Any) -> tuple[str, str]:
    status, code, message = service.refused("POST", f"{project}/train", **more)
    assert status in (400, 404)
    return code, message


@pytest.mark.parametrize(
    ("type", "code"),
    [
        ("Multiclass", "BadRequestMultiClassClassificationTrainingValidationFailed"),
        ("Multilabel", "BadRequestMultiLabelClassificationTrainingValidationFailed"),
    ],
)
def test_two_tags_of_five_images_are_needed(service: Service, type: str, code: str) -> None:
    project = service.project(classificationType=type)
    assert refused(service, project)[0] == code
    red = service.tag(project, "red")
    service.images(project, pictures(5), red)
    assert refused(service, project) == (code, "Not enough tags for training: at least 2 are needed.")
    blue = service.tag(project, "blue")
    service.images(project, pictures(4, "blue"), blue)
    assert refused(service, project)[0] == code
    assert "'blue' has 4" in refused(service, project)[1]
    assert "'blue' has 4" in refused(service, project, params={"forceTrain": "true"})[1]
    service.images(project, pictures(1, "blue", start=9), blue)
    assert service.get(service.train(project))["status"] == "Completed"


def test_one_tag_beside_a_negative_one_is_enough(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(5), service.tag(project, "red"))
    service.images(project, pictures(5, "blue"), service.tag(project, "none", "Negative"))
    assert service.get(service.train(project))["status"] == "Completed"
    assert service.worker.jobs[0]["dataset"].negative is not None


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (
            {"trainingType": "Advanced"},
            "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
        ),
        (
            {"trainingType": "Advanced", "reservedBudgetInHours": "0"},
            "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
        ),
        ({"trainingType": "Advanced", "reservedBudgetInHours": str(2**40)}, "BadRequest"),
        ({"trainingType": "Hasty"}, "BadRequest"),
        ({"reservedBudgetInHours": "x"}, "BadRequest"),
        ({"reservedBudgetInHours": "-1"}, "BadRequest"),
        ({"forceTrain": "maybe"}, "BadRequest"),
        ({"notificationEmailAddress": "nobody"}, "BadRequestInvalidEmailAddress"),
    ],
)
def test_parameters_that_are_refused(service: Service, parameters: dict[str, str], code: str) -> None:
    project, _, _ = service.trainable()
    assert refused(service, project, params=parameters)[0] == code
    assert service.get(f"{project}/iterations") == []


def test_parameters_that_clients_always_send(service: Service) -> None:
    project, _, _ = service.trainable()
    parameters = {
        "reservedBudgetInHours": "0",
        "forceTrain": "False",
        "notificationEmailAddress": "a@b.example",
    }
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert service.post(f"{project}/train", params=parameters, headers=headers)["status"] == "Training"


def test_nothing_changed(service: Service) -> None:
    project, red, _ = service.trainable()
    service.train(project)
    expected = ("BadRequestTrainingNotNeeded", "Nothing changed since last training")
    assert refused(service, project) == expected
    # Changes that do not affect the training.
    service.upload(project, pictures(5), red)
    service.send("PATCH", project, json={"description": "new"})
    assert refused(service, project) == expected
    forced = service.train(project, params={"forceTrain": "true"})
    assert service.get(forced)["name"] == "Iteration 2"


def test_what_makes_a_training_needed(service: Service) -> None:
    project, red, _ = service.trainable()
    (image,) = service.images(project, pictures(1, "grey"))
    pair = {"imageId": image, "tagId": red}
    service.train(project)
    for change in (
        lambda: service.images(project, pictures(1, start=20), red),
        lambda: service.post(f"{project}/images/tags", json={"tags": [pair]}),
        lambda: service.delete(f"{project}/images/tags", params={"imageIds": image, "tagIds": red}),
        lambda: service.delete(f"{project}/images", params={"imageIds": image}),
        lambda: service.send("PATCH", project, json={"settings": {"domainId": COMPACT}}),
        lambda: service.send("PATCH", project, json={"settings": {"classificationType": "Multilabel"}}),
    ):
        assert refused(service, project)[0] == "BadRequestTrainingNotNeeded"
        change()
        service.train(project)
    assert len(service.get(f"{project}/iterations")) == 7


def test_a_failed_training_can_be_repeated(service: Service) -> None:
    project, _, _ = service.trainable()
    service.worker.failures = [TrainingFailed("There was no light.")]
    service.train(project)
    assert service.get(service.train(project))["status"] == "Completed"


def test_selected_tags(service: Service) -> None:
    project, red, blue = service.trainable()
    small = service.tag(project, "small")
    service.images(project, pictures(2, "green"), small)
    assert "'small' has 2" in refused(service, project)[1]
    iteration = service.train(project, json={"selectedTags": [red, blue, red]})
    assert sorted(service.worker.jobs[0]["dataset"].tags) == ["blue", "red"]
    assert len(service.worker.jobs[0]["dataset"].images) == 10
    assert len(service.get(f"{iteration}/performance")["perTagPerformance"]) == 2
    assert refused(service, project, json={"selectedTags": [blue, red]})[0] == "BadRequestTrainingNotNeeded"
    assert refused(service, project, json={"selectedTags": [red]})[0].endswith("TrainingValidationFailed")
    assert refused(service, project, json={"selectedTags": [red, NOWHERE]})[0] == "NotFoundTag"
    assert refused(service, project, json={"selectedTags": ["x"]})[0] == "BadRequestInvalidIds"
    assert refused(service, project, json={"selectedTags": 5})[0] == "BadRequest"
    service.images(project, pictures(3, "green", start=9), small)
    assert service.get(service.train(project))["name"] == "Iteration 2"


@pytest.mark.parametrize("version", ["v3.0", "v3.1"])
def test_bodies_are_not_read_before_3_2(service: Service, version: str) -> None:
    project, _, _ = service.trainable()
    assert service.send("POST", f"{project}/train", version, content=b"no JSON").status_code == 200


def test_already_in_progress(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    for parameters in ({}, {"forceTrain": "true"}):
        assert refused(service, project, params=parameters)[0] == "BadRequestTrainingAlreadyInProgress"
    other, _, _ = service.trainable()
    assert service.post(f"{other}/train")["status"] == "Training"


def test_custom_base_model(service: Service) -> None:
    project, _, _ = service.trainable()
    base = service.train(project)
    _, _, project_id, _, iteration_id = base.split("/")
    info = {"projectId": project_id, "iterationId": iteration_id}
    trained = service.train(project, params={"forceTrain": "true"}, json={"customBaseModelInfo": info})
    assert service.get(trained)["customBaseModelInfo"] == info
    service.worker.failures = [TrainingFailed("no")]
    failed = service.train(project, params={"forceTrain": "true"})
    unfit = info | {"iterationId": failed.rpartition("/")[2]}
    force = {"forceTrain": "true"}
    code = refused(service, project, params=force, json={"customBaseModelInfo": unfit})[0]
    assert code == "BadRequestCustomBaseModelIterationStatusNotCompleted"
    compact, _, _ = service.trainable(domainId=COMPACT)
    code = refused(service, compact, json={"customBaseModelInfo": info})[0]
    assert code == "BadRequestCustomBaseModelDomainNotCompatible"
    nowhere = info | {"iterationId": NOWHERE}
    assert refused(service, compact, json={"customBaseModelInfo": nowhere})[0] == "NotFoundIteration"
