"""Errors of tags."""

import httpx

from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import CONTROL_CHARACTER, create_tag, set_limits
from tests.support.harness import NOWHERE, Service

SHELVES = "3780a898-81c3-4516-81ae-3a139614e1f3"


@raises_code("BadRequestTagName")
def invalid_tag_name(service: Service) -> httpx.Response:
    return create_tag(service, service.project(), name=CONTROL_CHARACTER)


@raises_code("BadRequestTagNameNotUnique")
def duplicate_tag_name(service: Service) -> httpx.Response:
    project = service.project()
    service.tag(project, "new")
    return create_tag(service, project)


@raises_code("BadRequestTagDescription")
def invalid_tag_description(service: Service) -> httpx.Response:
    return create_tag(service, service.project(), description=CONTROL_CHARACTER)


@raises_code("BadRequestTagType")
def unknown_tag_type(service: Service) -> httpx.Response:
    return create_tag(service, service.project(), type="Irregular")


@raises_code("BadRequestMultipleNegativeTag")
def second_negative_tag(service: Service) -> httpx.Response:
    project = service.project()
    service.tag(project, "none", "Negative")
    return create_tag(service, project, type="Negative")


@raises_code("BadRequestMultipleGeneralProductTag")
def second_general_product_tag(service: Service) -> httpx.Response:
    project = service.project(domainId=SHELVES)
    service.tag(project, "any", "GeneralProduct")
    return create_tag(service, project, type="GeneralProduct")


@raises_code("BadRequestExceedTagPerProjectLimit")
def too_many_tags(service: Service) -> httpx.Response:
    set_limits(service, tags_per_project=1)
    project = service.project()
    service.tag(project, "first")
    return create_tag(service, project)


@raises_code("NotFoundTag")
def missing_tag(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/tags/{NOWHERE}")
