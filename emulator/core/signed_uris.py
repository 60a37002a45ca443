"""Signed URIs of images, exports and project exports, which need no key and are valid for a limited time.

Their form is the service's, ``<path>?sv=...&sr=b&sig=...&se=...&sp=r``. The path of an image is
``/i-<project>/{i|t}-<image>``, ids without dashes; that of a stored prediction's image is
``/predictionimages/<project>/{o|t}-<prediction>``, with dashes in the project's id only. ``i`` and ``o`` are
the image as stored (longest side at most 1600 pixels), ``t`` its thumbnail. `downloads.images` reads them.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from sqlmodel import select

from emulator.core.context import Context
from emulator.durable_files import write_atomically
from emulator.store.database import Database
from emulator.store.tables import Project

Size = Literal["i", "t"]
PredictionSize = Literal["o", "t"]
_SIGNED_VERSION = "2017-04-17"
SECRET_FILE, SECRET_BYTES = "link-secret", 32
_log = logging.getLogger(__name__)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class LinkRejected(Exception):
    """The signature of a URI is wrong or expired. str() is the reason."""


def read_or_create_secret(folder: Path, database: Database) -> bytes:
    """The secret for signatures, created at the first start so that URIs stay valid after a restart.

    Servers of one database have the secret of the first one: each accepts the URIs of the others. A secret
    that is missing beside projects, or damaged, is replaced, which is logged.
    """
    path = folder / SECRET_FILE
    if database.shared is not None:
        own = path.read_bytes() if path.exists() else b""
        secret = database.shared.secret(
            own if len(own) == SECRET_BYTES else secrets.token_bytes(SECRET_BYTES)
        )
        if secret != own:
            write_atomically(path, secret)
        return secret
    secret = path.read_bytes() if path.exists() else b""
    if len(secret) == SECRET_BYTES:
        return secret
    with database.read() as session:
        is_in_use = session.exec(select(Project.id)).first() is not None
    if secret or is_in_use:
        _log.warning(
            "%s has %d bytes instead of %d, so it was replaced: URIs and tokens that were issued before are "
            "no longer valid",
            path,
            len(secret),
            SECRET_BYTES,
        )
    secret = secrets.token_bytes(SECRET_BYTES)
    write_atomically(path, secret)
    return secret


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
    """The URI of `path`, with a signature that `check` accepts until it expires."""
    expires = (context.clock.now() + (lifetime or context.image_uri_lifetime)).strftime(_TIME)
    signature = quote(_sign(context, path, expires), safe="")
    return f"{base}{path}?sv={_SIGNED_VERSION}&sr=b&sig={signature}&se={quote(expires, safe='')}&sp=r"


def check(context: Context, path: str, signature: str, expires: str) -> None:
    """Raises LinkRejected unless this emulator made the signature and it has not expired."""
    if not is_signature(context, path, signature, expires):
        raise LinkRejected("Signature did not match.")
    try:
        until = datetime.strptime(expires, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise LinkRejected("Signed expiry time is not valid.") from None
    if until < context.clock.now():
        raise LinkRejected(f"Signature not valid in the specified time frame: expired at {expires}.")


def is_signature(context: Context, path: str, signature: str, expires: str) -> bool:
    """Whether this emulator made the signature, expired or not."""
    # A lone surrogate in a text from JSON has no encoding.
    return hmac.compare_digest(_sign(context, path, expires).encode(), signature.encode(errors="replace"))


def _sign(context: Context, path: str, expires: str) -> str:
    digest = hmac.new(
        context.link_secret, f"{path}\n{expires}".encode(errors="replace"), hashlib.sha256
    ).digest()
    return base64.b64encode(digest).decode()


def format_guid(digits: str) -> str:
    """A GUID of 32 digits, with dashes and in lower case."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])).lower()
