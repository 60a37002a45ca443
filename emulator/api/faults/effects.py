"""What a fault does to one call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.api.errors import throttled
from emulator.api.faults.endings import Ending
from emulator.api.faults.scenario import Fault
from emulator.contract.error_codes import code_for
from emulator.contract.gateway_responses import ACCESS_DENIED, RESOURCE_NOT_FOUND, rate_limit_exceeded
from emulator.contract.operations import Operation
from emulator.contract.test_kit import faults
from emulator.gateway.address import Address
from emulator.gateway.connection import ConnectionFault, connection_of
from emulator.gateway.errors import error_response, gateway_response
from emulator.gateway.printable import printable_path

_MESSAGE = "A fault scenario of the emulator requested this response."
_GATEWAY_MESSAGES = {401: ACCESS_DENIED, 404: RESOURCE_NOT_FOUND}
# A slow body is sent in pieces of this duration, or byte by byte.
_PIECE_SECONDS = 0.05
_log = logging.getLogger("emulator.faults")

# Waits for a number of seconds; returns whether the call goes on.
Wait = Callable[[float], Awaitable[bool]]


@dataclass(kw_only=True)
class FaultyCall:
    """A call with a fault.

    Attributes:
        send: to the client. send_real: the same for responses of the operation itself.
        tier: the pricing tier that a message about exceeded rates names.
        max_body_bytes: the largest body of a request that is kept while the request waits.
        recorded: the response to an earlier request, for a stale one.
    """

    fault: Fault
    operation: Operation
    scope: Scope
    receive: Receive
    send: Send
    send_real: Send
    tier: str
    max_body_bytes: int
    recorded: list[Message]

    async def run(self, app: ASGIApp) -> None:
        """Respond to the call, or end its connection. Raises ConnectionFault where there is none."""
        step, scope = self.fault.step, self.scope
        if isinstance(step, faults.Pass):
            await app(scope, self.receive, self.send_real)
            return
        scope["fault"] = step.description
        _log.info(
            "%s %s: %s (step %d of %s)",
            scope["method"],
            printable_path(scope),
            step.description,
            self.fault.number,
            self.fault.scenario_id,
        )
        if isinstance(step, faults.Delay):
            await self._delay(step, app)
        elif isinstance(step, faults.Slow):
            await self._slow(step, app)
        elif isinstance(step, faults.Truncate) or (isinstance(step, faults.Reset) and step.bytes is not None):
            await self._cut(step, app)
        elif isinstance(step, faults.Stale):
            for message in self.recorded:
                await self.send(dict(message))
        else:
            if step.is_carried_out:
                await app(scope, self.receive, _drop)
            else:
                await _read_body(self.receive, self.max_body_bytes, keep=False)
            await self._respond(step)

    async def _respond(self, step: faults.Step) -> None:
        if isinstance(step, faults.Reset | faults.Close):
            await self._end_connection(is_reset=isinstance(step, faults.Reset))
        elif isinstance(step, faults.Throttle):
            version = cast(Address, self.scope["address"]).version
            message = rate_limit_exceeded(self.operation.name, version, self.tier, step.retry_after)
            await self._send_response(throttled(429, message, step.retry_after))
        else:
            await self._send_response(self._status(cast(faults.Status, step)))

    def _status(self, step: faults.Status) -> Response:
        status = cast(int, step.status)
        headers = {} if step.retry_after is None else {"retry-after": str(step.retry_after)}
        if step.body == "raw":
            content = (step.content or "").encode()
            return Response(content, status, headers, step.content_type or "text/plain; charset=utf-8")
        if step.body == "gateway":
            message = step.message or _GATEWAY_MESSAGES.get(status, _MESSAGE)
            return gateway_response(status, message, headers)
        code = code_for(cast(str, step.code), cast(Address, self.scope["address"]).version)
        return error_response(status, {"code": code, "message": step.message or _MESSAGE}, headers)

    async def _send_response(self, response: Response) -> None:
        await response(self.scope, self.receive, self.send)

    # Responses of the operation itself

    async def _delay(self, step: faults.Delay, app: ASGIApp) -> None:
        seconds = step.milliseconds / 1000
        async with self._waiting() as (receive, wait):
            if step.after_done:
                held = _Held(self.send_real, lambda: wait(seconds))
                await app(self.scope, receive, held.send)
                is_dropped = held.is_dropped
            else:
                is_dropped = not await wait(seconds)
        if is_dropped:
            await self._end_connection()
        elif not step.after_done:
            await app(self.scope, receive, self.send_real)

    async def _slow(self, step: faults.Slow, app: ASGIApp) -> None:
        async with self._waiting() as (receive, wait):
            slowed = _Slowed(self.send_real, step.bytes_per_second, wait)
            await app(self.scope, receive, slowed.send)
        if slowed.is_dropped:
            await self._end_connection()

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[tuple[Receive, Wait]]:
        """Receives the body for the application, and a function that waits; see `_waiting_until_gone`."""
        body = await _read_body(self.receive, self.max_body_bytes, keep=True)
        # Without a connection, only `receive` reports that the client is gone. It must not consume the rest
        # of a body that was too large to be kept: the application reads that.
        watched = self.receive if body.is_complete else _never
        connection = connection_of(self.scope)
        gone = _disconnected(watched) if connection is None else connection.closed_by_client()
        async with _waiting_until_gone(gone, self.fault.ending) as wait:
            yield body.receive, wait

    async def _cut(self, step: faults.Truncate | faults.Reset, app: ASGIApp) -> None:
        send = _drop if self.scope["method"] == "HEAD" else _Cut(self.send, step.bytes).send
        await app(self.scope, self.receive, send)
        await self._end_connection(is_reset=isinstance(step, faults.Reset))

    async def _end_connection(self, *, is_reset: bool = False) -> None:
        connection = connection_of(self.scope)
        if connection is None:
            raise ConnectionFault(f"A fault scenario ended the connection: {self.fault.step.description}")
        await (connection.reset() if is_reset else connection.close())


# --- bodies of requests -------------------------------------------------------------------------------------


class _Body:
    """What was received of the body of a request, to be received once more."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self.is_complete = False

    def add(self, message: Message) -> None:
        self._messages.append(message)

    async def receive(self) -> Message:
        return self._messages.pop(0) if self._messages else await self._receive()


async def _read_body(receive: Receive, most_bytes: int, *, keep: bool) -> _Body:
    """Read a body until its end, or until it is longer than `most_bytes`. keep: to receive it once more."""
    body = _Body(receive)
    size = 0
    while size <= most_bytes:
        message = await receive()
        if keep:
            body.add(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            body.is_complete = message["type"] == "http.request"
            break
    return body


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets the event")


# --- waiting ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _waiting_until_gone(gone: Coroutine[Any, Any, None], ending: Ending) -> AsyncIterator[Wait]:
    """A function that waits for a number of seconds, and returns whether the call goes on.

    It does not when the client has gone or the scenario has ended: an abandoned request would otherwise
    change the state in the middle of a later test.
    """
    with ending.event() as ended:
        stops = [asyncio.ensure_future(ended.wait()), asyncio.ensure_future(gone)]

        async def wait(seconds: float) -> bool:
            await asyncio.wait(stops, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return not any(stop.done() for stop in stops)

        try:
            yield wait
        finally:
            for stop in stops:
                stop.cancel()
            await asyncio.wait(stops)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# --- sending ------------------------------------------------------------------------------------------------


async def _drop(_message: Message) -> None:
    pass


class _Held:
    """Sends a response after a wait. is_dropped: whether the wait ended early, and nothing was sent."""

    def __init__(self, send: Send, wait: Callable[[], Awaitable[bool]]) -> None:
        self._send = send
        self._wait = wait
        self.is_dropped = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_dropped = not await self._wait()
        if not self.is_dropped:
            await self._send(message)


class _Slowed:
    """Sends a body at a rate. is_dropped: whether a wait ended early, and the rest was not sent."""

    def __init__(self, send: Send, bytes_per_second: int, wait: Wait) -> None:
        self._send = send
        self._rate = bytes_per_second
        self._wait = wait
        self._sent = 0
        self._begun: float | None = None
        self.is_dropped = False

    async def send(self, message: Message) -> None:
        if self.is_dropped:
            return
        body = message.get("body", b"")
        if message["type"] != "http.response.body" or not body:
            await self._send(message)
            return
        size = max(1, int(self._rate * _PIECE_SECONDS))
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            if not await self._is_due(len(piece)):
                self.is_dropped = True
                return
            more = message.get("more_body", False) or start + size < len(body)
            await self._send({**message, "body": piece, "more_body": more})

    async def _is_due(self, count: int) -> bool:
        """Wait until `count` more bytes may have been sent; returns whether to go on."""
        now = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = now
        self._sent += count
        return await self._wait(max(0.0, self._begun + self._sent / self._rate - now))


class _Cut:
    """Sends the head of a response and the beginning of its body, never all of it.

    A response without a body is not sent: the client would find it complete.

    most_bytes: None: half of the body.
    """

    def __init__(self, send: Send, most_bytes: int | None) -> None:
        self._send = send
        self._most_bytes = most_bytes
        self._head: Message | None = None
        self._left = 0
        self._is_over = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            self._left = self._limit(message)
            return
        body = message.get("body", b"")
        if self._is_over or not body:
            return
        if self._head is not None:
            await self._send(self._head)
            self._head = None
        piece = body[: self._left]
        self._left -= len(piece)
        self._is_over = self._left == 0
        await self._send({**message, "body": piece, "more_body": True})

    def _limit(self, start: Message) -> int:
        lengths = [value for name, value in start.get("headers", ()) if name.lower() == b"content-length"]
        if not lengths:  # chunked: the last chunk will be missing
            return 1 if self._most_bytes is None else self._most_bytes
        length = int(lengths[0])
        most = length // 2 if self._most_bytes is None else self._most_bytes
        return max(0, min(most, length - 1))
