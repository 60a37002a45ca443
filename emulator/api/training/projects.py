"""GetProjects, CreateProject, GetProject, UpdateProject, DeleteProject, ExportProject, ImportProject."""

from emulator.api import responses as shapes
from emulator.api.calls import Call, handles
from emulator.contract import requests
from emulator.contract import responses as models
from emulator.core.projects import manage as projects
from emulator.core.transfer import export as project_exports
from emulator.core.transfer import import_request as project_imports
from emulator.store import tables

_IMPORT_NAME_SINCE = (3, 3)
_STORAGE_SINCE = (3, 3)
_OPTIONS_SINCE = (3, 4)


@handles("GetProjects")
def get_projects(call: Call) -> list[models.Project]:
    rows = projects.list_all(call.context)
    thumbnails = projects.thumbnails(call.context)
    return [shapes.project(call, row, thumbnails.get(row.id)) for row in rows]


@handles("CreateProject")
def create_project(call: Call) -> models.Project:
    options = requests.CreateProjectOptions()
    if call.version.number >= _OPTIONS_SINCE:
        options = call.parsed_or(requests.CreateProjectOptions, options)
    container, queue = options.export_model_container_uri, options.notification_queue_uri
    if call.version.number >= _STORAGE_SINCE:
        container = container or call.text("exportModelContainerUri")
        queue = queue or call.text("notificationQueueUri")
    row = projects.create(
        call.context,
        call.required_text("name"),
        call.text("description") or "",
        call.guid("domainId"),
        call.text("classificationType"),
        call.texts("targetExportPlatforms"),
        container or None,
        queue or None,
    )
    return shapes.project(call, row, None)


@handles("GetProject")
def get_project(call: Call) -> models.Project:
    return _shown(call, projects.get(call.context, call.id("projectId")))


@handles("UpdateProject")
def update_project(call: Call) -> models.Project:
    body = call.parsed(requests.Project)
    settings = body.settings or requests.ProjectSettings()
    processing = settings.image_processing_settings or requests.ImageProcessingSettings()
    changes = {
        "name": body.name,
        "description": body.description,
        "domain_id": settings.domain_id,
        "classification_type": settings.classification_type,
        "target_export_platforms": settings.target_export_platforms,
        "augmentation_methods": processing.augmentation_methods,
    }
    if call.version.number >= _STORAGE_SINCE:
        changes |= {
            "export_model_container_uri": settings.export_model_container_uri,
            "notification_queue_uri": settings.notification_queue_uri,
        }
    return _shown(call, projects.update(call.context, call.id("projectId"), changes))


@handles("DeleteProject")
def delete_project(call: Call) -> None:
    projects.delete(call.context, call.id("projectId"))


@handles("ExportProject")
def export_project(call: Call) -> models.ProjectExport:
    found = project_exports.export(call.context, call.base_url, call.id("projectId"))
    return models.ProjectExport(
        found.iteration_count,
        found.image_count,
        found.tag_count,
        found.region_count,
        found.estimated_import_milliseconds,
        found.token,
    )


@handles("ImportProject")
def import_project(call: Call) -> models.Project:
    name = call.text("name") if call.version.number >= _IMPORT_NAME_SINCE else None
    row = project_imports.request_import(call.context, call.base_url, call.required_text("token"), name)
    return shapes.project(call, row, None)


def _shown(call: Call, row: tables.Project) -> models.Project:
    return shapes.project(call, row, projects.thumbnails(call.context, row.id).get(row.id))
