"""Training late layers within a quick training: when it is tried, what it is compared with, and its model."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest

from emulator.vision.backbones.base_models import starting_backbone
from emulator.vision.classification import candidates, late_layers
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    TrainedClassifier,
)
from emulator.vision.classification.late_layers import budget_seconds, features_of_maps, planned_epochs
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier
from emulator.vision.domain_training import training_for_domain
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.networks.graph import INPUT
from emulator.vision.networks.model_file import NETWORK, read_model
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.parts import divided
from emulator.vision.networks.serialization import deserialize
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.domains import domains
from emulator.vision.recipes.recipes import LATE_LAYERS, LateLayersRecipe
from emulator.vision.training.attempts import Outcome
from emulator.vision.training.errors import LossNotFinite
from tests.support.vision.advanced_training import SMALL_QUICK, Ticks, digest
from tests.support.vision.images import PATTERNS, drawn, encoded, kept

# Few images of few pixels.
SMALL = replace(
    LATE_LAYERS,
    resolution=64,
    tiny_resolution=32,
    views=3,
    epochs=2,
    tiny_epochs=2,
    min_epochs=2,
    min_images=12,
    min_mistakes=2,
)
LITE0 = "efficientnet-lite0"
Train = Callable[..., TrainedClassifier]


@pytest.fixture
def train(tmp_path: Path, feature_cache: Path) -> Train:
    def run(
        dataset: ClassificationDataset,
        recipe: LateLayersRecipe = SMALL,
        *,
        output: str = "model",
        progress: Callable[[float, str], None] = lambda share, step: None,
        clock: Callable[[], float] | None = None,
    ) -> TrainedClassifier:
        return train_classifier(
            dataset,
            SMALL_QUICK,
            seed=0,
            output=tmp_path / output,
            feature_cache=feature_cache,
            progress=progress,
            late_layers=recipe,
            clock=clock or Ticks(0.0),
        )

    return run


@pytest.fixture
def won(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained layers win every comparison."""
    monkeypatch.setattr(
        candidates.CandidateComparison,
        "replaces",
        lambda self, challenger, champion: challenger.name.startswith("late layers"),
    )
    monkeypatch.setattr(late_layers._Attempt, "_check_promise", lambda self, first: None)


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("no layers are trained")


def test_late_layers_make_the_same_features_of_a_map() -> None:
    network = divided(backbone_network(LITE0, 64), "_blocks.11.")
    pixels = numpy.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), numpy.uint8)
    session = inference_session(onnx_bytes(network.whole, {}), threads=1)
    maps, features = session.run(None, {INPUT: pixels})

    assert maps.shape == (3, *network.whole.outputs[network.map]) == (3, 112, 4, 4)
    found = features_of_maps(network.late, maps.transpose(0, 2, 3, 1).astype(numpy.float16))
    numpy.testing.assert_allclose(found, features, atol=0.02)
    assert network.with_late({}).outputs == {"features": (1280,)}


@pytest.mark.parametrize("first", ["_blocks.99.", "_blocks.10._project"])
def test_a_network_is_divided_only_where_one_tensor_passes(first: str) -> None:
    with pytest.raises(ValueError, match=r"no layer begins|also read others"):
        divided(backbone_network(LITE0, 64), first)


@pytest.mark.slow
def test_trained_layers_are_one_network_with_the_frozen_ones(
    hard: ClassificationDataset, train: Train, won: None
) -> None:
    trained = train(hard)

    evaluation = Evaluation.load(trained.evaluation_path)
    assert 0 < evaluation.count < len(hard.images)
    assert set(evaluation.folds.tolist()) == {0, 1}
    metadata, weights = read_model(trained.model_path.read_bytes())
    operations = deserialize(metadata[NETWORK], weights).operations
    # Early layers once, late ones twice, and the filter for images unlike the training.
    assert sum(operation.output.endswith("_conv_stem.output") for operation in operations) == 1
    assert sum(operation.output.endswith("_conv_head.output") for operation in operations) == 2
    assert any(operation.output == "novelty.shares" for operation in operations)
    session = ClassifierSession(trained.model_path)
    right = sum(
        numpy.argmax(session.score(encoded(drawn(pattern, number)))) == label
        for label, pattern in enumerate(PATTERNS)
        for number in range(100, 105)
    )
    assert right >= 11
    start = starting_backbone(trained.model_path)
    assert start is not None
    assert start.resolution == 64


@pytest.mark.slow
def test_the_mean_of_models_is_more_certain_than_they_are(
    hard: ClassificationDataset, train: Train, won: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the evaluation, which is of these models, is not."""
    monkeypatch.setattr(late_layers.CandidateComparison, "loss", lambda self, candidate: 0.0)
    image = encoded(drawn(PATTERNS[0], 100))
    evaluations, scores = [], []
    for gain in (1.0, 2.0):
        monkeypatch.setattr(late_layers, "_GAIN_OF_MEAN", gain)
        trained = train(hard, output=f"gain {gain}")
        evaluations.append(trained.evaluation_path.read_bytes())
        scores.append(numpy.array(ClassifierSession(trained.model_path).score(image)))

    assert evaluations[0] == evaluations[1]
    squared = scores[0] ** 2
    numpy.testing.assert_allclose(scores[1], squared / squared.sum(), atol=1e-3)


@pytest.mark.slow
def test_the_same_training_gives_the_same_files(hard: ClassificationDataset, train: Train, won: None) -> None:
    dataset = replace(hard, multilabel=True)
    first, second = (train(dataset, output=name) for name in ("first", "second"))

    assert first.report is not None
    assert first.report.attempts[-1].outcome == Outcome.FINISHED
    assert digest(first) == digest(second)
    assert first.evaluation_path.read_bytes() == second.evaluation_path.read_bytes()
    assert sorted(path.name for path in first.model_path.parent.iterdir()) == ["evaluation.npz", "model.onnx"]


@pytest.mark.slow
def test_layers_that_learn_nothing_are_not_chosen(hard: ClassificationDataset, train: Train) -> None:
    idle = replace(SMALL, fine_tuning=replace(SMALL.fine_tuning, learning_rate=0.0))
    frozen = train(hard, replace(SMALL, most_seconds=0.0), output="frozen")

    trained = train(hard, idle)

    assert trained.report is not None
    assert trained.report.attempts[-1].outcome == Outcome.FINISHED
    assert digest(trained) == digest(frozen)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(SMALL, most_seconds=0.0),
        replace(SMALL, min_images=1000),
        replace(SMALL, most_seconds=0.5),
        replace(SMALL, min_mistakes=1000),
        replace(SMALL, min_error=1.0),
    ],
    ids=["no time", "few images", "many images", "few mistakes", "rare mistakes"],
)
def test_nothing_is_tried_where_little_can_be_gained(
    hard: ClassificationDataset, train: Train, monkeypatch: pytest.MonkeyPatch, recipe: LateLayersRecipe
) -> None:
    monkeypatch.setattr(late_layers, "_Attempt", never)

    assert Evaluation.load(train(hard, recipe).evaluation_path).count == len(hard.images)


def test_a_small_training_is_not_tried_by_default(hard: ClassificationDataset, train: Train) -> None:
    assert "late layers" not in train(hard, LATE_LAYERS).seconds


@pytest.mark.slow
@pytest.mark.parametrize("error", [LossNotFinite, OSError("no space left")])
def test_a_failure_keeps_the_frozen_network(
    hard: ClassificationDataset,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | type[Exception],
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise error

    frozen = train(hard, replace(SMALL, most_seconds=0.0), output="frozen")
    monkeypatch.setattr(late_layers, "fine_tune", failing)

    trained = train(hard)
    assert digest(trained) == digest(frozen)
    assert trained.report is not None
    assert (trained.report.chosen, trained.report.attempts[-1].outcome) == ("frozen", Outcome.FAILED)


@pytest.mark.slow
@pytest.mark.parametrize(("reading", "step"), [(1.0, 0.0), (0.0, 10.0)], ids=["maps", "steps"])
def test_a_machine_that_is_too_slow_keeps_the_frozen_network(
    hard: ClassificationDataset,
    train: Train,
    monkeypatch: pytest.MonkeyPatch,
    reading: float,
    step: float,
) -> None:
    monkeypatch.setattr(late_layers, "fine_tune", never)
    monkeypatch.setattr(late_layers, "measure_step", lambda *_: step)

    trained = train(hard, clock=Ticks(reading))

    assert "late layers" in trained.seconds
    assert trained.report is not None
    assert trained.report.attempts[-1].outcome == Outcome.OUT_OF_TIME
    assert Evaluation.load(trained.evaluation_path).count == len(hard.images)


@pytest.mark.slow
def test_progress_names_the_step_and_never_falls(
    hard: ClassificationDataset, train: Train, won: None
) -> None:
    reports: list[tuple[float, str]] = []
    train(hard, progress=lambda share, step: reports.append((share, step)))

    shares = [share for share, _ in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    steps = list(dict.fromkeys(step for _, step in reports))
    assert steps == [
        "Looking at the images",
        "Comparing the images",
        "Training and evaluating",
        "Looking at the images again",
        "Training late layers (1 of 2)",
        "Training late layers (2 of 2)",
        "Writing the model",
        "Done",
    ]


@pytest.mark.slow
def test_tiny_images_are_trained_on_at_their_own_size(tmp_path: Path, train: Train, won: None) -> None:
    images = tuple(
        kept(tmp_path, encoded(drawn(pattern, number, (40, 40))), ((label + (number % 3 == 0)) % 3,))
        for label, pattern in enumerate(PATTERNS)
        for number in range(8)
    )
    trained = train(ClassificationDataset(images, PATTERNS, multilabel=False))

    metadata, weights = read_model(trained.model_path.read_bytes())
    assert deserialize(metadata[NETWORK], weights).resolution == SMALL.tiny_resolution


def test_a_training_may_take_no_longer_than_asked_for() -> None:
    assert budget_seconds(LATE_LAYERS, 500) == pytest.approx(45)
    assert budget_seconds(LATE_LAYERS, 5000) == pytest.approx(90)
    assert budget_seconds(replace(LATE_LAYERS, most_seconds=20), 5000) == 20
    counts = (150, 500, 1000, 1400, 2000)
    assert [planned_epochs(LATE_LAYERS, count) for count in counts] == [6, 6, 6, 4, 0]
    assert [planned_epochs(LATE_LAYERS, count, tiny=True) for count in counts] == [4, 4, 4, 0, 0]


@pytest.mark.parametrize(("domain", "allowed"), [("General", True), ("General (compact)", False)])
def test_models_for_exports_have_their_layers_once(tmp_path: Path, domain: str, allowed: bool) -> None:
    dataset = ClassificationDataset((), ("a", "b"), multilabel=False)
    training = training_for_domain(
        dataset,
        domains().named(domain, "Classification").id,
        budget_seconds=None,
        seed=0,
        output=tmp_path,
        feature_cache=tmp_path,
        quick_seconds=7,
    )

    assert isinstance(training, partial)
    recipe = training.args[-1]
    assert recipe.late_layers is allowed
    assert training.keywords["late_layers"].most_seconds == 7
