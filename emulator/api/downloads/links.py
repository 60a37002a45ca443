"""Signatures of signed URIs, and errors in the form of Azure's blob storage."""

from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from starlette.responses import Response

from emulator.core.signed_uris import LinkRejected


class Signature(NamedTuple):
    signature: str
    expires: str


async def _signature(request: Request) -> Signature:
    parameters = request.query_params
    return Signature(parameters.get("sig", ""), parameters.get("se", ""))


async def _path(request: Request) -> str:
    return request.url.path


SignatureOfLink = Annotated[Signature, Depends(_signature)]
SignedPath = Annotated[str, Depends(_path)]


def _storage_error(status: int, code: str, message: str) -> Response:
    # The signed URIs of the service lead to Azure's blob storage, which sends errors in this form.
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="utf-8"?>{error}'
    return Response(body, status, media_type="application/xml", headers={"x-ms-error-code": code})


async def link_rejected(_request: Request, error: LinkRejected) -> Response:
    return _storage_error(403, "AuthenticationFailed", str(error))


def is_link(request: Request) -> bool:
    """Whether a request has a signed URI."""
    return "sig" in request.query_params


def internal_error(message: str) -> Response:
    return _storage_error(500, "InternalError", message)


def not_found() -> Response:
    return _storage_error(404, "BlobNotFound", "The specified blob does not exist.")
