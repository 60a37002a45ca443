"""The middleware that forwards calls to the upstream.

It follows the rewriting of paths and precedes the check of keys: keys of forwarded calls are those of the
upstream, which checks them. Requests without a key, such as those of the portal, are always answered here.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.upstream.state import CREDENTIALS, Upstream


class ForwardCalls:
    """ASGI middleware that forwards calls of both APIs to the upstream, unless its mode is ``local``."""

    def __init__(self, app: ASGIApp, upstream: Upstream) -> None:
        self._app = app
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream = self._upstream
        if upstream.mode == "local" or "address" not in scope or not _has_credentials(scope):
            await self._app(scope, receive, send)
            return
        if upstream.forwarder is None:
            from emulator.api.upstream.forwarding import Forwarding  # here, for a fast start

            upstream.forwarder = Forwarding(upstream, self._app)
        await upstream.forwarder.respond(scope, receive, send)


def _has_credentials(scope: Scope) -> bool:
    return any(name in CREDENTIALS for name, _ in scope["headers"])
