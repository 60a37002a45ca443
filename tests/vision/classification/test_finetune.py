"""Fine-tuning: the trained layers, and the mean of several models."""

from dataclasses import replace

import numpy
import pytest
import torch

from emulator.vision.classification.finetune import (
    FineTuned,
    TrainingImages,
    _with_rectangles,
    augmented_image,
    averaged,
    fine_tune,
    finer_weights,
)
from emulator.vision.classification.head import LinearHead
from emulator.vision.networks.graph import Network
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.recipes import ADVANCED, FINE_TUNING, TINY_FINE_TUNING, FineTuningRecipe
from emulator.vision.training.budget import Budget


def learned(backbone: Network, seed: int = 0, recipe: FineTuningRecipe = FINE_TUNING) -> FineTuned:
    random = numpy.random.default_rng(0)
    pixels = random.integers(0, 256, (6, backbone.resolution, backbone.resolution, 3), numpy.uint8)
    return fine_tune(
        backbone,
        TrainingImages(pixels, numpy.eye(2)[[0, 1, 0, 1, 0, 1]], multilabel=False),
        numpy.arange(6),
        replace(recipe, batch=3),
        epochs=1,
        seed=seed,
        budget=Budget(1e9, lambda: 0.0),
        progress=lambda share: None,
    )


def test_fine_layers_stay_and_coarse_ones_learn() -> None:
    backbone = backbone_network("efficientnet-lite0", 64)
    frozen = finer_weights(backbone, 16)

    model = learned(backbone)

    assert set(model.backbone.weights) == set(backbone.weights)
    moved = {
        name
        for name, weight in backbone.weights.items()
        if numpy.abs(model.backbone.weights[name] - weight).max() > 0
    }
    assert moved == set(backbone.weights) - frozen


def test_tiny_images_train_all_layers() -> None:
    backbone = backbone_network("efficientnet-lite0", 64)

    model = learned(backbone, recipe=TINY_FINE_TUNING)

    assert all(
        numpy.abs(model.backbone.weights[name] - weight).max() > 0
        for name, weight in backbone.weights.items()
    )


@pytest.mark.parametrize(
    ("side", "recipe"), [(32, TINY_FINE_TUNING), (64, TINY_FINE_TUNING), (65, FINE_TUNING)]
)
def test_the_size_of_images_decides_how_they_are_fine_tuned_on(side: float, recipe: FineTuningRecipe) -> None:
    assert ADVANCED.fine_tuning_of(side) == recipe


def test_images_get_rectangles_of_others_and_as_much_of_their_tags() -> None:
    count, side = 64, 20
    images = torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(count, side, side, 3)
    partners = numpy.roll(numpy.arange(count), 1)

    mixed, own = _with_rectangles(images, partners, numpy.random.default_rng(0))

    for number in range(count):
        is_own = mixed[number] == number
        assert bool((is_own | (mixed[number] == partners[number])).all())
        assert own[number] == pytest.approx(is_own.double().mean().item())
        # The rest of each row is in one piece, and of the same columns.
        assert len(torch.unique((~is_own[~is_own.all(2).all(1)]).double(), dim=0)) <= 1
    assert 0 <= own.min() < 0.3
    assert 0.9 < own.max() <= 1
    assert images[5].unique().tolist() == [5.0]


def test_colors_change_by_as_much_as_the_recipe_says() -> None:
    grey = numpy.full((8, 8, 3), 100, numpy.uint8)
    recipe = replace(FINE_TUNING, color_jitter=0.3)

    levels = [
        augmented_image(grey, recipe, numpy.random.default_rng(seed)).float().mean().item()
        for seed in range(50)
    ]

    # Each of the three kernels rounds down.
    assert 67 <= min(levels) < 80
    assert 120 < max(levels) <= 131
    assert augmented_image(grey, FINE_TUNING, numpy.random.default_rng(0)).unique().tolist() == [100]


@pytest.mark.parametrize(("stride", "first"), [(2, "_conv_stem"), (16, "_blocks.5._depthwise_conv")])
def test_where_learning_begins(stride: int, first: str) -> None:
    backbone = backbone_network("efficientnet-lite0", 224)
    names = [name for operation in backbone.operations if (name := operation.weight) is not None]
    frozen = finer_weights(backbone, stride)
    place = next(number for number, name in enumerate(names) if name.startswith(first))
    assert {name for name in frozen if name in names} == set(names[:place])
    assert len(frozen) == 2 * place


def test_a_network_that_scales_images_down_has_coarser_layers() -> None:
    """Halving the image doubles the stride of each layer, in pixels of the original image."""
    plain, scaled = (backbone_network(f"efficientnet-lite0{name}", 448) for name in ("", "-at-224"))
    assert finer_weights(scaled, 16) < finer_weights(plain, 16)


def test_the_mean_of_models() -> None:
    backbone = backbone_network("efficientnet-lite0", 64)
    name = next(iter(backbone.weights))
    models = [
        FineTuned(
            replace(backbone, weights={**backbone.weights, name: backbone.weights[name] * factor}),
            LinearHead(numpy.full((1280, 2), factor), numpy.array([factor, -factor])),
        )
        for factor in (1.0, 2.0, 6.0)
    ]

    mean = averaged(models)

    numpy.testing.assert_allclose(mean.backbone.weights[name], backbone.weights[name] * 3.0, rtol=1e-6)
    assert all(weight.dtype == numpy.float32 for weight in mean.backbone.weights.values())
    assert mean.head.weight[0].tolist() == [3.0, 3.0]
    assert mean.head.bias.tolist() == [3.0, -3.0]
    assert mean.backbone.operations == backbone.operations
