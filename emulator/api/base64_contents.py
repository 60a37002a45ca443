"""Images in JSON: the contents of a file as base64."""

import base64
import binascii

from emulator.core.errors import ServiceError
from emulator.core.images.sources import NoImage


def decoded(contents: str | None) -> bytes | NoImage:
    """The bytes of a base64 string."""
    try:
        return base64.b64decode(contents or "", validate=True)
    except (binascii.Error, ValueError):
        pass
    try:  # some clients insert line breaks
        return base64.b64decode("".join((contents or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        return NoImage(ServiceError("BadRequestImageFormat", f"The contents are not base64: {error}."))
