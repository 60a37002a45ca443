"""The application that serves an exported model, in this process."""

import asyncio
import itertools
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import httpx

from emulator.core.fetching.client import FetchPolicy
from emulator.core.rules.limits import PREDICTION_IMAGE_BYTES
from emulator.serving.app import serving_app
from emulator.serving.scoring import Scorer
from emulator.vision.exported.model import ExportedClassifier, ExportedDetector, load_export
from tests.support.exported_models import classifier_zip
from tests.support.harness import validate_response

KEYS = ("first-key", "second-key")
NOW = datetime(2026, 3, 4, 5, 6, 7, 123456, UTC)


class Serving:
    """The application for one export, with a client; responses of the prediction API are validated."""

    def __init__(
        self,
        export: bytes | ExportedClassifier | ExportedDetector,
        *,
        keys: tuple[str, ...] = (),
        model_name: str | None = None,
        url_allow: tuple[str, ...] = (),
        cors_origins: tuple[str, ...] = (),
        allowed_hosts: tuple[str, ...] | None = None,
    ) -> None:
        model = load_export(export) if isinstance(export, bytes) else export
        policy = FetchPolicy(PREDICTION_IMAGE_BYTES, allow=url_allow)
        numbers = itertools.count(1)
        self.scorer = Scorer(model, policy)
        self.app = serving_app(
            self.scorer,
            keys,
            model_name,
            cors_origins=cors_origins,
            allowed_hosts=allowed_hosts,
            now=lambda: NOW,
            new_id=lambda: str(UUID(int=next(numbers), version=4)),
        )

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://model.localhost") as client:
                return await client.request(method, path, **more)

        response = asyncio.run(send())
        if path.startswith("/customvision/"):
            validate_response(response)
        return response

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)


@cache
def _classifier() -> ExportedClassifier | ExportedDetector:
    return load_export(classifier_zip())


def classifier_server(**options: Any) -> Serving:
    """A server of the classifier of colours."""
    return Serving(_classifier(), **options)
