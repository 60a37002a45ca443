"""What the gateway in front of the service answers: another shape of body than the service's own."""

from typing import Any

ACCESS_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
    "for an active subscription and use a correct regional API endpoint for your resource."
)
RESOURCE_NOT_FOUND = "Resource not found"


def gateway_error(status: int, message: str) -> dict[str, Any]:
    """The body of the gateway's answer with that status."""
    return {"error": {"code": str(status), "message": message}}
