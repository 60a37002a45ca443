"""All exports of an iteration, with their progress, in the emulator's own API."""

from typing import Annotated, Any

from starlette.responses import JSONResponse, Response

from emulator.api.dependencies import Emulator, ImageLinks, IterationId, ProjectId
from emulator.api.parameters import required_text, text
from emulator.api.responses import Links
from emulator.api.routing import OperationRouter
from emulator.contract.wire import zulu
from emulator.core.exports import request as exports
from emulator.store import tables

router = OperationRouter()

_PATH = "/_emulator/projects/{projectId}/iterations/{iterationId}/exports"


@router.own("GET", _PATH)
def list_exports(
    emulator: Emulator, links: ImageLinks, project_id: ProjectId, iteration_id: IterationId
) -> Response:
    emulator.choreography.polled("export", project_id, iteration_id)
    rows = exports.list_all(emulator, project_id, iteration_id)
    return JSONResponse([_shown(links, project_id, row) for row in rows])


@router.own("POST", _PATH)
def request_export(
    emulator: Emulator,
    links: ImageLinks,
    project_id: ProjectId,
    iteration_id: IterationId,
    platform: Annotated[str, required_text("platform")],
    flavor: Annotated[str | None, text("flavor")],
) -> Response:
    row = exports.request_export(emulator, links.base_url, project_id, iteration_id, platform, flavor)
    return JSONResponse(_shown(links, project_id, row))


def _shown(links: Links, project_id: str, row: tables.Export) -> dict[str, Any]:
    """All properties of an export."""
    progress = links.context.jobs.progress(row.id)
    done = row.status == tables.ExportStatus.DONE
    return {
        "platform": row.platform,
        "status": row.status,
        "downloadUri": exports.download_uri(links.context, links.base_url, project_id, row),
        "flavor": row.flavor or None,
        "newerVersionAvailable": exports.newer_version_available(row),
        "created": zulu(row.created),
        "progress": progress and progress.fraction,
        "step": progress and progress.step,
        "failure": row.failure,
        "fileName": exports.file_name(row) if done else None,
        "size": row.size if done else None,
    }
