"""Answering a request that is refused before its body was read to the end.

A client that is still sending would see its connection break instead of the answer: what is left of the body
is read first, up to a limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send


class WatchedExchange:
    """A request and its answer; `receive` and `send` stand for those of the server.

    Attributes:
        started: whether the answer has begun, so that no other one can be given.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._received_all = False
        self.started = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._received_all = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self.started = True
        await self._send(message)

    async def drain(self, most_bytes: int) -> bool:
        """Read what is left of the body. False if that is more than so many bytes: the connection cannot be
        used again, and the answer should say so."""
        drained = 0
        while not self._received_all and drained <= most_bytes:
            message = await self.receive()
            drained += len(message.get("body", b""))
        return self._received_all
