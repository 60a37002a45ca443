"""Errors of requests to train."""

import httpx

from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import iteration_in_training, trained_iteration
from tests.support import detection
from tests.support.harness import COMPACT, Service

ADULT = "45badf75-3591-4f26-a705-45678d3e9f5f"


def train_from(service: Service, base: str, iteration: str, **parameters: str) -> httpx.Response:
    project, _, _ = service.trainable(**parameters)
    ids = {"projectId": base.rpartition("/")[2], "iterationId": iteration.rpartition("/")[2]}
    return service.send("POST", f"{project}/train", json={"customBaseModelInfo": ids})


@raises_code("BadRequestTrainingNotNeeded", "Nothing changed since last training")
def training_without_changes(service: Service) -> httpx.Response:
    project, _ = trained_iteration(service)
    return service.send("POST", f"{project}/train")


@raises_code("BadRequestTrainingAlreadyInProgress")
def training_in_progress(service: Service) -> httpx.Response:
    project, _ = iteration_in_training(service)
    return service.send("POST", f"{project}/train")


@raises_code("BadRequestMultiClassClassificationTrainingValidationFailed")
def multiclass_without_images(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project(classificationType='Multiclass')}/train")


@raises_code("BadRequestMultiLabelClassificationTrainingValidationFailed")
def multilabel_without_images(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project(classificationType='Multilabel')}/train")


@raises_code("BadRequestDetectionTrainingValidationFailed", "Not enough images for training")
def detection_without_regions(service: Service) -> httpx.Response:
    return service.send("POST", f"{detection.detection_project(service)}/train")


@raises_code("BadRequestDetectionTrainingNotAllowNegativeTag")
def negative_tag_in_detection(service: Service) -> httpx.Response:
    # Detection projects get no such tag; one that a classification project has stays when it is changed.
    project = detection.detection_project(service)
    service.tag(project, "none")
    with service.context.database.write() as session:
        session.connection().exec_driver_sql("UPDATE tag SET type = 'Negative'")
    return service.send("POST", f"{project}/train")


@raises_code("BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining")
def advanced_training_without_a_budget(service: Service) -> httpx.Response:
    project, _, _ = service.trainable()
    return service.send("POST", f"{project}/train", params={"trainingType": "Advanced"})


@raises_code("BadRequestDomainNotSupportedForAdvancedTraining")
def advanced_training_in_a_retired_domain(service: Service) -> httpx.Response:
    project, _, _ = service.trainable(domainId=ADULT)
    budget = {"trainingType": "Advanced", "reservedBudgetInHours": "1"}
    return service.send("POST", f"{project}/train", params=budget)


@raises_code("BadRequestInvalidEmailAddress")
def invalid_email_address(service: Service) -> httpx.Response:
    project, _, _ = service.trainable()
    return service.send("POST", f"{project}/train", params={"notificationEmailAddress": "nobody"})


@raises_code("BadRequestCustomBaseModelIterationStatusNotCompleted")
def base_model_in_training(service: Service) -> httpx.Response:
    base, iteration = iteration_in_training(service)
    return train_from(service, base, iteration)


@raises_code("BadRequestCustomBaseModelDomainNotCompatible")
def base_model_of_another_domain(service: Service) -> httpx.Response:
    base, iteration = trained_iteration(service)
    return train_from(service, base, iteration, domainId=COMPACT)
