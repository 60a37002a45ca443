"""Cross-origin requests of web pages (CORS): allowed origins, headers of responses, preflight requests.

Starlette's `CORSMiddleware` would leave out ``Vary: Origin`` on responses to requests without an allowed
origin, so that a browser could use its cached copy of an image without the header that a page needs, and it
refuses preflight requests in plain text.
"""

import re
from collections.abc import Collection

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.gateway.errors import OriginRefused

_LOOPBACK = re.compile(
    rb"https?://(?:localhost|(?:[a-z0-9_-]+\.)+localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?",
    re.IGNORECASE,
)
_VARY = (b"vary", b"Origin")
# Headers that pages may read, beyond those that every page may.
_EXPOSED = (
    b"apim-request-id, Request-Id, Retry-After, x-emulator-served-version, x-ms-error-code, ETag, "
    b"Content-Disposition, Content-Length, Content-Range, Accept-Ranges, Location, Operation-Location"
)
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# Seconds for which a browser reuses a preflight response.
_MAX_AGE = "600"


class Origins:
    """The web origins whose pages may use a server: every port of this machine, and those of the option.

    allowed: origins as browsers write them (``https://app.example``), ``null`` for pages without one, such as
    files, or ``*`` for all.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._all = "*" in allowed

    def allows(self, origin: bytes) -> bool:
        return self._all or origin in self._allowed or _LOOPBACK.fullmatch(origin) is not None

    def response_headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """The headers that each response to the request carries."""
        origin = header(scope, b"origin")
        if origin is None or "misdirected" in scope or not self.allows(origin):
            return [_VARY]
        return [_VARY, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]


class Preflights:
    """Answers preflight requests, which carry no key. `ResponseHeaders` adds the allowed origin."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            origin = header(scope, b"origin")
            if origin is not None and header(scope, b"access-control-request-method") is not None:
                await self._response(scope, origin)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _response(self, scope: Scope, origin: bytes) -> Response:
        if not self._origins.allows(origin):
            raise OriginRefused(f"--cors-origin {origin.decode('latin-1')} would allow the page")
        headers = {"access-control-allow-methods": _METHODS, "access-control-max-age": _MAX_AGE}
        requested = header(scope, b"access-control-request-headers")
        if requested is not None:
            headers["access-control-allow-headers"] = requested.decode("latin-1")
        # Chromium before 142; newer versions ask their user instead (Local Network Access).
        if header(scope, b"access-control-request-private-network") == b"true":
            headers["access-control-allow-private-network"] = "true"
        return Response(status_code=204, headers=headers)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a header of the request; `name` is in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None
