"""``--strict``: every request and response of the service's APIs is held to the document of its version.

Each departure is reported in the log, at the level WARNING, and in the request log. Requests and responses
remain as without the option.
"""

import asyncio
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.contract.validation.documents import Documents, shipped
from emulator.contract.validation.requests import RequestValidator
from emulator.contract.validation.responses import API_PATH, ResponseValidator, path_of
from emulator.contract.versions import VERSIONS
from emulator.core.rules.limits import MEGABYTE
from emulator.gateway.origins import header
from emulator.gateway.printable import printable, printable_path, without_secrets

_log = logging.getLogger("emulator.departures")
# Larger JSON is not parsed a second time. Images are never parsed.
_MOST_JSON_BYTES = 64 * MEGABYTE
_MOST = 50
_LONGEST = 400
_MOST_IN_LINE = 10


class HoldToDocuments:
    """ASGI middleware that puts the departures of a request and its response into the scope.

    ``departures`` in the scope is a list of lines, complete before the last part of the response is sent.
    Responses that a fault changed are not compared.

    Args:
        secrets: texts that no line may contain, such as the keys of the server.
    """

    def __init__(self, app: ASGIApp, secrets: Collection[str]) -> None:
        self._app = app
        self._secrets = secrets
        documents = Documents(shipped, _versions())
        self._requests = RequestValidator(documents)
        self._responses = ResponseValidator(documents)
        # One at a time: comparing takes the interpreter, and documents are compiled at their first use.
        self._thread = ThreadPoolExecutor(1, "departures")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not API_PATH.match(path_of(scope["path"])):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        chunks: list[bytes] = []
        is_compared = False

        async def compare_and_send(message: Message) -> None:
            nonlocal start, is_compared
            if message["type"] == "http.response.start":
                start = message
            elif start is not None and not is_compared:
                chunks.append(message.get("body", b""))
                if not message.get("more_body", False):
                    is_compared = True
                    await self._compare(scope, start, b"".join(chunks))
            await send(message)

        await self._app(scope, receive, compare_and_send)
        if not is_compared:  # a fault ended the connection
            await self._compare(scope, None, b"")

    async def _compare(self, scope: Scope, start: Message | None, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        departures = await loop.run_in_executor(self._thread, self._departures, scope, start, body)
        if departures:
            scope["departures"] = departures
            self._report(scope, "-" if start is None else str(start["status"]), departures)

    def _departures(self, scope: Scope, start: Message | None, response: bytes) -> list[str]:
        method, path = scope["method"], printable_path(scope)
        try:
            found = [f"request: {one}" for one in self._of_request(scope, method, path)]
            if start is not None and scope.get("fault") is None:
                headers = {
                    name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]
                }
                _, problems = self._responses.problems(method, path, start["status"], headers, response)
                found += [f"response: {one}" for one in problems]
        except Exception:  # noqa: BLE001  (the response must not depend on the comparison)
            _log.exception("A request could not be compared with its document: %s %s", method, path)
            return []
        return [self._shown(one) for one in islice(found, _MOST)]

    def _of_request(self, scope: Scope, method: str, path: str) -> list[str]:
        body: bytes | None = scope.get("body")
        content_type = header(scope, b"content-type")
        if body is not None and len(body) > _MOST_JSON_BYTES and not _is_image(content_type):
            _log.warning("%s %s: a body of %d bytes is too large to be compared", method, path, len(body))
            body = None
        query = scope["query_string"].decode("latin-1")
        shown_type = None if content_type is None else content_type.decode("latin-1")
        return self._requests.check(method, path, query, shown_type, body)

    def _report(self, scope: Scope, status: str, departures: list[str]) -> None:
        more = len(departures) - _MOST_IN_LINE
        lines = [*departures[:_MOST_IN_LINE], *([f"and {more} more"] if more > 0 else [])]
        path = self._shown(printable_path(scope))
        request_id = scope.get("request_id", "-")
        _log.warning("%s %s %s (%s): %s", scope["method"], path, status, request_id, "; ".join(lines))

    def _shown(self, text: str) -> str:
        return printable(without_secrets(text, self._secrets), _LONGEST)


def _versions() -> dict[str, tuple[str, ...]]:
    known: dict[Any, tuple[str, ...]] = {api: tuple(map(str, versions)) for api, versions in VERSIONS.items()}
    return known


def _is_image(content_type: bytes | None) -> bool:
    kind = (content_type or b"").lower()
    return kind.startswith((b"multipart/", b"application/octet-stream", b"image/"))
