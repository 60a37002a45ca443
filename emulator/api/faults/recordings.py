"""Responses to GET requests, recorded while a scenario has stale ones."""

from collections import OrderedDict

from starlette.types import Message, Send

MAX_RESPONSES = 500
MAX_BYTES = 1024 * 1024

# Version, path and query of a GET.
Target = tuple[str, str, bytes]


class Recordings:
    """The latest successful responses, of at most MAX_BYTES each."""

    def __init__(self) -> None:
        self._responses: OrderedDict[Target, list[Message]] = OrderedDict()

    def get(self, target: Target) -> list[Message] | None:
        """The messages of a response, for `send`."""
        return self._responses.get(target)

    def recording(self, target: Target, send: Send) -> Send:
        """`send`, which also keeps the response if it is successful."""
        messages: list[Message] = []
        size = 0

        async def send_and_keep(message: Message) -> None:
            nonlocal size
            # Copies, since middleware adds headers to the messages that are sent.
            messages.append(dict(message))
            size += len(message.get("body", b""))
            await send(message)
            if size > MAX_BYTES:
                messages.clear()
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                self._keep(target, messages)

        return send_and_keep

    def _keep(self, target: Target, messages: list[Message]) -> None:
        if messages[0].get("status") == 200:
            self._responses[target] = messages
            self._responses.move_to_end(target)
            while len(self._responses) > MAX_RESPONSES:
                self._responses.popitem(last=False)
