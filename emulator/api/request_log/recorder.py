"""The request log: the last requests of the service's APIs and downloads, and how often operations were used.

Every request adds a tuple to a queue in memory; all formatting is done when the log is read (`entries`).
Requests of the control API are left out, so that reading the log does not change it, and so are the files of
the portal and the metrics.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emulator.contract.operations import BY_NAME
from emulator.core.refused_items import RefusedItems
from emulator.gateway.refusal_log import Refusal, is_refused, refusal_of

OWN_PATHS = ("/_emulator/", "/portal/", "/metrics")
# The client of requests of the portal, which carry a session in place of a key.
PORTAL = b"portal"
# What all texts of requests together may take. The texts of each are cut accordingly.
_MOST_BYTES = 64 * 1024 * 1024
_LONGEST_TEXT = 4000
_LONGEST_HEADER = 200
_MOST_REASONS = 20
_FIRST_ERROR = 400
# Distinct combinations of operation, version and client; further clients are counted together.
_MOST_USES = 2000
_MOST_NAMES = 200
_LONGEST_NAME = 100

# Operation, version that served it, and the headers X-Emulator-Client and User-Agent.
UsageKey = tuple[str, str, bytes, bytes]


class Row(NamedTuple):
    """One request; `entries.LoggedRequest` reads it.

    Attributes:
        time: seconds since 1970. seconds: the time that the request took, to the end of its response.
        status: None when no response was sent.
        raw_path: the path as it was sent. path: that of the routes.
        route: the route that matched; with another method than the request's if that was the difference.
        address: API and version, `emulator.gateway.address.Address`.
        agent: the header User-Agent. client: the header X-Emulator-Client.
        fault: what the control API injected into the request.
        departures: differences from the document of the version, with ``--strict``.
    """

    time: float
    seconds: float
    method: str
    status: int | None
    raw_path: bytes
    query: bytes
    path: str
    route: Any
    address: Any
    request_id: str
    bytes_in: int
    bytes_out: int
    agent: bytes
    client: bytes
    fault: Any
    departures: Any
    refusal: Refusal | None


class Use:
    """How often a client used an operation of a version, and with which query parameters and properties.

    Attributes:
        names: of query parameters. properties: attributes of the shape of the body, at its top.
        failed: the number of responses with an error, or of requests without a response.
        departed: the number of requests with a difference from the document, with ``--strict``.
    """

    __slots__ = ("count", "departed", "failed", "names", "properties")

    def __init__(self) -> None:
        self.count = self.failed = self.departed = 0
        self.names: set[bytes] = set()
        self.properties: set[str] = set()

    def copy(self) -> "Use":
        other = Use()
        other.add(self)
        return other

    def add(self, other: "Use") -> None:
        self.count += other.count
        self.failed += other.failed
        self.departed += other.departed
        self.names |= other.names
        self.properties |= other.properties


class RequestLog:
    """The last `capacity` requests, and the uses of operations since the start or the last `clear`.

    All methods run in the thread of the event loop, except `clear`.

    Args:
        secrets: texts that no entry may contain, such as the keys of the server.
        now: seconds since 1970.
    """

    def __init__(
        self, capacity: int, secrets: tuple[str, ...] = (), now: Callable[[], float] = time.time
    ) -> None:
        self.capacity = capacity
        self.secrets = secrets
        self.now = now
        self.longest_text = min(_LONGEST_TEXT, _MOST_BYTES // (4 * capacity))
        # The fields of rows as plain tuples: making a `Row` takes three times as long.
        self._fields: deque[tuple[Any, ...]] = deque(maxlen=capacity)
        self.uses: dict[UsageKey, Use] = {}
        self.last_number = 0
        self.since = now()
        self._first_number = 1
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def dropped(self) -> int:
        """The number of requests since the start or the last `clear` that are in the log no longer."""
        return self.last_number - self._first_number + 1 - len(self._fields)

    def rows(self) -> list[Row]:
        """All requests in the log, oldest first."""
        return self.after(0)[1]

    def add(self, fields: tuple[Any, ...]) -> None:
        """Add a request, given the fields of its `Row`."""
        self._fields.append(fields)
        self.last_number += 1
        if self._waiting:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)

    def after(self, number: int) -> tuple[int, list[Row]]:
        """The rows with higher numbers, oldest first, and the number of the first of them."""
        fields = list(self._fields)
        first = self.last_number - len(fields) + 1
        skipped = max(0, number - first + 1)
        return first + skipped, [Row._make(one) for one in fields[skipped:]]

    async def wait(self, seconds: float) -> bool:
        """Wait for the next request; False when there was none in the time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    def clear(self) -> None:
        """Forget all requests and uses. Numbers go on."""
        self._fields.clear()
        self._first_number = self.last_number + 1
        self.uses = {}
        self.since = self.now()

    def use_of(self, key: UsageKey) -> Use:
        """The counts of a combination that had none yet."""
        if len(self.uses) >= _MOST_USES:
            key = (key[0], key[1], b"", b"")
        return self.uses.setdefault(key, Use())


class RecordRequests:
    """ASGI middleware that adds each request to a log before the last part of its response is sent."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OWN_PATHS):
            await self._app(scope, receive, send)
            return
        moment, begun = self._log.now(), time.perf_counter()
        start: Message | None = None
        size = 0
        is_recorded = False

        async def send_and_record(message: Message) -> None:
            nonlocal start, size, is_recorded
            if message["type"] == "http.response.start":
                start = message
            elif not is_recorded:
                body = message.get("body", b"")
                size += len(body)
                if not message.get("more_body", False):
                    is_recorded = True
                    self._record(scope, moment, begun, start, body, size)
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        finally:
            if not is_recorded:
                self._record(scope, moment, begun, start, b"", size)

    def _record(
        self, scope: Scope, moment: float, begun: float, start: Message | None, body: bytes, size: int
    ) -> None:
        log, get = self._log, scope.get
        agent = client = b""
        for name, value in scope["headers"]:
            if name == b"user-agent":
                agent = value[:_LONGEST_HEADER]
            elif name == b"x-emulator-client":
                client = value[:_LONGEST_HEADER]
        if not client and "portal" in scope:
            client = PORTAL
        status: int | None = None if start is None else start["status"]
        bytes_in = get("body_bytes", 0)
        refusal = None
        if start is not None and is_refused(scope, start["status"]):
            refusal = _bounded(refusal_of(scope, start, body), log.longest_text)
            bytes_in = bytes_in or _announced_bytes(scope)
        route, address, departures = get("route"), get("address"), get("departures")
        query, longest = scope["query_string"], log.longest_text
        log.add(
            (
                moment,
                time.perf_counter() - begun,
                scope["method"],
                status,
                get("raw_path", b"")[:longest],
                query[:longest],
                scope["path"][:longest],
                route,
                address,
                get("request_id", "-"),
                bytes_in,
                size,
                agent,
                client,
                get("fault"),
                departures,
                refusal,
            )
        )
        if address is None or route is None or route.name not in BY_NAME:
            return
        if scope["method"] not in route.methods:
            return
        key = (route.name, address.version.name, client, agent)
        use = log.uses.get(key) or log.use_of(key)
        use.count += 1
        if status is None or status >= _FIRST_ERROR:
            use.failed += 1
        if departures:
            use.departed += 1
        if query and len(use.names) < _MOST_NAMES:
            for part in query[:longest].split(b"&"):
                use.names.add(part.partition(b"=")[0][:_LONGEST_NAME])
        properties = get("body_properties")
        if properties:
            use.properties |= properties


def _announced_bytes(scope: Scope) -> int:
    """The length of a body that was not read, if the client announced it."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _bounded(refusal: Refusal, longest: int) -> Refusal:
    """The refusal with shorter texts, so that the log has a limit whatever clients send."""
    items = refusal.items
    if items is not None:
        kept = RefusedItems()
        kept.count = items.count
        kept.first = [
            item._replace(
                name=item.name and item.name[:_LONGEST_HEADER], reason=item.reason[:_LONGEST_HEADER]
            )
            for item in items.first
        ]
        items = kept
    return refusal._replace(
        message=refusal.message[:longest],
        reasons=[reason[: longest // 4] for reason in refusal.reasons[:_MOST_REASONS]],
        items=items,
        keys=[key[:longest] for key in refusal.keys[:4]],
    )
