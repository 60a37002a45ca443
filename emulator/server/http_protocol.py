"""uvicorn's HTTP protocol with long URLs and with errors in the service's format.

httptools parses URLs of up to 64 KB only, and uvicorn responds in plain text to requests that it cannot
parse. A ``$filter`` that is too long has to be refused by the rule about filters, with the service's error,
and clients must be able to parse the body of every error.
"""

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# Longer URLs are refused before the rest is read.
LONGEST_URL = 1024 * 1024
# Longer URLs are cut before httptools parses them; no route has a path of this length.
_LONGEST_PARSED_URL = 32 * 1024


class Protocol(HttpToolsProtocol):
    """One connection."""

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_URL:
            # An exception from a callback makes uvicorn respond as to a request that does not parse.
            raise ValueError("the URL is too long")

    def on_headers_complete(self) -> None:
        path, _, query = self.url.partition(b"?")
        is_long = len(self.url) > _LONGEST_PARSED_URL
        if is_long:
            self.url = path[:_LONGEST_PARSED_URL]
        super().on_headers_complete()
        if is_long:
            # The application reads the scope only after this callback.
            self.scope["query_string"] = query.partition(b"#")[0]

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
