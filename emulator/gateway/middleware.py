"""ASGI middleware of both servers: headers and id of each response, paths, unread bodies.

Error responses are Starlette's `ExceptionMiddleware` with a table of handlers (`errors.HANDLERS`).
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.contract.gateway_responses import response_headers
from emulator.gateway import log_context
from emulator.gateway.address import Address
from emulator.gateway.origins import Origins

_FIRST_ERROR = 400
_SLASHES = re.compile(rb"/{2,}")


class ResponseHeaders:
    """Gives each request an id (``request_id`` in the scope), and each response its headers.

    These are the service's, and those that let pages of allowed origins read the response.
    """

    def __init__(self, app: ASGIApp, new_id: Callable[[], str], origins: Origins) -> None:
        self._app = app
        self._new_id = new_id
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = self._new_id()  # which the endpoint may replace
        log_context.enter(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                address: Address | None = scope.get("address")
                version, exact = address or (None, True)
                headers = response_headers(scope["request_id"], version, exact=exact)
                cross_origin = self._origins.response_headers(scope)
                message["headers"] = [*message.get("headers", ()), *headers, *cross_origin]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class MergeSlashes:
    """Replaces repeated slashes in the path by one: clients append paths to an endpoint that ends in a slash.

    A slash that is percent-encoded is part of a name and stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"] and b"//" in scope["raw_path"]:
            # `raw_path` remains the path as the client sent it, for the access log.
            scope["path"] = unquote(_SLASHES.sub(b"/", scope["raw_path"]).decode("latin-1"))
        await self._app(scope, receive, send)


class DrainBody:
    """Reads the rest of a request's body before an error response is sent.

    A client that is still sending would otherwise find its connection broken instead of the response. If more
    than `limit` bytes are left, the response closes the connection.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received_all = False

        async def receive_and_note() -> Message:
            nonlocal received_all
            message = await receive()
            received_all = message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def send_after_body(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= _FIRST_ERROR:
                drained = 0
                while not received_all and drained <= self._limit:
                    drained += len((await receive_and_note()).get("body", b""))
                if not received_all:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive_and_note, send_after_body)
