"""Bodies of requests: reading them up to a limit, and the parts of multipart forms."""

import asyncio

from starlette.types import Receive, Scope

from emulator.contract.form_data import FormDataUnreadable, Part, parts
from emulator.core.errors import ServiceError
from emulator.core.rules.limits import MEGABYTE
from emulator.gateway.errors import TooLarge
from emulator.vision.imaging.work_limits import has_image_signature

_FIELD = "imageData"
_LARGE_BYTES = 8 * MEGABYTE


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge, immediately if the announced length exceeds the limit.

    The number of received bytes is ``body_bytes`` in the scope, for `emulator.gateway.memory`.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ServiceError("BadRequest", "The request ended before its body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        scope["body_bytes"] = size
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    if size <= _LARGE_BYTES:
        return b"".join(chunks)
    # Without the interpreter's lock: this takes 0.2 s for the largest body.
    return await asyncio.get_running_loop().run_in_executor(None, b"".join, chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is too large; at most {limit} bytes are allowed.")


def media_type(content_type: str) -> str:
    """The media type in a ``Content-Type`` header, lower-case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def form_parts(content_type: str, body: bytes) -> list[Part]:
    """The images in a multipart form. Raises ServiceError BadRequestImageStream.

    Beside a part with an image, text fields and file inputs without a file are passed over.
    """
    try:
        found = parts(content_type, body)
    except FormDataUnreadable as error:
        raise ServiceError("BadRequestImageStream", f"The multipart body {error}") from None
    if not any(has_image_signature(part.data) for part in found):
        return found
    return [part for part in found if has_image_signature(part.data) or not _is_other_field(part)]


def _is_other_field(part: Part) -> bool:
    """Whether a part without an image is a text field, or a file input without a file.

    Clients give images no file name either, but then the name of the service's field, or a number.
    """
    if part.file_name is None:
        return part.name != _FIELD and not part.name.isdecimal()
    return part.file_name.strip('"') == "" and part.data == b""


def no_image() -> ServiceError:
    """The error for a body without the expected image."""
    return ServiceError("BadRequestImageStream", "The request holds no image.")
