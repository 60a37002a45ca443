"""Names of formats that are no accepted images, found by their first bytes. For the log."""

from __future__ import annotations

import re

_SIGNATURES = (
    (rb"RIFF....WEBP", "WebP"),
    (rb"II[*+]\x00|MM\x00[*+]", "TIFF"),
    (rb"....ftypavi[fs]", "AVIF"),
    (rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", "HEIC"),
    (rb"....ftyp", "MP4 or another video"),
    (rb"\x00\x00\x01\x00", "ICO"),
    (rb"8BPS", "PSD"),
    (rb"%PDF", "PDF"),
    (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"P[1-7]\s", "a Netpbm format"),
    (rb"PK\x03\x04", "a zip file"),
    (rb"\x1f\x8b", "compressed with gzip"),
    (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?(?:<!doctype svg[^>]*>\s*)?<svg", "SVG"),
    (rb"\s*(?:<!doctype html|<html)", "an HTML page"),
    (rb"\s*<\?xml", "XML"),
    (rb"data:[\w/+.-]*[;,]", "the text of a data URI"),
    (rb"(?:/9j/|iVBORw0KGgo|R0lGOD|Qk[0-3])[A-Za-z0-9+/]{8}", "an image in base64"),
    (rb"\s*[\[{]\s*[\"\]}']", "JSON"),
    (rb"--[^\r\n]{1,70}\r\ncontent-disposition", "a multipart form without its Content-Type header"),
    (rb"https?://", "a URL"),
)


def named(data: bytes) -> str:
    """What the bytes of a file are, as a sentence; empty if that is not known."""
    if not data:
        return "It is empty."
    start = data[:512]
    for pattern, name in _SIGNATURES:
        if re.match(pattern, start, re.DOTALL | re.IGNORECASE):
            return f"It is {name}."
    return "It is text." if _is_text(start) else ""


def _is_text(start: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\r\n" for byte in start) and start.isascii()
