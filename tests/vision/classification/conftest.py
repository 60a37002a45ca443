"""Fixtures of the tests of advanced training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.vision.classification import candidates, search_finetune
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
)
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.recipes.recipes import (
    AdvancedRecipe,
)
from tests.support.vision.advanced_training import SHORT, SMALL, SMALL_QUICK, Ticks, Train
from tests.support.vision.images import PATTERNS


@pytest.fixture
def train(tmp_path: Path, feature_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Advanced trainings with the fine-tuning plan `plan` and a clock that stands still."""

    def run(
        dataset: ClassificationDataset,
        advanced: AdvancedRecipe = SMALL,
        *,
        seconds: float = 1.0,
        output: str = "model",
        plan: Plan | None = SHORT,
        base_model: Path | None = None,
    ) -> TrainedClassifier:
        monkeypatch.setattr(search_finetune, "planned", lambda *_, **__: plan if seconds else None)
        return train_advanced_classifier(
            dataset,
            SMALL_QUICK,
            advanced,
            budget_seconds=seconds,
            seed=0,
            output=tmp_path / output,
            feature_cache=feature_cache,
            progress=lambda share, step: None,
            base_model=base_model,
            clock=Ticks(0.0 if seconds else 1.0),
        )

    return run


@pytest.fixture
def hard(pattern_images: tuple[LabelledImage, ...]) -> ClassificationDataset:
    """Patterns; every fifth image has the tag of another pattern, so no model is right about all of them."""
    images = tuple(
        replace(image, labels=((image.labels[0] + (number % 5 == 0)) % 3,))
        for number, image in enumerate(pattern_images)
    )
    return ClassificationDataset(images, PATTERNS, multilabel=False)


@pytest.fixture
def prefer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the candidates whose name begins with a text win."""

    def choose(text: str) -> None:
        monkeypatch.setattr(
            candidates.CandidateComparison,
            "replaces",
            lambda self, challenger, champion: challenger.name.startswith(text),
        )
        monkeypatch.setattr(candidates.CandidateComparison, "is_perfect", lambda self, candidate: False)

    return choose
