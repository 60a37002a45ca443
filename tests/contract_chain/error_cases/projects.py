"""Errors of projects, domains, project exports and imports."""

from typing import Any

import httpx

from tests.contract_chain.error_cases.registry import raises_code
from tests.contract_chain.error_cases.situations import (
    CONTROL_CHARACTER,
    create_tag,
    iteration_in_training,
    patch,
    set_limits,
)
from tests.support import detection
from tests.support.harness import NOWHERE, Service
from tests.support.images import pictures


def create_project(service: Service, **parameters: Any) -> httpx.Response:
    return service.send("POST", "/projects", params={"name": "new", **parameters})


@raises_code("BadRequestProjectName")
def invalid_project_name(service: Service) -> httpx.Response:
    return create_project(service, name=CONTROL_CHARACTER)


@raises_code("BadRequestProjectDescription")
def invalid_project_description(service: Service) -> httpx.Response:
    return create_project(service, description=CONTROL_CHARACTER)


@raises_code("BadRequestProjectUnknownDomain")
def unknown_domain(service: Service) -> httpx.Response:
    return create_project(service, domainId=NOWHERE)


@raises_code("BadRequestProjectUnknownClassification")
def unknown_classification_type(service: Service) -> httpx.Response:
    return create_project(service, classificationType="Multi")


@raises_code("BadRequestProjectUnsupportedDomainTypeChange")
def classification_domain_changed_to_detection(service: Service) -> httpx.Response:
    return patch(service, service.project(), settings={"domainId": detection.GENERAL})


@raises_code("BadRequestProjectUnsupportedExportPlatform")
def unknown_export_platform(service: Service) -> httpx.Response:
    return create_project(service, targetExportPlatforms="Abacus")


@raises_code("BadRequestProjectImagePreprocessingSettings")
def unknown_augmentation_method(service: Service) -> httpx.Response:
    settings = {"imageProcessingSettings": {"augmentationMethods": {"melting": True}}}
    return patch(service, service.project(), settings=settings)


@raises_code("BadRequestExceedProjectLimit")
def too_many_projects(service: Service) -> httpx.Response:
    set_limits(service, projects=1)
    service.project()
    return create_project(service)


@raises_code("NotFoundProject")
def missing_project(service: Service) -> httpx.Response:
    return service.send("GET", f"/projects/{NOWHERE}")


@raises_code("NotFoundDomain")
def missing_domain(service: Service) -> httpx.Response:
    return service.send("GET", f"/domains/{NOWHERE}")


@raises_code("BadRequestInvalidImportToken", "Invalid Token")
def invalid_import_token(service: Service) -> httpx.Response:
    return service.send("POST", "/projects/import", params={"token": "x"})


@raises_code("BadRequestExportWhileTraining")
def export_of_a_project_in_training(service: Service) -> httpx.Response:
    project, _ = iteration_in_training(service)
    return service.send("GET", f"{project}/export")


@raises_code("BadRequestWorkspaceCannotBeModified")
def tag_created_during_an_import(service: Service) -> httpx.Response:
    token = service.get(f"{service.project()}/export")["token"]
    copy = service.post("/projects/import", params={"token": token})
    return create_tag(service, f"/projects/{copy['id']}")


@raises_code("BadRequestExceededQuota")
def import_exceeding_the_image_quota(service: Service) -> httpx.Response:
    project = service.project()
    service.images(project, pictures(2))
    token = service.get(f"{project}/export")["token"]
    set_limits(service, images_per_project=1)
    return service.send("POST", "/projects/import", params={"token": token})


@raises_code("BadRequestInvalidArtifactUri")
def artifact_outside_the_store(service: Service) -> httpx.Response:
    return service.send("GET", f"{service.project()}/artifacts", params={"path": "/etc/passwd"})


@raises_code("BadRequestInvalidUri")
def invalid_container_uri(service: Service) -> httpx.Response:
    return service.send(
        "POST", "/projects", params={"name": "new"}, json={"exportModelContainerUri": "somewhere"}
    )
