"""GetProjects, CreateProject, GetProject, UpdateProject, DeleteProject, ExportProject, ImportProject."""

from typing import Annotated

from fastapi import Request

from emulator.api import responses
from emulator.api.dependencies import ApiVersion, Caller, Emulator, ImageLinks, ProjectId, json_body
from emulator.api.parameters import guid, required_text, text, texts
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter
from emulator.contract import requests, version_differences
from emulator.contract import responses as shapes
from emulator.core.projects import manage as projects
from emulator.core.transfer import export as project_exports
from emulator.core.transfer import import_request as project_imports
from emulator.store import tables

router = OperationRouter()


def _are_few(request: Request) -> bool:
    return projects.are_few(request.app.state.context)


@router.operation("GetProjects", small=_are_few)
def get_projects(emulator: Emulator, links: ImageLinks, caller: Caller) -> list[shapes.Project]:
    emulator.choreography.polled("import")
    rows = projects.list_all(emulator, caller.resource)
    thumbnails = projects.thumbnails(emulator, caller.resource)
    return [responses.project(links, row, thumbnails.get(row.id)) for row in rows]


@router.operation("CreateProject")
def create_project(
    emulator: Emulator,
    links: ImageLinks,
    caller: Caller,
    options: Annotated[
        requests.CreateProjectOptions, json_body(requests.CreateProjectOptions, optional=True)
    ],
    container_uri: Annotated[str | None, text("exportModelContainerUri")],
    queue_uri: Annotated[str | None, text("notificationQueueUri")],
    name: Annotated[str, required_text("name")],
    description: Annotated[str | None, text("description")],
    domain_id: Annotated[str | None, guid("domainId")],
    classification_type: Annotated[str | None, text("classificationType")],
    target_export_platforms: Annotated[list[str], texts("targetExportPlatforms")],
) -> shapes.Project:
    row = projects.create(
        emulator,
        name,
        description=description or "",
        domain_id=domain_id,
        classification_type=classification_type,
        target_export_platforms=target_export_platforms,
        export_model_container_uri=options.export_model_container_uri or container_uri,
        notification_queue_uri=options.notification_queue_uri or queue_uri,
        resource=caller.resource,
    )
    return responses.project(links, row, None)


@router.operation("GetProject", small=True)
def get_project(emulator: Emulator, links: ImageLinks, project_id: ProjectId) -> shapes.Project:
    emulator.choreography.polled("import", project_id)
    return _shown(links, projects.get(emulator, project_id))


@router.operation("UpdateProject")
def update_project(
    emulator: Emulator,
    links: ImageLinks,
    body: Annotated[requests.Project, json_body(requests.Project)],
    project_id: ProjectId,
) -> shapes.Project:
    settings = body.settings or requests.ProjectSettings()
    processing = settings.image_processing_settings or requests.ImageProcessingSettings()
    changes = {
        "name": body.name,
        "description": body.description,
        "domain_id": settings.domain_id,
        "classification_type": settings.classification_type,
        "target_export_platforms": settings.target_export_platforms,
        "augmentation_methods": processing.augmentation_methods,
        "export_model_container_uri": settings.export_model_container_uri,
        "notification_queue_uri": settings.notification_queue_uri,
    }
    return _shown(links, projects.update(emulator, project_id, changes))


@router.operation("DeleteProject")
def delete_project(emulator: Emulator, project_id: ProjectId) -> None:
    projects.delete(emulator, project_id)


@router.operation("ExportProject")
def export_project(
    emulator: Emulator, links: ImageLinks, version: ApiVersion, project_id: ProjectId
) -> shapes.ProjectExport:
    export = project_exports.export(emulator, links.base_url, project_id)
    return shapes.ProjectExport(
        iteration_count=version_differences.exported_iteration_count(export.iteration_count, version),
        image_count=export.image_count,
        tag_count=export.tag_count,
        region_count=export.region_count,
        estimated_import_time_in_ms=export.estimated_import_milliseconds,
        token=export.token,
    )


@router.operation("ImportProject", work="url")
def import_project(
    emulator: Emulator,
    links: ImageLinks,
    caller: Caller,
    token: Annotated[str, required_text("token")],
    name: Annotated[str | None, text("name")],
) -> shapes.Project:
    row = project_imports.request_import(emulator, links.base_url, token, name, caller.resource)
    return responses.project(links, row, None)


def _shown(links: Links, row: tables.Project) -> shapes.Project:
    return responses.project(links, row, projects.thumbnail(links.context, row.id))
