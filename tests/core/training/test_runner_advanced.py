"""Advanced training: preconditions, arguments, base models."""

from typing import Any

import pytest

from tests.support.harness import Service

COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"


def refused(service: Service, project: str, **more: Any) -> tuple[str, str]:
    status, code, message = service.refused("POST", f"{project}/train", **more)
    assert status in (400, 404)
    return code, message


ADULT = "45badf75-3591-4f26-a705-45678d3e9f5f"


def advanced(hours: int, **more: str) -> dict[str, str]:
    return {"trainingType": "Advanced", "reservedBudgetInHours": str(hours), **more}


def test_an_advanced_training_has_its_budget(service: Service) -> None:
    service.context.training_hour_seconds = 60
    project, _, _ = service.trainable()
    answer = service.post(f"{project}/train", params=advanced(3))
    assert (answer["trainingType"], answer["reservedBudgetInHours"]) == ("Advanced", 3)
    service.finish_trainings()
    shown = service.get(f"{project}/iterations/{answer['id']}")
    assert (shown["status"], shown["trainingType"], shown["reservedBudgetInHours"]) == (
        "Completed",
        "Advanced",
        3,
    )
    (job,) = service.worker.jobs
    assert (job["function"], job["budget_seconds"], job["base_model"]) == (
        "train_advanced_classifier",
        180,
        None,
    )


@pytest.mark.parametrize(("domain", "together"), [({}, True), ({"domainId": COMPACT}, False)])
def test_models_that_are_exported_stay_single_networks(
    service: Service, domain: dict[str, str], together: bool
) -> None:
    project, _, _ = service.trainable(**domain)
    service.train(project, params=advanced(1))
    (job,) = service.worker.jobs
    assert (job["advanced"].backbones is not None) == together
    # The folder of backbones that the user added, which compact domains ignore.
    assert job["backbones"] == service.context.folder / "backbones"


def test_retired_domains_have_no_advanced_training(service: Service) -> None:
    project, _, _ = service.trainable(domainId=ADULT)
    code, message = refused(service, project, params=advanced(1))
    assert code == "BadRequestDomainNotSupportedForAdvancedTraining"
    assert "Adult" in message
    assert service.get(service.train(project))["status"] == "Completed"


def test_when_an_advanced_training_is_needed(service: Service) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    service.train(project, params=advanced(2))
    for hours in (1, 2):
        assert refused(service, project, params=advanced(hours))[0] == "BadRequestTrainingNotNeeded"
    service.train(project, params=advanced(3))
    service.train(project)
    assert refused(service, project)[0] == "BadRequestTrainingNotNeeded"


def test_a_training_is_given_its_base_model(service: Service) -> None:
    project, _, _ = service.trainable()
    base = service.train(project)
    _, _, project_id, _, iteration_id = base.split("/")
    info = {"customBaseModelInfo": {"projectId": project_id, "iterationId": iteration_id}}
    other, _, _ = service.trainable()
    service.train(other, params=advanced(1), json=info)
    service.train(other, json=info)
    assert refused(service, other, json=info)[0] == "BadRequestTrainingNotNeeded"
    ((blob,),) = service.rows(f"SELECT model_blob FROM iteration WHERE id = '{iteration_id}'")
    assert [(job["base_model"].name, job["budget_seconds"]) for job in service.worker.jobs[1:]] == [
        (blob, 3600),
        (blob, 0),
    ]


def test_a_base_model_that_is_deleted_meanwhile(service: Service) -> None:
    project, _, _ = service.trainable()
    base = service.train(project)
    _, _, project_id, _, iteration_id = base.split("/")
    info = {"customBaseModelInfo": {"projectId": project_id, "iterationId": iteration_id}}
    other, _, _ = service.trainable()
    service.post(f"{other}/train", json=info)
    service.delete(base)
    service.finish_trainings()
    assert not service.worker.jobs[1]["base_model"].exists()
