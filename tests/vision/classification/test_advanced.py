"""Advanced training: the chosen model, repeatability, the budget, and recovery from failures.

Images are small, and plans do not depend on the speed of the machine.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from emulator.vision.backbones.base_models import starting_backbone
from emulator.vision.classification import (
    candidates,
    features,
    finetune,
    fold_training,
    resized_images,
    search_finetune,
)
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    LabelledImage,
)
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.classification.head import LogitCalibration
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.classification.train import train_classifier
from emulator.vision.evaluation.classification import Evaluation
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.recipes import (
    ADVANCED,
    ADVANCED_COMPACT,
    AdvancedRecipe,
)
from emulator.vision.training.attempts import Outcome
from emulator.vision.training.errors import TrainingFailed
from tests.support.vision.advanced_training import (
    LONG,
    PAIR,
    SHORT,
    SMALL,
    SMALL_COMPACT,
    SMALL_QUICK,
    SMALL_TWO,
    Ticks,
    Train,
    scores,
    weights_of,
)
from tests.support.vision.images import PATTERNS, drawn, encoded, kept


def test_without_time_it_is_quick_training(
    hard: ClassificationDataset, train: Train, tmp_path: Path, feature_cache: Path
) -> None:
    quick = train_classifier(
        hard,
        SMALL_QUICK,
        seed=0,
        output=tmp_path / "quick",
        feature_cache=feature_cache,
        progress=lambda share, step: None,
    )

    trained = train(hard, seconds=0)

    assert trained.model_path.read_bytes() == quick.model_path.read_bytes()
    assert Evaluation.load(trained.evaluation_path).keys == Evaluation.load(quick.evaluation_path).keys
    report = trained.report
    assert report is not None
    assert (report.chosen, report.budget_seconds) == ("quick", 0.0)
    outcomes = {attempt.name: attempt.outcome for attempt in report.attempts}
    assert outcomes == {
        "quick": Outcome.FINISHED,
        "efficientnet-lite0": Outcome.OUT_OF_TIME,
        "fine-tuned": Outcome.OUT_OF_TIME,
        "late layers": Outcome.SKIPPED,
    }


def test_features_of_known_images_are_not_computed_again(
    hard: ClassificationDataset, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    real = features._features_of

    def counted(session: Any, pixels: Any) -> Any:
        looks.append(session)
        return real(session, pixels)

    monkeypatch.setattr(features, "_features_of", counted)
    train(hard, plan=None)
    looks.clear()

    train(hard, plan=None, output="again")
    assert looks == []

    new = kept(tmp_path, encoded(drawn("dots", 777)), (1,))
    train(replace(hard, images=(*hard.images, new)), plan=None, output="more")
    # By two networks, as it is and mirrored.
    assert len(looks) == 4


def test_pictures_that_quick_training_tells_apart_are_left_to_it(
    patterns: ClassificationDataset, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is left to gain")

    monkeypatch.setattr(candidates, "_SURE_ENOUGH", 1.0)
    monkeypatch.setattr(fold_training, "fine_tune", never)
    trained = train(patterns)
    assert trained.image_count == len(patterns.images)
    assert trained.report is not None
    assert trained.report.attempts[-1].outcome == Outcome.SKIPPED
    assert trained.report.attempts[-1].reason.endswith("makes no mistakes on the held-out images.")


def test_the_evaluation_of_random_tags_is_not_that_of_the_training_images(
    pattern_images: tuple[LabelledImage, ...], train: Train
) -> None:
    noise = tuple(replace(image, labels=(index % 2,)) for index, image in enumerate(pattern_images))

    trained = train(ClassificationDataset(noise, ("odd", "even"), multilabel=False))

    assert Evaluation.load(trained.evaluation_path).performance().precision < 0.8


@pytest.mark.parametrize("chosen", ["fine-tuned beside", PAIR])
def test_the_same_training_gives_the_same_files(
    hard: ClassificationDataset, train: Train, prefer: Callable[[str], None], chosen: str
) -> None:
    prefer(chosen)
    plan = None if chosen == PAIR else SHORT
    first, second = (train(hard, output=name, plan=plan) for name in ("first", "second"))

    assert second.model_path.read_bytes() == first.model_path.read_bytes()
    assert second.evaluation_path.read_bytes() == first.evaluation_path.read_bytes()
    assert sorted(path.name for path in first.model_path.parent.iterdir()) == ["evaluation.npz", "model.onnx"]


@pytest.mark.parametrize(
    ("chosen", "advanced", "multilabel"),
    [
        ("fine-tuned", SMALL_COMPACT, True),
        ("fine-tuned beside", SMALL, False),
        (PAIR, SMALL, False),
        (PAIR, SMALL, True),
    ],
)
def test_every_kind_of_model_learns_and_is_evaluated_on_held_out_images(
    patterns: ClassificationDataset,
    train: Train,
    prefer: Callable[[str], None],
    chosen: str,
    advanced: AdvancedRecipe,
    multilabel: bool,
) -> None:
    prefer(chosen)
    plan = None if chosen == PAIR else LONG
    trained = train(replace(patterns, multilabel=multilabel), advanced, plan=plan)

    evaluation = Evaluation.load(trained.evaluation_path)
    assert set(evaluation.keys) <= {image.key for image in patterns.images}
    assert evaluation.count >= len(patterns.images) / 5
    right = 0
    for label, pattern in enumerate(PATTERNS):
        for number in (100, 101):
            result = scores(trained, encoded(drawn(pattern, number), "JPEG"))
            right += result.index(max(result)) == label
            assert multilabel or sum(result) == pytest.approx(1, abs=1e-5)
    assert right >= 5


def test_scores_on_unseen_images_are_those_of_the_model_that_is_written(
    hard: ClassificationDataset,
    train: Train,
    prefer: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the model of the first fold is written, its scores are those in the evaluation file."""
    prefer("fine-tuned beside")
    monkeypatch.setattr(search_finetune._Attempt, "learn_from_everything", lambda self: None)
    trained = train(hard)

    evaluation = Evaluation.load(trained.evaluation_path)
    assert set(evaluation.folds.tolist()) == {0}
    paths = {image.key: Path(image.path) for image in hard.images}
    session = ClassifierSession(trained.model_path)
    written = numpy.array([session.score(paths[key].read_bytes()) for key in evaluation.keys])
    # The frozen half of the model was trained on these images, so the two agree only roughly.
    assert numpy.abs(written - evaluation.probabilities_NT).mean() < 0.2


@pytest.mark.parametrize("similar", [True, False])
def test_the_mean_of_all_models_is_written_if_they_are_similar(
    hard: ClassificationDataset,
    train: Train,
    prefer: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    similar: bool,
) -> None:
    prefer("fine-tuned")
    models: list[finetune.FineTuned] = []
    real = finetune.fine_tune

    def remembering(*arguments: Any, **named: Any) -> finetune.FineTuned:
        models.append(real(*arguments, **named))
        return models[-1]

    def opposite(members: Any) -> finetune.FineTuned:
        mean = finetune.averaged(members)
        return replace(mean, head=mean.head.calibrated(LogitCalibration(-1.0)))

    monkeypatch.setattr(fold_training, "fine_tune", remembering)
    if not similar:
        monkeypatch.setattr(search_finetune, "averaged", opposite)
    trained = train(hard, SMALL_COMPACT, plan=Plan(epochs=1, folds=2))

    assert len(models) == 3
    written, name = weights_of(trained), "_conv_head.weight"
    expected = finetune.averaged(models) if similar else models[-1]
    numpy.testing.assert_array_equal(written[name], expected.backbone.weights[name])


@pytest.mark.parametrize("seconds", [20.0, 60.0])
def test_the_budget_is_kept(
    hard: ClassificationDataset,
    prefer: Callable[[str], None],
    tmp_path: Path,
    feature_cache: Path,
    seconds: float,
) -> None:
    prefer("fine-tuned")
    clock, reported = Ticks(0.3), list[float]()

    trained = train_advanced_classifier(
        hard,
        SMALL_QUICK,
        replace(SMALL_COMPACT, cross_validation_min_epochs=2),
        budget_seconds=seconds,
        seed=0,
        output=tmp_path,
        feature_cache=feature_cache,
        progress=lambda share, step: reported.append(share),
        clock=clock,
    )

    assert trained.model_path.exists()
    assert clock.now < 1.1 * seconds
    report = trained.report
    assert report is not None
    assert report.seconds == pytest.approx(sum(attempt.seconds for attempt in report.attempts))
    assert report.seconds < clock.now
    assert reported == sorted(reported)
    assert reported[-1] == 1.0


def test_a_loss_of_nan_leaves_the_quick_model(
    hard: ClassificationDataset, train: Train, prefer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefer("fine-tuned")

    def poisoned(self: Any, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return scores.sum(1) * float("nan")

    monkeypatch.setattr(finetune._Learner, "_losses", poisoned)
    trained = train(hard)
    monkeypatch.undo()
    assert trained.model_path.read_bytes() == train(hard, seconds=0, output="quick").model_path.read_bytes()


def test_many_images_are_kept_on_disk_during_training(
    hard: ClassificationDataset, train: Train, prefer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefer("fine-tuned")
    in_memory = train(hard, SMALL_COMPACT, output="memory")
    monkeypatch.setattr(resized_images, "_MOST_IN_MEMORY", 0)
    on_disk = train(hard, SMALL_COMPACT, output="disk")
    monkeypatch.setattr(resized_images, "_MOST_OF_DISK", 0.0)
    nowhere = train(hard, SMALL_COMPACT, output="nowhere")

    assert on_disk.model_path.read_bytes() == in_memory.model_path.read_bytes()
    assert sorted(path.name for path in on_disk.model_path.parent.iterdir()) == [
        "evaluation.npz",
        "model.onnx",
    ]
    assert nowhere.model_path.read_bytes() == train(hard, seconds=0).model_path.read_bytes()


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Memory for two images at once. The list receives the number of images of each attempt."""
    tried: list[int] = []
    real = finetune.run_operations

    def run(operations: Any, weights: Any, tensors: dict[str, torch.Tensor]) -> None:
        tried.append(len(tensors["image"]))
        if len(tensors["image"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        real(operations, weights, tensors)

    monkeypatch.setattr(finetune, "run_operations", run)
    return tried


def test_a_memory_that_is_too_small_means_smaller_slices(
    hard: ClassificationDataset, train: Train, prefer: Callable[[str], None], little_memory: list[int]
) -> None:
    prefer("fine-tuned")
    trained = train(hard, SMALL_COMPACT)

    assert {4, 2} <= set(little_memory)
    assert "_conv_stem.weight" in weights_of(trained)


# --- a second network ---------------------------------------------------------------------------------------


def test_a_second_network_is_fine_tuned_in_the_time_that_is_left(
    hard: ClassificationDataset, train: Train, prefer: Callable[[str], None]
) -> None:
    prefer("fine-tuned beside")
    first, second = (train(hard, SMALL_TWO, output=name) for name in ("first", "second"))

    report = first.report
    assert report is not None
    assert report.chosen.startswith("fine-tuned beside ")
    assert report.chosen.endswith("of efficientnet-lite2, fine-tuned")
    assert second.model_path.read_bytes() == first.model_path.read_bytes()
    assert second.evaluation_path.read_bytes() == first.evaluation_path.read_bytes()
    # Unlike all of the training; the filter is that of the frozen network.
    unlike = encoded(Image.fromarray(numpy.zeros((64, 64, 3), numpy.uint8)))
    assert scores(first, unlike) == pytest.approx([1 / 3] * 3, abs=0.05)
    start = starting_backbone(first.model_path)
    assert start is not None
    assert set(start.weights) == set(backbone_network("efficientnet-lite0", 64).weights)


def test_the_scores_of_two_networks_are_those_of_the_model_that_is_written(
    hard: ClassificationDataset,
    train: Train,
    prefer: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefer("fine-tuned beside")
    monkeypatch.setattr(search_finetune._Attempt, "learn_from_everything", lambda self: None)
    trained = train(hard, SMALL_TWO)

    evaluation = Evaluation.load(trained.evaluation_path)
    assert set(evaluation.folds.tolist()) == {0}
    paths = {image.key: Path(image.path) for image in hard.images}
    session = ClassifierSession(trained.model_path)
    written = numpy.array([session.score(paths[key].read_bytes()) for key in evaluation.keys])
    # The frozen part of the model was trained on these images, so the two agree only roughly.
    assert numpy.abs(written - evaluation.probabilities_NT).mean() < 0.2


@pytest.mark.parametrize(
    ("chosen", "advanced", "outcome"),
    [
        ("fine-tuned beside", replace(SMALL_TWO, cross_validation_min_epochs=3), Outcome.OUT_OF_TIME),
        (PAIR, SMALL_TWO, None),
    ],
)
def test_a_second_network_needs_time_and_a_first_one_that_is_better(
    hard: ClassificationDataset,
    train: Train,
    prefer: Callable[[str], None],
    chosen: str,
    advanced: AdvancedRecipe,
    outcome: Outcome | None,
) -> None:
    prefer(chosen)
    report = train(hard, advanced).report

    assert report is not None
    assert report.chosen.startswith(chosen)
    outcomes = {attempt.name: attempt.outcome for attempt in report.attempts}
    assert outcomes.get("efficientnet-lite2, fine-tuned") == outcome


# --- starting from another model ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "advanced", "prefix", "resolution"),
    [("fine-tuned", SMALL_COMPACT, "", 64), ("fine-tuned beside 50% of quick", SMALL, "0.", 80)],
)
def test_a_training_can_start_from_another(
    hard: ClassificationDataset,
    patterns: ClassificationDataset,
    train: Train,
    prefer: Callable[[str], None],
    chosen: str,
    advanced: AdvancedRecipe,
    prefix: str,
    resolution: int,
) -> None:
    prefer(chosen)
    base = train(hard, advanced, output="base")

    start = starting_backbone(base.model_path)

    assert start is not None and start.resolution == resolution
    tuned = weights_of(base)
    numpy.testing.assert_array_equal(start.weights["_conv_head.weight"], tuned[f"{prefix}_conv_head.weight"])
    prefer("the base model, C x 1.0")
    trained = train(patterns, advanced, seconds=0, base_model=base.model_path)
    numpy.testing.assert_array_equal(
        weights_of(trained)["_conv_head.weight"], start.weights["_conv_head.weight"]
    )
    prefer("fine-tuned")
    further = train(hard, SMALL_COMPACT, base_model=base.model_path, output="further")
    published = backbone_network("efficientnet-lite0", 64).weights["_conv_head.weight"]
    moved = weights_of(further)["_conv_head.weight"]
    assert numpy.abs(moved - start.weights["_conv_head.weight"]).max() > 0
    assert numpy.abs(moved - published).max() > numpy.abs(moved - start.weights["_conv_head.weight"]).max()


def test_unusable_base_models(
    hard: ClassificationDataset, train: Train, prefer: Callable[[str], None], tmp_path: Path
) -> None:
    prefer(PAIR)
    assert starting_backbone(train(hard, output="joined").model_path) is None
    with pytest.raises(TrainingFailed, match="not there any more"):
        train(hard, base_model=tmp_path / "gone")
    (tmp_path / "broken").write_bytes(b"no model")
    with pytest.raises(TrainingFailed, match="cannot be read"):
        train(hard, base_model=tmp_path / "broken")


def test_recipes_of_exported_domains_have_one_network() -> None:
    assert ADVANCED_COMPACT.backbones is None
    assert ADVANCED.backbones is not None
