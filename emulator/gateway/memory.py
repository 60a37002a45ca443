"""Middleware that returns memory to the system after requests with large bodies."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.core.rules.limits import MEGABYTE
from emulator.vision.imaging.memory import trim_heap

# A body leaves several times its size of freed memory in the heap: its chunks, texts and images.
_LARGE_BODY_BYTES = 4 * MEGABYTE


class ReturnMemory:
    """Trims the heap in a thread after a request whose body was large (``body_bytes`` in the scope).

    Requests that end while the heap is being trimmed are followed by one more trimming.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._trimming: asyncio.Future[None] | None = None
        self._is_due = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if scope.pop("body_bytes", 0) > _LARGE_BODY_BYTES:
                # The scope lives until the next request of the connection.
                scope.pop("body", None)
                self._is_due = True
                self._trim()

    def _trim(self) -> None:
        if self._is_due and self._trimming is None:
            self._is_due = False
            self._trimming = asyncio.get_running_loop().run_in_executor(None, trim_heap)
            self._trimming.add_done_callback(self._trimmed)

    def _trimmed(self, _: object) -> None:
        self._trimming = None
        self._trim()
