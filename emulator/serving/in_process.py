"""Predictions by an exported model in the program that calls, without a server.

The files `predict.py` and `score.py` of container exports use it (`core.exports.container`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.core.fetching.client import FetchPolicy
from emulator.core.rules.limits import PREDICTION_IMAGE_BYTES
from emulator.serving.container_routes import response_body
from emulator.serving.scoring import Scorer
from emulator.serving.settings import ServingSettings
from emulator.settings.option_fields import load_options
from emulator.vision.exported.model import load_export
from emulator.vision.imaging.rgb import to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image


class InProcessModel:
    """A loaded export. Responses are those of the container's server.

    URLs are fetched as by the server: from public addresses only, unless the environment has its variables
    CUSTOM_VISION_EMULATOR_URL_FETCH or CUSTOM_VISION_EMULATOR_URL_ALLOW.
    """

    def __init__(self, folder: Path) -> None:
        """Load the model of a folder.

        Raises:
            ExportUnusable: it is not an export that can be run.
            SettingError: a variable of the environment is invalid.
        """
        settings = ServingSettings(**load_options(ServingSettings, {}))
        policy = FetchPolicy(
            max_bytes=PREDICTION_IMAGE_BYTES, mode=settings.url_fetch, allow=settings.url_allow
        )
        self._model = load_export(folder, choices=settings.preprocessing)
        self._scorer = Scorer(self._model, policy)

    def predict_image(self, image: Image) -> dict[str, Any]:
        """The response for an image of Pillow, which is turned upright first."""
        from PIL.ImageOps import exif_transpose

        encoded = BytesIO()
        to_rgb(exif_transpose(image)).save(encoded, "BMP")
        return self.predict_bytes(encoded.getvalue())

    def predict_url(self, url: str) -> dict[str, Any]:
        """The response for the image at a URL. Raises ServiceError when it cannot be fetched."""
        return self.predict_bytes(self._scorer.fetch(url))

    def predict_bytes(self, data: bytes) -> dict[str, Any]:
        """The response for an image file. Raises ImageRejected for other bytes."""
        return response_body(self._scorer, self._model.score(data), datetime.now(UTC))
