"""The published detector as operations, in ONNX and in PyTorch alike: it detects the objects in images."""

from importlib import resources

import numpy
import onnx
import pytest
import torch

from emulator.vision.boxes.geometry import detected_boxes
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks import nanodet
from emulator.vision.networks.graph import INPUT, Operation
from emulator.vision.networks.nanodet import (
    DISTANCES,
    SCORES,
    backbone_and_neck_operations,
    detection_network,
    head_operations,
    layer_names,
    published_weights,
)
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.networks.weights import BaseWeightsMissing
from emulator.vision.onnx_runtime import inference_session
from tests.support.vision.images import encoded, photograph

SIDE = 320


@pytest.fixture(scope="module")
def session():
    return inference_session(onnx_bytes(detection_network(published_weights(), SIDE), {}), threads=1)


@pytest.mark.parametrize(
    ("image", "number", "place"),
    [
        ("astronaut.png", 0, (0.0, 0.0, 0.75, 1.0)),  # a person
        ("coffee.png", 41, (0.29, 0.04, 0.4, 0.68)),  # a cup
        ("chelsea.png", 15, (0.0, 0.0, 0.96, 1.0)),  # a cat
    ],
)
def test_it_finds_what_images_show(
    session, image: str, number: int, place: tuple[float, float, float, float]
) -> None:
    """By COCO's class indices; this covers architecture, weights and preprocessing."""
    data = (resources.files("skimage") / "data" / image).read_bytes()

    scores, distances = session.run([SCORES, DISTANCES], {INPUT: resize_to_square(data, SIDE)[None]})
    best = detected_boxes(scores[0], distances[0], SIDE)[0]

    assert best.tag_index == number
    found = (best.left, best.top, best.width, best.height)
    assert found == pytest.approx(place, abs=0.06)


def test_pytorch_and_onnx_compute_the_same(session) -> None:
    pixels = resize_to_square(encoded(photograph()), SIDE)[None]
    weights = {name: torch.from_numpy(weight) for name, weight in published_weights().items()}
    tensors = {INPUT: torch.tensor(pixels)}

    run_operations((*backbone_and_neck_operations(), *head_operations()), weights, tensors)

    scores, distances = session.run([SCORES, DISTANCES], {INPUT: pixels})
    numpy.testing.assert_allclose(tensors[SCORES].numpy(), scores, atol=1e-5)
    numpy.testing.assert_allclose(tensors[DISTANCES].numpy(), distances, atol=1e-3)


def test_the_operations_are_those_that_pytorch_has(session) -> None:
    """The parts of the network once more, with PyTorch's own layers, on the first convolutions."""
    pixels = resize_to_square(encoded(photograph()), SIDE)[None]
    weights = {name: torch.from_numpy(weight) for name, weight in published_weights().items()}
    mean, deviation = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    x = ((torch.tensor(pixels).float() - mean) / deviation).permute(0, 3, 1, 2)
    x = torch.nn.functional.conv2d(x, weights["stem.weight"], weights["stem.bias"], stride=2, padding=1)
    expected = torch.nn.MaxPool2d(3, 2, 1)(torch.nn.LeakyReLU(0.1)(x))

    tensors = {INPUT: torch.tensor(pixels)}
    run_operations(backbone_and_neck_operations()[:3], weights, tensors)

    numpy.testing.assert_allclose(tensors["stem.pooled"], expected, atol=1e-5)


def test_the_file_is_valid_onnx_and_always_the_same() -> None:
    network = detection_network(published_weights(), 64)

    content = onnx_bytes(network, {"first": "1"})

    assert content == onnx_bytes(network, {"first": "1"})
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        output.name: [each.dim_param or each.dim_value for each in output.type.tensor_type.shape.dim]
        for output in model.graph.output
    }
    assert shapes == {SCORES: ["N", 84, 80], DISTANCES: ["N", 84, 44]}


def test_every_layer_has_its_weights_and_no_other() -> None:
    expected = {f"{layer}.{part}" for layer in layer_names() for part in ("weight", "bias")}

    assert set(published_weights()) == expected
    assert sum(weight.size for weight in published_weights().values()) == pytest.approx(3.8e6, rel=0.02)


def test_damaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nanodet, "WEIGHTS_SHA256", "0" * 64)

    with pytest.raises(BaseWeightsMissing, match="not the known one"):
        published_weights.__wrapped__()


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nanodet, "WEIGHTS_FILE", "none.npz")

    with pytest.raises(BaseWeightsMissing, match="reinstall"):
        published_weights.__wrapped__()


def test_licences_come_with_the_weights() -> None:
    folder = resources.files("emulator.vision") / "weights"

    assert "RangiLyu" in (folder / "nanodet-g-coco.LICENSE-Apache-2.0.txt").read_text(encoding="utf-8")
    assert "Vladimir Mandic" in (folder / "nanodet-g-coco.LICENSE-MIT.txt").read_text(encoding="utf-8")


def test_an_operation_that_is_not_supported_raises_an_error() -> None:
    with pytest.raises(NotImplementedError, match="top_k"):
        run_operations([Operation("top_k", ("a",), "b", count=1)], {}, {"a": torch.zeros(2)})
