"""The ASGI application: both APIs, health, keys, errors, and the headers that every answer carries."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Message, Receive, Scope, Send

from emulator.contract.answer_headers import answer_headers
from emulator.server.request_body import WatchedExchange
from emulator.serving.bodies import LARGEST_BODY
from emulator.serving.container_routes import container_routes
from emulator.serving.errors import AccessDenied, describe
from emulator.serving.prediction_routes import JSON, prediction_routes
from emulator.serving.scoring import Scorer

_HEALTH = ("/health", "/_emulator/health/ready", "/_emulator/health/live")
_KEYLESS = frozenset({"/", *_HEALTH})
_KEY_HEADERS = (b"prediction-key", b"training-key", b"ocp-apim-subscription-key")


class ServingApp:
    """The application. What it raises ends as an answer, and its answers have an id.

    Args:
        keys: one of them must come with every request but those for health; empty: none is asked for.
        model_name: the published name that the prediction API answers to; None: any.
        now: UTC time; new_id: ids of requests.
    """

    def __init__(
        self,
        scorer: Scorer,
        keys: tuple[str, ...] = (),
        model_name: str | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._keys = [key.encode() for key in keys]
        self._new_id = new_id
        routes: list[BaseRoute] = [
            *health_routes(scorer),
            *prediction_routes(scorer, model_name, now),
            *container_routes(scorer, now),
        ]
        self._router = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # or the router would answer unknown paths itself
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        request_id = scope["request_id"] = self._new_id()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                version, exact = scope.get("version", (None, True))
                headers = answer_headers(request_id, version, exact=exact)
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        exchange = WatchedExchange(receive, send_with_headers)
        try:
            self._check_key(scope)
            await self._router(scope, exchange.receive, exchange.send)
        except Exception as error:
            if exchange.started:
                raise
            status, body = describe(error, scope.get("version", (None, True))[0])
            headers = {"content-type": JSON}
            if not await exchange.drain(LARGEST_BODY):
                headers["connection"] = "close"
            await Response(orjson.dumps(body), status, headers)(scope, receive, send_with_headers)

    def _check_key(self, scope: Scope) -> None:
        if not self._keys or scope["path"] in _KEYLESS:
            return
        given = [value for name, value in scope["headers"] if name in _KEY_HEADERS]
        # Compared with each, whatever the others said, so that timing tells nothing.
        if not sum(hmac.compare_digest(value, key) for value in given for key in self._keys):
            raise AccessDenied


def health_routes(scorer: Scorer) -> list[BaseRoute]:
    """Whether the server is ready, which it is as soon as it answers, and what it serves. Needs no key."""

    async def health(_request: Request) -> Response:
        return JSONResponse(
            {
                "status": "ready",
                "checks": {"model": "ok"},
                "domainType": "ObjectDetection" if scorer.detects else "Classification",
                "iteration": scorer.iteration_id,
                "labels": list(scorer.labels),
            }
        )

    return [Route(path, health) for path in _HEALTH]
