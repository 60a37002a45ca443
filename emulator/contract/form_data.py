"""Bodies of type ``multipart/form-data``, also the malformed ones that clients of the service send."""

import re
from typing import NamedTuple

from multipart import MultipartError, MultipartSegment, PushMultipartParser

_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_FILENAME = re.compile(r'filename\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE)
_MAX_PARTS = 1024


class FormDataUnreadable(ValueError):
    """The body cannot be parsed. str() is the predicate of a sentence whose subject is the body."""


class Part(NamedTuple):
    """One part. file_name: the raw token with its quotes, which the service sends back."""

    name: str
    file_name: str | None
    data: bytes


def parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a body, in order; `content_type` is the whole header. Raises FormDataUnreadable."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise FormDataUnreadable("names no boundary.")
    found: list[Part] = []
    segment: MultipartSegment | None = None
    chunks: list[bytes] = []
    try:
        with PushMultipartParser(match[1] or match[2], max_segment_count=_MAX_PARTS) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    segment, chunks = event, []
                elif event:
                    chunks.append(bytes(event))
                elif segment is not None:
                    found.append(Part(segment.name, _file_name(segment), b"".join(chunks)))
    except (MultipartError, UnicodeError, ValueError) as error:
        raise FormDataUnreadable(f"does not parse: {error}") from None
    return found


def _file_name(segment: MultipartSegment) -> str | None:
    for name, value in segment.headerlist:
        if name.lower() == "content-disposition":
            match = _FILENAME.search(value)
            return match[1].strip() if match else None
    return None
