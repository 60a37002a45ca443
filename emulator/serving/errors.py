"""What is raised becomes an answer in one of the service's two shapes, never a traceback."""

from __future__ import annotations

import logging
from typing import Any

from starlette.exceptions import HTTPException

from emulator.contract.error_codes import code_for, http_status
from emulator.contract.gateway_errors import ACCESS_DENIED, RESOURCE_NOT_FOUND, gateway_error
from emulator.contract.versions import Version
from emulator.core.errors import ServiceError

_log = logging.getLogger(__name__)


class NoSuchResource(Exception):
    """The path leads nowhere."""


class AccessDenied(Exception):
    """No key, or a wrong one."""


def describe(error: Exception, version: Version | None) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of the answer to a request that ended in `error`."""
    if isinstance(error, ServiceError):
        code = code_for(error.code, version) if version else error.code
        return http_status(code), {"code": code, "message": error.message}
    if isinstance(error, AccessDenied):
        return 401, gateway_error(401, ACCESS_DENIED)
    if isinstance(error, NoSuchResource) or (
        isinstance(error, HTTPException) and error.status_code in (404, 405)
    ):
        return 404, gateway_error(404, RESOURCE_NOT_FOUND)
    _log.error("A request failed", exc_info=error)
    return 500, {"code": "ErrorUnknown", "message": "An unknown error occurred. The log tells more."}
