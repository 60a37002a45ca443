"""The access log: one line for each request.

A line holds the method, the path, the status, the time to the end of the response, the size of its body and
the id of the request:

    2026-01-31 12:00:00,000 INFO emulator.access: GET /customvision/v3.3/training/projects 200 3.1 ms 245
    bytes ID

Headers, query and body are left out, because keys, tokens and signatures of URIs are there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from emulator.gateway.printable import printable_path, without_secrets

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("emulator.access")

_REQUEST_ID_HEADER = b"apim-request-id"


class AccessLog:
    """ASGI middleware that logs every request when its response has ended, at the level INFO."""

    def __init__(self, app: ASGIApp, secrets: Collection[str] = ()) -> None:
        """secrets: texts that no line may contain, such as the keys of the server."""
        self._app = app
        self._secrets = secrets
        # Independent of the level of the root logger, which `--log-level` sets.
        logger.setLevel(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, request_id, size = "-", "-", 0

        async def send_and_note(message: Message) -> None:
            nonlocal status, request_id, size
            if message["type"] == "http.response.start":
                status = str(message["status"])
                for name, value in message.get("headers", ()):
                    if name.lower() == _REQUEST_ID_HEADER:
                        request_id = value.decode("latin-1")
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            path = without_secrets(printable_path(scope), self._secrets)
            fields = {
                "method": scope["method"],
                "path": path,
                "status": int(status) if status.isdigit() else None,
                "milliseconds": round(milliseconds, 3),
                "bytes": size,
                "requestId": request_id,
                "traceId": scope.get("trace_id"),
                "spanId": scope.get("span_id"),
            }
            logger.info(
                "%s %s %s %.1f ms %d bytes %s",
                scope["method"],
                path,
                status,
                milliseconds,
                size,
                request_id,
                extra={"fields": fields},
            )
