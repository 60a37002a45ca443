"""Forwarding a call to the upstream, and its response to the client.

Keys go to the host of the upstream and nowhere else: redirects are neither followed nor passed on, since
clients would send the key along; certificates are verified; nothing that is kept contains them. Bodies are
in memory up to 1 MB, larger ones in temporary files. Of a response, 4 MB are received before its status is
passed on, so that a failure of the upstream is an error response; the rest is passed on as it arrives.
"""

import asyncio
import logging
import socket
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.api.upstream import comparison
from emulator.api.upstream.bodies import pieces_of, spool, whole_of
from emulator.api.upstream.comparison import Answered
from emulator.api.upstream.replay import NOT_REPLAYED, key_in
from emulator.api.upstream.state import CREDENTIALS, Upstream
from emulator.contract.gateway_responses import response_headers
from emulator.contract.matching import operation_at
from emulator.contract.operations import Operation
from emulator.core.fetching.client import ssl_context
from emulator.core.pulled.journal import ArchiveUnusable
from emulator.core.rules.limits import MEGABYTE
from emulator.gateway.errors import gateway_response
from emulator.pulling.recording.exchanges import exchange_of
from emulator.pulling.recording.tape import Kept, TapeUnusable

if TYPE_CHECKING:
    import httpcore

_log = logging.getLogger(__name__)
# The service takes up to a minute for a batch of images.
TIMEOUTS = {"connect": 15.0, "read": 100.0, "write": 100.0, "pool": 100.0}
_CONNECTIONS = 64
_IN_MEMORY = MEGABYTE
_HELD_BACK = 4 * MEGABYTE
# Larger responses are passed on and not compared.
MOST_COMPARED = 64 * MEGABYTE
_COMPARISONS_AT_A_TIME = 8
_VIA = b"custom-vision-emulator"
# Headers of one connection (RFC 9110, 7.6.1), and those that this program sets itself.
_OF_THE_CONNECTION = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
        b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect",
    }
)  # fmt: skip
_NOT_SENT = _OF_THE_CONNECTION | {b"host", b"cookie", b"content-length", b"accept-encoding", b"via"}
# The server sends the others itself.
_NOT_RECEIVED = _OF_THE_CONNECTION | {b"set-cookie", b"date", b"server"}
# All of 300 to 399 but 304, which has no address.
_REDIRECTS = frozenset(range(300, 400)) - {304}
_STATUSES = range(200, 600)


class UpstreamFailed(Exception):
    """There is no usable response of the upstream. str() is a sentence; status: of the error response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Received:
    """A response of the upstream. body: None when it is larger than MOST_COMPARED, or broke off."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | None = b""

    @cached_property
    def by_name(self) -> dict[bytes, bytes]:
        """The headers by their names in lower case; of several with a name, the last."""
        return {name.lower(): value for name, value in self.headers}

    @property
    def content(self) -> bytes | None:
        """The decoded body; None when there is none, or its encoding was not asked for."""
        return _decoded(self.body, self.by_name.get(b"content-encoding", b""))


class Forwarding:
    """Forwards calls over one pool of connections; used in one event loop.

    app: answers as the emulator would.
    """

    def __init__(self, upstream: Upstream, app: ASGIApp) -> None:
        self._upstream = upstream
        self._app = app
        self._pool = _pool(upstream.url)
        self._prefix = urlsplit(upstream.url).path.encode()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_COMPARISONS_AT_A_TIME)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.aclose()

    async def settled(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call with the response of the upstream. Raises TooLarge, ServiceError."""
        address = scope["address"]
        path = scope["path"].removeprefix(f"/{address.api}")
        operation = operation_at(address.api, scope["method"], path)
        refusal = self._refusal(scope, operation)
        if refusal is not None:
            self._upstream.refused += 1
            await refusal(scope, receive, send)
            return
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            size = await spool(scope, receive, body, self._upstream.max_body_bytes)
            local = None  # the body, if the emulator answers, too
            record = _no_record
            if self._upstream.mode == "record" and operation is not None:
                record = partial(self._record, scope, operation, body)
            elif operation is not None and comparison.is_compared(operation) and size <= MOST_COMPARED:
                local = whole_of(body)
            try:
                received = await self._exchange(scope, send, body, size, record)
            except UpstreamFailed as failed:
                self._upstream.failed += 1
                _log.warning("%s %s was not answered: %s", scope["method"], path[:200], failed)
                await gateway_response(failed.status, str(failed))(scope, receive, send)
                return
        self._upstream.forwarded += 1
        if local is not None and operation is not None and comparison.has_comparable_status(received.status):
            self._start(self._compare(scope, operation, received, local))

    def _refusal(self, scope: Scope, operation: Operation | None) -> Response | None:
        """The response to a call that is not forwarded."""
        if any(name == b"via" and _VIA in value for name, value in scope["headers"]):
            return gateway_response(508, "The upstream of this emulator leads back to it (--upstream).")
        if self._upstream.allows_writes or comparison.is_reading(scope["method"], operation):
            return None
        name = scope["method"] if operation is None else operation.name
        return gateway_response(
            403,
            f"{name} is not sent to the upstream, since it may change something there. Start the emulator "
            "with --allow-upstream-writes to permit that, or let it answer itself (mode local).",
        )

    # The upstream

    async def _exchange(
        self, scope: Scope, send: Send, body: IO[bytes], size: int, record: "Record"
    ) -> Received:
        """Send the request, and its response to the client, whose end waits for `record`.

        Raises UpstreamFailed before anything was sent to the client, and ConnectionError after that.
        """
        import httpcore

        host = urlsplit(self._upstream.url).netloc
        is_sending = False
        try:
            async with self._pool.stream(
                scope["method"],
                _target(self._upstream.url, self._prefix, scope),
                headers=_sent_headers(scope, host, size),
                content=pieces_of(body) if size else b"",
                extensions={"timeout": TIMEOUTS},
            ) as response:
                if response.status in _REDIRECTS:
                    raise UpstreamFailed(
                        502,
                        f"The upstream {host} answered with a redirect (status {response.status}), which is "
                        "not followed, since the key would be sent to another address. Check --upstream.",
                    )
                if response.status not in _STATUSES:
                    raise UpstreamFailed(
                        502, f"The upstream {host} answered with {response.status}, which is no status."
                    )
                received = Received(response.status, list(response.headers))
                held, total = bytearray(), 0
                kept: bytearray | None = held
                async for piece in response.aiter_stream():
                    total += len(piece)
                    if not is_sending:
                        held += piece
                        if total <= _HELD_BACK:
                            continue
                        is_sending = True
                        await _begin(scope, send, received)
                        await _send_body(send, bytes(held), more=True)
                        continue
                    if kept is not None:
                        kept += piece
                        if len(kept) > MOST_COMPARED:
                            kept = None
                    await _send_body(send, piece, more=True)
                received.body = None if kept is None else bytes(kept)
                await record(received)
                if not is_sending:
                    is_sending = True
                    await _begin(scope, send, received)
                    await _send_body(send, bytes(held), more=False)
                else:
                    await _send_body(send, b"", more=False)
                return received
        except httpcore.TimeoutException:
            raise _failed(is_sending, 504, f"The upstream {host} did not answer in time.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
            reason = (str(error) or type(error).__name__)[:200]
            message = f"The upstream {host} could not be reached or broke off ({reason})."
            raise _failed(is_sending, 502, message) from None

    async def _record(self, scope: Scope, operation: Operation, body: IO[bytes], received: Received) -> None:
        """Record a call before the client sees the end of its response."""
        content = received.content
        whole = whole_of(body)
        sent = b"" if operation.body_kind == "images" else whole
        given = dict(scope["headers"])
        try:
            if content is None:
                raise ValueError("the response is too large, or in an encoding that was not asked for")
            if operation.name not in NOT_REPLAYED:
                kept = Kept(
                    received.status,
                    received.by_name.get(b"content-type", b"").decode("latin-1"),
                    received.by_name.get(b"retry-after", b"").decode("latin-1"),
                    content,
                )
                add = self._upstream.tape.add
                await asyncio.get_running_loop().run_in_executor(None, add, key_in(scope, whole), kept)
            exchange = exchange_of(
                method=scope["method"],
                api=operation.api,
                path=scope["path"].removeprefix(f"/{operation.api}"),
                query=scope["query_string"].decode("latin-1"),
                status=received.status,
                request=sent,
                content_type=given.get(b"content-type", b"").decode("latin-1"),
                response=content,
            )
            if exchange is not None:
                note = self._upstream.recorder.note
                await asyncio.get_running_loop().run_in_executor(None, note, exchange)
        except (ArchiveUnusable, TapeUnusable, OSError, ValueError) as error:
            self._upstream.unrecorded += 1
            _log.warning("A response to %s is not recorded: %s", operation.name, error)

    # The emulator

    async def _local(self, scope: Scope, operation: Operation, body: bytes) -> Answered:
        """What the emulator answers to the same call, without an effect that lasts."""
        status = 0
        headers: list[tuple[bytes, bytes]] = []
        content = bytearray()
        is_sent = False

        async def receive() -> Message:
            nonlocal is_sent
            if is_sent:
                await asyncio.Event().wait()  # a client that waits for its response
            is_sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message["headers"])
            elif len(content) <= MOST_COMPARED:
                content.extend(message.get("body", b""))

        async with self._slots:
            await self._app(self._local_scope(scope, operation), receive, send)
        return Answered(status, dict(headers).get(b"content-type", b""), bytes(content))

    def _local_scope(self, scope: Scope, operation: Operation) -> Scope:
        keys = self._upstream.keys
        key = keys.training if operation.api == "training" else keys.prediction
        headers = [(name, value) for name, value in scope["headers"] if name not in CREDENTIALS]
        headers.append((f"{operation.api}-key".encode(), key.encode()))
        path, query = comparison.without_effect(operation, scope["path"], scope["query_string"])
        return {**scope, "headers": headers, "path": path, "query_string": query}

    # Both

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _compare(self, scope: Scope, operation: Operation, received: Received, sent: bytes) -> None:
        """Let the emulator answer after the client has its response, and note differences."""
        try:
            content = received.content
            if content is None:
                return
            ours = await self._local(scope, operation, sent)
            theirs = Answered(received.status, received.by_name.get(b"content-type", b""), content)
            secrets = [value.decode("latin-1") for name, value in scope["headers"] if name in CREDENTIALS]
            found = await asyncio.get_running_loop().run_in_executor(
                None, comparison.differences, operation, theirs, ours
            )
            self._upstream.differences.add(scope, operation, theirs, ours, found, secrets)
        except Exception:  # noqa: BLE001  (the response was sent; no other call must fail for it)
            _log.exception("A response of the upstream could not be compared")


Record = Callable[[Received], Coroutine[Any, Any, None]]


async def _no_record(received: Received) -> None:
    """For calls that are not recorded."""


def _failed(is_sending: bool, status: int, message: str) -> Exception:
    """The error before the status was passed on; after it, the connection to the client ends."""
    return ConnectionError(message) if is_sending else UpstreamFailed(status, message)


def _target(url: str, prefix: bytes, scope: Scope) -> "httpcore.URL":
    """The URL at the upstream: the path and query as the client sent them."""
    import httpcore

    parts = urlsplit(url)
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    query = scope["query_string"]
    return httpcore.URL(
        scheme=parts.scheme.encode(),
        host=(parts.hostname or "").encode(),
        port=parts.port,
        target=prefix + path + (b"?" + query if query else b""),
    )


def _sent_headers(scope: Scope, host: str, size: int) -> list[tuple[bytes, bytes]]:
    named = {
        token.strip().lower()
        for name, value in scope["headers"]
        if name == b"connection"
        for token in value.split(b",")
    }
    headers = [(name, value) for name, value in scope["headers"] if name not in _NOT_SENT | named]
    accepts = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
    headers += [
        (b"host", host.encode()),
        (b"accept-encoding", b"gzip" if b"gzip" in accepts.lower() else b"identity"),
        (b"via", b"1.1 " + _VIA),
    ]
    if size or scope["method"] not in ("GET", "HEAD"):
        headers.append((b"content-length", str(size).encode()))
    return headers


async def _begin(scope: Scope, send: Send, received: Received) -> None:
    """Pass on status and headers. Those that every response of this server gets are left to it."""
    request_id = received.by_name.get(b"apim-request-id") or received.by_name.get(b"request-id")
    if request_id is not None and request_id.isascii():
        scope["request_id"] = request_id.decode()
    version, exact = scope["address"]
    own = {name for name, _ in response_headers("", version, exact=exact)} | _NOT_RECEIVED
    headers = [
        (name, value)
        for name, value in ((name.lower(), value) for name, value in received.headers)
        if name not in own
        and not name.startswith(b"access-control-")
        and (name, value) != (b"vary", b"Origin")
    ]
    await send({"type": "http.response.start", "status": received.status, "headers": headers})


async def _send_body(send: Send, piece: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": more})


def _decoded(body: bytes | None, encoding: bytes) -> bytes | None:
    """The content of a body; None when it is too large, or in an encoding that was not asked for."""
    if body is None or encoding.strip().lower() in (b"", b"identity"):
        return body
    if encoding.strip().lower() != b"gzip":
        return None
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = decoder.decompress(body, MOST_COMPARED)
    except zlib.error:
        return None
    return content if decoder.eof else None


def _pool(url: str) -> "httpcore.AsyncConnectionPool":
    import httpcore

    options: dict[str, Any] = {
        "ssl_context": ssl_context(),
        "max_connections": _CONNECTIONS,
        "max_keepalive_connections": _CONNECTIONS,
        "keepalive_expiry": 30.0,
        "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    }
    parts = urlsplit(url)
    # As other programs on this machine do. Only for https, whose tunnel shows the proxy no key.
    proxy = urllib.request.getproxies().get("https")
    if proxy and parts.scheme == "https" and not urllib.request.proxy_bypass(parts.hostname or ""):
        return httpcore.AsyncHTTPProxy(proxy_url=proxy if "://" in proxy else f"http://{proxy}", **options)
    return httpcore.AsyncConnectionPool(**options)
