"""uvicorn's HTTP protocol with long URLs, limits, offers of an upgrade, and errors in the service's formats.

httptools parses URLs of up to 64 KB only, and uvicorn responds in plain text to requests that it cannot
parse. A ``$filter`` that is too long has to be refused by the rule about filters, with the service's error,
and clients must be able to parse the body of every error.

A server may ignore the offer of another protocol (RFC 9110, section 7.8): Java's HttpClient offers HTTP/2
with every request, and a reverse proxy WebSocket. httptools ends the request after such a header section and
drops its body; therefore a second parser reads the same header section without ``Upgrade``, and what follows.

uvicorn limits neither the size of a header section nor the time that a request takes to arrive.
`incoming_request` has these limits.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from emulator.contract.gateway_responses import gateway_error
from emulator.gateway.connection import EXTENSION
from emulator.gateway.origins import Origins
from emulator.server.connections.connection_end import ConnectionEnd
from emulator.server.connections.incoming_request import (
    BODY,
    HEAD,
    NONE,
    HeaderBudget,
    IncomingRequest,
    RequestRefused,
)
from emulator.server.connections.throttle import Throttle

# Longer URLs are cut before httptools parses them; no route has a path of this length.
_LONGEST_PARSED_URL = 32 * 1024
# Time in which a client that is still sending can read the response to its refused request.
_LINGER_SECONDS = 5
_NEW_SECONDS = 1.0
# The first byte of a connection that begins with TLS: the type of a handshake record.
_TLS_HANDSHAKE = 0x16
_ORIGIN = re.compile(rb"\r\norigin:[ \t]*([!-~]+)[ \t]*\r\n", re.IGNORECASE)
_log = logging.getLogger("emulator.http")


class Shared:
    """What the connections of a server share.

    origins: the origins whose pages may read responses. clock: seconds of a steady clock.
    """

    def __init__(self, origins: Origins | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.origins = origins or Origins()
        self.header_budget = HeaderBudget()
        self.tls_hint = Throttle()
        self.clock = clock


class Protocol(HttpToolsProtocol):
    """One connection."""

    # Whether the parser ends the request after its header section because of `Upgrade`.
    _upgrade_offered = False
    # Whether the connection ends after an error response; further bytes are dropped.
    _is_refused = False
    # An error response that follows the responses to earlier requests.
    _refusal: bytes | None = None
    # Whether the client has closed its side; it still reads responses.
    _is_half_closed = False
    # The request whose response is in progress; `cycle` is the one that has arrived last.
    running: RequestResponseCycle | None = None

    def __init__(self, *arguments: Any, shared: Shared | None = None, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._shared = shared or Shared()
        self.incoming = IncomingRequest(self._shared.header_budget)
        self._opened = self._shared.clock()
        self._last_used = 0
        self._end_of_connection = ConnectionEnd(self)
        self._extensions = {EXTENSION: self._end_of_connection}

    # Bytes of the client

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._is_refused:
            return
        incoming = self.incoming
        if incoming.arrived == 0 and data[0] == _TLS_HANDSHAKE:
            self._hint_at_tls()
        incoming.begin_data()
        rest = memoryview(data)
        try:
            while (position := self._parse(rest)) is not None:
                rest = rest[position:]
                self._restart_without_upgrade()
            incoming.end_data(len(data))
            if incoming.stage == HEAD and self._shared.header_budget.is_exceeded:
                self._largest_head().refuse_head()
        except httptools.HttpParserError as error:
            self._note_origin(data)
            cause = error.__context__
            if isinstance(cause, RequestRefused):
                self._refuse(cause)
            else:
                # The parser's texts are constant: nothing of the request is in them.
                reason = cause if isinstance(cause, ValueError) else error
                self.logger.warning("Invalid HTTP request received: %s", reason)
                self.send_400_response("Invalid HTTP request received.")
        except RequestRefused as refused:
            self._refuse(refused)

    def _parse(self, data: memoryview) -> int | None:
        """The position after a header section that offers an upgrade; None when all data is parsed."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            position: int = offer.args[0]
            return position
        return None

    def _restart_without_upgrade(self) -> None:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self._upgrade_offered = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"\r\n"]))

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep a connection whose client closed its side only and waits for a response.

        A connection with TLS cannot be closed on one side.
        """
        self._end_of_connection.note_closed_by_client()
        if self._is_refused or self.incoming.stage != NONE or self.scheme == "https" or not self._is_busy():
            return None
        self._is_half_closed = True
        return True

    def shutdown(self) -> None:
        super().shutdown()
        if self.scheme == "https" and self.transport.is_closing():
            # A connection with TLS would stay open until its client has closed it, too.
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.incoming.end()
        self._end_of_connection.note_closed_by_client()
        super().connection_lost(exc)

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]
        self.incoming.begin()

    def on_url(self, url: bytes) -> None:
        # An exception from a callback ends the parsing.
        self.incoming.add_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.incoming.stage == BODY:
            return  # a field after a chunked body; those are not headers, and nothing needs them
        # Whitespace around a value is no part of it (RFC 9110, section 5.5).
        value = value.strip(b" \t")
        self.incoming.add_header(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.url = self.incoming.url()
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("this server is no proxy")
            self._upgrade_offered = True
            return
        self.incoming.begin_body()
        path, _, query = self.url.partition(b"?")
        is_long = len(self.url) > _LONGEST_PARSED_URL
        if is_long:
            self.url = path[:_LONGEST_PARSED_URL]
        super().on_headers_complete()
        if is_long:
            # The application reads the scope only after this callback.
            self.scope["query_string"] = query.partition(b"#")[0]

    def on_body(self, body: bytes) -> None:
        self.incoming.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._upgrade_offered:
            self.incoming.end()
            super().on_message_complete()

    # Responses

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        has_next = bool(self.pipeline)
        super().on_response_complete()
        self._last_used = self.server_state.total_requests  # at least 1
        if has_next or self.transport.is_closing():
            return
        if self._refusal is not None:
            self._end_with(self._refusal)
        elif self._is_half_closed:
            self.transport.close()

    def _is_busy(self) -> bool:
        """Whether a response is pending."""
        return self.cycle is not None and not self.cycle.response_complete

    def usefulness(self) -> tuple[int, float] | None:
        """The rank among the connections that can be closed in favor of others, the least useful first.

        None: the server works on a response.
        """
        incoming = self.incoming
        if self._is_refused:
            return (0, 0)
        if incoming.stage == NONE:
            if self._is_busy():
                return None
            if self._last_used > 0:
                return (2, self._last_used)
            # The first request of a new connection may have arrived, but not been read.
            is_new = self._shared.clock() - self._opened < _NEW_SECONDS
            return (4 if is_new else 1, self._opened)
        return (3, incoming.seconds_left) if self._is_waiting() else None

    def _is_waiting(self) -> bool:
        """Whether the server reads, and the client is to send the rest of a request."""
        if self.incoming.stage == HEAD:
            return not (self.flow.read_paused or self._is_busy())
        return not (self.flow.read_paused or self.pipeline or self.cycle.waiting_for_100_continue)

    def check_speed(self, seconds: float) -> None:
        """Refuse the request that is arriving if the client sends it too slowly.

        seconds: the time since the last call.
        """
        if self._is_refused or self.incoming.stage == NONE:
            return
        try:
            self.incoming.check_speed(seconds, is_waiting=self._is_waiting())
        except RequestRefused as refused:
            self._refuse(refused)

    def refuse_head(self) -> None:
        """Refuse the request whose header section is arriving, because others need its memory."""
        self._refuse(RequestRefused(503, "Too many requests with large header sections are arriving."))

    def _largest_head(self) -> Protocol:
        held = (one for one in self.connections if isinstance(one, Protocol))
        return max(held, key=lambda one: one.incoming.held_bytes)

    def send_400_response(self, msg: str) -> None:
        self._end(error_response(400, {"code": "BadRequest", "message": msg}, self._cross_origin_headers()))

    def _refuse(self, refused: RequestRefused) -> None:
        _log.info("A request was refused with status %d: %s", refused.status, refused)
        if refused.status == 400:
            self.send_400_response(str(refused))
        else:
            body = gateway_error(refused.status, str(refused))
            self._end(error_response(refused.status, body, self._cross_origin_headers()))

    def _note_origin(self, data: bytes) -> None:
        """Add the header Origin if the parser did not report it: it reports one when the next one begins."""
        if self.incoming.stage == HEAD and (found := _ORIGIN.search(data)):
            self.headers.append((b"origin", found[1]))

    def _cross_origin_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that let the page that sent the request read the response."""
        headers = self.headers if self.incoming.stage != NONE and self.headers else []
        return self._shared.origins.response_headers({"headers": headers})

    def _end(self, response: bytes) -> None:
        """End the connection with an error response to the request that is arriving."""
        self._is_refused = True
        is_in_body = self.incoming.stage == BODY
        self.incoming.end()
        if not is_in_body:
            is_behind_others = self._is_busy()
        elif self.pipeline:
            is_behind_others = True
            self.pipeline.popleft()
        else:
            is_behind_others = False
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        if is_behind_others:
            self._refusal = response
        else:
            self._end_with(response)

    def _end_with(self, response: bytes) -> None:
        self.transport.write(response)
        # If a client is still sending, closing would make its system drop the response.
        if self.transport.can_write_eof():
            self._unset_keepalive_if_required()
            self.flow.resume_reading()
            self.transport.write_eof()
            self.loop.call_later(_LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.close()

    def _hint_at_tls(self) -> None:
        if self._shared.tls_hint.allows(self._shared.clock()):
            _log.warning(
                "A client tried to speak TLS to this port, which speaks plain HTTP. Use http:// in its"
                " endpoint, or start the server with --https auto."
            )


def error_response(status: int, body: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> bytes:
    content = json.dumps(body, separators=(",", ":")).encode()
    lines = [
        b"content-type: application/json; charset=utf-8",
        b"content-length: %d" % len(content),
        *(b"%s: %s" % header for header in headers),
        b"connection: close",
    ]
    return STATUS_LINE[status] + b"\r\n".join([*lines, b"", content])
