"""The filter for images unlike all images of a training."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from emulator.vision.boxes.box import TaggedBox
from emulator.vision.detection.augment import ImageCache
from emulator.vision.detection.dataset import Example
from emulator.vision.detection.novelty import DetectorFilter, with_filter
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.nanodet import SCORES, detection_network, published_weights
from emulator.vision.networks.torch_runner import run_operations
from tests.support.vision.detection_images import kept, scene, scenes
from tests.support.vision.images import encoded, photograph

SIDE = 96


@pytest.fixture(scope="module")
def network() -> Network:
    return detection_network(published_weights(), SIDE)


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    return ImageCache().load(scenes(tmp_path, range(10)).images, lambda share: None)


def scores(network: Network, data: bytes) -> numpy.ndarray:
    tensors = {INPUT: torch.tensor(resize_to_square(data, SIDE)[None])}
    run_operations(
        network.operations, {name: torch.tensor(w) for name, w in network.weights.items()}, tensors
    )
    return tensors[SCORES].numpy()


def test_own_images_keep_their_scores_and_others_lose_them(network: Network, examples: list[Example]) -> None:
    filtered = with_filter(examples, ImageCache(), network)

    own, other = encoded(scene(30)[0]), encoded(photograph(seed=1))
    numpy.testing.assert_allclose(scores(filtered, own), scores(network, own), rtol=0.01)
    assert scores(filtered, other).max() < 0.01 * scores(network, other).max()
    assert filtered.outputs == network.outputs


def test_too_few_images_tell_nothing(network: Network, examples: list[Example]) -> None:
    assert with_filter(examples[:4], ImageCache(), network) is network
    assert with_filter([], ImageCache(), network) is network


def test_each_image_is_within_the_limit(network: Network, examples: list[Example], tmp_path: Path) -> None:
    """Also the one that resembles no other."""
    odd = kept(tmp_path, encoded(photograph(seed=2)), [TaggedBox(0, 0.1, 0.1, 0.5, 0.5)])
    alone = DetectorFilter.fit(network, examples, ImageCache())
    together = DetectorFilter.fit(
        network, [*examples, replace(examples[0], path=odd.path, key=odd.key)], ImageCache()
    )

    assert alone is not None and together is not None
    assert together.limit > 2 * alone.limit
    filtered = together.applied(network)
    data = Path(odd.path).read_bytes()
    numpy.testing.assert_allclose(scores(filtered, data), scores(network, data), rtol=0.01)
