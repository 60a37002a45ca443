"""The log of refused requests: one line each, with the reasons that the service's responses leave out.

    INFO emulator.refusals: POST /customvision/v3.3/training/projects/ID/images/urls 207 (REQUEST-ID):
    images[0] 'http://10.0.0.5/a.jpg': ErrorSource, 10.0.0.5 is a private or local address; ...

Items of a batch that were refused are logged whatever the status. Keys, queries and signatures are left out.
Exception handlers put the reasons into the scope as ``refusal``, and routes the items as ``refused_items``.
"""

import logging
import re
from collections.abc import Iterable
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.gateway.keys import KEY_HEADERS
from emulator.gateway.printable import printable, printable_path, without_query, without_secrets

_log = logging.getLogger("emulator.refusals")
_FIRST_ERROR = 400
_LONGEST_REASON = 1200
_LONGEST_NAME = 120
_LONGEST_LINE = 6000
_XML_MESSAGE = re.compile(rb"<Message>(.*?)</Message>", re.DOTALL)


class RefusalLog:
    """ASGI middleware that logs refused requests, at the level INFO.

    secrets: texts that no line may contain, such as the keys of the server.
    """

    def __init__(self, app: ASGIApp, secrets: Iterable[str] = ()) -> None:
        self._app = app
        self._secrets = tuple(secrets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _log.isEnabledFor(logging.INFO):
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def send_and_log(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            elif start is not None:
                if start["status"] >= _FIRST_ERROR or "refusal" in scope or "refused_items" in scope:
                    self._log(scope, start, message.get("body", b""))
                start = None
            await send(message)

        await self._app(scope, receive, send_and_log)

    def _log(self, scope: Scope, start: Message, body: bytes) -> None:
        refused = start["status"] >= _FIRST_ERROR
        code, message = _code_and_message(start, body) if refused else ("", "")
        secrets = (*self._secrets, *_keys_in(scope))

        def shown_text(text: str, longest: int = _LONGEST_REASON) -> str:
            return printable(without_secrets(text, secrets), longest)

        shown = [shown_text(text) for text in scope.get("refusal") or [message] if text]
        items = scope.get("refused_items")
        for place, name, reason in () if items is None else items.first:
            named = f"{place} '{shown_text(without_query(name), _LONGEST_NAME)}'" if name else place
            shown.append(f"{named}: {shown_text(reason)}")
        if items is not None and items.count > len(items.first):
            shown.append(f"and {items.count - len(items.first)} more")
        path = shown_text(printable_path(scope), _LONGEST_LINE)
        status = f"{start['status']} {shown_text(code)}".strip()
        what = printable("; ".join(shown) or "no reason is known", _LONGEST_LINE)
        _log.info("%s %s %s (%s): %s", scope["method"], path, status, scope.get("request_id", "-"), what)


def _code_and_message(start: Message, body: bytes) -> tuple[str, str]:
    """Code and message of an error response: the service's own, the gateway's, or that of blob storage."""
    try:
        value: Any = orjson.loads(body)
        value = value.get("error", value)
        code, message = value["code"], value["message"]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        code = next(
            (value.decode("latin-1") for name, value in start["headers"] if name == b"x-ms-error-code"), ""
        )
        found = _XML_MESSAGE.search(body)
        return code, (body if found is None else found[1]).decode(errors="replace")
    # The gateway's code is the status.
    return "" if code == str(start["status"]) else str(code), str(message)


def _keys_in(scope: Scope) -> list[str]:
    """The values of the headers that hold keys and tokens."""
    found = []
    for name, value in scope["headers"]:
        if name in KEY_HEADERS or name == b"authorization":
            text = value.decode("latin-1")
            found += [text, text.rpartition(" ")[2]]
    return found
