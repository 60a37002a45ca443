"""Bodies of requests: reading them up to a limit, and the parts of multipart forms."""

from starlette.types import Receive, Scope

from emulator.contract.form_data import FormDataUnreadable, Part, parts
from emulator.core.errors import ServiceError
from emulator.gateway.errors import TooLarge


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge, immediately if the announced length exceeds the limit."""
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
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is too large; at most {limit} bytes are allowed.")


def media_type(content_type: str) -> str:
    """The media type in a ``Content-Type`` header, lower-case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def form_parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a multipart form with images. Raises ServiceError BadRequestImageStream."""
    try:
        return parts(content_type, body)
    except FormDataUnreadable as error:
        raise ServiceError("BadRequestImageStream", f"The multipart body {error}") from None


def no_image() -> ServiceError:
    """The error for a body without the expected image."""
    return ServiceError("BadRequestImageStream", "The request holds no image.")
