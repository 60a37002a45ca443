"""Signed image URIs of this emulator as sources of images: read from the store, without a network."""

from urllib.parse import parse_qs, unquote, urlsplit

from emulator.core import signed_uris
from emulator.core.context import Context
from emulator.core.downloads import images
from emulator.core.errors import ServiceError
from emulator.core.fetching.policy import LONGEST_URL


def read_own_image(context: Context, url: str) -> bytes | None:
    """The bytes that a request to `url` would return; None when it is not one of this emulator's image URIs.

    The signature decides, not the host name: a client may know the emulator by a name, port or proxy that the
    emulator does not know. A URI with another signature may be that of another emulator.

    Raises:
        ServiceError: BadRequestImageUrl, when the URI has expired or the image was deleted.
    """
    if len(url) > LONGEST_URL:
        return None
    try:
        parts = urlsplit(url.strip(" "))
    except ValueError:
        return None
    path = _image_path(unquote(parts.path))
    if path is None or parts.scheme.lower() not in ("http", "https"):
        return None
    parameters = parse_qs(parts.query)
    signature, expires = (parameters.get(name, [""])[0] for name in ("sig", "se"))
    if not signed_uris.is_signature(context, path, signature, expires):
        return None
    try:
        found = images.open_signed(context, path, signature, expires)
    except signed_uris.LinkRejected as rejected:
        raise ServiceError("BadRequestImageUrl", f"The URL was refused: {rejected}") from None
    if found is None:
        raise ServiceError("BadRequestImageUrl", "The image behind the URL was deleted.")
    return found.data


def _image_path(path: str) -> str | None:
    """The path of an image at the end of a URL's path; None if there is none.

    A base address can have a path of its own (`--public-url http://host/custom-vision`).
    """
    segments = [segment for segment in path.split("/") if segment]
    for count in (3, 2):
        candidate = "/" + "/".join(segments[-count:])
        if images.parse_path(candidate) is not None:
            return candidate
    return None
