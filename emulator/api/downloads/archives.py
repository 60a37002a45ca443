"""What the token of an exported project leads to: fetched without a key, by the emulator that imports it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from emulator.api.calls import UnknownResource
from emulator.api.downloads.pictures import storage_error
from emulator.core import signed_uris
from emulator.core.context import Context
from emulator.core.transfer import export as project_exports

_DIGITS = re.compile(r"[0-9a-f]{32}")


def archive_routes(context: Context, threads: Executor) -> list[BaseRoute]:
    async def archive(request: Request) -> Response:
        digits, blob = request.path_params["digits"], request.path_params["blob"]
        if not _DIGITS.fullmatch(digits) or blob not in (project_exports.INFO, project_exports.DATA):
            raise UnknownResource
        project_id = signed_uris.format_guid(digits)
        parameters = request.query_params
        path = project_exports.token_path(project_id)  # one signature for both
        try:
            signed_uris.check(context, path, parameters.get("sig", ""), parameters.get("se", ""))
        except signed_uris.LinkRejected as rejected:
            return storage_error(403, "AuthenticationFailed", str(rejected))
        opens: Callable[[Context, str], bytes | Iterator[bytes] | None] = (
            project_exports.open_info if blob == project_exports.INFO else project_exports.open_archive
        )
        found = await asyncio.get_running_loop().run_in_executor(threads, opens, context, project_id)
        if found is None:
            return storage_error(404, "BlobNotFound", "The specified blob does not exist.")
        if isinstance(found, bytes):
            return Response(found, media_type="application/json")
        if request.method == "HEAD":
            return Response(media_type="application/x-tar")
        return StreamingResponse(_pieces(found, threads), media_type="application/x-tar")

    return [Route("/prjexp-{digits}/{blob}", archive, methods=["GET", "HEAD"])]


async def _pieces(found: Iterator[bytes], threads: Executor) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while (piece := await loop.run_in_executor(threads, next, found, None)) is not None:
        yield piece
