"""Access tokens of Microsoft Entra for tests; their signature is invalid."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

AUDIENCE = "https://cognitiveservices.azure.com"
SIGNATURE = "c2lnbmF0dXJl"


def access_token(now: datetime, *, header: Any = None, **claims: Any) -> str:
    """A token for the audience that is valid for an hour from `now`; claims that are None are left out."""
    standard = {"aud": AUDIENCE, "exp": int((now + timedelta(hours=1)).timestamp()), "oid": "anna"}
    content = {name: value for name, value in {**standard, **claims}.items() if value is not None}
    parts = (header or {"alg": "RS256", "typ": "JWT"}, content)
    return ".".join([*(encoded(part) for part in parts), SIGNATURE])


def encoded(value: Any) -> str:
    """A value as JSON in base64url, without padding."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
