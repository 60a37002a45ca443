"""Responses to repeated requests: what was carried out once is not carried out again.

A browser repeats a request by itself when a reused connection ends before the response, and a page of the
portal repeats one whose response was lost. Neither can tell whether the first one was carried out.

Servers of one database have these responses in the database. One that is killed before it has stored the
response, or that cannot reach the database for `CLAIM_SECONDS`, leaves nothing: the request is then carried
out again.

Responses that nobody may store (``Cache-Control: no-store``), as those with new keys, and those that set a
cookie are not kept; nor are those of requests that need no access, since anybody could repeat these.
"""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.core.rules.access import Access
from emulator.gateway.origins import header
from emulator.store.database import StoreUnreachable
from emulator.store.shared_state import SharedState

ID_HEADER = b"x-emulator-request-id"
MAX_ID_LENGTH = 64
MAX_RESPONSES = 256
MAX_BYTES = 256 * 1024
MAX_BYTES_TOGETHER = 4 * 2**20
_FIRST_FAILURE = 300
# How often a server looks whether another one has carried out a request, and how often that one shows that it
# is at work.
_LOOK_SECONDS, _RENEW_SECONDS = 0.1, 5
_log = logging.getLogger(__name__)

# Method, path, query, id, and what the key gives access to.
Target = tuple[str, str, bytes, bytes, Access]


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

    @asynccontextmanager
    async def claimed(self, target: Target) -> AsyncIterator[list[Message] | None]:
        """The response to a request; None if it is to be carried out within the context; others then wait."""
        while (running := self.running.get(target)) is not None:
            await running.wait()
        kept = self.responses.get(target)
        if kept is not None:
            yield kept
            return
        done = self.running[target] = asyncio.Event()
        try:
            yield None
        finally:
            del self.running[target]
            done.set()

    async def keep(self, target: Target, messages: list[Message]) -> None:
        self.responses[target] = messages
        self._size += _size_of(messages)
        while len(self.responses) > MAX_RESPONSES or self._size > MAX_BYTES_TOGETHER:
            self._size -= _size_of(self.responses.popitem(last=False)[1])


class SharedRepeatedResponses(RepeatedResponses):
    """The responses of all servers of a database.

    `claimed` may raise StoreUnreachable at its start, and `clear`.
    """

    def __init__(self, shared: SharedState) -> None:
        super().__init__()
        self._shared = shared.responses
        # The tokens of the requests that this server has claimed.
        self._tokens: dict[Target, str] = {}

    def clear(self) -> None:
        self._shared.clear()

    @asynccontextmanager
    async def claimed(self, target: Target) -> AsyncIterator[list[Message] | None]:
        async with super().claimed(
            target
        ):  # requests to this server wait for each other without the database
            name, token = _name_of(target), secrets.token_hex(16)
            while not await asyncio.to_thread(self._shared.claim, name, token):
                found = await asyncio.to_thread(self._shared.find, name)
                if found is not None:
                    yield _messages(*found)
                    return
                await asyncio.sleep(_LOOK_SECONDS)
            self._tokens[target] = token
            renewing = asyncio.create_task(self._renew(name, token))
            try:
                yield None
            finally:
                renewing.cancel()
                if self._tokens.pop(target, None) is not None:
                    await self._release(name, token)

    async def keep(self, target: Target, messages: list[Message]) -> None:
        start, body = messages[0], b"".join(message.get("body", b"") for message in messages)
        pairs = [[part.decode("latin-1") for part in pair] for pair in start.get("headers", ())]
        token = self._tokens[target]
        try:
            await asyncio.to_thread(
                self._shared.keep,
                _name_of(target),
                token,
                status=start["status"],
                headers=orjson.dumps(pairs).decode(),
                body=body,
                most=MAX_RESPONSES,
                most_bytes=MAX_BYTES_TOGETHER,
            )
        except StoreUnreachable as error:  # the request itself was carried out
            _log.warning("A response could not be kept for a repeated request: %s", error)
        else:
            del self._tokens[target]

    async def _release(self, name: str, token: str) -> None:
        try:
            await asyncio.to_thread(self._shared.release, name, token)
        except StoreUnreachable as error:  # the claim ends by itself; a response may have been sent
            _log.warning("The claim of a request could not be released: %s", error)

    async def _renew(self, name: str, token: str) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            try:
                await asyncio.to_thread(self._shared.renew, name, token)
            except StoreUnreachable:
                _log.debug("The claim of a request could not be renewed", exc_info=True)


def repeated_responses(shared: SharedState | None) -> RepeatedResponses:
    """The responses of this server, or of all servers of its database."""
    return RepeatedResponses() if shared is None else SharedRepeatedResponses(shared)


class RepeatedRequests:
    """ASGI middleware that sends the response of the first request to each later one with the same id.

    The id is the header X-Emulator-Request-Id. Requests without it, with GET, and without `access` in the
    scope are always carried out, as is a request whose first attempt failed, or whose response may not be
    kept. A request waits for an earlier one with its id.
    """

    def __init__(self, app: ASGIApp, responses: RepeatedResponses) -> None:
        self._app = app
        self._kept = responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = access = None
        if scope["type"] == "http" and scope["method"] != "GET":
            request_id, access = header(scope, ID_HEADER), scope.get("access")
        if not request_id or len(request_id) > MAX_ID_LENGTH or access is None:
            await self._app(scope, receive, send)
            return
        target = (scope["method"], scope["path"], scope.get("query_string", b""), request_id, access)
        async with self._kept.claimed(target) as kept:
            if kept is None:
                await self._app(scope, receive, self._keeping(target, send))
                return
        await _read_body(receive)
        for message in kept:
            await send(dict(message))  # a copy, since middleware adds headers

    def _keeping(self, target: Target, send: Send) -> Send:
        """`send`, which also keeps the response if it is successful and may be kept."""
        messages: list[Message] = []
        size = 0

        async def keep_and_send(message: Message) -> None:
            nonlocal size
            size += len(message.get("body", b""))
            if size <= MAX_BYTES:
                messages.append(dict(message))
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            # Before it is sent, which fails where the client is gone.
            if is_last and size <= MAX_BYTES and _may_be_kept(messages[0]):
                await self._kept.keep(target, messages)
            await send(message)

        return keep_and_send


def _may_be_kept(start: Message) -> bool:
    """Whether a response is successful, and neither forbids to be stored nor sets a cookie."""
    if start.get("status", _FIRST_FAILURE) >= _FIRST_FAILURE:
        return False
    return not any(
        name.lower() == b"set-cookie" or (name.lower() == b"cache-control" and b"no-store" in value.lower())
        for name, value in start.get("headers", ())
    )


def _size_of(messages: list[Message]) -> int:
    return sum(len(message.get("body", b"")) for message in messages)


def _name_of(target: Target) -> str:
    """Identifies a request on all servers."""
    method, path, query, request_id, access = target
    role = None if access.role is None else access.role.name
    owner = [access.resource, role, access.key_name]
    parts = [method, path, query.decode("latin-1"), request_id.decode("latin-1"), owner]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def _messages(status: int, headers: str, body: bytes) -> list[Message]:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in orjson.loads(headers)]
    return [
        {"type": "http.response.start", "status": status, "headers": pairs},
        {"type": "http.response.body", "body": body},
    ]


async def _read_body(receive: Receive) -> None:
    while (await receive()).get("more_body", False):
        pass
