"""Archives of exported projects by signed URI: fetched without a key, by the emulator that imports them."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from emulator.api.dependencies import Emulator
from emulator.api.downloads.links import SignatureOfLink, not_found
from emulator.api.routing import OperationRouter
from emulator.core import signed_uris
from emulator.core.transfer import export as project_exports
from emulator.gateway.errors import UnknownResource
from emulator.store.blobs import BlobDamaged

router = OperationRouter()

_DIGITS = re.compile(r"[0-9a-f]{32}")


@router.own("GET", "/prjexp-{digits}/{blob}")
def archive(request: Request, emulator: Emulator, link: SignatureOfLink) -> Response:
    digits, blob = request.path_params["digits"], request.path_params["blob"]
    if not _DIGITS.fullmatch(digits) or blob not in (project_exports.INFO, project_exports.DATA):
        raise UnknownResource
    project_id = signed_uris.format_guid(digits)
    # One signature for both files.
    signed_uris.check(emulator, project_exports.token_path(project_id), link.signature, link.expires)
    if blob == project_exports.INFO:
        info = project_exports.open_info(emulator, project_id)
        return not_found() if info is None else Response(info, media_type="application/json")
    chunks = project_exports.open_archive(emulator, project_id)
    if chunks is None:
        return not_found()
    if request.method == "HEAD":
        return Response(media_type="application/x-tar")
    threads = request.app.state.threads.of("images")
    return _Archive(_in_threads(chunks, threads), media_type="application/x-tar")


class _Archive(StreamingResponse):
    """Ends before its end when a blob is damaged: the server closes the connection, so that no client takes
    the archive for complete."""

    async def stream_response(self, send: Send) -> None:
        with contextlib.suppress(BlobDamaged):
            await super().stream_response(send)


async def _in_threads(chunks: Iterator[bytes], threads: Executor) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while (chunk := await loop.run_in_executor(threads, next, chunks, None)) is not None:
        yield chunk
