"""The gateway in front of the service: headers of every response, its error body, and the form of ids."""

import re
from typing import Any

from emulator.contract.versions import Version

ACCESS_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
    "for an active subscription and use a correct regional API endpoint for your resource."
)
TOKEN_REFUSED = {
    "statusCode": 401,
    "message": "Unauthorized. Access token is missing, invalid, audience is incorrect "
    "(https://cognitiveservices.azure.com), or have expired.",
}
_DATA_ACTIONS = "Microsoft.CognitiveServices/accounts/CustomVision/"
RESOURCE_NOT_FOUND = "Resource not found"
_REQUEST_ID_SINCE = {"training": (3, 2), "prediction": (3, 1)}
_GUID = re.compile(
    r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.IGNORECASE
)


def gateway_error(status: int, message: str) -> dict[str, Any]:
    """The body of an error response of the gateway, which differs from the service's own."""
    return {"error": {"code": str(status), "message": message}}


def rate_limit_exceeded(operation: str, version: Version, tier: str, seconds: int) -> str:
    """The message of a 429: more calls of an operation in a second than the pricing tier (``F0``) allows."""
    api = version.api.capitalize()
    text = (
        f"Requests to the {operation} Operation under Custom_Vision_{api}_{version} have exceeded rate limit "
        f"of your current Custom_Vision.{api} {tier} pricing tier. "
        f"Please retry after {counted(seconds, 'second')}."
    )
    return f"{text} To increase your rate limit switch to a paid tier." if tier == "F0" else text


def counted(number: int, unit: str) -> str:
    """``1 second``, ``2 seconds``."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def permission_denied(principal: str, action: str, method: str, path: str) -> dict[str, Any]:
    """The body of the 401 for a principal whose roles lack a data action.

    Args:
        path: of the operation, with its parameters in braces.
    """
    message = (
        f"The principal `{principal}` lacks the required data action `{_DATA_ACTIONS}{action}` to perform "
        f"`{method} {path}` operation."
    )
    return {"error": {"code": "PermissionDenied", "message": message}}


def response_headers(
    request_id: str, version: Version | None, *, exact: bool = True
) -> list[tuple[bytes, bytes]]:
    """Names and values of the headers that every response carries.

    Args:
        version: the version that serves the request; None outside both APIs.
        exact: whether the client requested exactly this version. If not, the header
            ``x-emulator-served-version`` is added.
    """
    headers = [
        (b"apim-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if version is not None:
        if version.number >= _REQUEST_ID_SINCE[version.api]:
            headers.append((b"request-id", request_id.encode()))
        if not exact:
            headers.append((b"x-emulator-served-version", version.name.encode()))
    return headers


def guid(text: object) -> str:
    """`text` as a lower-case hyphenated GUID. Raises ValueError if it is not a GUID."""
    match = _GUID.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("is not a GUID")
    return "-".join(match.groups()).lower()
