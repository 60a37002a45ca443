"""Errors of exports of iterations."""

import httpx

from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import trained_iteration
from tests.support.harness import COMPACT, Service


@raises_code("BadRequestExportValidationFailed")
def export_of_a_domain_that_is_not_compact(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return service.send("POST", f"{iteration}/export", params={"platform": "ONNX"})


@raises_code("BadRequestExportAlreadyInProgress", "[0-9a-f-]{36} is already queued for export")
def export_twice(service: Service) -> httpx.Response:
    project, _, _ = service.trainable(domainId=COMPACT)
    iteration = service.train(project)
    service.post(f"{iteration}/export", params={"platform": "ONNX"})
    return service.send("POST", f"{iteration}/export", params={"platform": "ONNX"})
