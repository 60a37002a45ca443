"""uvicorn's HTTP protocol with long URLs, offers of an upgrade, and errors in the service's format.

httptools parses URLs of up to 64 KB only, and uvicorn responds in plain text to requests that it cannot
parse. A ``$filter`` that is too long has to be refused by the rule about filters, with the service's error,
and clients must be able to parse the body of every error.

A server may ignore the offer of another protocol (RFC 9110, section 7.8): Java's HttpClient offers HTTP/2
with every request, and a reverse proxy WebSocket. httptools ends the request after such a header section and
drops its body; therefore a second parser reads the same header section without ``Upgrade``, and what follows.
"""

import json

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# Longer URLs are refused before the rest is read.
LONGEST_URL = 1024 * 1024
# Longer URLs are cut before httptools parses them; no route has a path of this length.
_LONGEST_PARSED_URL = 32 * 1024


class Protocol(HttpToolsProtocol):
    """One connection."""

    # Whether the parser ends the request after its header section because of `Upgrade`.
    _upgrade_offered = False

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        try:
            while (position := self._parse(rest)) is not None:
                rest = rest[position:]
                self._restart_without_upgrade()
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)

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

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_URL:
            # An exception from a callback makes uvicorn respond as to a request that does not parse.
            raise ValueError("the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        # Whitespace around a value is no part of it (RFC 9110, section 5.5).
        super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("this server is no proxy")
            self._upgrade_offered = True
            return
        path, _, query = self.url.partition(b"?")
        is_long = len(self.url) > _LONGEST_PARSED_URL
        if is_long:
            self.url = path[:_LONGEST_PARSED_URL]
        super().on_headers_complete()
        if is_long:
            # The application reads the scope only after this callback.
            self.scope["query_string"] = query.partition(b"#")[0]

    def on_message_complete(self) -> None:
        if not self._upgrade_offered:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        message = msg
        if len(getattr(self, "url", b"")) > LONGEST_URL:
            message = f"The URL is too long; at most {LONGEST_URL} bytes are allowed."
        body = json.dumps({"code": "BadRequest", "message": message}, separators=(",", ":")).encode()
        head = (
            b"content-type: application/json; charset=utf-8\r\n"
            b"content-length: %d\r\n"
            b"connection: close\r\n\r\n" % len(body)
        )
        self.transport.write(STATUS_LINE[400] + head + body)
        self.transport.close()
