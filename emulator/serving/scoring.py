"""Scores of images by the loaded model, for both APIs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from emulator.core.errors import ServiceError
from emulator.core.fetching import client as fetching
from emulator.core.fetching.client import FetchPolicy
from emulator.core.predictions.refusals import check_size, refusal
from emulator.core.rules.limits import PREDICTION_IMAGE_BYTES
from emulator.core.scored_rows import scores
from emulator.core.thread_pools import RequestThreads
from emulator.vision.imaging.work_limits import is_costly

if TYPE_CHECKING:
    from emulator.vision.boxes.box import DetectedBox
    from emulator.vision.exported.model import ExportedClassifier, ExportedDetector

_Result = TypeVar("_Result")
# An export has no ids of tags. They are derived from the model's digest, so that they are the same at every
# start and different for every model.
_TAG_IDS = uuid.UUID("6f4f5f0e-9a0f-5d0b-8a55-3b8c0a3f3e61")


class Scorer:
    """The model, and the threads that it runs in.

    Attributes:
        detects: True for a detector, False for a classifier.
        labels: names of the tags, in the order of the scores.
        tags: the tags with ids, as `emulator.core.scored_rows.scores` takes them.
        preprocessing: the steps from image to tensor in words, with the reason for each.
        iteration_id: that of the export, or one derived from the model's digest.
    """

    def __init__(self, model: ExportedClassifier | ExportedDetector, fetch_policy: FetchPolicy) -> None:
        from emulator.vision.exported.model import ExportedDetector

        self.detects = isinstance(model, ExportedDetector)
        self.labels = model.labels
        self.preprocessing = model.preprocessing
        self.iteration_id = _iteration_id(model.iteration_id, model.digest)
        self.tags = [
            {"id": str(uuid.uuid5(_TAG_IDS, f"{model.digest} {label}")), "name": label, "type": "Regular"}
            for label in model.labels
        ]
        self.threads = RequestThreads()
        self._model = model
        self._fetch_policy = fetch_policy

    def score(self, data: bytes, prediction_id: str) -> list[float] | list[DetectedBox]:
        """Probabilities of the labels in their order, or boxes by descending probability.

        Raises:
            ServiceError: the bytes are not an accepted image, or are more than 4 MB.
        """
        from emulator.vision.imaging.decode import ImageRejected

        check_size(data, PREDICTION_IMAGE_BYTES)
        try:
            return self._model.score(data)
        except ImageRejected as rejected:
            raise refusal(rejected, prediction_id) from rejected

    def predict(self, data: bytes, prediction_id: str) -> list[scores.TagProbability]:
        """Scores with their tags, in the order of the prediction API. Raises ServiceError like `score`."""
        found = self.score(data, prediction_id)
        if self.detects:
            return scores.of_detector(self.tags, cast("list[DetectedBox]", found))
        return scores.of_classifier(self.tags, cast("list[float]", found))

    async def run(self, work: Callable[[bytes], _Result], data: bytes) -> _Result:
        """The result of `work` for an image, in a thread."""
        threads = self.threads.of("large image" if is_costly(data) else "quick")
        return await asyncio.get_running_loop().run_in_executor(threads, work, data)

    async def fetched(self, url: str) -> bytes:
        """The bytes at a URL, fetched in a thread. Raises ServiceError BadRequestImageUrl."""
        threads = self.threads.of("url")
        return await asyncio.get_running_loop().run_in_executor(threads, self.fetch, url)

    def fetch(self, url: str) -> bytes:
        """The bytes at a URL. Raises ServiceError BadRequestImageUrl."""
        try:
            return fetching.fetch(url, self._fetch_policy)
        except fetching.FetchRejected as rejected:
            raise ServiceError("BadRequestImageUrl", str(rejected)) from rejected


def _iteration_id(exported: str | None, digest: str) -> str:
    try:
        return str(uuid.UUID(exported or ""))
    except ValueError:
        return str(uuid.uuid5(_TAG_IDS, digest))
