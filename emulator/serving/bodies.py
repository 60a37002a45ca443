"""What requests bring: pictures in four kinds of bodies, and URLs."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import orjson
from starlette.requests import Request

from emulator.core.errors import ServiceError
from emulator.core.limits import MEGABYTE, PREDICTION_IMAGE_BYTES
from emulator.gateway.bodies import form_parts, media_type, no_image

# A picture may have 4 MB; around it there may be a form.
LARGEST_BODY = PREDICTION_IMAGE_BYTES + MEGABYTE
_FIELD = "imageData"


async def read_body(request: Request) -> bytes:
    """The whole body. Raises ServiceError when it is larger than any that is taken, as soon as that is known.

    What is left is read and dropped, up to once more as much: a client that still sends would otherwise see
    its connection break instead of the answer.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
        elif size > 16 * LARGEST_BODY:
            break
    if size > LARGEST_BODY:
        raise ServiceError(
            "BadRequestImageSizeBytes",
            f"The image has {size} bytes; at most {PREDICTION_IMAGE_BYTES // MEGABYTE} MB are allowed.",
        )
    return b"".join(chunks)


def picture(request: Request, body: bytes) -> bytes:
    """The picture of a body: multipart (a file or a field, `imageData` first), an encoded form, or the bytes.

    Raises ServiceError where there is none.
    """
    content_type = request.headers.get("content-type", "")
    kind = media_type(content_type)
    if kind == "multipart/form-data":
        found = form_parts(content_type, body)
        named = [part for part in found if part.name == _FIELD]
        data = (named or found)[0].data if found else b""
    elif kind == "application/x-www-form-urlencoded" and body.startswith(b"imageData="):
        # Other bodies of that type are pictures: it is what curl says when it is told nothing.
        encoded = body.removeprefix(b"imageData=").partition(b"&")[0]
        data = unquote_to_bytes(encoded.replace(b"+", b" "))
    else:
        data = body
    if not data:
        raise no_image()
    return data


def url(body: bytes) -> str:
    """The URL in a body ``{"url": "..."}``; the name in any case. Raises ServiceError BadRequestImageUrl."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ServiceError("BadRequestImageUrl", "The body is not JSON.") from None
    if isinstance(value, dict):
        for name, one in value.items():
            if name.lower() == "url" and isinstance(one, str):
                return one
    raise ServiceError("BadRequestImageUrl", 'The body must be {"url": "..."}.')
