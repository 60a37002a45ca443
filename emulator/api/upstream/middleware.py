"""The middleware that forwards calls to the upstream.

It follows the rewriting of paths and precedes the check of keys: keys of forwarded calls are those of the
upstream, which checks them. Requests without a key, such as those of the portal, are always answered here, as
are those of the commands, by a header: their key does not reach the upstream.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.upstream.state import CREDENTIALS, Upstream

_MODE_HEADER = (b"x-emulator-mode", b"local")


class ForwardCalls:
    """ASGI middleware that forwards calls of both APIs to the upstream, unless its mode is ``local``.

    A call with the header ``X-Emulator-Mode: local`` is answered by the emulator in every mode.
    """

    def __init__(self, app: ASGIApp, upstream: Upstream) -> None:
        self._app = app
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream = self._upstream
        if upstream.mode in ("local", "replay") or "address" not in scope or not _is_for_upstream(scope):
            await self._app(scope, receive, send)
            return
        if upstream.forwarder is None:
            from emulator.api.upstream.forwarding import Forwarding  # here, for a fast start

            upstream.forwarder = Forwarding(upstream, self._app)
        await upstream.forwarder.respond(scope, receive, send)


class ReplayCalls:
    """ASGI middleware that answers calls of both APIs with recorded responses, in the mode ``replay``.

    It follows the check of keys, which are those of the emulator.
    """

    def __init__(self, app: ASGIApp, upstream: Upstream) -> None:
        self._app = app
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._upstream.mode != "replay" or "address" not in scope or not _is_for_upstream(scope):
            await self._app(scope, receive, send)
            return
        from emulator.api.upstream.replay import respond  # here, for a fast start

        await respond(self._upstream, scope, receive, send)


def _is_for_upstream(scope: Scope) -> bool:
    headers = scope["headers"]
    return _MODE_HEADER not in headers and any(name in CREDENTIALS for name, _ in headers)
