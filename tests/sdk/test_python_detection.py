"""Object detection through the official Python SDK, with real trainings: Microsoft's quickstart on its own
photographs, when they are there, and a small one on generated images."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Region,
)
from PIL import Image

from tests.sdk.conftest import StartEmulator
from tests.sdk.live import Emulator, wait_until_trained
from tests.support.harness import RESOURCE_ID
from tests.support.long_run import IS_LONG

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "quickstart"
OBJECTS = ("fork", "scissors")
UNSEEN = PHOTOGRAPHS / "Test" / "test_od_image.jpg"
# The objects of the unseen photograph, measured by eye.
UNSEEN_OBJECT = ("fork", (0.1, 0.26, 0.64, 0.54))
# A training on 40 images takes half a minute on an idle machine.
PATIENCE_SECONDS = 900

Box = tuple[float, float, float, float]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes: left, top, width, height."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def entry(name: str, contents: bytes, tag_id: str, box: Box) -> ImageFileCreateEntry:
    left, top, width, height = box
    region = Region(tag_id=tag_id, left=left, top=top, width=width, height=height)
    return ImageFileCreateEntry(name=name, contents=contents, regions=[region])


def train_and_publish(emulator: Emulator, project_id: str, entries: list[ImageFileCreateEntry]) -> Any:
    trainer = emulator.trainer()
    uploaded = trainer.create_images_from_files(project_id, ImageFileCreateBatch(images=entries))
    assert uploaded.is_batch_successful, [item.status for item in uploaded.images]
    iteration = wait_until_trained(
        trainer, project_id, trainer.train_project(project_id), patience_seconds=PATIENCE_SECONDS
    )
    trainer.publish_iteration(project_id, iteration.id, "detectModel", RESOURCE_ID)
    return iteration


def make_project(emulator: Emulator, name: str) -> Any:
    trainer = emulator.trainer()
    (domain,) = (
        domain
        for domain in trainer.get_domains()
        if domain.type == "ObjectDetection" and domain.name == "General"
    )
    return trainer.create_project(name, domain_id=domain.id)


def best(result: Any) -> tuple[str, float, Box]:
    found = max(result.predictions, key=lambda item: item.probability)
    box = found.bounding_box
    return found.tag_name, found.probability, (box.left, box.top, box.width, box.height)


@pytest.mark.skipif(
    not PHOTOGRAPHS.is_dir(),
    reason="the quickstart's photographs are not in ../shared/data/quickstart (folders fork, scissors and"
    " Test, and regions.json with their boxes; they come with"
    " Azure-Samples/cognitive-services-python-sdk-samples)",
)
def test_the_object_in_the_unseen_photograph_is_found(start_emulator: StartEmulator) -> None:
    emulator = start_emulator()
    trainer = emulator.trainer()
    project = make_project(emulator, "Object detection quickstart")
    tags = {name: trainer.create_tag(project.id, name).id for name in OBJECTS}
    regions = json.loads((PHOTOGRAPHS / "regions.json").read_text("utf-8"))["regions"]
    entries = [
        entry(name, (PHOTOGRAPHS / region["tag"] / name).read_bytes(), tags[region["tag"]], region["box"])
        for name, region in regions.items()
    ]
    assert len(entries) == 40
    iteration = train_and_publish(emulator, project.id, entries)

    with UNSEEN.open("rb") as file:
        result = emulator.predictor().detect_image(project.id, "detectModel", file)
    (name, probability, box), listed = best(result), [item.tag_name for item in result.predictions]
    assert name == UNSEEN_OBJECT[0]
    assert probability > 0.5
    assert overlap(box, UNSEEN_OBJECT[1]) > 0.5
    assert listed == sorted(listed)
    figures = trainer.get_iteration_performance(
        project.id, iteration.id, threshold=0.5, overlap_threshold=0.3
    )
    assert figures.average_precision > 0.7


# --- without photographs ------------------------------------------------------------------------------------


def bright_box(number: int) -> tuple[bytes, Box]:
    """An image of noise with an orange rectangle, and its box."""
    random = np.random.default_rng(number)
    pixels = random.integers(40, 110, (160, 200, 3), np.uint8)
    width, height = random.integers(60, 100), random.integers(50, 80)
    left, top = random.integers(0, 200 - width), random.integers(0, 160 - height)
    pixels[top : top + height, left : left + width] = (250, 140, 20)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue(), (
        float(left / 200),
        float(top / 160),
        float(width / 200),
        float(height / 160),
    )


@pytest.mark.skipif(
    PHOTOGRAPHS.is_dir() and not IS_LONG, reason="the test with photographs shows it; make test-long has both"
)
def test_rectangles_on_noise_are_found(start_emulator: StartEmulator) -> None:
    emulator = start_emulator()
    project = make_project(emulator, "Rectangles")
    tag = emulator.trainer().create_tag(project.id, "rectangle")
    pictures = [bright_box(number) for number in range(15)]
    entries = [entry(f"{number}.png", data, tag.id, box) for number, (data, box) in enumerate(pictures)]
    train_and_publish(emulator, project.id, entries)
    picture, box = bright_box(1000)
    result = emulator.predictor().detect_image_with_no_store(project.id, "detectModel", picture)
    name, probability, found = best(result)
    assert name == "rectangle"
    assert probability > 0.5
    assert overlap(found, box) > 0.7
