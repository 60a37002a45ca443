"""Errors of iterations and their performance."""

import httpx

from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import (
    imported_iteration,
    patch,
    set_limits,
    trained_iteration,
)
from tests.support.harness import Service


@raises_code("BadRequestExceedIterationPerProjectLimit")
def too_many_iterations(service: Service) -> httpx.Response:
    set_limits(service, iterations_per_project=1)
    project, _ = trained_iteration(service)
    return service.send("POST", f"{project}/train", params={"forceTrain": "true"})


@raises_code("BadRequestIterationName")
def empty_iteration_name(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return patch(service, iteration, name="")


@raises_code("BadRequestIterationNameNotUnique")
def duplicate_iteration_name(service: Service) -> httpx.Response:
    project, iteration = trained_iteration(service)
    service.train(project, params={"forceTrain": "true"})
    return patch(service, iteration, name="Iteration 2")


@raises_code("NotFoundIterationPerformance")
def performance_of_an_imported_model(service: Service) -> httpx.Response:
    return service.send("GET", f"{imported_iteration(service)}/performance")
