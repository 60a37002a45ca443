"""The paths of the prediction API, so that the official SDKs can call an exported model."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from emulator.contract import responses as shapes
from emulator.contract import wire
from emulator.contract.gateway_responses import guid
from emulator.contract.versions import Version
from emulator.core.errors import ServiceError
from emulator.gateway.address import address_of
from emulator.gateway.errors import JSON, UnknownResource
from emulator.serving import bodies
from emulator.serving.scoring import Scorer

_PATH = re.compile(
    r"/*customvision/+(?P<version>v[^/]{1,40})/+prediction/+(?P<project>[^/]+)/+(?P<kind>classify|detect)"
    r"/+iterations/+(?P<name>[^/]+)/+(?P<source>image|url)(?:/+nostore)?/*",
    re.IGNORECASE,
)
_API = re.compile(r"/*customvision(/|$)", re.IGNORECASE)
_SUPPORTED = "/customvision/v3.1/prediction"


class _PredictionRoute(Route):
    """Everything below ``/customvision``, in any case and with any number of slashes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not _API.match(scope["path"]):
            return Match.NONE, {}
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {}}


def prediction_routes(scorer: Scorer, model_name: str | None, now: Callable[[], datetime]) -> list[BaseRoute]:
    """Classification or detection, by upload or URL, with or without ``nostore``; nothing is ever stored.

    model_name: the published name that is accepted; None: any name.
    """

    def predict(version: Version, project_id: str, prediction_id: str, data: bytes) -> bytes:
        found = scorer.predict(data, prediction_id)
        predictions = [
            shapes.Prediction(
                probability=item.probability,
                tag_id=item.tag_id,
                tag_name=item.tag_name,
                bounding_box=shapes.BoundingBox(
                    left=item.box.left, top=item.box.top, width=item.box.width, height=item.box.height
                )
                if item.box
                else None,
                tag_type=item.tag_type,
            )
            for item in found
        ]
        prediction = shapes.ImagePrediction(
            id=prediction_id,
            project=project_id,
            iteration=scorer.iteration_id,
            created=now(),
            predictions=predictions,
        )
        return wire.render(prediction, version)

    async def endpoint(request: Request) -> Response:
        # The path as it was sent: a slash in a published name is percent-encoded there.
        match = _PATH.fullmatch(request.scope["raw_path"].decode("latin-1"))
        if match is None or request.method != "POST":
            raise UnknownResource("only the operations of the prediction API, with POST, are served here")
        address = address_of("prediction", match["version"], _SUPPORTED)
        request.scope["address"] = address
        try:
            project_id = guid(unquote(match["project"]))
        except ValueError:
            raise UnknownResource("the project in the path is not a GUID") from None
        body = await bodies.read_body(request)
        if match["kind"].lower() != ("detect" if scorer.detects else "classify"):
            known = "a detector: its paths have 'detect'" if scorer.detects else "a classifier: 'classify'"
            raise ServiceError(
                "BadRequestNotSupported", "Invalid project type for operation.", f"The model is {known}."
            )
        if model_name is not None and unquote(match["name"]).strip() != model_name:
            raise ServiceError("NotFoundIteration", "Invalid iteration", f"--model-name is '{model_name}'.")
        if match["source"].lower() == "url":
            data = await scorer.fetched(bodies.url(body))
        else:
            data = bodies.image(request, body)
        prediction_id = request.scope["request_id"]
        content = await scorer.run(partial(predict, address.version, project_id, prediction_id), data)
        return Response(content, headers={"content-type": JSON})

    return [_PredictionRoute("/customvision", endpoint, methods=["POST"])]
