"""Same images, tags and seed: same model, compared through the API."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from tests.sdk.conftest import StartEmulator
from tests.sdk.live import TAGS, Emulator, picture, wait_until_trained
from tests.support import images
from tests.support.harness import RESOURCE_ID

# More than two: tags get random ids, whose order must not matter.
NAMES = (*TAGS, "red", "green", "blue")
EACH = 6
SEEN_AND_UNSEEN = (0, 1000, 1001)


@pytest.fixture(scope="module")
def pair(start_emulator: StartEmulator) -> tuple[Emulator, Emulator]:
    return start_emulator("--seed", "7"), start_emulator("--seed", "7")


@pytest.mark.parametrize("classification_type", ["Multiclass", "Multilabel"])
def test_two_emulators_make_the_same_model(pair: tuple[Emulator, Emulator], classification_type: str) -> None:
    first = figures(pair[0], classification_type, NAMES)
    second = figures(pair[1], classification_type, NAMES[::-1])
    assert len(first) == len(NAMES) * (len(SEEN_AND_UNSEEN) * len(NAMES) + 1) + 1
    assert len(set(first)) > len(first) / 2, "the same number everywhere would prove nothing"
    assert first == second


def figures(emulator: Emulator, classification_type: str, order: Sequence[str]) -> list[str]:
    """Every probability and performance figure as in the JSON, after uploads tag by tag in `order`."""
    trainer, predictor = emulator.trainer(), emulator.predictor()
    project = trainer.create_project("Same", classification_type=classification_type)
    for name in order:
        tag = trainer.create_tag(project.id, name)
        for number in range(EACH):
            trainer.create_images_from_data(project.id, look(name, number), [tag.id])
    iteration = wait_until_trained(trainer, project.id, trainer.train_project(project.id))
    trainer.publish_iteration(project.id, iteration.id, "same", RESOURCE_ID)
    spelled = []
    for name in NAMES:
        for number in SEEN_AND_UNSEEN:
            raw = predictor.classify_image_with_no_store(project.id, "same", look(name, number), raw=True)
            found = re.findall(
                r'"probability":([^,]+),"tagId":"[^"]+","tagName":"([^"]+)"', raw.response.text
            )
            spelled += sorted(f"{name} {number}: {tag} {probability}" for probability, tag in found)
    body = trainer.get_iteration_performance(project.id, iteration.id, raw=True).response.text
    per_tag, _, overall = body.partition("]")
    return [*spelled, *sorted(re.findall(r'"name":[^}]+', per_tag)), overall]


def look(name: str, number: int) -> bytes:
    return picture(name, number) if name in TAGS else images.picture(number, name, size=(64, 64))
