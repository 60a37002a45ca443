"""A live server, the official Python clients for it, and images to train on."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from msrest.authentication import ApiKeyCredentials
from PIL import Image, ImageFilter

from tests.sdk.validating import validated
from tests.support.harness import PATIENCE_SECONDS, PREDICTION_KEY, TRAINING_KEY, wait_until
from tests.support.live_server import LiveServer


class Emulator(LiveServer):
    """A live server that makes official Python clients."""

    def trainer(self, key: str = TRAINING_KEY) -> CustomVisionTrainingClient:
        """The official training client."""
        credentials = ApiKeyCredentials(in_headers={"Training-key": key})
        return validated(CustomVisionTrainingClient(self.endpoint, credentials))

    def predictor(self, key: str = PREDICTION_KEY) -> CustomVisionPredictionClient:
        """The official prediction client."""
        credentials = ApiKeyCredentials(in_headers={"Prediction-key": key})
        return validated(CustomVisionPredictionClient(self.endpoint, credentials))


def wait_until_trained(
    trainer: Any, project_id: str, iteration: Any, patience_seconds: float = PATIENCE_SECONDS
) -> Any:
    """The iteration once it is Completed, polled as Microsoft's samples poll it."""

    def ended() -> Any:
        now = trainer.get_iteration(project_id, iteration.id)
        return now if now.status != "Training" else None

    trained = wait_until(ended, "the end of a training", patience_seconds)
    assert trained.status == "Completed", trained.training_error_details
    return trained


# --- pictures -----------------------------------------------------------------------------------------------

TAGS = ("Meadow", "Dusk")


def picture(tag: str, number: int, size: tuple[int, int] = (320, 240), quality: int = 85) -> bytes:
    """A JPEG that resembles a photograph of a meadow, or of a sky at dusk.

    `size` is width and height in pixels. The same arguments give the same bytes; another number gives
    another image of the same kind.
    """
    random = np.random.default_rng([TAGS.index(tag), number])
    small = np.empty((60, 80, 3), np.float32)
    height = np.linspace(0, 1, 60)[:, None]
    grain = random.normal(0, 1, (60, 80))
    if tag == "Meadow":
        for channel, (base, spread) in enumerate(((70, 25), (140, 35), (50, 20))):
            small[..., channel] = base + spread * grain + 30 * height
        flowers = random.random((60, 80)) < 0.03
        small[flowers] = (250, 230, 60)
    else:
        for channel, (top, bottom) in enumerate(((60, 255), (40, 140), (110, 60))):
            small[..., channel] = top + (bottom - top) * height + 4 * grain
        skyline = 44 + np.cumsum(random.integers(-1, 2, 80))
        small[np.arange(60)[:, None] > skyline] = (20, 15, 30)
    image = Image.fromarray(small.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.filter(ImageFilter.SMOOTH).save(stream, "JPEG", quality=quality)
    return stream.getvalue()
