"""Image URIs that need no key: signed, and valid for a day.

Their form is the service's: ``/i-<project>/{i|t}-<image>?sv=...&sr=b&sig=...&se=...&sp=r``, ids without
dashes; ``i`` is the image as stored (longest side at most 1600), ``t`` its thumbnail.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from sqlmodel import select

from emulator.core.context import Context
from emulator.store.tables import Image

Size = Literal["i", "t"]
STORED_LONGEST_SIDE = 1600
THUMBNAIL_LONGEST_SIDE = 256
_SIGNED_VERSION = "2017-04-17"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class LinkRejected(Exception):
    """A URI whose signature is wrong, or that has expired; str() says which."""


@dataclass(frozen=True)
class Picture:
    data: bytes
    media_type: str
    created: datetime


def image_uri(context: Context, base: str, project_id: str, image_id: str, size: Size) -> str:
    """The signed URI of an image; `base` is scheme and host, without a slash at the end."""
    path = f"/i-{project_id.replace('-', '')}/{size}-{image_id.replace('-', '')}"
    expires = (context.clock.now() + context.image_uri_lifetime).strftime(_TIME)
    signature = quote(_sign(context, path, expires), safe="")
    return f"{base}{path}?sv={_SIGNED_VERSION}&sr=b&sig={signature}&se={quote(expires, safe='')}&sp=r"


def open_picture(context: Context, path: str, signature: str, expires: str) -> Picture | None:
    """What a signed URI points to, None when it is gone. Raises LinkRejected."""
    if not hmac.compare_digest(_sign(context, path, expires).encode(), signature.encode()):
        raise LinkRejected("Signature did not match.")
    try:
        until = datetime.strptime(expires, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise LinkRejected("Signed expiry time is not valid.") from None
    if until < context.clock.now():
        raise LinkRejected(f"Signature not valid in the specified time frame: expired at {expires}.")
    # What carries a signature of ours has our form.
    project, image = path.strip("/").split("/")
    with context.database.read() as session:
        statement = select(Image).where(
            Image.id == _dashed(image[2:]), Image.project_id == _dashed(project[2:])
        )
        row = session.exec(statement).first()
    if row is None:
        return None
    from emulator.vision.images import rendition

    longest = STORED_LONGEST_SIDE if image[0] == "i" else THUMBNAIL_LONGEST_SIDE
    try:
        data = rendition(context.blobs.read(row.blob), longest)
    except FileNotFoundError:  # deleted between the look-up and now
        return None
    return Picture(data, _media_type(data), row.created)


def _sign(context: Context, path: str, expires: str) -> str:
    digest = hmac.new(context.link_secret, f"{path}\n{expires}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _dashed(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])).lower()


def _media_type(data: bytes) -> str:
    kinds = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"GI": "image/gif", b"BM": "image/bmp"}
    return kinds.get(data[:2], "application/octet-stream")
