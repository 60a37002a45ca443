"""Microsoft's quickstart for image classification on its own photographs, where they are present."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
)

from tests.sdk.conftest import StartEmulator
from tests.sdk.live import wait_until_trained
from tests.support.harness import RESOURCE_ID

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "quickstart"
SPECIES = ("Hemlock", "Japanese Cherry")
TRUE_TAG = "Hemlock"


@pytest.mark.skipif(
    not PHOTOGRAPHS.is_dir(),
    reason="the quickstart's photographs are not in ../shared/data/quickstart (folders Hemlock, Japanese"
    " Cherry and Test; they come with Azure-Samples/cognitive-services-python-sdk-samples)",
)
@pytest.mark.parametrize("classification_type", ["Multiclass", "Multilabel"])
def test_the_unseen_photograph_gets_its_true_tag(
    start_emulator: StartEmulator, classification_type: str
) -> None:
    emulator = start_emulator()
    trainer, predictor = emulator.trainer(), emulator.predictor()
    project = trainer.create_project("My New Project", classification_type=classification_type)
    entries = []
    for name in SPECIES:
        tag = trainer.create_tag(project.id, name)
        entries += [
            ImageFileCreateEntry(name=path.name, contents=path.read_bytes(), tag_ids=[tag.id])
            for path in sorted((PHOTOGRAPHS / name).glob("*.jpg"))
        ]
    uploaded = trainer.create_images_from_files(project.id, ImageFileCreateBatch(images=entries))
    assert uploaded.is_batch_successful, [item.status for item in uploaded.images]

    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    trainer.publish_iteration(project.id, iteration.id, "classifyModel", RESOURCE_ID)

    with (PHOTOGRAPHS / "Test" / "test_image.jpg").open("rb") as file:
        result = predictor.classify_image(project.id, "classifyModel", file)
    best = result.predictions[0]
    assert best.tag_name == TRUE_TAG
    assert best.probability > 0.9
    figures = trainer.get_iteration_performance(project.id, iteration.id, threshold=0.5)
    assert figures.precision > 0.9 and figures.recall > 0.9
