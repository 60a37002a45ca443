"""Images and URLs in the bodies of requests."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from emulator.contract.json_text import InvalidJson, TooManyValues, read_json
from emulator.core.errors import ServiceError
from emulator.core.rules.limits import MEGABYTE, PREDICTION_IMAGE_BYTES
from emulator.gateway.bodies import form_parts, media_type, no_image

# An image has at most 4 MB; the rest is for a multipart form around it.
MAX_BODY_BYTES = PREDICTION_IMAGE_BYTES + MEGABYTE
# Larger bodies are read and dropped up to this size before the error response.
_MAX_DRAINED_BYTES = 16 * MAX_BODY_BYTES
# No URL is this long, and bodies with one are parsed on the event loop.
_MAX_URL_BODY_BYTES = 65536
_FIELD = "imageData"


async def read_body(request: Request) -> bytes:
    """The whole body. Raises ServiceError BadRequestImageSizeBytes when it exceeds MAX_BODY_BYTES.

    The rest of a larger body is read first, up to _MAX_DRAINED_BYTES: a client that is still sending would
    otherwise find its connection broken instead of the response.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > _MAX_DRAINED_BYTES:
            break
    if size > MAX_BODY_BYTES:
        raise ServiceError(
            "BadRequestImageSizeBytes",
            f"The image has {size} bytes; at most {PREDICTION_IMAGE_BYTES // MEGABYTE} MB are allowed.",
        )
    return b"".join(chunks)


def image(request: Request, body: bytes) -> bytes:
    """The image in a body: a part of a multipart form, the field of a URL-encoded form, or the body itself.

    The part `imageData` precedes others. Raises ServiceError BadRequestImageStream when there is no image.
    """
    content_type = request.headers.get("content-type", "")
    kind = media_type(content_type)
    if kind == "multipart/form-data":
        found = form_parts(content_type, body)
        named = [part for part in found if part.name == _FIELD]
        data = (named or found)[0].data if found else b""
    elif kind == "application/x-www-form-urlencoded" and body.startswith(b"imageData="):
        # Other bodies of this type are images: curl sends it when no type is given.
        encoded = body.removeprefix(b"imageData=").partition(b"&")[0]
        data = unquote_to_bytes(encoded.replace(b"+", b" "))
    else:
        data = body
    if not data:
        raise no_image()
    return data


def url(body: bytes) -> str:
    """The URL in a body ``{"url": "..."}``, whose property matches in any case.

    Raises ServiceError BadRequestImageUrl.
    """
    if len(body) > _MAX_URL_BODY_BYTES:
        raise ServiceError("BadRequestImageUrl", "The body is too large for a URL.")
    try:
        value = read_json(body)
    except (InvalidJson, TooManyValues):
        raise ServiceError("BadRequestImageUrl", "The body is not JSON.") from None
    if isinstance(value, dict):
        for name, item in value.items():
            if name.lower() == "url" and isinstance(item, str):
                return item
    raise ServiceError("BadRequestImageUrl", 'The body must be {"url": "..."}.')
