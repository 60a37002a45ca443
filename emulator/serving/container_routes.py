"""The routes of the containers that the service exports, and their responses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from emulator.core.errors import ServiceError
from emulator.gateway.errors import note_refusal
from emulator.serving import bodies
from emulator.serving.scoring import Scorer

if TYPE_CHECKING:
    from emulator.vision.boxes.box import DetectedBox

_WELCOME = "CustomVision.ai model host harness"
_FAILED = "Error processing image"
_DECIMALS = 8
_PREFIXES = (
    "",
    "/{project}",
    "/{project}/classify/iterations/{publishedName}",
    "/{project}/detect/iterations/{publishedName}",
)
_log = logging.getLogger(__name__)


def container_routes(scorer: Scorer, now: Callable[[], datetime]) -> list[BaseRoute]:
    """``/``, and ``/image`` and ``/url`` with every prefix; any project and any published name match."""

    def predict(data: bytes) -> Response:
        found = scorer.score(data, "")
        return Response(orjson.dumps(response_body(scorer, found, now())), media_type="application/json")

    async def welcome(_request: Request) -> Response:
        return PlainTextResponse(_WELCOME)

    async def image(request: Request) -> Response:
        try:
            data = bodies.image(request, await bodies.read_body(request))
            return await scorer.run(predict, data)
        except Exception as error:  # noqa: BLE001  (the container has one response for all errors)
            return _failed(request, error, 500)

    async def url(request: Request) -> Response:
        try:
            address = bodies.url(await bodies.read_body(request))
            return await scorer.run(predict, await scorer.fetched(address))
        except Exception as error:  # noqa: BLE001  (the same, with this status)
            return _failed(request, error, 200)

    routes: list[BaseRoute] = [Route("/", welcome)]
    for prefix in _PREFIXES:
        for suffix in ("", "/nostore") if prefix else ("",):
            routes.append(Route(f"{prefix}/image{suffix}", image, methods=["POST"]))
            routes.append(Route(f"{prefix}/url{suffix}", url, methods=["POST"]))
    return routes


def _failed(request: Request, error: Exception, status: int) -> Response:
    note_refusal(request, error)
    if not isinstance(error, ServiceError):
        _log.error("An image could not be scored", exc_info=error)
    return PlainTextResponse(_FAILED, status)


def response_body(
    scorer: Scorer, found: Sequence[float] | Sequence[DetectedBox], now: datetime
) -> dict[str, Any]:
    """The container's response: labels in the order of the export, or boxes by descending probability."""
    predictions: list[dict[str, Any]]
    if scorer.detects:
        predictions = [_box(scorer, box) for box in cast("Sequence[DetectedBox]", found)]
    else:
        predictions = [
            {
                "tagName": label,
                "probability": round(probability, _DECIMALS),
                "tagId": "",
                "boundingBox": None,
            }
            for label, probability in zip(scorer.labels, cast("Sequence[float]", found), strict=True)
        ]
    return {
        "id": "",
        "project": "",
        "iteration": "",
        "created": now.astimezone(UTC).replace(tzinfo=None).isoformat(),
        "predictions": predictions,
    }


def _box(scorer: Scorer, box: DetectedBox) -> dict[str, Any]:
    return {
        "probability": round(box.probability, _DECIMALS),
        "tagId": box.tag_index,
        "tagName": scorer.labels[box.tag_index],
        "boundingBox": {
            side: round(getattr(box, side), _DECIMALS) for side in ("left", "top", "width", "height")
        },
    }
