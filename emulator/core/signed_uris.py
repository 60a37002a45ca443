"""URIs of pictures that need no key: signed, and valid for a day.

Their form is the service's, ``<path>?sv=...&sr=b&sig=...&se=...&sp=r``. The path of an image is
``/i-<project>/{i|t}-<image>``, ids without dashes; that of a stored prediction's image is
``/predictionimages/<project>/{o|t}-<prediction>``, with dashes in the project's id alone. ``i`` and ``o``
are the image as stored (longest side at most 1600), ``t`` its thumbnail.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import quote

from sqlmodel import select

from emulator.core.context import Context
from emulator.core.limits import STORED_PREDICTION_DAYS
from emulator.store.tables import Image, StoredPrediction

Size = Literal["i", "t"]
PredictionSize = Literal["o", "t"]
STORED_LONGEST_SIDE = 1600
THUMBNAIL_LONGEST_SIDE = 256
_SIGNED_VERSION = "2017-04-17"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_IMAGE_PATH = re.compile("/i-([0-9a-f]{32})/([it])-([0-9a-f]{32})")
_PREDICTION_PATH = re.compile(
    "/predictionimages/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([ot])-([0-9a-f]{32})"
)


class LinkRejected(Exception):
    """A URI whose signature is wrong, or that has expired; str() says which."""


class Picture(NamedTuple):
    data: bytes
    media_type: str
    created: datetime


class PicturePath(NamedTuple):
    """A path of one of the two forms, taken apart; ids with dashes. is_prediction: whose image it is."""

    project_id: str
    id: str
    is_prediction: bool
    is_thumbnail: bool


def image_uri(context: Context, base: str, project_id: str, image_id: str, size: Size) -> str:
    """The signed URI of an image; `base` is scheme and host, without a slash at the end."""
    return signed(context, base, f"/i-{project_id.replace('-', '')}/{size}-{image_id.replace('-', '')}")


def prediction_image_uri(
    context: Context, base: str, project_id: str, prediction_id: str, size: PredictionSize
) -> str:
    """The signed URI of the image of a stored prediction."""
    path = f"/predictionimages/{project_id}/{size}-{prediction_id.replace('-', '')}"
    return signed(context, base, path)


def signed(context: Context, base: str, path: str, lifetime: timedelta | None = None) -> str:
    """The URI of `path` with the signature that `check` accepts until it expires."""
    expires = (context.clock.now() + (lifetime or context.image_uri_lifetime)).strftime(_TIME)
    signature = quote(_sign(context, path, expires), safe="")
    return f"{base}{path}?sv={_SIGNED_VERSION}&sr=b&sig={signature}&se={quote(expires, safe='')}&sp=r"


def check(context: Context, path: str, signature: str, expires: str) -> None:
    """Raises LinkRejected unless the signature is ours and still valid."""
    if not hmac.compare_digest(_sign(context, path, expires).encode(), signature.encode()):
        raise LinkRejected("Signature did not match.")
    try:
        until = datetime.strptime(expires, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise LinkRejected("Signed expiry time is not valid.") from None
    if until < context.clock.now():
        raise LinkRejected(f"Signature not valid in the specified time frame: expired at {expires}.")


def parse_path(path: str) -> PicturePath | None:
    """`path` (with its leading slash) taken apart; None when it has neither form."""
    match = _IMAGE_PATH.fullmatch(path)
    if match is not None:
        return PicturePath(format_guid(match[1]), format_guid(match[3]), False, match[2] == "t")
    match = _PREDICTION_PATH.fullmatch(path)
    if match is not None:
        return PicturePath(match[1], format_guid(match[3]), True, match[2] == "t")
    return None


def open_picture(context: Context, path: str, signature: str, expires: str) -> Picture | None:
    """What a signed URI points to, None when it is gone. Raises LinkRejected."""
    check(context, path, signature, expires)
    # What carries a signature of ours need not be the path of a picture.
    parsed = parse_path(path)
    return None if parsed is None else read_picture(context, parsed)


def read_picture(context: Context, path: PicturePath) -> Picture | None:
    """The picture at a path, None when it is not there."""
    with context.database.read() as session:
        row: Image | StoredPrediction | None
        if path.is_prediction:
            oldest = context.clock.now() - timedelta(days=STORED_PREDICTION_DAYS)
            row = session.exec(
                select(StoredPrediction).where(
                    StoredPrediction.id == path.id,
                    StoredPrediction.project_id == path.project_id,
                    StoredPrediction.created >= oldest,
                )
            ).first()
        else:
            row = session.exec(
                select(Image).where(Image.id == path.id, Image.project_id == path.project_id)
            ).first()
    if row is None:
        return None
    from emulator.vision.imaging.decode import to_jpeg

    longest = THUMBNAIL_LONGEST_SIDE if path.is_thumbnail else STORED_LONGEST_SIDE
    try:
        data = to_jpeg(context.blobs.read(row.blob), longest)
    except FileNotFoundError:  # deleted between the look-up and now
        return None
    return Picture(data, _media_type(data), row.created)


def _sign(context: Context, path: str, expires: str) -> str:
    digest = hmac.new(context.link_secret, f"{path}\n{expires}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def format_guid(digits: str) -> str:
    """A GUID of 32 digits with its dashes."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])).lower()


def _media_type(data: bytes) -> str:
    kinds = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"GI": "image/gif", b"BM": "image/bmp"}
    return kinds.get(data[:2], "application/octet-stream")
