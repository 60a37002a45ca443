"""What stands before every operation: headers of answers, errors, keys, the size of bodies.

Each is an ASGI middleware; `emulator.app` lists them in their order.
"""

import hmac
import logging
from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.api.addressing import Address
from emulator.api.calls import UnknownResource
from emulator.contract.answer_headers import answer_headers
from emulator.contract.error_codes import code_for, http_status
from emulator.contract.gateway_errors import ACCESS_DENIED, RESOURCE_NOT_FOUND, gateway_error
from emulator.contract.requests import Malformed
from emulator.contract.versions import Version
from emulator.core.errors import ServiceError
from emulator.core.quotas import MonthIsUsedUp, TooManyCalls
from emulator.server.request_body import WatchedExchange
from emulator.store.database import StorageFull

JSON = b"application/json; charset=utf-8"
_KEYLESS = ("/_emulator/health/", "/_emulator/openapi/", "/_emulator/docs", "/_emulator/insight")
_FULL = "The disk that holds the data folder of the emulator is full; nothing was stored."
_log = logging.getLogger(__name__)


class AccessDenied(Exception):
    """No key, or a wrong one."""


class TooLarge(Exception):
    """A body over the limit; str() says which limit."""


class Throttled(Exception):
    """A call that the pricing tier does not allow now; str() is the gateway's text.

    status: 429 for too many calls a second, 403 for a month that is used up. seconds: when to try again.
    """

    def __init__(self, operation: str, version: Version, reason: TooManyCalls | MonthIsUsedUp) -> None:
        product = f"Custom_Vision.{version.api.capitalize()}"
        tier = reason.tier.name
        if isinstance(reason, TooManyCalls):
            self.status, self.seconds = 429, reason.seconds
            title = f"Custom_Vision_{version.api.capitalize()}_{version}"
            wait = _counted(reason.seconds, "second")
            text = (
                f"Requests to the {operation} Operation under {title} have exceeded rate limit of your "
                f"current {product} {tier} pricing tier. Please retry after {wait}. "
            )
            more = "To increase your rate limit switch to a paid tier."
        else:
            self.status, self.seconds = 403, reason.days * 86400
            text = (
                f"Out of call volume quota for {product} {tier} pricing tier. "
                f"Please retry after {_counted(reason.days, 'day')}. "
            )
            more = "To increase your call volume switch to a paid tier."
        super().__init__(f"{text}{more}" if tier == "F0" else text.rstrip())


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


class AnswerHeaders:
    """Outermost: the headers that every answer of the service carries, and the id of the request."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["request_id"] = self._new_id()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                address: Address | None = scope.get("address")
                version, exact = (address.version, address.exact) if address else (None, True)
                headers = answer_headers(request_id, version, exact=exact)
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class AnswerErrors:
    """Turns what is raised further in into the two error shapes of the service, never into a traceback.

    `Keys` and limits refuse before anything reads the body, hence the draining.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = WatchedExchange(receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.started:
                raise
            status, body = describe(error, scope.get("address"))
            headers = [(b"content-type", JSON)]
            if isinstance(error, Throttled):
                headers.append((b"retry-after", str(error.seconds).encode()))
            if not await exchange.drain(2 * self._max_body_bytes):
                headers.append((b"connection", b"close"))
            await send_bytes(send, status, orjson.dumps(body), headers)


def describe(error: Exception, address: Address | None) -> tuple[int, dict[str, Any]]:
    """HTTP status and body of the answer to a request that ended in `error`."""
    if isinstance(error, ServiceError):
        code = code_for(error.code, address.version) if address else error.code
        return http_status(code), {"code": code, "message": error.message}
    if isinstance(error, Malformed):
        return 400, {"code": error.code, "message": str(error)}
    if isinstance(error, AccessDenied):
        return 401, gateway_error(401, ACCESS_DENIED)
    if isinstance(error, UnknownResource) or (
        isinstance(error, HTTPException) and error.status_code in (404, 405)
    ):
        return 404, gateway_error(404, RESOURCE_NOT_FOUND)
    if isinstance(error, Throttled):
        return error.status, gateway_error(error.status, str(error))
    if isinstance(error, TooLarge):
        return 413, gateway_error(413, str(error))
    if isinstance(error, StorageFull):
        return 507, {"code": "ErrorUnknown", "message": _FULL}
    _log.error("A request failed", exc_info=error)
    return 500, {
        "code": "ErrorUnknown",
        "message": "An unknown error occurred. The emulator's log tells more.",
    }


class Keys:
    """Lets in who has a key: training keys for training and the control API, prediction keys for predicting.

    As with a multi-service resource, a training key opens the prediction API too; not the other way round.
    """

    _HEADERS: ClassVar = {"training": (b"training-key",), "prediction": (b"prediction-key", b"training-key")}

    def __init__(
        self, app: ASGIApp, training_keys: tuple[str, ...], prediction_keys: tuple[str, ...]
    ) -> None:
        self._app = app
        training = [key.encode() for key in training_keys]
        self._keys = {
            "training": training,
            "prediction": [*training, *(key.encode() for key in prediction_keys)],
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address: Address | None = scope.get("address")
        if address is not None:
            self._check(scope, address.api)
        elif scope["path"].startswith("/_emulator/") and not scope["path"].startswith(_KEYLESS):
            self._check(scope, "training")
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, api: str) -> None:
        names = (*self._HEADERS[api], b"ocp-apim-subscription-key")
        given = [value for name, value in scope["headers"] if name in names]
        for value in given:
            # Compared with each, whatever the others said, so that timing tells nothing.
            if sum(hmac.compare_digest(value, key) for key in self._keys[api]):
                return
        raise AccessDenied


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge, at once when the length is announced."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ServiceError("BadRequest", "The request ended before its body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is too large; at most {limit} bytes are allowed.")


async def send_bytes(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]], *, head: bool = False
) -> None:
    """A whole answer; `head`: the headers of it alone."""
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
