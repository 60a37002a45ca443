"""Responses to requests that are refused before their body was read to the end.

A client that is still sending would see a broken connection instead of the response. So the rest of the body
is read first, up to a limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send


class WatchedExchange:
    """Wraps `receive` and `send` of a request and records how far they are.

    Attributes:
        started: True when the response has begun, so that no other one can be sent.
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
        """Read the rest of the body, up to `most_bytes`.

        Returns False when the body is longer. The connection cannot be used again then, and the response
        should close it.
        """
        drained = 0
        while not self._received_all and drained <= most_bytes:
            message = await self.receive()
            drained += len(message.get("body", b""))
        return self._received_all
