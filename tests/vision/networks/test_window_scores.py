"""Networks that score the windows of a tile, beside what a filter does."""

from dataclasses import replace

import numpy
import pytest

from emulator.vision.networks.ensembles import side_by_side
from emulator.vision.networks.graph import (
    INLIER,
    INPUT,
    NOVEL,
    WINDOW_SCORES,
    Network,
    Operation,
    with_classifier,
    with_inlier_outputs,
    with_novelty_filter,
    with_window_scores,
)
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.serialization import deserialize, serialize
from emulator.vision.onnx_runtime import inference_session, run_outputs

SIDE, CHANNELS, TAGS = 28, 6, 2
RANDOM = numpy.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (SIDE, SIDE, 3), numpy.uint8)


def backbone(seed: int = 0) -> Network:
    random = numpy.random.default_rng(seed)
    weights = {
        "weight": random.normal(size=(CHANNELS, 3, 3, 3)).astype(numpy.float32),
        "bias": numpy.ones(CHANNELS, numpy.float32),
    }
    operations = (
        Operation("normalise", (INPUT,), "pixels", mean=127.0, scale=1 / 128),
        Operation("convolution", ("pixels",), "layer", weight="weight", bias="bias", stride=4, relu6=True),
        Operation("global_average", ("layer",), "features"),
    )
    return Network(SIDE, operations, weights, {"features": (CHANNELS,)})


def scored(network: Network) -> tuple[Network, numpy.ndarray, numpy.ndarray]:
    weight = RANDOM.normal(size=(CHANNELS, TAGS)).astype(numpy.float32)
    bias = RANDOM.normal(size=TAGS).astype(numpy.float32)
    return with_window_scores(network, "layer", weight, bias, feature_length=10), weight, bias


def values(network: Network, *names: str) -> list[numpy.ndarray]:
    return run_outputs(inference_session(onnx_bytes(network, {}), threads=1), names, PIXELS)


def test_windows_are_means_of_three_by_three_places() -> None:
    network, weight, bias = scored(backbone())
    shown = replace(network, outputs={**network.outputs, "layer": (CHANNELS, 7, 7)})
    found, layer = values(shown, WINDOW_SCORES, "layer")

    assert network.outputs == {WINDOW_SCORES: (16, TAGS)} and found.shape == (16, TAGS)
    for row in range(4):
        for column in range(4):
            down, over = (slice(max(0, 2 * at - 1), 2 * at + 2) for at in (row, column))
            mean = layer[:, down, over].mean(axis=(1, 2))
            expected = 10 * mean / numpy.linalg.norm(mean) @ weight + bias
            numpy.testing.assert_allclose(found[4 * row + column], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("same", [True, False])
def test_networks_side_by_side_share_equal_layers(same: bool) -> None:
    windows, _, _ = scored(backbone())
    other = backbone(0 if same else 1)
    references = RANDOM.normal(size=(CHANNELS, 5)).astype(numpy.float32)
    constants = {"sharpness": 1.0, "limit": 0.5, "novel": numpy.array([0.25, 0.75], numpy.float32)}
    normalised = replace(
        other,
        operations=(*other.operations, Operation("l2_normalise", ("features",), "unit", scale=10.0)),
        outputs={},
    )
    filtering = with_inlier_outputs(normalised, "unit", references, **constants)
    both = side_by_side([windows, filtering])

    assert set(both.outputs) == {WINDOW_SCORES, INLIER, NOVEL}
    assert sum(each.kind == "convolution" for each in both.operations) == (2 if same else 3)
    stored = deserialize(serialize(both), both.weights)
    for name, alone in ((WINDOW_SCORES, windows), (INLIER, filtering), (NOVEL, filtering)):
        numpy.testing.assert_array_equal(values(stored, name)[0], values(alone, name)[0])


def test_the_filter_is_that_of_other_classifiers() -> None:
    references = RANDOM.normal(size=(CHANNELS, 5)).astype(numpy.float32)
    constants = {"sharpness": 1.0, "limit": 0.5, "novel": numpy.array([0.25, 0.75], numpy.float32)}
    classifier = with_classifier(
        backbone(),
        RANDOM.normal(size=(CHANNELS, TAGS)).astype(numpy.float32),
        numpy.zeros(TAGS, numpy.float32),
        feature_length=10,
        multilabel=True,
    )
    filtered = with_novelty_filter(classifier, "normalised_features", references, **constants)
    beside = with_inlier_outputs(classifier, "normalised_features", references, **constants)
    (expected,) = values(filtered, "probabilities")
    probabilities, inlier, novel = values(beside, "probabilities", INLIER, NOVEL)

    numpy.testing.assert_allclose(probabilities * inlier + novel, expected, rtol=1e-5)
