"""HTTP as uvicorn and httptools speak it, but for long URLs and errors in the service's shape.

httptools takes a URL apart only up to 64 KB, and uvicorn answers all that does not parse in plain text. A
``$filter`` that is too long shall be refused by the rule about filters, and clients shall always be able to
read why something was refused.
"""

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# A URL beyond this is refused before the rest of it is read.
LONGEST_URL = 1024 * 1024
# What httptools takes apart; where a path goes on behind this, it leads nowhere anyway.
_LONGEST_TAKEN_APART = 32 * 1024


class Protocol(HttpToolsProtocol):
    """One connection."""

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_URL:
            # Whatever a callback raises ends the request as one that does not parse.
            raise ValueError("the URL is too long")

    def on_headers_complete(self) -> None:
        path, _, query = self.url.partition(b"?")
        is_long = len(self.url) > _LONGEST_TAKEN_APART
        if is_long:
            self.url = path[:_LONGEST_TAKEN_APART]
        super().on_headers_complete()
        if is_long:
            # The application looks at it for the first time when this callback has returned.
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
