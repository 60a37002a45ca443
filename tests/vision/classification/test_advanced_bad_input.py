"""Advanced training on unusual or damaged datasets: a usable model, or a failure with a reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
)
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.networks.weights import BaseWeights, BaseWeightsMissing, backbone_network
from emulator.vision.training.errors import TrainingFailed
from tests.support.vision.advanced_training import SMALL, SMALL_COMPACT, Train, scores
from tests.support.vision.images import PATTERNS, drawn, encoded, kept


def test_one_image_a_tag(pattern_images: tuple[LabelledImage, ...], train: Train) -> None:
    images = tuple(next(i for i in pattern_images if i.labels == (label,)) for label in range(3))
    trained = train(ClassificationDataset(images, PATTERNS, multilabel=False))
    assert scores(trained, Path(images[1].path).read_bytes())[1] > 0.3


def test_images_that_are_all_alike(tmp_path: Path, train: Train) -> None:
    """Equal pixels in different files: nothing can be learned, and there are predictions."""
    picture = Image.new("RGB", (70, 60), "grey")
    images = tuple(
        kept(tmp_path, encoded(picture, "JPEG", comment=str(number)), (number % 2,)) for number in range(12)
    )
    trained = train(ClassificationDataset(images, ("a", "b"), multilabel=False))
    assert scores(trained, encoded(picture)) == pytest.approx([0.5, 0.5], abs=0.1)


def test_a_tag_with_few_images_beside_one_with_many(
    pattern_images: tuple[LabelledImage, ...], tmp_path: Path, train: Train, prefer: Callable[[str], None]
) -> None:
    prefer("fine-tuned")
    stripes = tuple(kept(tmp_path, encoded(drawn("stripes", number)), (0,)) for number in range(20))
    dots = tuple(replace(image, labels=(1,)) for image in pattern_images if image.labels == (1,))[:3]
    trained = train(
        ClassificationDataset(stripes + dots, ("stripes", "dots"), multilabel=False),
        SMALL_COMPACT,
        plan=Plan(epochs=6, folds=1),
    )
    for number in (100, 101, 102):
        assert scores(trained, encoded(drawn("dots", number)))[1] > 0.5


def test_tags_that_never_occur_and_images_that_cannot_be_read(
    pattern_images: tuple[LabelledImage, ...], tmp_path: Path, train: Train
) -> None:
    with pytest.raises(TrainingFailed, match="None of the images of the tag ghost"):
        train(ClassificationDataset(pattern_images, (*PATTERNS, "ghost"), multilabel=False))
    broken = tuple(kept(tmp_path, b"broken %d" % number, (number % 2,)) for number in range(4))
    with pytest.raises(TrainingFailed, match="None of the images could be read"):
        train(ClassificationDataset(broken, ("a", "b"), multilabel=False))
    trained = train(
        ClassificationDataset((*pattern_images, broken[0]), PATTERNS, multilabel=False), seconds=0
    )
    assert trained.skipped == (broken[0].key,)


def test_a_larger_network_that_is_not_installed_is_left_out(
    hard: ClassificationDataset, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulator.vision.networks import weights as base_weights

    missing = BaseWeights("no_such_package", "no-such-package", "file", "0")
    monkeypatch.setitem(base_weights.BASE_WEIGHTS, "absent", missing)
    with pytest.raises(BaseWeightsMissing, match="no-such-package"):
        backbone_network("absent", 64)
    trained = train(hard, replace(SMALL, backbones="absent"))
    assert trained.model_path.exists()
