"""ExportIteration, GetExports; the emulator's own view of exports, and the files that links lead to."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from emulator.api import responses as shapes
from emulator.api.calls import Call, UnknownResource, base_url, handles
from emulator.api.downloads.pictures import storage_error
from emulator.contract import exports as names
from emulator.contract import responses as models
from emulator.contract.identifiers import guid
from emulator.contract.wire import zulu
from emulator.core import signed_uris
from emulator.core.context import Context
from emulator.core.errors import ServiceError
from emulator.core.exports import request as exports
from emulator.store import tables

_T = TypeVar("_T")


@handles("ExportIteration")
def export_iteration(call: Call) -> models.Export:
    project_id, iteration_id = call.id("projectId"), call.id("iterationId")
    call.required_text("platform")
    platform = call.choice("platform", names.platforms(call.version), "")
    flavor = call.choice("flavor", names.flavors(call.version), "")
    flavor = flavor or names.default_flavor(call.version, platform) or ""
    row = exports.request_export(
        call.context, call.base_url, project_id, iteration_id, platform, flavor or None
    )
    return shapes.export(call, project_id, row)


@handles("GetExports")
def get_exports(call: Call) -> list[models.Export]:
    project_id = call.id("projectId")
    platforms, flavors = names.platforms(call.version), ("", *names.flavors(call.version))
    return [
        shapes.export(call, project_id, row)
        for row in exports.list_all(call.context, project_id, call.id("iterationId"))
        # What a version cannot ask for is not told to its clients.
        if row.platform in platforms and row.flavor in flavors
    ]


def export_routes(context: Context, threads: Executor, public_url: str | None) -> list[BaseRoute]:
    """The routes beside the service's operations: all exports of an iteration, and their files."""

    def base_of(request: Request) -> str:
        return base_url(request.scope, request.headers, public_url)

    async def in_thread(function: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, function, *arguments)

    async def list_all(request: Request) -> Response:
        project_id, iteration_id = _ids(request)
        rows = await in_thread(exports.list_all, context, project_id, iteration_id)
        return JSONResponse([_shown(context, base_of(request), project_id, row) for row in rows])

    async def ask(request: Request) -> Response:
        project_id, iteration_id = _ids(request)
        platform = request.query_params.get("platform", "")
        flavor = request.query_params.get("flavor") or None
        if not platform:
            raise ServiceError("BadRequestRequiredParamIsNull", "The parameter 'platform' is required.")
        base = base_of(request)
        row = await in_thread(
            exports.request_export, context, base, project_id, iteration_id, platform, flavor
        )
        return JSONResponse(_shown(context, base, project_id, row))

    async def file(request: Request) -> Response:
        path = request.url.path
        if not exports.is_path(path):
            raise UnknownResource
        parameters = request.query_params
        signature, expires = parameters.get("sig", ""), parameters.get("se", "")
        try:
            found = await in_thread(exports.open_signed, context, path, signature, expires)
        except signed_uris.LinkRejected as rejected:
            return storage_error(403, "AuthenticationFailed", str(rejected))
        if found is None:
            return storage_error(404, "BlobNotFound", "The specified blob does not exist.")
        return FileResponse(found.path, media_type="application/octet-stream", filename=found.name)

    own = "/_emulator/projects/{project}/iterations/{iteration}/exports"
    return [
        Route("/m-{project}/{file}", file, methods=["GET", "HEAD"]),
        Route(own, list_all, methods=["GET"]),
        Route(own, ask, methods=["POST"]),
    ]


def _ids(request: Request) -> tuple[str, str]:
    try:
        return guid(request.path_params["project"]), guid(request.path_params["iteration"])
    except ValueError:
        raise UnknownResource from None


def _shown(context: Context, base: str, project_id: str, row: tables.Export) -> dict[str, Any]:
    """An export with all that the emulator knows of it."""
    progress, step = context.jobs.progress(row.id) or (None, None)
    done = row.status == tables.ExportStatus.DONE
    return {
        "platform": row.platform,
        "status": row.status,
        "downloadUri": exports.download_uri(context, base, project_id, row),
        "flavor": row.flavor or None,
        "newerVersionAvailable": exports.newer_version_available(row),
        "created": zulu(row.created),
        "progress": progress,
        "step": step,
        "failure": row.failure,
        "fileName": exports.file_name(row) if done else None,
        "size": row.size if done else None,
    }
