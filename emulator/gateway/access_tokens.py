"""Access tokens of Microsoft Entra, as clients with `azure-identity` send them.

A token is accepted when it is a JSON Web Token (RFC 7519) for the audience of Azure's Cognitive Services and
is valid at the time of the emulator's clock. Its signature and issuer are not checked, so that anybody can
create one: this is for tests, not for protection.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from emulator.gateway.errors import TokenRefused

# Of the public cloud, Azure Government and Azure China; and the application id, the audience of tokens of v2.
AUDIENCES = (
    "https://cognitiveservices.azure.com",
    "https://cognitiveservices.azure.us",
    "https://cognitiveservices.azure.cn",
    "7d312290-28c8-473c-a0ed-8e53749b6d6d",
)
# A difference between the clocks of the issuer and of this machine.
_SKEW_SECONDS = 300
# Identifiers of a user, a service principal or a managed identity.
_PRINCIPAL_CLAIMS = ("oid", "appid", "azp", "upn", "unique_name", "preferred_username", "email", "sub")


def principals_of(authorization: bytes, now: Callable[[], datetime]) -> tuple[str, ...]:
    """The identifiers of the principal of a valid token, in lower case; the most specific one first.

    Args:
        authorization: the header, ``Bearer`` and the token.
        now: the time of the emulator's clock.

    Raises:
        TokenRefused: the token is malformed, for another audience, expired or not valid yet.
    """
    claims = _claims(authorization)
    _check_audience(claims.get("aud"))
    time = now().timestamp()
    expires = _seconds(claims, "exp")
    if expires is None:
        raise TokenRefused("the access token has no expiration time (exp)")
    if expires <= time:
        raise TokenRefused(f"the access token expired {round(time - expires)} seconds ago")
    begins = _seconds(claims, "nbf")
    if begins is not None and begins > time + _SKEW_SECONDS:
        raise TokenRefused(f"the access token is valid only in {round(begins - time)} seconds")
    found = (claims.get(name) for name in _PRINCIPAL_CLAIMS)
    return tuple(value.lower() for value in found if isinstance(value, str) and value)


def _claims(authorization: bytes) -> dict[str, Any]:
    parts = authorization.split(None, 1)
    token = parts[1].strip() if len(parts) == 2 else b""
    sections = token.split(b".")
    if len(sections) != 3 or not all(sections[:2]):
        raise TokenRefused("the access token is not a JSON Web Token")
    header, claims = (_section(section) for section in sections[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("the access token is not a JSON Web Token of JSON objects")
    return claims


def _section(text: bytes) -> Any:
    try:
        return orjson.loads(base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise TokenRefused(
            "the access token is not a JSON Web Token: a part is not base64url of JSON"
        ) from None


def _check_audience(audience: Any) -> None:
    given = audience if isinstance(audience, list) else [audience]
    for one in given:
        if isinstance(one, str) and one.rstrip("/").lower() in AUDIENCES:
            return
    shown = ", ".join(repr(one[:100]) for one in given if isinstance(one, str)) or "missing"
    raise TokenRefused(f"the audience of the access token is {shown}, not {AUDIENCES[0]}")


def _seconds(claims: dict[str, Any], name: str) -> float | None:
    """A time in seconds since 1970; None when it is missing. Raises TokenRefused."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(f"{name} of the access token is not a number")
    return value
