"""Requests that wait for hosts or decode large images do not hold up those of others."""

import asyncio
import threading
from unittest import mock

import pytest

from tests.support.harness import PREDICTION_KEY, TRAINING_KEY, expect, training_path
from tests.support.hostile_images import jpeg
from tests.support.images import picture
from tests.support.predicting import Predicted

PATIENCE_SECONDS = 60
MANY = 40


class Gate:
    """Blocks the threads that pass it, until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, *_arguments: object) -> bytes:
        assert self.opened.wait(PATIENCE_SECONDS)
        return picture(1)


def responses_of_others(predicted: Predicted, path: str, body: dict[str, object], gate: Gate) -> None:
    """While MANY requests with `body` wait at the gate, others are responded to; then all end."""
    service, loop = predicted.service, predicted.service._loop
    prediction = {
        "content": picture(3),
        "headers": {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"},
    }

    async def run() -> None:
        waiting = [
            asyncio.create_task(service._send("POST", path, TRAINING_KEY, dict(body))) for _ in range(MANY)
        ]
        await asyncio.sleep(0)
        others = [
            service._send("GET", training_path("/projects"), TRAINING_KEY, {}),
            service._send("POST", f"{predicted.address}/image", None, prediction),
            service._send("GET", "/_emulator/health/live", None, {}),
        ]
        async with asyncio.timeout(PATIENCE_SECONDS):
            for response in await asyncio.gather(*others):
                assert response.status_code == 200
        assert not any(task.done() for task in waiting)
        gate.opened.set()
        for response in await asyncio.gather(*waiting):
            assert response.status_code in (200, 207)

    loop.run(run())


@pytest.mark.parametrize("batch", [True, False])
def test_silent_hosts(predicted: Predicted, batch: bool) -> None:
    gate = Gate()
    with mock.patch("emulator.core.fetching.client.fetch", gate):
        if batch:
            body: dict[str, object] = {"json": {"images": [{"url": "http://silent.example/"}]}}
            responses_of_others(predicted, training_path(f"{predicted.project}/images/urls"), body, gate)
        else:
            body = {
                "json": {"url": "http://silent.example/"},
                "headers": {"Prediction-Key": PREDICTION_KEY},
            }
            responses_of_others(predicted, f"{predicted.address}/url", body, gate)


def test_images_that_take_long_to_decode(predicted: Predicted) -> None:
    gate = Gate()
    large = jpeg(10_000, 10_000, progressive=True)
    context = predicted.service.context
    classifier = context.models.classifier
    session = classifier(predicted.service.rows("SELECT model_blob FROM iteration")[0][0])
    score = session.score

    def slow(data: bytes) -> list[float]:
        if data == large:
            gate()
        return score(picture(1) if data == large else data)

    with mock.patch.object(type(session), "score", lambda _self, data: slow(data)):
        body: dict[str, object] = {
            "content": large,
            "headers": {"Prediction-Key": PREDICTION_KEY, "Content-Type": "application/octet-stream"},
        }
        responses_of_others(predicted, f"{predicted.address}/image", body, gate)
    assert expect(predicted.service.predict(predicted.address, picture(4)))["predictions"]
