"""A table of exception handlers. Error responses have two shapes: the service's own and the gateway's.

A handler takes the request and the exception and returns the response, as Starlette's and FastAPI's
`exception_handlers` do.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from emulator.contract.error_codes import code_for, http_status
from emulator.contract.gateway_responses import (
    ACCESS_DENIED,
    RESOURCE_NOT_FOUND,
    TOKEN_REFUSED,
    gateway_error,
    permission_denied,
)
from emulator.core.errors import ServiceError, is_file_unusable, is_shortage, reasons

JSON = "application/json; charset=utf-8"
NO_PATH = "no operation has this path"
CONTROL_PATHS = "/_emulator/"
Handler = Callable[[Request, Any], Awaitable[Response]]
_log = logging.getLogger(__name__)


class UnknownResource(Exception):
    """No route matches the path: the gateway's 404. str() is the reason, for the log."""

    def __init__(self, reason: str = NO_PATH) -> None:
        super().__init__(reason)


class AccessDenied(Exception):
    """The request has no key, or a wrong one: the gateway's 401. str() is the reason, for the log."""


class TokenRefused(Exception):
    """The request has an access token of Microsoft Entra and no key: another 401 of the gateway."""


class PermissionDenied(Exception):
    """The roles of a principal lack the data action of an operation: 401. Arguments: of the body."""

    def __init__(self, principal: str, action: str, method: str, path: str) -> None:
        super().__init__(f"the principal {principal} has no role that permits {action}")
        self.body = permission_denied(principal, action, method, path)


class OriginRefused(Exception):
    """A preflight request is from a page whose origin is not allowed. str() is the reason, for the log."""


class TooLarge(Exception):
    """The body is larger than the limit; str() names the limit."""


def error_response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, JSON)


def gateway_response(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return error_response(status, gateway_error(status, message), headers)


async def service_error(request: Request, error: ServiceError) -> Response:
    address = request.scope.get("address")
    code = code_for(error.code, address.version) if address else error.code
    return error_response(http_status(code), {"code": code, "message": error.message})


async def access_denied(_request: Request, _error: AccessDenied) -> Response:
    return gateway_response(401, ACCESS_DENIED)


async def token_refused(_request: Request, _error: TokenRefused) -> Response:
    return error_response(401, TOKEN_REFUSED)


async def principal_denied(_request: Request, error: PermissionDenied) -> Response:
    return error_response(401, error.body)


async def origin_refused(_request: Request, _error: OriginRefused) -> Response:
    return gateway_response(403, "The origin of the page is not allowed (--cors-origin).")


async def unknown_resource(request: Request, error: UnknownResource) -> Response:
    path: str = request.scope["path"]
    if not path.startswith(CONTROL_PATHS):
        return gateway_response(404, RESOURCE_NOT_FOUND)
    call = f"{request.method} {path[:200]}"
    message = f"{call} is no operation of the emulator: {error}. All are at /_emulator/docs."
    return gateway_response(404, message)


async def http_exception(request: Request, error: HTTPException) -> Response:
    """The router's exceptions: no route matches the path (404) or the method (405)."""
    if error.status_code in (404, 405):
        has_path = error.status_code == 405
        unknown = UnknownResource(f"the path has no method {request.method}" if has_path else NO_PATH)
        note_refusal(request, unknown)
        return await unknown_resource(request, unknown)
    return await unexpected(request, error)


async def too_large(_request: Request, error: TooLarge) -> Response:
    return gateway_response(413, str(error))


async def unexpected(_request: Request, error: Exception) -> Response:
    _log.error("A request failed", exc_info=error)
    message = "An unknown error occurred. The log tells more."
    return error_response(500, {"code": "ErrorUnknown", "message": message})


async def shortage(request: Request, error: Exception) -> Response:
    """The system lacks memory or file descriptors; other errors of the system are unexpected."""
    if is_file_unusable(error):
        return _file_unusable(error)
    if not is_shortage(error):
        return await unexpected(request, error)
    _log.error("A request was refused: %s", error or type(error).__name__)
    address = request.scope.get("address")
    predicts = address is not None and address.api == "prediction"
    code = "ErrorPredictionServiceUnavailable" if predicts else "ErrorUnknown"
    message = "The emulator has too little memory or too few file descriptors at the moment. Try again later."
    return error_response(503, {"code": code, "message": message}, {"retry-after": "1"})


def _file_unusable(error: Exception) -> Response:
    _log.error("A request failed: %s", error)
    reason = getattr(error, "strerror", None) or type(error).__name__
    message = f"The emulator cannot use one of its files: {reason}. The log has its name."
    return error_response(500, {"code": "ErrorUnknown", "message": message})


def note_refusal(request: Request, error: Exception) -> None:
    """Put the reasons of the exception into the scope, as ``refusal``, for the log of refused requests.

    The scope lives until the connection's next request, and the exception refers to all variables of the
    request, so the scope must not refer to the exception.
    """
    request.scope["refusal"] = reasons(error)


def noted(handlers: dict[Any, Handler]) -> dict[Any, Handler]:
    """The handlers; they also note the exception for the log."""
    return {kind: _noting(handler) for kind, handler in handlers.items()}


def _noting(handler: Handler) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        note_refusal(request, error)
        return await handler(request, error)

    return handle


_HANDLERS: dict[Any, Handler] = {
    ServiceError: service_error,
    AccessDenied: access_denied,
    TokenRefused: token_refused,
    PermissionDenied: principal_denied,
    OriginRefused: origin_refused,
    UnknownResource: unknown_resource,
    HTTPException: http_exception,
    TooLarge: too_large,
    MemoryError: shortage,
    OSError: shortage,
    Exception: unexpected,
}
HANDLERS = noted(_HANDLERS)
