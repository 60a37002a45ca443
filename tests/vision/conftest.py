from pathlib import Path

import pytest

from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
    TrainedClassifier,
)
from emulator.vision.classification.train import train_classifier, warm_up
from emulator.vision.recipes.recipes import QUICK
from tests.support.vision.images import PATTERNS, drawn, encoded, kept


@pytest.fixture(scope="session")
def pattern_images(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelledImage, ...]:
    """Six images of each pattern, labelled by the pattern's number."""
    folder = tmp_path_factory.mktemp("patterns")
    return tuple(
        kept(folder, encoded(drawn(pattern, number)), (label,))
        for label, pattern in enumerate(PATTERNS)
        for number in range(6)
    )


@pytest.fixture(scope="session")
def patterns(pattern_images: tuple[LabelledImage, ...]) -> ClassificationDataset:
    return ClassificationDataset(pattern_images, PATTERNS, multilabel=False)


@pytest.fixture(scope="session")
def feature_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all trainings of the session, so that features are computed once."""
    warm_up()
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def trained(
    patterns: ClassificationDataset, feature_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainedClassifier:
    return train_classifier(
        patterns,
        QUICK,
        seed=0,
        output=tmp_path_factory.mktemp("trained"),
        feature_cache=feature_cache,
        progress=lambda share, step: None,
    )
