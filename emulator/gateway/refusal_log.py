"""The log of refused requests: one line each, with the reasons that the service's responses leave out.

    INFO emulator.refusals: POST /customvision/v3.3/training/projects/ID/images/urls 207 (REQUEST-ID):
    images[0] 'http://10.0.0.5/a.jpg': ErrorSource, 10.0.0.5 is a private or local address; ...

Items of a batch that were refused are logged whatever the status. Keys, queries and signatures are left out.
Exception handlers put the reasons into the scope as ``refusal``, and routes the items as ``refused_items``.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.core.refused_items import RefusedItems
from emulator.gateway.keys import KEY_HEADERS, SESSION_COOKIE
from emulator.gateway.printable import printable, printable_path, without_query, without_secrets

_log = logging.getLogger("emulator.refusals")
_FIRST_ERROR = 400
_NOT_FOUND = 404
_LONGEST_REASON = 1200
_LONGEST_NAME = 120
_LONGEST_LINE = 6000
_XML_MESSAGE = re.compile(rb"<Message>(.*?)</Message>", re.DOTALL)


class Refusal(NamedTuple):
    """Why a request, or items of it, were refused.

    Attributes:
        status: of the response.
        code: the service's error code; empty for errors of the gateway and where only items were refused.
        message: that of the error response.
        reasons: those that exception handlers noted.
        items: refused items of a batch.
        keys: values of the request's headers that hold keys and tokens; no text may contain them.
    """

    status: int
    code: str
    message: str
    reasons: Sequence[str]
    items: RefusedItems | None
    keys: Sequence[str]

    @property
    def is_unknown_resource(self) -> bool:
        """Whether no operation has the path and method: the gateway's 404."""
        return self.status == _NOT_FOUND and not self.code

    def reason(self, secrets: Iterable[str]) -> str:
        """All reasons on one printable line, without `secrets`."""
        secrets = tuple(secrets)

        def shown_text(text: str, longest: int = _LONGEST_REASON) -> str:
            return printable(without_secrets(text, secrets), longest)

        shown = [shown_text(text) for text in self.reasons or [self.message] if text]
        for place, name, reason in () if self.items is None else self.items.first:
            named = f"{place} '{shown_text(without_query(name), _LONGEST_NAME)}'" if name else place
            shown.append(f"{named}: {shown_text(reason)}")
        if self.items is not None and self.items.count > len(self.items.first):
            shown.append(f"and {self.items.count - len(self.items.first)} more")
        return printable("; ".join(shown), _LONGEST_LINE)


def is_refused(scope: Scope, status: int) -> bool:
    """Whether a request with a response of this status, or items of it, were refused."""
    return status >= _FIRST_ERROR or "refusal" in scope or "refused_items" in scope


def refusal_of(scope: Scope, start: Message, body: bytes) -> Refusal:
    """The refusal of a request, given the first message of its response, and its body."""
    keys = _keys_in(scope)
    code, message = _code_and_message(start, body) if start["status"] >= _FIRST_ERROR else ("", "")
    return Refusal(
        status=start["status"],
        code=printable(without_secrets(code, keys), _LONGEST_NAME),
        message=message,
        reasons=scope.get("refusal") or (),
        items=scope.get("refused_items"),
        keys=keys,
    )


class RefusalLog:
    """ASGI middleware that logs refused requests, at the level INFO.

    Args:
        secrets: texts that no line may contain, such as the keys of the server.
        nearest: describes the operations that are nearest to a method and path that no operation has.
    """

    def __init__(
        self, app: ASGIApp, secrets: Iterable[str] = (), nearest: Callable[[str, str], str] | None = None
    ) -> None:
        self._app = app
        self._secrets = tuple(secrets)
        self._nearest = nearest

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
                if is_refused(scope, start["status"]):
                    self._log(scope, start, message.get("body", b""))
                start = None
            await send(message)

        await self._app(scope, receive, send_and_log)

    def _log(self, scope: Scope, start: Message, body: bytes) -> None:
        refusal = refusal_of(scope, start, body)
        secrets = (*self._secrets, *refusal.keys)
        reason = refusal.reason(secrets)
        if self._nearest is not None and refusal.is_unknown_resource:
            nearest = self._nearest(scope["method"], printable_path(scope))
            if nearest:
                reason += f"; nearest: {printable(without_secrets(nearest, secrets), _LONGEST_LINE)}"
        path = printable(without_secrets(printable_path(scope), secrets), _LONGEST_LINE)
        status = f"{start['status']} {refusal.code}".strip()
        request_id = scope.get("request_id", "-")
        what = reason or "no reason is known"
        fields = {
            "method": scope["method"],
            "path": path,
            "status": start["status"],
            "code": refusal.code or None,
            "reason": what,
            "requestId": request_id,
        }
        _log.info(
            "%s %s %s (%s): %s", scope["method"], path, status, request_id, what, extra={"fields": fields}
        )


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
    """The values of the headers that hold keys, tokens and sessions."""
    found = []
    for name, value in scope["headers"]:
        if name in KEY_HEADERS or name == b"authorization":
            text = value.decode("latin-1")
            found += [text, text.rpartition(" ")[2]]
        elif name == b"cookie":
            pairs = (part.strip().partition("=") for part in value.decode("latin-1").split(";"))
            found += [text for key, _, text in pairs if key.startswith(SESSION_COOKIE)]
    return found
