"""User networks from a weights file to a prediction: networks of torchvision with random weights."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy
import onnx
import pytest
import torch
from PIL import Image

from emulator.vision import _torchvision
from emulator.vision.backbones import torchvision_networks
from emulator.vision.backbones.base_models import starting_backbone
from emulator.vision.backbones.registry import (
    NETWORK_FILE,
    network_bytes,
    parse_network,
    read_manifest,
)
from emulator.vision.backbones.weights_files import read_weights
from emulator.vision.classification import candidates, finetune, search, search_finetune, trainable
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.classification.head import LinearHead
from emulator.vision.classification.model import classifying_network
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.networks import torch_nodes
from emulator.vision.networks.ensembles import (
    concatenate_backbones,
    concatenate_features,
    sum_classifiers,
    with_input_resolution,
)
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import (
    ADVANCED,
    ADVANCED_COMPACT,
    FINE_TUNING,
    QUICK,
    AdvancedRecipe,
)
from tests.support.vision.backbones import SIDE, add, needs_torchvision, random_state, saved
from tests.support.vision.images import encoded, kept, photograph

pytestmark = [pytest.mark.slow, needs_torchvision]

ARCHITECTURES = ("resnet18", "convnext_tiny", "swin_t")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each architecture, as PyTorch and safetensors write them."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    files = {name: folder / f"{name}-mine.pth" for name in ARCHITECTURES}
    files["swin_t"] = folder / "swin_t.safetensors"
    for name, path in files.items():
        state = random_state(name)
        if path.suffix == ".pth":
            saved(path, state)
        else:
            save_file(state, path)
    return files


@pytest.fixture(scope="session")
def registered(weights: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all three. Tests must not change it."""
    folder = tmp_path_factory.mktemp("registered")
    for path in weights.values():
        add(path, folder)
    return folder


@pytest.fixture
def resnet_alone(registered: Path, tmp_path: Path) -> Path:
    """A folder with the smallest one, whose features take the least time."""
    folder = tmp_path / "backbones"
    shutil.copytree(registered / "resnet18", folder / "resnet18")
    return folder


def network_of(folder: Path, name: str) -> Network:
    return parse_network(network_bytes(folder, read_manifest(folder, name)))


def pixels(side: int) -> numpy.ndarray:
    return numpy.asarray(photograph().resize((side, side), Image.Resampling.BILINEAR))


def run(network: Network, image: numpy.ndarray) -> numpy.ndarray:
    (result,) = inference_session(onnx_bytes(network, {}), threads=1).run(None, {INPUT: image[None]})
    return result[0]


# --- adding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_added_networks_compute_the_features_of_torchvision(
    name: str, weights: dict[str, Path], registered: Path
) -> None:
    known = read_manifest(registered, name)
    assert (known.name, known.architecture, known.resolution) == (name, name, SIDE)
    assert known.source == weights[name].name
    assert known.source_sha256 == hashlib.sha256(weights[name].read_bytes()).hexdigest()
    assert known.added == "2026-03-04T05:06:07+00:00"
    model = torchvision_networks._built(name, {"num_classes": 3})
    model.load_state_dict(read_weights(weights[name]), assign=True)
    seen: list[torch.Tensor] = []
    layer = [each for each in model.modules() if isinstance(each, torch.nn.Linear)][-1]
    layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    transforms = _torchvision.load().transforms.functional
    image = torch.from_numpy(pixels(SIDE).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        model.eval()(transforms.normalize(image, list(known.mean), list(known.deviation)))
    expected = seen[0][0].flatten().numpy()
    features = run(network_of(registered, name), pixels(SIDE))
    assert features.shape == (known.features,)
    numpy.testing.assert_allclose(features, expected, atol=1e-4 * abs(expected).max())


def test_the_same_file_gives_the_same_network(
    weights: dict[str, Path], registered: Path, tmp_path: Path
) -> None:
    again = add(weights["resnet18"], tmp_path, name="again", architecture="ResNet18", licence="BSD")
    assert again.sha256 == read_manifest(registered, "resnet18").sha256
    assert (again.name, again.licence) == ("again", "BSD")


def test_a_published_file_is_known_by_its_name(tmp_path: Path) -> None:
    state = read_weights(saved(tmp_path / "a.pth", random_state("resnet50", 1000)))
    brought = torchvision_networks.load_network(Path("resnet50-11ad3fa6.pth"), state)
    assert (brought.architecture, brought.resolution) == ("resnet50", 224)
    assert brought.mean == (0.485, 0.456, 0.406)


def test_the_architecture_is_found_by_names_and_shapes() -> None:
    for name in ("alexnet", "convnext_tiny"):
        brought = torchvision_networks.load_network(Path("weights.pth"), random_state(name), resolution=SIDE)
        assert brought.architecture == name


def test_no_two_architectures_have_the_same_weights() -> None:
    """Otherwise the wrong one could be found."""
    seen: dict[object, str] = {}
    for name in torchvision_networks.architectures():
        shapes = torchvision_networks.expected_shapes(name, True)
        assert any(shape[0] == 1000 for shape in shapes.values() if shape)
        assert seen.setdefault(frozenset(shapes.items()), name) == name
    assert len(seen) > 70


def test_old_names_of_layers_are_known() -> None:
    """The published weights of DenseNet and ViT use older names of layers."""
    state = random_state("densenet121")
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value for name, value in state.items()
    }
    assert old.keys() != state.keys()
    assert torchvision_networks.load_network(Path("a.pth"), old).architecture == "densenet121"
    state = random_state("vit_b_32")
    old = {name.replace(".mlp.0.", ".mlp.linear_1."): value for name, value in state.items()}
    brought = torchvision_networks.load_network(Path("a.pth"), old, architecture="vit_b_32", resolution=96)
    assert brought.module(torch.zeros(1, 3, 96, 96)).shape == (1, 768)


# --- together with other networks ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet18", "swin_t"])
def test_joined_and_summed_with_others(name: str, registered: Path) -> None:
    random = numpy.random.default_rng(0)
    mine, lite = network_of(registered, name), backbone_network("efficientnet-lite0", SIDE)
    width = mine.outputs["features"][0]
    features = {"a": run(lite, pixels(SIDE))}, {"a": run(mine, pixels(SIDE))}
    both = run(concatenate_backbones([lite, mine], SIDE), pixels(SIDE))
    numpy.testing.assert_allclose(both, concatenate_features(*features)["a"], atol=1e-3)
    heads = [LinearHead(random.normal(0, 0.1, (size, 3)), random.normal(0, 1, 3)) for size in (1280, width)]
    classifiers = [
        classifying_network(network, head, multilabel=False)
        for network, head in zip((lite, mine), heads, strict=True)
    ]
    larger = sum_classifiers(classifiers, SIDE + 11)
    scores = [
        head.logits(10 * part["a"] / numpy.linalg.norm(part["a"]))
        for part, head in zip(features, heads, strict=True)
    ]
    odds = numpy.exp(sum(scores))
    smooth = numpy.asarray(Image.fromarray(pixels(SIDE)).resize((SIDE + 11,) * 2, Image.Resampling.BILINEAR))
    numpy.testing.assert_allclose(run(larger, smooth), odds / odds.sum(), atol=0.05)
    assert run(with_input_resolution(mine, 100), pixels(100)).shape == (width,)


# --- trainings ----------------------------------------------------------------------------------------------

SMALL = replace(
    ADVANCED,
    resolution=40,
    large_resolution=10_000,
    # Not trained in the way of tiny images, all of whose layers are.
    tiny_side=0,
    regularisations=(1.0,),
    fine_tuning=replace(FINE_TUNING, batch=8),
    second_network=None,
)
Train = Callable[..., TrainedClassifier]


@pytest.fixture
def fine(tmp_path: Path) -> ClassificationDataset:
    """Images with or without a chequerboard of single pixels, which is invisible at smaller sizes."""
    random = numpy.random.default_rng(5)
    board = numpy.indices((SIDE, SIDE)).sum(0) % 2 * 60 - 30
    images = []
    for number in range(16):
        coarse = Image.fromarray(random.integers(60, 190, (4, 4, 3), numpy.uint8))
        picture = numpy.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), numpy.int16)
        picture = picture + (board[:, :, None] if number % 2 else 0)
        image = Image.fromarray(picture.clip(0, 255).astype(numpy.uint8))
        images.append(kept(tmp_path, encoded(image), (number % 2,)))
    return ClassificationDataset(tuple(images), ("plain", "fine"), multilabel=False)


@pytest.fixture
def train(tmp_path: Path, feature_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    def run(
        dataset: ClassificationDataset,
        backbones: Path,
        advanced: AdvancedRecipe = SMALL,
        *,
        budget: float = 1e6,
        output: str = "model",
        base_model: Path | None = None,
        clock: Callable[[], float] = lambda: 0.0,
        plan: Plan | None = None,
    ) -> TrainedClassifier:
        monkeypatch.setattr(search_finetune, "planned", lambda *_, **__: plan)
        return train_advanced_classifier(
            dataset,
            replace(QUICK, resolution=32),
            advanced,
            budget_seconds=budget,
            seed=0,
            output=tmp_path / output,
            feature_cache=feature_cache,
            progress=lambda share, step: None,
            base_model=base_model,
            backbones=backbones,
            clock=clock,
        )

    return run


def chosen(log: pytest.LogCaptureFixture) -> str:
    (name,) = [record.args[0] for record in log.records if str(record.msg).startswith("Chosen")]  # type: ignore[index]
    log.clear()
    return str(name)


def test_the_network_with_informative_features_is_chosen(
    fine: ClassificationDataset, train: Train, registered: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    trained = train(fine, registered)

    name = chosen(caplog)
    assert any(mine in name for mine in ARCHITECTURES)
    assert Evaluation.load(trained.evaluation_path).performance().precision == 1.0
    # The model file is self-contained.
    session = ClassifierSession(trained.model_path)
    right = 0
    for image in fine.images:
        scores = session.score(Path(image.path).read_bytes())
        assert sum(scores) == pytest.approx(1, abs=1e-5)
        right += scores.index(max(scores)) == image.labels[0]
    assert right == len(fine.images)
    onnx.checker.check_model(onnx.load(trained.model_path))


def test_it_can_be_started_from(
    fine: ClassificationDataset,
    train: Train,
    registered: Path,
    resnet_alone: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Also after the user network was removed; fine-tuning then uses another network."""
    monkeypatch.setattr(
        candidates.CandidateComparison,
        "replaces",
        lambda self, challenger, champion: challenger.name.startswith(("resnet18", "the base model")),
    )
    monkeypatch.setattr(candidates.CandidateComparison, "is_perfect", lambda self, candidate: False)
    caplog.set_level(logging.INFO)
    first = train(fine, resnet_alone, output="first")
    assert chosen(caplog).startswith("resnet18")
    start = starting_backbone(first.model_path)
    assert start is not None
    assert start.has_nodes
    picture = resize_to_square(Path(fine.images[0].path).read_bytes(), SIDE)
    numpy.testing.assert_array_equal(run(start, picture), run(network_of(registered, "resnet18"), picture))

    second = train(fine, tmp_path / "none", output="second", base_model=first.model_path, plan=Plan(1, 1))

    assert "fine-tuned" in caplog.text
    assert chosen(caplog).startswith("the base model")
    for image in fine.images:
        scores = ClassifierSession(second.model_path).score(Path(image.path).read_bytes())
        assert scores.index(max(scores)) == image.labels[0]


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny"])
def test_pytorch_runs_the_converted_networks(registered: Path, name: str) -> None:
    """Otherwise they would not be fine-tuned."""
    assert trainable.is_trainable(network_of(registered, name))


def test_a_network_with_an_unknown_operator_stays_frozen(
    registered: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network = network_of(registered, "resnet18")
    known = dict(torch_nodes._nodes())
    monkeypatch.setattr(torch_nodes, "_nodes", lambda: {**known, "Relu": lambda i, _: i[0]})
    assert not trainable.is_trainable(network)  # other results
    known.pop("Relu")
    monkeypatch.setattr(torch_nodes, "_nodes", lambda: known)
    caplog.set_level(logging.INFO)
    assert not trainable.is_trainable(network)
    assert "Relu" in caplog.text
    monkeypatch.setattr(trainable, "_MOST_WEIGHTS", 1000)
    assert not trainable.is_trainable(network)


def test_a_better_network_is_fine_tuned(
    fine: ClassificationDataset,
    train: Train,
    registered: Path,
    resnet_alone: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        candidates.CandidateComparison,
        "replaces",
        lambda self, challenger, champion: challenger.name.startswith(("resnet18", "fine-tuned")),
    )
    monkeypatch.setattr(candidates.CandidateComparison, "is_perfect", lambda self, candidate: False)
    monkeypatch.setattr(search.Search, "consider", _keep_the_first_that_replaces)
    trained = train(fine, resnet_alone, plan=Plan(1, 1))

    start = network_of(registered, "resnet18")
    tuned = starting_backbone(trained.model_path)
    assert tuned is not None
    assert tuned.operations == start.operations
    changed = {
        name for name in start.weights if not numpy.array_equal(start.weights[name], tuned.weights[name])
    }
    # The finer half is frozen, and constants of nodes are not trained.
    assert changed
    assert changed == {
        name for name in start.weights if finetune.is_trained(start.weights[name])
    } - finetune.finer_weights(start, FINE_TUNING.frozen_to_stride)
    for image in fine.images:
        scores = ClassifierSession(trained.model_path).score(Path(image.path).read_bytes())
        assert sum(scores) == pytest.approx(1, abs=1e-5)


def _keep_the_first_that_replaces(
    self: search.Search, challengers: Iterable[candidates.Candidate], plan: str | None = None
) -> None:
    for each in challengers:
        if self.comparison.replaces(each, self.best):
            self.best = each
            break


def test_models_that_are_exported_keep_their_network(
    fine: ClassificationDataset, train: Train, registered: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    train(fine, registered, replace(SMALL, backbones=ADVANCED_COMPACT.backbones))
    assert not any(name in record.getMessage() for record in caplog.records for name in ARCHITECTURES)


def test_damaged_networks_are_left_out(
    fine: ClassificationDataset,
    train: Train,
    registered: Path,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "backbones"
    for name in ("resnet18", "swin_t"):
        (folder / name).mkdir(parents=True)
    (folder / "resnet18" / NETWORK_FILE).write_bytes(b"")
    manifest = read_manifest(registered, "resnet18").text()
    (folder / "resnet18" / "backbone.json").write_text(manifest, encoding="utf-8")
    caplog.set_level(logging.INFO)

    trained = train(fine, folder)

    assert trained.model_path.exists()
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [message.split(" cannot")[0] for message in warned] == [
        "resnet18: The network",
        "swin_t: The network",
    ]
    assert not chosen(caplog).startswith("efficientnet-lite0+resnet18")


def test_a_folder_that_cannot_be_read_is_left_out(
    fine: ClassificationDataset,
    train: Train,
    registered: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(folder: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(search, "names", fail)
    assert train(fine, registered).model_path.exists()
    assert "cannot be read" in caplog.text


def test_networks_that_exceed_the_budget_are_not_tried(
    fine: ClassificationDataset,
    train: Train,
    registered: Path,
    caplog: pytest.LogCaptureFixture,
    feature_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run takes a second by this clock; 16 images in two views take 32 runs."""
    monkeypatch.setattr("emulator.vision.classification.features.processor_count", lambda: 1)
    monkeypatch.setattr(candidates.CandidateComparison, "is_perfect", lambda self, candidate: True)
    caplog.set_level(logging.INFO)
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    train(replace(fine, tags=("a", "b")), registered, budget=60.0, clock=clock)
    reported = [record.getMessage() for record in caplog.records]
    without_time = [line.partition(":")[0] for line in reported if line.startswith("No time for ")]
    expected = [f"No time for {name}" for name in sorted(ARCHITECTURES)]
    assert [line for line in without_time if line in expected] == expected
    assert now[0] < 66
