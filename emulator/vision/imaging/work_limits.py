"""Limits on the work of a decoder, computed from the bytes of a file before any of it is decoded.

A file of a few hundred kilobytes can occupy a decoder for minutes: scans of a JPEG are repeated over all
pixels, and Pillow parses chunks, segments and run lengths in Python. The limits are far above those of any
real image; the worst files that they permit take up to 6 s, for the largest image with 16 bits a channel.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

# Encoders write up to about 12 scans. A scan of all coefficients takes about 0.9 ns for each pixel.
MAX_JPEG_SCANS = 200
MAX_JPEG_SCANNED_PIXELS = 4_000_000_000
# An ICC profile or extended XMP takes up to 255 segments of 64 KB.
MAX_JPEG_SEGMENTS = 1_000
MAX_JPEG_FILL_BYTES = 65_536
# Coefficients of all scans are in memory until the last one is decoded.
MAX_JPEG_COEFFICIENT_BYTES = 640_000_000
# Some encoders write one IDAT chunk for each row.
MAX_PNG_CHUNKS = 20_000
# XMP of a megabyte takes about 10,000 blocks.
MAX_GIF_BLOCKS = 20_000
# Pillow expands run lengths in Python, 0.1 µs for each pixel.
MAX_RUN_LENGTH_PIXELS = 16_000_000

# Above these, decoding takes more than some 50 ms.
_COSTLY_PIXELS = 2_000_000
_COSTLY_JPEG_PIXELS = 16_000_000
_COSTLY_SCANS = 20
_COSTLY_GIF_BYTES = 2_000

_SOI = b"\xff\xd8"
_SOS = b"\xff\xda"
_EOI = b"\xff\xd9"
# Without `\xff+`, which would search a long run of 0xFF again from each of its bytes.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
# In the data of a scan, 0xFF is followed by 0, or is part of a restart marker.
_MARKER_AFTER_SCAN = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_STANDALONE = frozenset({0x01, *range(0xD0, 0xDA)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_MANY_BLOCKS = f"It has more than {MAX_GIF_BLOCKS} blocks before its first frame."
_GIF_EXTENSION = b"\x21"
_BMP_RUN_LENGTHS = (1, 2)


class TooMuchWork(ValueError):
    """A file would take a decoder too long. str() states what there is too much of."""


@dataclass(frozen=True)
class JpegStructure:
    """What the markers of a JPEG tell.

    Attributes:
        coefficient_bytes: memory for the coefficients, which a file of several scans needs; else 0.
        has_end: whether there is an end-of-image marker after the first scan.
    """

    coefficient_bytes: int
    has_end: bool


def has_image_signature(data: bytes) -> bool:
    """Whether the first bytes are those of a JPEG, PNG, GIF or BMP."""
    if data.startswith(b"BM"):  # letters, so the size of the second header decides too
        return 12 <= int.from_bytes(data[14:18], "little") <= 124
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"))


def is_costly(data: bytes) -> bool:
    """Whether decoding may take more than some 50 ms or 20 MB; looks at the header only."""
    if data.startswith(b"\x89PNG"):
        return _area(data, ">II", 16) > _COSTLY_PIXELS
    if data.startswith(b"GIF8"):
        return len(data) > _COSTLY_GIF_BYTES  # frames may be larger than the size in the header
    if data.startswith(b"BM"):
        return data[30:31] in (b"\1", b"\2") or _area(data, "<ii", 18) > _COSTLY_PIXELS
    if not data.startswith(_SOI):
        return False
    try:
        frame, position = _first_scan(data)
    except TooMuchWork:
        return False  # refused at once
    if frame is None:
        return False
    several_scans = data[position + 2 : position + 3] != bytes((frame.components,)) or frame.progressive
    limit = _COSTLY_PIXELS if several_scans else _COSTLY_JPEG_PIXELS
    return (
        frame.pixels > limit
        or (several_scans and data.count(_SOS) > _COSTLY_SCANS)
        or not data.endswith(_EOI)
    )


def _area(data: bytes, layout: str, position: int) -> int:
    if len(data) < position + 8:
        return 0
    sides: tuple[int, int] = struct.unpack_from(layout, data, position)
    return abs(sides[0] * sides[1])


def check_png(data: bytes) -> None:
    """Raises TooMuchWork."""
    position, chunks = 8, 0
    while position + 8 <= len(data) and data[position + 4 : position + 8] != b"IEND":
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        chunks += 1
        if chunks > MAX_PNG_CHUNKS:
            raise TooMuchWork(f"It has more than {MAX_PNG_CHUNKS} chunks.")


def check_gif(data: bytes) -> None:
    """Raises TooMuchWork."""
    position = 13 + (3 << (data[10] % 8 + 1) if len(data) > 10 and data[10] & 0x80 else 0)
    blocks = 0
    while data[position : position + 1] == _GIF_EXTENSION:
        position += 2
        while size := int.from_bytes(data[position : position + 1], "big"):
            position += 1 + size
            blocks += 1
            if blocks > MAX_GIF_BLOCKS:
                raise TooMuchWork(_MANY_BLOCKS)
        position += 1
        blocks += 1
        if blocks > MAX_GIF_BLOCKS:
            raise TooMuchWork(_MANY_BLOCKS)


def check_bmp(data: bytes) -> None:
    """Raises TooMuchWork."""
    if len(data) < 34 or int.from_bytes(data[14:18], "little") < 40:
        return
    width, height = struct.unpack_from("<ii", data, 18)
    if int.from_bytes(data[30:34], "little") in _BMP_RUN_LENGTHS:
        pixels = abs(width * height)
        if pixels > MAX_RUN_LENGTH_PIXELS:
            raise TooMuchWork(f"It has run lengths and {pixels} pixels.")


def check_jpeg(data: bytes) -> JpegStructure:
    """Raises TooMuchWork."""
    frame, position = _first_scan(data)
    if frame is None:
        return JpegStructure(0, has_end=data.endswith(_EOI))
    has_end = data.endswith(_EOI) or data.find(_EOI, position) >= 0
    if not frame.progressive and data[position + 2 : position + 3] == bytes((frame.components,)):
        return JpegStructure(0, has_end)  # decoders stop after a scan that is complete
    _check_scans(data, position, frame.pixels)
    if frame.coefficient_bytes > MAX_JPEG_COEFFICIENT_BYTES:
        raise TooMuchWork(f"Its coefficients take {frame.coefficient_bytes} bytes.")
    return JpegStructure(frame.coefficient_bytes, has_end)


def _first_scan(data: bytes) -> tuple[_Frame | None, int]:
    """The frame, and the position after the marker of the first scan; None when there is no scan."""
    position, segments, fill_bytes = len(_SOI), 0, 0
    frame = _Frame(0, 0, 0, progressive=False)
    while True:
        match = _MARKER.search(data, position)
        # Pillow reads bytes between segments one by one, also those after an end-of-image marker.
        fill_bytes += (len(data) if match is None else match.start()) - position
        if fill_bytes > MAX_JPEG_FILL_BYTES:
            raise TooMuchWork(f"It has more than {MAX_JPEG_FILL_BYTES} fill bytes.")
        if match is None:
            return None, position
        segments += 1
        if segments > MAX_JPEG_SEGMENTS:
            raise TooMuchWork(f"It has more than {MAX_JPEG_SEGMENTS} segments before its first scan.")
        code, position = match[1][0], match.end()
        if code == _SOS[1]:
            return frame, position
        if code in _START_OF_FRAME:
            frame = _frame(data, position, progressive=code in _PROGRESSIVE)
        if code not in _STANDALONE:
            position += int.from_bytes(data[position : position + 2], "big")


def _check_scans(data: bytes, position: int, pixels: int) -> None:
    # An upper bound: the bytes can also be part of a segment, or of data after the image.
    scans = data.count(_SOS, position - 2)
    if scans > MAX_JPEG_SCANS or scans * pixels > MAX_JPEG_SCANNED_PIXELS:
        scans = _scans(data, position)
    if scans > MAX_JPEG_SCANS:
        raise TooMuchWork(f"It has more than {MAX_JPEG_SCANS} scans.")
    if scans * pixels > MAX_JPEG_SCANNED_PIXELS:
        raise TooMuchWork(f"It has {scans} scans of {pixels} pixels.")


class _Frame(NamedTuple):
    pixels: int
    components: int
    coefficient_bytes: int
    progressive: bool


def _frame(data: bytes, position: int, *, progressive: bool) -> _Frame:
    """What a start-of-frame segment tells."""
    header = data[position : position + 8]
    if len(header) < 8:
        return _Frame(0, 0, 0, progressive)
    _length, _precision, height, width, components = struct.unpack(">HBHHB", header)
    samplings = [(item >> 4, item & 15) for item in data[position + 9 : position + 8 + 3 * components : 3]]
    largest = max([1, *(across for across, _ in samplings)]) * max([1, *(down for _, down in samplings)])
    pixels = width * height
    coefficient_bytes = 2 * pixels * sum(across * down for across, down in samplings) // largest
    return _Frame(pixels, components, coefficient_bytes, progressive)


def _scans(data: bytes, position: int) -> int:
    """The scans up to the end of the image, or one more than the limit. position: in the first scan."""
    scans, markers = 1, 0
    while scans <= MAX_JPEG_SCANS:
        match = _MARKER_AFTER_SCAN.search(data, position)
        if match is None or match[1] == _EOI[1:]:
            return scans
        markers += 1
        if markers > MAX_JPEG_SCANS + MAX_JPEG_SEGMENTS:
            raise TooMuchWork("It has too many segments between its scans.")
        scans += match[1] == _SOS[1:]
        position = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    return scans
