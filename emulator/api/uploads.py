"""Image bytes in request bodies: ``multipart/form-data`` or the raw bytes themselves.

The name of a multipart field is ignored, as the service does: clients send ``imageData``, ``0``, or their
own, with and without a file name.
"""

import re
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from emulator.api.calls import Call
from emulator.core.errors import ServiceError

_FILENAME = re.compile(r'filename\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE)
_PARTS_READ = 1024
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
        return _parts(call)
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


def _parts(call: Call) -> list[Upload]:
    match = re.search(
        r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', call.headers.get("content-type", ""), re.IGNORECASE
    )
    if match is None:
        raise ServiceError("BadRequestImageStream", "The multipart body names no boundary.")
    found: list[Upload] = []
    segment: MultipartSegment | None = None
    chunks: list[bytes] = []
    try:
        with PushMultipartParser(match[1] or match[2], max_segment_count=_PARTS_READ) as parser:
            for event in parser.parse(call.body):
                if isinstance(event, MultipartSegment):
                    segment, chunks = event, []
                elif event:
                    chunks.append(bytes(event))
                elif segment is not None:
                    found.append(Upload(_file_name(segment), b"".join(chunks)))
    except (MultipartError, UnicodeError, ValueError) as error:
        raise ServiceError("BadRequestImageStream", f"The multipart body does not parse: {error}") from None
    return found


def _file_name(segment: MultipartSegment) -> str | None:
    for name, value in segment.headerlist:
        if name.lower() == "content-disposition":
            match = _FILENAME.search(value)
            return match[1].strip() if match else None
    return None
