"""Responses to repeated requests: what was carried out once is not carried out again.

A browser repeats a request by itself when a reused connection ends before the response, and a page of the
portal repeats one whose response was lost. Neither can tell whether the first one was carried out.
"""

import asyncio
from collections import OrderedDict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.core.rules.access import Access
from emulator.gateway.origins import header

ID_HEADER = b"x-emulator-request-id"
MAX_ID_LENGTH = 64
MAX_RESPONSES = 256
MAX_BYTES = 256 * 1024
MAX_BYTES_TOGETHER = 4 * 2**20
_FIRST_FAILURE = 300

# Method, path, query, id, and what the key gives access to.
Target = tuple[str, str, bytes, bytes, Access | None]


class RepeatedResponses:
    """The latest successful responses to requests with an id, of at most MAX_BYTES each and
    MAX_BYTES_TOGETHER in all.
    """

    def __init__(self) -> None:
        self.responses: OrderedDict[Target, list[Message]] = OrderedDict()
        self._size = 0
        # Set when the request, which is being carried out, has its response.
        self.running: dict[Target, asyncio.Event] = {}

    def clear(self) -> None:
        self.responses.clear()
        self._size = 0

    def keep(self, target: Target, messages: list[Message]) -> None:
        self.responses[target] = messages
        self._size += _size_of(messages)
        while len(self.responses) > MAX_RESPONSES or self._size > MAX_BYTES_TOGETHER:
            self._size -= _size_of(self.responses.popitem(last=False)[1])


class RepeatedRequests:
    """ASGI middleware that sends the response of the first request to each later one with the same id.

    The id is the header X-Emulator-Request-Id. Requests without it, and with GET, are always carried out, as
    is a request whose first attempt failed. A request waits for an earlier one with its id.
    """

    def __init__(self, app: ASGIApp, responses: RepeatedResponses) -> None:
        self._app = app
        self._kept = responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = None
        if scope["type"] == "http" and scope["method"] != "GET":
            request_id = header(scope, ID_HEADER)
        if not request_id or len(request_id) > MAX_ID_LENGTH:
            await self._app(scope, receive, send)
            return
        target = (
            scope["method"],
            scope["path"],
            scope.get("query_string", b""),
            request_id,
            scope.get("access"),
        )
        while (running := self._kept.running.get(target)) is not None:
            await running.wait()
        kept = self._kept.responses.get(target)
        if kept is not None:
            await _read_body(receive)
            for message in kept:
                await send(dict(message))  # a copy, since middleware adds headers
            return
        done = self._kept.running[target] = asyncio.Event()
        try:
            await self._app(scope, receive, self._keeping(target, send))
        finally:
            del self._kept.running[target]
            done.set()

    def _keeping(self, target: Target, send: Send) -> Send:
        """`send`, which also keeps the response if it is successful."""
        messages: list[Message] = []
        size = 0

        async def keep_and_send(message: Message) -> None:
            nonlocal size
            size += len(message.get("body", b""))
            if size <= MAX_BYTES:
                messages.append(dict(message))
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            # Before it is sent, which fails where the client is gone.
            if is_last and size <= MAX_BYTES and messages[0].get("status", _FIRST_FAILURE) < _FIRST_FAILURE:
                self._kept.keep(target, messages)
            await send(message)

        return keep_and_send


def _size_of(messages: list[Message]) -> int:
    return sum(len(message.get("body", b"")) for message in messages)


async def _read_body(receive: Receive) -> None:
    while (await receive()).get("more_body", False):
        pass
