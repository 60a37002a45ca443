"""Continuation tokens: the signed position at which the next page of a list begins."""

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import orjson

from emulator.core.context import Context

LIFETIME = timedelta(hours=24)
_LONGEST = 1024
_DIGEST_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ContinuationRejected(Exception):
    """A continuation has expired, or was not made for this list. str() is the reason."""


def seal(context: Context, listed: str, position: list[float | int]) -> str:
    """An opaque text that `unseal` turns back into `position` for 24 hours.

    listed: identifies the list (project, filters, order); the token is valid for no other one.
    """
    expires = int((context.clock.now() + LIFETIME - _EPOCH).total_seconds())
    content = orjson.dumps([expires, position])
    return base64.urlsafe_b64encode(_digest(context, listed, content) + content).decode().rstrip("=")


def unseal(context: Context, listed: str, text: str) -> list[float | int]:
    """Raises ContinuationRejected."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ContinuationRejected("The continuation is not one that this list gave.") from None
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if not hmac.compare_digest(digest, _digest(context, listed, content)):
        raise ContinuationRejected("The continuation is not one that this list gave.")
    expires, position = orjson.loads(content)
    if _EPOCH + timedelta(seconds=expires) < context.clock.now():
        raise ContinuationRejected("The continuation is too old; begin the list anew.")
    return list(position)


def _digest(context: Context, listed: str, content: bytes) -> bytes:
    # The same secret signs paths of URIs, which begin with a slash.
    message = b"continuation\n" + listed.encode("utf-8", "surrogatepass") + b"\n" + content
    return hmac.new(context.link_secret, message, hashlib.sha256).digest()[:_DIGEST_BYTES]
