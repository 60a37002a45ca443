"""The contributions of places sum to the scores of the network."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from emulator.vision.classification.dataset import ClassificationDataset
from emulator.vision.classification.model import model_bytes
from emulator.vision.heat_maps.contributions import NotLinear, pooled_layers, score_contributions
from emulator.vision.heat_maps.mapper import HeatMapper, NoHeatMap
from emulator.vision.heat_maps.overlay import overlay_png
from emulator.vision.networks.ensembles import concatenate_backbones, sum_classifiers
from emulator.vision.networks.graph import INPUT, Network, Operation, with_classifier, with_novelty_filter
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.onnx_runtime import inference_session
from tests.support.vision.images import encoded, quarters

SIDE, TAGS = 32, 3
RANDOM = numpy.random.default_rng(0)


def backbone(channels: int = 8, stride: int = 4) -> Network:
    """One convolution whose outputs are not negative, and their means."""
    weights = {
        "weight": RANDOM.normal(size=(channels, 3, 3, 3)).astype(numpy.float32),
        "bias": numpy.ones(channels, numpy.float32),
    }
    operations = (
        Operation("normalise", (INPUT,), "pixels", mean=127.0, scale=1 / 128),
        Operation(
            "convolution", ("pixels",), "layer", weight="weight", bias="bias", stride=stride, relu6=True
        ),
        Operation("global_average", ("layer",), "features"),
    )
    return Network(SIDE, operations, weights, {"features": (channels,)})


def classifier(features: Network, *, multilabel: bool = False, roots: bool = False) -> Network:
    weight = RANDOM.normal(size=(features.outputs["features"][0], TAGS)).astype(numpy.float32)
    bias = RANDOM.normal(size=TAGS).astype(numpy.float32)
    return with_classifier(features, weight, bias, feature_length=10, multilabel=multilabel, roots=roots)


def filtered(network: Network) -> Network:
    references = RANDOM.normal(size=(8, 5)).astype(numpy.float32)
    novel = numpy.full(TAGS, 1 / TAGS, numpy.float32)
    return with_novelty_filter(
        network, "normalised_features", references, sharpness=1.0, limit=0.5, novel=novel
    )


def without_bias(network: Network) -> Network:
    weights = {
        name: numpy.zeros_like(value) if name.endswith("head.bias") else value
        for name, value in network.weights.items()
    }
    return replace(network, weights=weights)


@pytest.mark.parametrize(
    "network",
    [
        classifier(backbone()),
        classifier(backbone(), roots=True),
        classifier(backbone(), multilabel=True),
        filtered(classifier(backbone())),
        classifier(concatenate_backbones([backbone(), backbone(6, stride=8)], SIDE), roots=True),
        sum_classifiers([classifier(backbone()), classifier(backbone(6, stride=8))], SIDE),
    ],
    ids=["plain", "roots", "multilabel", "filtered", "two networks", "two classifiers"],
)
def test_they_sum_to_the_scores(network: Network) -> None:
    scores = next(each.inputs[0] for each in network.operations if each.kind in ("softmax", "sigmoid"))
    layers = pooled_layers(network)
    written = replace(network, outputs={scores: (TAGS,), **dict.fromkeys(layers, (-1, -1, -1))})
    pixels = RANDOM.integers(0, 256, (1, SIDE, SIDE, 3), numpy.uint8)
    session = inference_session(onnx_bytes(without_bias(written), {}), threads=1)
    expected, *values = session.run(None, {INPUT: pixels})
    of_layers = {name: value[0].astype(float) for name, value in zip(layers, values, strict=True)}
    found = score_contributions(network, of_layers, TAGS)
    total = numpy.sum([each.sum(axis=0) for each in found.values()], axis=0)
    numpy.testing.assert_allclose(total, expected[0], rtol=1e-4, atol=1e-4)


def test_networks_that_are_no_sums_over_places_have_none() -> None:
    plain = backbone()
    with pytest.raises(NotLinear):
        pooled_layers(replace(plain, operations=plain.operations[:-1]))
    after = (*plain.operations, Operation("exp", ("features",), "powers"))
    with pytest.raises(NotLinear):
        score_contributions(replace(plain, operations=after), {"layer": numpy.ones((8, 8, 8))}, TAGS)


def model(tmp_path: Path, fit: str = "stretch") -> Path:
    """A classifier of the mean colour: tag 0 is red, tag 1 green, tag 2 blue."""
    operations = (
        Operation("normalise", (INPUT,), "pixels", scale=1 / 255),
        Operation("global_average", ("pixels",), "features"),
        Operation("dense", ("features",), "scores", weight="weight", bias="bias"),
        Operation("softmax", ("scores",), "probabilities"),
    )
    weights = {"weight": 9 * numpy.eye(3, dtype=numpy.float32), "bias": numpy.zeros(3, numpy.float32)}
    network = Network(SIDE, operations, weights, {"probabilities": (TAGS,)})
    dataset = ClassificationDataset((), ("red", "green", "blue"), multilabel=False)
    path = tmp_path / "model.onnx"
    path.write_bytes(model_bytes(dataset, network, fit))  # type: ignore[arg-type]
    return path


def test_the_map_shows_where_the_reason_is(tmp_path: Path) -> None:
    found = HeatMapper(model(tmp_path)).heat_map(encoded(quarters()), 2)
    rows, columns = numpy.unravel_index(found.values_HW.argmax(), found.values_HW.shape)
    assert rows > SIDE / 2 > columns  # blue is at the bottom left
    assert found.values_HW[: SIDE // 2 - 1].max() == 0
    assert (found.width, found.height, found.tag) == (80, 48, 2)


def test_the_map_of_a_model_for_crops_covers_the_crop(tmp_path: Path) -> None:
    found = HeatMapper(model(tmp_path, "centre crop")).heat_map(encoded(quarters()))
    box = found.region
    assert (box.width * 80, box.height * 48) == pytest.approx((48 * 7 / 8, 48 * 7 / 8), abs=1)
    assert (box.left + box.width / 2, box.top + box.height / 2) == pytest.approx((0.5, 0.5))
    assert overlay_png(found).startswith(b"\x89PNG")


def test_files_of_other_programs_have_no_maps(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(NoHeatMap, match="trained here"):
        HeatMapper(path)
    backbone_alone = replace(backbone(), outputs={"layer": (8, 8, 8)})
    path.write_bytes(onnx_bytes(backbone_alone, {}))
    with pytest.raises(NoHeatMap):
        HeatMapper(path)
