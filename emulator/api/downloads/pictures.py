"""Signed image URIs: fetched without a key, as a browser or a labelling tool does."""

import asyncio
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from emulator.api.calls import UnknownResource
from emulator.core import signed_uris
from emulator.core.context import Context


def picture_routes(context: Context, threads: Executor) -> list[BaseRoute]:
    async def picture(request: Request) -> Response:
        if signed_uris.parse_path(request.url.path) is None:
            raise UnknownResource
        parameters = request.query_params
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                threads,
                signed_uris.open_picture,
                context,
                request.url.path,
                parameters.get("sig", ""),
                parameters.get("se", ""),
            )
        except signed_uris.LinkRejected as rejected:
            return storage_error(403, "AuthenticationFailed", str(rejected))
        if found is None:
            return storage_error(404, "BlobNotFound", "The specified blob does not exist.")
        modified = found.created.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return Response(found.data, media_type=found.media_type, headers={"Last-Modified": modified})

    paths = ("/{container}/{blob}", "/predictionimages/{project}/{blob}")
    return [Route(path, picture, methods=["GET", "HEAD"]) for path in paths]


def storage_error(status: int, code: str, message: str) -> Response:
    # The shape of Azure's blob storage, which is where the service's own URIs lead.
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="utf-8"?>{error}'
    return Response(body, status, media_type="application/xml", headers={"x-ms-error-code": code})
