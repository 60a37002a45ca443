"""The pretrained network as a list of operations, and the list as ONNX, equal the published network."""

from importlib import resources

import numpy
import onnx
import pytest
import torch
from PIL import Image
from torch.nn import functional

from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks.efficientnet_lite import efficientnet_lite
from emulator.vision.networks.graph import INPUT, same_padding, with_classifier
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import (
    BASE_WEIGHTS,
    BaseWeights,
    BaseWeightsMissing,
    backbone_network,
)
from emulator.vision.onnx_runtime import inference_session
from tests.support.vision.images import encoded, photograph

NAME, SIDE = "efficientnet-lite0", 224


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    source = BASE_WEIGHTS[NAME]
    return torch.load(str(resources.files(source.package) / source.file), weights_only=True)


def published_features(state: dict[str, torch.Tensor], pixels_HWC: numpy.ndarray) -> numpy.ndarray:
    """The network from its weights with torch's own layers, without folding and without operations."""

    def convolve(x: torch.Tensor, layer: str, norm: str, stride: int = 1, relu6: bool = True) -> torch.Tensor:
        weight = state[f"{layer}.weight"]
        groups = x.shape[1] if weight.shape[1] == 1 else 1
        before, after, _ = same_padding(x.shape[-1], weight.shape[-1], stride)
        x = functional.conv2d(
            functional.pad(x, [before, after, before, after]), weight, None, stride, groups=groups
        )
        parameters = [state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = functional.batch_norm(x, *parameters, eps=1e-3)
        return functional.relu6(x) if relu6 else x

    strides = {1: 2, 3: 2, 5: 2, 11: 2}  # blocks of Lite0 that halve the image
    x = (torch.from_numpy(pixels_HWC.copy()).permute(2, 0, 1)[None].float() - 127) / 128
    x = convolve(x, "_conv_stem", "_bn0", 2)
    for block in range(16):
        name, before = f"_blocks.{block}.", x
        if f"{name}_expand_conv.weight" in state:
            x = convolve(x, f"{name}_expand_conv", f"{name}_bn0")
        x = convolve(x, f"{name}_depthwise_conv", f"{name}_bn1", strides.get(block, 1))
        x = convolve(x, f"{name}_project_conv", f"{name}_bn2", relu6=False)
        if x.shape == before.shape:
            x = x + before
    return convolve(x, "_conv_head", "_bn1").mean((2, 3)).numpy()


def test_the_onnx_backbone_computes_what_the_checkpoint_says(state: dict[str, torch.Tensor]) -> None:
    pixels = resize_to_square(encoded(photograph()), SIDE)
    session = inference_session(onnx_bytes(backbone_network(NAME, SIDE), {}), threads=1)

    (features,) = session.run(None, {INPUT: pixels[None]})

    assert features.shape == (1, 1280)
    numpy.testing.assert_allclose(features, published_features(state, pixels), atol=1e-4)


@pytest.mark.parametrize(
    ("image", "classes"),
    [("chelsea.png", {281, 282, 285}), ("coffee.png", {504, 967, 968})],
)
def test_the_network_recognises_images(state: dict[str, torch.Tensor], image: str, classes: set[int]) -> None:
    """A cat and a cup of coffee, by their ImageNet class indices; this also covers the preprocessing."""
    data = (resources.files("skimage") / "data" / image).read_bytes()
    weight, bias = state["_fc.weight"].numpy().T.copy(), state["_fc.bias"].numpy()
    network = backbone_network(NAME, SIDE)
    session = inference_session(onnx_bytes(network, {}), threads=1)

    (features,) = session.run(None, {INPUT: resize_to_square(data, SIDE)[None]})

    assert int((features @ weight + bias).argmax()) in classes


def test_batches_of_any_size_are_accepted() -> None:
    session = inference_session(onnx_bytes(backbone_network(NAME, SIDE), {}), threads=1)
    pixels = numpy.stack([resize_to_square(encoded(photograph(seed=seed)), SIDE) for seed in range(3)])

    together = session.run(None, {INPUT: pixels})[0]

    for row, each in enumerate(pixels):
        numpy.testing.assert_allclose(together[row], session.run(None, {INPUT: each[None]})[0][0], atol=1e-5)


@pytest.mark.parametrize(("multilabel", "roots"), [(False, False), (True, False), (False, True)])
def test_the_head_is_part_of_the_file(multilabel: bool, roots: bool) -> None:
    random = numpy.random.default_rng(0)
    weight = random.normal(size=(1280, 3)).astype(numpy.float32)
    bias = random.normal(size=3).astype(numpy.float32)
    backbone = backbone_network(NAME, SIDE)
    whole = with_classifier(backbone, weight, bias, feature_length=10, multilabel=multilabel, roots=roots)
    pixels = resize_to_square(encoded(photograph()), SIDE)[None]

    (features,) = inference_session(onnx_bytes(backbone, {}), 1).run(None, {INPUT: pixels})
    (probabilities,) = inference_session(onnx_bytes(whole, {}), 1).run(None, {INPUT: pixels})

    read = numpy.sqrt(features) if roots else features
    logits = 10 * read / numpy.linalg.norm(read) @ weight + bias
    expected = 1 / (1 + numpy.exp(-logits)) if multilabel else numpy.exp(logits) / numpy.exp(logits).sum()
    numpy.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_features_of_zero_length_do_not_become_nan() -> None:
    backbone = backbone_network(NAME, SIDE)
    silent = {name: numpy.zeros_like(weight) for name, weight in backbone.weights.items()}
    head = numpy.ones((1280, 2), numpy.float32), numpy.array([0.0, 1.0], numpy.float32)
    whole = with_classifier(
        type(backbone)(backbone.resolution, backbone.operations, silent, backbone.outputs),
        *head,
        feature_length=10,
        multilabel=False,
    )
    pixels = numpy.zeros((1, SIDE, SIDE, 3), numpy.uint8)

    (probabilities,) = inference_session(onnx_bytes(whole, {}), 1).run(None, {INPUT: pixels})

    numpy.testing.assert_allclose(probabilities[0], [0.26894, 0.73106], atol=1e-4)


def test_the_file_is_valid_onnx_and_always_the_same() -> None:
    metadata = {"first": "1", "second": "zwei"}

    content = onnx_bytes(backbone_network(NAME, SIDE), metadata)

    assert content == onnx_bytes(backbone_network(NAME, SIDE), metadata)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert {each.key: each.value for each in model.metadata_props} == metadata


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 3, 2, (0, 1, 112)),
        (112, 3, 1, (1, 1, 112)),
        (56, 5, 2, (1, 2, 28)),
        (7, 5, 1, (2, 2, 7)),
        (7, 1, 1, (0, 0, 7)),
    ],
)
def test_padding_is_that_of_tensorflow(
    size: int, kernel: int, stride: int, expected: tuple[int, int, int]
) -> None:
    assert same_padding(size, kernel, stride) == expected


def test_a_missing_weight_is_noticed(state: dict[str, torch.Tensor]) -> None:
    arrays = {name: weight.numpy() for name, weight in state.items() if name != "_blocks.7._bn1.running_var"}

    with pytest.raises(KeyError, match=r"_blocks\.7\._bn1\.running_var"):
        efficientnet_lite(arrays, resolution=SIDE)


def test_weights_of_another_network_are_noticed(state: dict[str, torch.Tensor]) -> None:
    arrays = {name: weight.numpy() for name, weight in state.items()}

    with pytest.raises(ValueError, match=r"_blocks\.\d+\.\w+ has the shape"):
        efficientnet_lite(arrays, resolution=SIDE, width=1.1, depth=1.2)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = BaseWeights("no_such_package", "no-such-distribution", "weights.pth", "")
    monkeypatch.setitem(BASE_WEIGHTS, "absent", absent)

    with pytest.raises(BaseWeightsMissing, match="no-such-distribution"):
        backbone_network("absent", SIDE)


def test_a_file_with_another_checksum_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    known = BASE_WEIGHTS[NAME]
    other = BaseWeights(known.package, known.distribution, "__init__.py", known.sha256)
    monkeypatch.setitem(BASE_WEIGHTS, "changed", other)

    with pytest.raises(BaseWeightsMissing, match="not the known one"):
        backbone_network("changed", SIDE)


def test_images_are_rgb() -> None:
    pixels = resize_to_square(encoded(Image.new("RGB", (10, 10), (200, 100, 50))), SIDE)

    assert pixels[5, 5].tolist() == [200, 100, 50]
