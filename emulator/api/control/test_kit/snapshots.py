"""Snapshots of everything that is stored, in the emulator's own API."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import IO

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from emulator.api.dependencies import Body, Emulator
from emulator.api.routing import OperationRouter, Result
from emulator.contract.test_kit import snapshots as shapes
from emulator.core.snapshots import manage
from emulator.core.snapshots.manage import NamedSnapshot
from emulator.store.tables import moment

router = OperationRouter()

_CHUNK_BYTES = 2**20
_ZIP = "application/zip"


@router.own("GET", "/_emulator/snapshots")
def get_snapshots(emulator: Emulator) -> Result:
    return Result([_shape(snapshot) for snapshot in manage.list_all(emulator)])


@router.own("GET", "/_emulator/snapshots/{name}")
def get_snapshot(request: Request, emulator: Emulator) -> shapes.Snapshot:
    return _shape(manage.get(emulator, request.path_params["name"]))


# In the threads of images: saving and restoring wait for each other.
@router.own("PUT", "/_emulator/snapshots/{name}", work="images")
def save_snapshot(request: Request, emulator: Emulator) -> Result:
    saved, is_new = manage.save(emulator, request.path_params["name"])
    return Result(_shape(saved), 201 if is_new else 200)


@router.own("POST", "/_emulator/snapshots/{name}/restore", work="images")
def restore_snapshot(request: Request, emulator: Emulator) -> shapes.Snapshot:
    return _shape(manage.restore(emulator, request.path_params["name"]))


@router.own("DELETE", "/_emulator/snapshots/{name}", work="images")
def delete_snapshot(request: Request, emulator: Emulator) -> None:
    manage.delete(emulator, request.path_params["name"])


@router.own("GET", "/_emulator/snapshots/{name}/archive", work="images")
def download_snapshot(request: Request, emulator: Emulator) -> Response:
    name = request.path_params["name"]
    if request.method == "HEAD":
        manage.get(emulator, name)
        return Response(media_type=_ZIP)
    file = manage.open_archive(emulator, name)
    size = file.seek(0, 2)
    file.seek(0)
    headers = {"content-length": str(size), "content-disposition": f'attachment; filename="{name}.zip"'}
    chunks = _chunks(file, request.app.state.threads.of("images"))
    return StreamingResponse(chunks, headers=headers, media_type=_ZIP)


@router.own("PUT", "/_emulator/snapshots/{name}/archive", work="images")
def upload_snapshot(request: Request, emulator: Emulator, archive: Body) -> Result:
    stored, is_new = manage.upload(emulator, request.path_params["name"], archive)
    return Result(_shape(stored), 201 if is_new else 200)


async def _chunks(file: IO[bytes], threads: Executor) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    with file:
        while chunk := await loop.run_in_executor(threads, file.read, _CHUNK_BYTES):
            yield chunk


def _shape(snapshot: NamedSnapshot) -> shapes.Snapshot:
    manifest = snapshot.manifest
    return shapes.Snapshot(
        name=snapshot.name,
        created=moment(manifest.created),
        project_count=manifest.projects,
        image_count=manifest.images,
        iteration_count=manifest.iterations,
        size=manifest.size,
    )
