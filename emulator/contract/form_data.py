"""Bodies of type ``multipart/form-data``, as clients of the service send them: hardly ever by the book."""

import re
from typing import NamedTuple

from multipart import MultipartError, MultipartSegment, PushMultipartParser

_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_FILENAME = re.compile(r'filename\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE)
_PARTS_READ = 1024


class FormDataUnreadable(ValueError):
    """The body does not parse; str() ends a sentence about it."""


class Part(NamedTuple):
    """One part. file_name: the raw token, quotes included, as the service echoes it."""

    name: str
    file_name: str | None
    data: bytes


def parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a body, in their order; `content_type`: the whole header. Raises FormDataUnreadable."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise FormDataUnreadable("names no boundary.")
    found: list[Part] = []
    segment: MultipartSegment | None = None
    chunks: list[bytes] = []
    try:
        with PushMultipartParser(match[1] or match[2], max_segment_count=_PARTS_READ) as parser:
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
