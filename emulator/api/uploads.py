"""Image bytes in request bodies: ``multipart/form-data`` or the raw bytes themselves.

The name of a multipart field is ignored, as the service does: clients send ``imageData``, ``0``, or their
own, with and without a file name.
"""

from dataclasses import dataclass

from emulator.api.calls import Call
from emulator.contract import form_data
from emulator.core.errors import ServiceError

MEDIA_TYPES = ("multipart/form-data", "application/octet-stream")


@dataclass(frozen=True)
class Upload:
    """One image. file_name: the raw token of the part, quotes included, as the service echoes it."""

    file_name: str | None
    data: bytes


def uploads(call: Call) -> list[Upload]:
    """The images of the body, in their order.

    Raises ServiceError: UnsupportedMediaType, or BadRequestImageStream for a body that does not parse.
    """
    if call.content_type == "multipart/form-data":
        try:
            parts = form_data.parts(call.headers.get("content-type", ""), call.body)
        except form_data.FormDataUnreadable as error:
            raise ServiceError("BadRequestImageStream", f"The multipart body {error}") from None
        return [Upload(part.file_name, part.data) for part in parts]
    if call.content_type in ("application/octet-stream", "") or call.content_type.startswith("image/"):
        return [Upload(None, call.body)] if call.body else []
    raise ServiceError(
        "UnsupportedMediaType",
        f"The request entity's media type '{call.content_type[:100]}' is not supported for this resource.",
    )


def single_upload(call: Call) -> bytes:
    """The one image of the body; further ones are ignored."""
    found = uploads(call)
    if not found:
        raise ServiceError("BadRequestImageStream", "The request holds no image.")
    return found[0].data
