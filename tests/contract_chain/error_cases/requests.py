"""Errors of parsing, of limits common to all operations, and internal errors."""

import httpx

from emulator.core.rules import limits
from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import trained_iteration
from tests.support.harness import Service, files_body
from tests.support.images import picture


@raises_code("BadRequest")
def not_a_number(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/images", params={"take": "many"})


@raises_code("BadRequestNotSupported", r"Invalid project type for operation\.")
def detection_with_a_classifier(service: Service) -> httpx.Response:
    _, iteration = trained_iteration(service)
    return service.predict(service.publish(iteration).replace("/classify/", "/detect/"), picture())


@raises_code("BadRequestExceededBatchSize")
def batch_too_large(service: Service) -> httpx.Response:
    body = files_body([picture()] * (limits.IMAGES_PER_BATCH + 1))
    return service.send("POST", f"{service.project()}/images/files", json=body)


@raises_code("BadRequestInvalidIds")
def malformed_id(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/images", params={"tagIds": "x"})


@raises_code("BadRequestRequiredParamIsNull")
def missing_name(service: Service) -> httpx.Response:
    return service.send("POST", "/projects")


@raises_code("UnsupportedMediaType")
def image_declared_as_json(service: Service) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return service.send("POST", f"{service.project()}/images", content=picture(), headers=headers)


@raises_code("ErrorUnknown")
def damaged_database(service: Service) -> httpx.Response:
    service.context.database.close()
    (service.settings.data / "emulator.sqlite").write_bytes(b"no database")
    return service.send("GET", "/projects")
