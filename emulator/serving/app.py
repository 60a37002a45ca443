"""The application: both APIs and health, behind the middleware that the emulator's server has too."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.gateway.errors import HANDLERS
from emulator.gateway.hosts import AllowedHosts, HostCheck
from emulator.gateway.keys import KEY_HEADERS, KeyRule
from emulator.gateway.middleware import DrainBody, MergeSlashes, ResponseHeaders
from emulator.gateway.origins import Origins, Preflights
from emulator.gateway.proxies import TrustedProxies
from emulator.gateway.refusal_log import RefusalLog
from emulator.serving.bodies import MAX_BODY_BYTES
from emulator.serving.container_routes import container_routes
from emulator.serving.prediction_routes import prediction_routes
from emulator.serving.scoring import Scorer

_HEALTH = ("/health", "/_emulator/health/ready", "/_emulator/health/live")
_KEYLESS = frozenset({"/", *_HEALTH})


def serving_app(
    scorer: Scorer,
    keys: tuple[str, ...] = (),
    model_name: str | None = None,
    *,
    cors_origins: tuple[str, ...] = (),
    allowed_hosts: tuple[str, ...] | None = None,
    trusted_proxies: tuple[str, ...] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> ASGIApp:
    """The application for a loaded model.

    Args:
        keys: every request except ``/`` and health needs one of them; empty: no key is needed.
        model_name: the published name that the prediction API accepts; None: any name.
        cors_origins: origins of pages that may use the server, besides those of this machine.
        allowed_hosts: names in Host headers that are accepted, besides those of this machine; None: all.
        trusted_proxies: addresses and networks of reverse proxies, besides this machine.
        now: the current time (UTC).
        new_id: the id of a request.
    """
    origins = Origins(cors_origins)
    host_check = []
    if allowed_hosts is not None:
        proxies = TrustedProxies(trusted_proxies)
        host_check.append(Middleware(HostCheck, hosts=AllowedHosts(allowed_hosts), proxies=proxies))
    application = Starlette(
        routes=[
            *health_routes(scorer),
            *prediction_routes(scorer, model_name, now),
            *container_routes(scorer, now),
        ],
        exception_handlers=HANDLERS,
        # A request passes these from first to last, its response from last to first.
        middleware=[
            Middleware(ResponseHeaders, new_id=new_id, origins=origins),
            Middleware(RefusalLog, secrets=keys),
            Middleware(MergeSlashes),
            Middleware(DrainBody, limit=MAX_BODY_BYTES),
            *host_check,
            Middleware(ExceptionMiddleware, handlers=HANDLERS),  # for errors of the middleware that follows
            Middleware(Preflights, origins=origins),
            Middleware(Keys, keys=keys),
        ],
    )
    application.router.redirect_slashes = False
    return application


class Keys:
    """Requires one of the keys, if there are any; not for ``/`` and health."""

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        self._app = app
        self._rule = KeyRule(tuple(KEY_HEADERS), tuple(key.encode() for key in keys))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._rule.keys and scope["path"] not in _KEYLESS:
            self._rule.check(scope)
        await self._app(scope, receive, send)


def health_routes(scorer: Scorer) -> list[BaseRoute]:
    """Health, with the model that is served. Always ready: the model is loaded before the server listens."""

    async def health(_request: Request) -> Response:
        return JSONResponse(
            {
                "status": "ready",
                "checks": {"model": "ok"},
                "domainType": "ObjectDetection" if scorer.detects else "Classification",
                "iteration": scorer.iteration_id,
                "labels": list(scorer.labels),
                "preprocessing": scorer.preprocessing,
            }
        )

    return [Route(path, health) for path in _HEALTH]
