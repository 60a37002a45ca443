"""An advanced training of small images for workers, with a plan that does not depend on speed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from emulator.vision.classification import search_finetune
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.candidates import CandidateComparison
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
)
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.training.number_formats import number_formats_from
from tests.support.vision.advanced_training import SMALL_QUICK, SMALL_TWO
from tests.support.vision.images import PATTERNS, drawn, encoded

# Two networks with two folds and a model of all images each; other networks and strengths before.
FOLDS = 2
RECIPE = replace(SMALL_TWO, regularisations=(1.0, 0.3))


def hard_dataset(keep: Callable[[bytes], str], path: Callable[[str], Path]) -> ClassificationDataset:
    """Patterns; every fifth image has the tag of another one. keep: stores an image, and returns its key."""
    images = []
    for label, pattern in enumerate(PATTERNS):
        for number in range(8):
            key = keep(encoded(drawn(pattern, number)))
            wrong = len(images) % 5 == 0
            images.append(LabelledImage(str(path(key)), key, ((label + wrong) % len(PATTERNS),)))
    return ClassificationDataset(tuple(images), PATTERNS, multilabel=False)


def train_hard(
    dataset: ClassificationDataset, output: Path, cache: Path, *, progress: Callable[[float, str], None]
) -> TrainedClassifier:
    """Write the model and its evaluation. Fine-tuned networks win."""
    with (
        patch.object(search_finetune, "planned", lambda *_, **__: Plan(epochs=2, folds=FOLDS)),
        patch.object(CandidateComparison, "is_perfect", lambda self, candidate: False),
        patch.object(
            CandidateComparison,
            "replaces",
            lambda self, challenger, champion: challenger is not champion and "fine-tuned" in challenger.name,
        ),
        number_formats_from(None, "float32"),
    ):
        return train_advanced_classifier(
            dataset,
            SMALL_QUICK,
            RECIPE,
            budget_seconds=100_000,
            seed=0,
            output=output,
            feature_cache=cache,
            progress=progress,
        )
