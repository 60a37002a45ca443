"""Ensembles of networks, and networks run by PyTorch, compute what ONNX Runtime computes for each network."""

from dataclasses import replace

import numpy
import pytest
import torch
from PIL import Image

from emulator.vision.classification.head import LinearHead, probabilities
from emulator.vision.classification.model import classifying_network
from emulator.vision.networks.ensembles import (
    concatenate_backbones,
    sum_classifiers,
    with_input_resolution,
)
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session
from tests.support.vision.images import photograph

LITE0, LITE2 = "efficientnet-lite0", "efficientnet-lite2"


def pixels(side: int) -> numpy.ndarray:
    return numpy.asarray(photograph().resize((side, side), Image.Resampling.BILINEAR))


def run(network: Network, image: numpy.ndarray) -> numpy.ndarray:
    (result,) = inference_session(onnx_bytes(network, {}), threads=1).run(None, {INPUT: image[None]})
    return result[0]


@pytest.mark.parametrize(("name", "side"), [(LITE0, 64), (LITE0, 75), (LITE2, 64)])
def test_pytorch_computes_what_the_file_computes(name: str, side: int) -> None:
    """Also with the padding of TensorFlow, which differs between the sides."""
    network = backbone_network(name, side)
    tensors = {INPUT: torch.from_numpy(pixels(side).copy())[None]}
    weights = {key: torch.from_numpy(weight) for key, weight in network.weights.items()}
    with torch.no_grad():
        run_operations(network.operations, weights, tensors)
    numpy.testing.assert_allclose(tensors["features"][0], run(network, pixels(side)), atol=2e-4)


def test_concatenated_features_are_those_of_the_networks() -> None:
    pair = backbone_network(f"{LITE0}+{LITE2}", 64)
    features = run(pair, pixels(64))
    assert pair.outputs == {"features": (2560,)}
    for number, name in enumerate((LITE0, LITE2)):
        alone = run(backbone_network(name, 64), pixels(64))
        part = features[1280 * number : 1280 * (number + 1)]
        numpy.testing.assert_allclose(part, alone * (10 / numpy.linalg.norm(alone)), atol=1e-4)


@pytest.mark.parametrize("multilabel", [False, True])
def test_sum_classifiers_adds_their_scores(multilabel: bool) -> None:
    random = numpy.random.default_rng(0)
    networks = [backbone_network(LITE0, 64), backbone_network(f"{LITE0}+{LITE2}", 64)]
    heads = [LinearHead(random.normal(0, 0.1, (width, 3)), random.normal(0, 1, 3)) for width in (1280, 2560)]
    together = sum_classifiers(
        [
            classifying_network(network, head, multilabel=multilabel)
            for network, head in zip(networks, heads, strict=True)
        ],
        64,
    )
    scores = numpy.zeros(3)
    for network, head in zip(networks, heads, strict=True):
        features = run(network, pixels(64)).astype(float)
        scores += head.logits(features * (10 / numpy.linalg.norm(features)))
    expected = probabilities(scores[None], multilabel=multilabel)[0]
    numpy.testing.assert_allclose(run(together, pixels(64)), expected, atol=1e-4)


def test_sum_classifiers_computes_equal_layers_once() -> None:
    random = numpy.random.default_rng(0)
    network = backbone_network(LITE0, 64)
    tuned = replace(
        network,
        weights={
            name: weight * numpy.float32(1.01 if name.startswith(("_blocks.14.", "_conv_head")) else 1)
            for name, weight in network.weights.items()
        },
    )
    head = LinearHead(random.normal(0, 0.1, (1280, 3)), random.normal(0, 1, 3))
    members = [classifying_network(each, head, multilabel=False) for each in (tuned, network)]
    together = sum_classifiers(members, 64)

    layers = [operation.output for operation in together.operations]
    assert len([name for name in layers if "_blocks.14." in name]) == 8
    assert not [name for name in layers if name.startswith("1._blocks.13.")]
    # Without the layers of the second network that are equal, nor their weights.
    late = [name for name in network.weights if name.startswith(("_blocks.14.", "_blocks.15.", "_conv_head"))]
    assert len(together.weights) == len(network.weights) + len(late) + 4
    scores = numpy.zeros(3)
    for each in (tuned, network):
        features = run(each, pixels(64)).astype(float)
        scores += head.logits(features * (10 / numpy.linalg.norm(features)))
    expected = probabilities(scores[None], multilabel=False)[0]
    numpy.testing.assert_allclose(run(together, pixels(64)), expected, atol=1e-4)


def test_a_network_that_scales_its_image_down_sees_nearly_the_same() -> None:
    network = backbone_network(LITE0, 64)
    smooth = numpy.asarray(photograph((10, 8)).resize((96, 96), Image.Resampling.BICUBIC))
    small = numpy.asarray(Image.fromarray(smooth).resize((64, 64), Image.Resampling.BILINEAR))
    own, scaled = run(network, small), run(with_input_resolution(network, 96), smooth)
    assert numpy.corrcoef(own, scaled)[0, 1] > 0.99
    assert with_input_resolution(network, 64) is network


def test_sizes_that_stand_beside_each_other_are_exact_in_the_file() -> None:
    """The file has the factor in single precision, and runtimes round the size down."""
    sides = (128, 224, 256, 448)
    for small in sides:
        for large in (side for side in sides if side > small):
            assert int(numpy.float32(small / large) * numpy.float32(large)) == small


def test_joining_one_network_twice_keeps_both() -> None:
    network = backbone_network(LITE0, 64)
    twice = concatenate_backbones([network, network], 64)
    assert len(twice.weights) == 2 * len(network.weights)
    features = run(twice, pixels(64))
    numpy.testing.assert_array_equal(features[:1280], features[1280:])
