"""The official Python SDK against the emulator: projects, uploads, trainings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
)
from msrest.authentication import ApiKeyCredentials

from bench.programs import TRAINING, BenchFailed, Running
from emulator.settings import DEFAULT_PREDICTION_RESOURCE_ID

BATCH = 64
PUBLISHED_NAME = "bench"
_POLL_SECONDS = 0.02


class Trainer:
    """A new multiclass project, from its images to a published iteration."""

    def __init__(self, server: Running, tags: int) -> None:
        self.connect(server.endpoint)
        self.project_id: str = self.client.create_project("bench", classification_type="Multiclass").id
        self.tag_ids = [self.client.create_tag(self.project_id, f"tag {tag}").id for tag in range(tags)]
        self.iteration_id = ""

    def connect(self, endpoint: str) -> None:
        """Connect to another server."""
        credentials = ApiKeyCredentials(in_headers=dict(TRAINING))
        self.client: Any = CustomVisionTrainingClient(endpoint, credentials)  # type: ignore[no-untyped-call]

    def upload(self, images: Sequence[Sequence[bytes]]) -> float:
        """Upload the images of each tag in batches; returns the duration in seconds."""
        entries = [
            ImageFileCreateEntry(
                name=f"{tag}-{index}.jpg", contents=bytearray(image), tag_ids=[self.tag_ids[tag]]
            )
            for tag, of_tag in enumerate(images)
            for index, image in enumerate(of_tag)
        ]
        started = time.perf_counter()
        for first in range(0, len(entries), BATCH):
            batch = ImageFileCreateBatch(images=entries[first : first + BATCH])
            if not self.client.create_images_from_files(self.project_id, batch).is_batch_successful:
                raise BenchFailed("an upload was refused")
        return time.perf_counter() - started

    def train(self) -> float:
        """Train; returns the seconds from the request to the status ``Completed``."""
        started = time.perf_counter()
        iteration = self.client.train_project(self.project_id, force_train=True)
        self.iteration_id = iteration.id
        while iteration.status not in ("Completed", "Failed"):
            time.sleep(_POLL_SECONDS)
            iteration = self.client.get_iteration(self.project_id, iteration.id)
        if iteration.status == "Failed":
            raise BenchFailed("a training failed")
        return time.perf_counter() - started

    def publish(self) -> None:
        self.client.publish_iteration(
            self.project_id, self.iteration_id, PUBLISHED_NAME, DEFAULT_PREDICTION_RESOURCE_ID
        )


def model_path(data: Path, iteration_id: str) -> Path:
    """The ONNX file of an iteration, in the data folder of a server."""
    from emulator.store.blobs import FolderBlobStore
    from emulator.store.sqlite import SqliteDatabase
    from emulator.store.tables import Iteration

    database = SqliteDatabase(data)
    try:
        with database.read() as session:
            iteration = session.get(Iteration, iteration_id)
            assert iteration is not None and iteration.model_blob is not None
            return FolderBlobStore(data).path(iteration.model_blob)
    finally:
        database.close()
