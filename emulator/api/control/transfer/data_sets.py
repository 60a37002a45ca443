"""Data sets in the formats of other tools, in the emulator's own API: imports are jobs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from emulator.api.dependencies import Caller, Emulator, ImportId, ProjectId, version_of
from emulator.api.parameters import flag_in, required_text, text_in
from emulator.api.routing import OperationRouter, Result, response_of
from emulator.api.threads import in_thread
from emulator.contract.control import data_sets as shapes
from emulator.contract.gateway_responses import guid
from emulator.core.data_sets import export as exports
from emulator.core.data_sets import kept
from emulator.core.data_sets import request as imports
from emulator.core.data_sets.kept import ImportState
from emulator.core.data_sets.request import ImportOptions, Upload
from emulator.core.errors import ServiceError
from emulator.store.blobs import BlobDamaged

router = OperationRouter()

_PATH = "/_emulator/dataSets"
_CHUNK_BYTES = 2**20


@router.own("POST", _PATH)
async def import_data_set(request: Request, emulator: Emulator, caller: Caller) -> Response:
    options = _options(request, caller.resource)
    length = request.headers.get("content-length", "")
    if length.isdigit():
        await in_thread(request, emulator.disk.check_room, int(length))
    upload = await in_thread(request, imports.begin, emulator, options)
    try:
        await _receive(request, upload)
        state = await in_thread(request, upload.finish, work="images")
    except BaseException as error:
        await in_thread(request, upload.discard)
        if isinstance(error, ClientDisconnect):
            raise ServiceError("BadRequest", "The request ended before its body was complete.") from None
        raise
    return response_of(Result(_shape(state), 202), version_of(request))


@router.own("GET", _PATH)
def get_data_set_imports(emulator: Emulator, caller: Caller) -> Result:
    states = kept.list_all(emulator)
    return Result([_shape(state) for state in states if state.resource == caller.resource])


@router.own("GET", f"{_PATH}/{{importId}}")
def get_data_set_import(emulator: Emulator, caller: Caller, import_id: ImportId) -> shapes.DataSetImport:
    return _shape(kept.get(emulator, import_id, caller.resource))


@router.own("POST", f"{_PATH}/{{importId}}/import")
def import_checked_data_set(emulator: Emulator, caller: Caller, import_id: ImportId) -> Result:
    return Result(_shape(imports.import_checked(emulator, import_id, caller.resource)), 202)


@router.own("DELETE", f"{_PATH}/{{importId}}")
def delete_data_set_import(emulator: Emulator, caller: Caller, import_id: ImportId) -> None:
    imports.forget(emulator, import_id, caller.resource)


@router.own("GET", "/_emulator/projects/{projectId}/dataSet", work="images")
def export_data_set(
    request: Request,
    emulator: Emulator,
    project_id: ProjectId,
    format: Annotated[str, required_text("format")],
) -> Response | shapes.DataSetExport:
    if flag_in(request, "dryRun", False):
        found = exports.summary(emulator, project_id, format)
        return shapes.DataSetExport(
            format=found.format,
            image_count=found.image_count,
            tag_count=found.tag_count,
            box_count=found.box_count,
            losses=[shapes.DataSetProblem(**asdict(loss)) for loss in found.losses],
        )
    made = exports.export(emulator, project_id, format)
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(made.name, safe='')}"}
    if request.method == "HEAD":
        return Response(media_type="application/zip", headers=headers)
    pieces = _in_threads(made.pieces, request.app.state.threads.of("images"))
    return _Archive(pieces, headers=headers, media_type="application/zip")


class _Archive(StreamingResponse):
    """Ends before its end when an image is damaged or gone: the server closes the connection, so that no
    client takes the archive for complete."""

    async def stream_response(self, send: Send) -> None:
        with contextlib.suppress(BlobDamaged, FileNotFoundError):
            await super().stream_response(send)


async def _in_threads(pieces: Iterator[bytes], threads: Executor) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while (piece := await loop.run_in_executor(threads, next, pieces, None)) is not None:
        yield piece


async def _receive(request: Request, upload: Upload) -> None:
    """Write the body to the upload as it arrives."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size >= _CHUNK_BYTES:
            await in_thread(request, upload.write, b"".join(chunks), work="images")
            chunks, size = [], 0
    await in_thread(request, upload.write, b"".join(chunks), work="images")


def _options(request: Request, resource: str) -> ImportOptions:
    project = text_in(request, "project")
    project_id = None
    with contextlib.suppress(ValueError):
        project_id = guid(project)
    parts = text_in(request, "parts") or ""
    return ImportOptions(
        project_id=project_id,
        project_name=None if project_id else project,
        format=text_in(request, "format"),
        domain=text_in(request, "domain"),
        classification_type=text_in(request, "classificationType"),
        dry_run=flag_in(request, "dryRun", False),
        missing_allowed=flag_in(request, "missingImagesAllowed", False),
        parts=tuple(part.strip() for part in parts.split(",") if part.strip()),
        resource=resource,
    )


def _shape(state: ImportState) -> shapes.DataSetImport:
    return shapes.DataSetImport(
        id=state.id,
        job_id=state.job_id or state.id,
        created=state.created_at,
        status=state.status,
        dry_run=state.dry_run,
        project_id=state.project_id,
        project_name=state.project_name,
        project_is_new=state.project_is_new,
        format=state.format,
        failure=state.failure,
        report=None if state.report is None else shapes.report_of(state.report),
    )
