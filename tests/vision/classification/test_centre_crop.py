"""Classifiers of the compact domains: scored by the centre of images, trained on the stretched ones too."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image

from emulator.vision.classification import features
from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier
from emulator.vision.classification.features import MIRRORED, PLAIN, View, training_views
from emulator.vision.classification.finetune import TrainingImages, fine_tune
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier
from emulator.vision.fit import Fit
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.imaging.feature_cache import FeatureCache
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.domains import domains
from emulator.vision.recipes.recipes import FINE_TUNING, QUICK, ClassifierRecipe, recipe_for_domain
from emulator.vision.training.budget import Budget
from tests.support.vision.images import PATTERNS, drawn, encoded, kept

FEATURE_COUNT = 1280
CROPPED = replace(QUICK, fit="centre crop")
Train = Callable[..., TrainedClassifier]


@pytest.fixture
def fitted(patterns: ClassificationDataset, tmp_path: Path) -> Train:
    """Trains with a recipe and a cache."""

    def train(
        recipe: ClassifierRecipe, cache: Path, dataset: ClassificationDataset = patterns
    ) -> TrainedClassifier:
        return train_classifier(
            dataset,
            recipe,
            seed=0,
            output=tmp_path / "model",
            feature_cache=cache,
            progress=lambda share, step: None,
        )

    return train


def test_the_compact_domains_crop_except_s1() -> None:
    cropping = {
        domain.name
        for domain in domains().all
        if domain.type == "Classification" and recipe_for_domain(ClassifierRecipe, domain.id).fit != "stretch"
    }
    assert cropping == {"General (compact)", "Food (compact)", "Landmarks (compact)", "Retail (compact)"}


@pytest.mark.parametrize(
    ("recipe", "image_count", "views"),
    [
        (CROPPED, 500, (View("centre crop"), MIRRORED)),
        (CROPPED, 5000, (View("centre crop"), MIRRORED)),
        (CROPPED, 5001, (View("centre crop"), View(mirrored=True, one_in=3))),
        (QUICK, 500, (PLAIN, MIRRORED)),
        (QUICK, 501, (PLAIN,)),
    ],
)
def test_views_of_a_training(recipe: ClassifierRecipe, image_count: int, views: tuple[View, ...]) -> None:
    assert training_views(recipe, image_count) == views


def test_large_trainings_use_the_stretched_view_of_some_images(
    fitted: Train, tmp_path: Path, patterns: ClassificationDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [image.key for image in patterns.images]
    monkeypatch.setattr(features, "_STRETCHED_UP_TO", len(keys) - 1)
    second = training_views(CROPPED, len(keys))[1]
    included = [key for key in keys if second.includes(key)]
    assert 0 < len(included) < len(keys)

    fitted(CROPPED, tmp_path / "cache")

    with FeatureCache(tmp_path / "cache") as cache:
        name = MIRRORED.name(CROPPED.backbone, CROPPED.resolution)
        assert sorted(cache.get(name, keys, FEATURE_COUNT)) == sorted(included)
        name = View("centre crop").name(CROPPED.backbone, CROPPED.resolution)
        assert len(cache.get(name, keys, FEATURE_COUNT)) == 18


def test_one_image_in_four_has_a_view_of_one_in_four() -> None:
    view = View(mirrored=True, one_in=4)
    assert sum(view.includes(hashlib.sha256(bytes([number])).hexdigest()) for number in range(200)) in range(
        35, 66
    )


def test_images_are_scored_cropped(fitted: Train, tmp_path: Path) -> None:
    session = ClassifierSession(fitted(CROPPED, tmp_path / "cache").model_path)
    images = [encoded(drawn(pattern, 50, (200, 100))) for pattern in PATTERNS]

    pixels = [resize_to_square(image, 224, "centre crop") for image in images]

    scores = [session.score(image) for image in images]
    numpy.testing.assert_allclose(session.score_pixels(numpy.stack(pixels)), scores, atol=1e-5)
    stretched = numpy.stack([resize_to_square(image, 224) for image in images])
    assert numpy.abs(session.score_pixels(stretched) - scores).max() > 1e-3


def test_the_content_of_the_cache_does_not_change_the_model(fitted: Train, tmp_path: Path) -> None:
    cold = fitted(CROPPED, tmp_path / "cold").model_path.read_bytes()
    stretched = fitted(QUICK, tmp_path / "warm").model_path.read_bytes()

    assert fitted(CROPPED, tmp_path / "warm").model_path.read_bytes() == cold
    assert fitted(QUICK, tmp_path / "cold").model_path.read_bytes() == stretched
    assert cold != stretched


def test_a_second_training_decodes_no_image(
    fitted: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fitted(CROPPED, tmp_path / "cache").model_path.read_bytes()
    monkeypatch.delattr(features, "resize_to_square")

    assert fitted(CROPPED, tmp_path / "cache").model_path.read_bytes() == first


def test_views_in_the_cache_are_not_computed_again(
    fitted: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patterns: ClassificationDataset
) -> None:
    fitted(QUICK, tmp_path / "cache")
    fits: list[str] = []

    def resize(data: bytes, resolution: int, fit: Fit) -> numpy.ndarray:
        fits.append(fit)
        return resize_to_square(data, resolution, fit)

    monkeypatch.setattr(features, "resize_to_square", resize)

    fitted(CROPPED, tmp_path / "cache")

    assert fits == ["centre crop"] * len(patterns.images)


def test_objects_at_the_edges_are_learned_from_the_stretched_view(fitted: Train, tmp_path: Path) -> None:
    """The tags differ only outside of the crop."""
    images = []
    for number in range(12):
        for label, pattern in enumerate(PATTERNS[:2]):
            whole = Image.new("RGB", (400, 100), "grey")
            whole.paste(drawn(pattern, number, (120, 100)), (0, 0))
            whole.paste(drawn(pattern, number, (120, 100)), (280, 0))
            images.append((whole, label))
    dataset = ClassificationDataset(
        tuple(kept(tmp_path, encoded(image), (label,)) for image, label in images), ("a", "b"), False
    )
    session = ClassifierSession(fitted(CROPPED, tmp_path / "cache", dataset).model_path)
    stretched = numpy.stack([resize_to_square(encoded(image), 224) for image, _ in images])

    best = session.score_pixels(stretched).argmax(axis=1)

    assert best.tolist() == [label for _, label in images]


def test_fine_tuning_takes_both_views() -> None:
    """The second view differs; with one view its pixels are not used."""
    backbone = backbone_network("efficientnet-lite0", 64)
    random = numpy.random.default_rng(0)
    pixels = random.integers(0, 256, (12, 64, 64, 3), numpy.uint8)
    targets = numpy.eye(2)[[0, 1, 0, 1, 0, 1]]

    def weight(pixels: numpy.ndarray, views: int) -> numpy.ndarray:
        tuned = fine_tune(
            backbone,
            TrainingImages(pixels, targets, multilabel=False, views=views),
            numpy.arange(6),
            replace(FINE_TUNING, batch=3),
            epochs=1,
            seed=0,
            budget=Budget(1e9, lambda: 0.0),
            progress=lambda share: None,
        )
        return tuned.head.weight

    changed = pixels.copy()
    changed[6:] = 255 - changed[6:]
    assert numpy.array_equal(weight(pixels, 1), weight(changed, 1))
    assert not numpy.array_equal(weight(pixels, 2), weight(changed, 2))
    assert numpy.array_equal(weight(pixels, 2), weight(pixels, 2))
