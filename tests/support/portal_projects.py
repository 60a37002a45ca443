"""Projects of photographs for tests of the portal, made with the official SDK."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy
import pytest
from PIL import Image

if TYPE_CHECKING:
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient

GENERAL = "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31"
GENERAL_COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
ANOMALY_DETECTION = "2f02d4b1-bf70-4825-8148-07fe427e5273"
DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/custom-vision-emulator/providers/"
    "Microsoft.CognitiveServices/accounts/prediction"
)
# Photographs of scikit-image.
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
_SIDE = 160
_SHIFT = 7


@cache
def _pixels(name: str) -> Image.Image:
    data = pytest.importorskip("skimage.data", reason="scikit-image is missing: pip install scikit-image")
    return Image.fromarray(numpy.asarray(getattr(data, name)())).convert("RGB").resize((300, 240))


@cache
def photograph(name: str, number: int = 0) -> bytes:
    """A part of a photograph, another one for each number, as JPEG."""
    left, top = number * _SHIFT % (300 - _SIDE), number * _SHIFT % (240 - _SIDE)
    part = _pixels(name).crop((left, top, left + _SIDE, top + _SIDE))
    content = io.BytesIO()
    part.save(content, "JPEG")
    return content.getvalue()


@dataclass(frozen=True)
class PhotoProject:
    """A project with photographs. tags: ids by name. iteration_id: empty unless it was trained."""

    id: str
    name: str
    tags: dict[str, str]
    iteration_id: str = ""


def photo_project(
    trainer: CustomVisionTrainingClient,
    name: str,
    *,
    domain: str = GENERAL_COMPACT,
    classification_type: str = "Multiclass",
    tags: dict[str, int] | None = None,
    trained: bool = True,
) -> PhotoProject:
    """Create a project. tags: numbers of images by tag; names of photographs give those, others coffee."""
    from azure.cognitiveservices.vision.customvision.training import models

    counts = tags or {"astronaut": 6, "chelsea": 7, "coffee": 8}
    project = trainer.create_project(name, domain_id=domain, classification_type=classification_type)
    ids = {tag: trainer.create_tag(project.id, tag).id for tag in counts}
    for tag, count in counts.items():
        source = tag if tag in PHOTOGRAPHS else "coffee"
        more = [
            {"regions": [models.Region(tag_id=ids[tag], left=0.1, top=0.2, width=0.5, height=0.6)]}
            if domain == DETECTION
            else {"tag_ids": [ids[tag]]}
        ] * count
        entries = [
            models.ImageFileCreateEntry(
                name=f"{tag}-{number}.jpg", contents=photograph(source, number), **more[number]
            )
            for number in range(count)
        ]
        summary = trainer.create_images_from_files(project.id, models.ImageFileCreateBatch(images=entries))
        assert summary.is_batch_successful, [item.status for item in summary.images]
    iteration_id = train(trainer, project.id) if trained else ""
    return PhotoProject(project.id, name, ids, iteration_id)


def train(trainer: CustomVisionTrainingClient, project_id: str) -> str:
    """Train, wait for the end, and return the iteration's id."""
    iteration = trainer.train_project(project_id, force_train=True)
    while iteration.status == "Training":
        time.sleep(0.02)
        iteration = trainer.get_iteration(project_id, iteration.id)
    assert iteration.status == "Completed"
    return str(iteration.id)
