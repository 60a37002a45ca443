"""Errors of publishing and unpublishing iterations."""

import httpx

from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import iteration_in_training, trained_iteration
from tests.support.harness import RESOURCE_ID, Service


def publish(service: Service, iteration: str, **parameters: str) -> httpx.Response:
    given = {"publishName": "published", "predictionId": RESOURCE_ID, **parameters}
    return service.send("POST", f"{iteration}/publish", params=given)


@raises_code("BadRequestIterationIsNotTrained")
def publish_before_training_ended(service: Service) -> httpx.Response:
    _, iteration = iteration_in_training(service)
    return publish(service, iteration)


@raises_code("BadRequestIterationIsPublished", "Iteration is already published as: published")
def publish_twice(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    service.publish(iteration)
    return publish(service, iteration, publishName="another", overwrite="true")


@raises_code("BadRequestInvalidPublishName")
def duplicate_publish_name(service: Service) -> httpx.Response:
    project, iteration = trained_iteration(service)
    service.publish(iteration)
    return publish(service, service.train(project, params={"forceTrain": "true"}))


@raises_code("BadRequestInvalidPublishTarget")
def unknown_prediction_resource(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return publish(service, iteration, predictionId="resource")


@raises_code("BadRequestIterationNotPublished")
def unpublish_unpublished_iteration(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return service.send("DELETE", f"{iteration}/publish")
