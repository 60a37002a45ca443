"""Bodies of requests, in files: in memory up to a size, larger ones on the disk."""

from collections.abc import AsyncIterator
from typing import IO

from starlette.types import Receive, Scope

from emulator.core.errors import ServiceError
from emulator.gateway.errors import TooLarge

_PIECE = 256 * 1024


async def spool(scope: Scope, receive: Receive, body: IO[bytes], limit: int) -> int:
    """Write the body of the request to a file; returns its size. Raises TooLarge, ServiceError."""
    too_large = TooLarge(f"The request body is too large; at most {limit} bytes are allowed.")
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise too_large
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ServiceError("BadRequest", "The request ended before its body was complete.")
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise too_large
        body.write(piece)
        scope["body_bytes"] = size
        if not message.get("more_body", False):
            return size


def whole_of(body: IO[bytes]) -> bytes:
    body.seek(0)
    return body.read()


async def pieces_of(body: IO[bytes]) -> AsyncIterator[bytes]:
    body.seek(0)
    while piece := body.read(_PIECE):
        yield piece
