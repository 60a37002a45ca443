"""Formats that are not accepted are named by their first bytes."""

from __future__ import annotations

import base64

import pytest

from emulator.vision.imaging.other_formats import named
from tests.support.images import picture


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (picture(format="WEBP"), "It is WebP."),
        (picture(format="TIFF"), "It is TIFF."),
        (picture(format="PPM"), "It is a Netpbm format."),
        (picture(format="ICO"), "It is ICO."),
        (picture(format="JPEG2000"), "It is JPEG 2000."),
        (picture(format="PDF"), "It is PDF."),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "It is HEIC."),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "It is AVIF."),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "It is MP4 or another video."),
        (b'<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="x">', "It is SVG."),
        (b"<?xml version='1.0'?><Error/>", "It is XML."),
        (b"\r\n<!doctype html>", "It is an HTML page."),
        (b"data:image/png;base64,iVBO", "It is the text of a data URI."),
        (base64.b64encode(picture(format="JPEG")), "It is an image in base64."),
        (base64.b64encode(picture()), "It is an image in base64."),
        (b'{"url": "x"}', "It is JSON."),
        (b"--x\r\nContent-Disposition: form-data", "It is a multipart form without its Content-Type header."),
        (b"https://host/a.jpg", "It is a URL."),
        (b"Hello.\n", "It is text."),
        (b"", "It is empty."),
        (b"\x01\x02\x03", ""),
        (b"\xe4\xff" * 300, ""),
    ],
)
def test_what_the_bytes_are(data: bytes, name: str) -> None:
    assert named(data) == name
