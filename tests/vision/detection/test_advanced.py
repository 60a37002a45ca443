"""Advanced training of detectors: choice of the scale, choice of the model, and failures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from emulator.vision.backbones.base_models import starting_detector
from emulator.vision.boxes.box import BoxArrays
from emulator.vision.detection import advanced, finetune
from emulator.vision.detection.advanced import (
    plan_steps,
    train_advanced_detector,
)
from emulator.vision.detection.augment import ImageCache, random_crop
from emulator.vision.detection.calibration import PlattScaling
from emulator.vision.detection.comparison import compare_detectors
from emulator.vision.detection.dataset import DetectionDataset, Example, TrainedDetector
from emulator.vision.detection.finetune import fine_tune_detector, new_class_layers
from emulator.vision.detection.results import detect_all, evaluate_detections, serialize_detector
from emulator.vision.detection.scale import Scale, choose_scale
from emulator.vision.detection.session import DetectorSession
from emulator.vision.detection.train import train_detector
from emulator.vision.evaluation.detection import DetectionEvaluation
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import ADVANCED_DETECTOR, AdvancedDetectorRecipe
from emulator.vision.training.attempts import Outcome
from emulator.vision.training.budget import Budget, OutOfTime
from emulator.vision.training.errors import TrainingFailed
from emulator.vision.training.trainer import (
    LossNotFinite,
    WholeNetwork,
    learning_rate_factor,
    slice_threads,
)
from tests.support.vision.advanced_training import BETTER, NO_BETTER, Ticks
from tests.support.vision.detection_images import SHAPES, TINY, scenes
from tests.support.vision.images import kept as kept_classified

SMALL = replace(ADVANCED_DETECTOR, resolutions=(64, 96, 160), window_size=64, batch=4, wanted_side=16.0)

Train = Callable[..., TrainedDetector]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DetectionDataset:
    return scenes(tmp_path_factory.mktemp("scenes"), range(10))


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trainings of three steps, by a clock that stands still."""

    def run(
        dataset: DetectionDataset,
        *,
        seconds: float = 1.0,
        output: str = "model",
        base_model: Path | None = None,
        gain: bool = True,
    ) -> TrainedDetector:
        monkeypatch.setattr(advanced, "plan_steps", lambda *_: 3 if seconds else 0)
        monkeypatch.setattr(advanced, "compare_detectors", lambda *_: BETTER if gain else NO_BETTER)
        return train_advanced_detector(
            dataset,
            TINY,
            SMALL,
            budget_seconds=seconds,
            seed=0,
            output=tmp_path / output,
            feature_cache=tmp_path / "features",
            progress=lambda share, step: None,
            base_model=base_model,
            clock=Ticks(0.0 if seconds else 1.0),
        )

    return run


@pytest.fixture
def quick(dataset: DetectionDataset, tmp_path: Path) -> TrainedDetector:
    return train_detector(
        dataset,
        TINY,
        seed=0,
        output=tmp_path / "quick alone",
        feature_cache=tmp_path / "features",
        progress=lambda share, step: None,
    )


@pytest.mark.parametrize(("seconds", "gain"), [(0.0, True), (1.0, False)])
def test_without_time_or_gain_it_is_quick_training(
    dataset: DetectionDataset, train: Train, quick: TrainedDetector, seconds: float, gain: bool
) -> None:
    trained = train(dataset, seconds=seconds, gain=gain)

    assert trained.model_path.read_bytes() == quick.model_path.read_bytes()
    assert trained.evaluation_path.read_bytes() == quick.evaluation_path.read_bytes()
    assert sorted(path.name for path in trained.model_path.parent.iterdir()) == [
        "evaluation.npz",
        "model.onnx",
    ]
    report = trained.report
    assert report is not None
    assert (report.chosen, report.budget_seconds) == ("quick", seconds)
    before, tried = report.attempts
    assert (before.name, before.image_count) == ("quick", 4)
    assert before.figure is not None
    if seconds:
        assert (tried.outcome, tried.figure) == (Outcome.FINISHED, NO_BETTER.after)
        assert tried.reason == "Not better than quick training: average precision 1.000 instead of 1.000."
        assert tried.plan == "3 steps at 96 pixels without the held-out images"
    else:
        assert (tried.outcome, tried.figure, tried.plan) == (Outcome.OUT_OF_TIME, None, None)
        assert tried.reason == "Quick training used the budget."


def test_a_training_of_all_layers_repeats(
    dataset: DetectionDataset, train: Train, quick: TrainedDetector
) -> None:
    first, second = (train(dataset, output=name) for name in ("first", "second"))

    assert second.model_path.read_bytes() == first.model_path.read_bytes()
    assert second.evaluation_path.read_bytes() == first.evaluation_path.read_bytes()
    assert first.model_path.read_bytes() != quick.model_path.read_bytes()
    assert first.report is not None
    assert first.report.chosen == "all layers"
    assert first.report.attempts[-1].plan == (
        "3 steps at 96 pixels without the held-out images, then 1 with all images"
    )
    evaluation = DetectionEvaluation.load(first.evaluation_path)
    assert evaluation.count == 4
    assert evaluation.keys == DetectionEvaluation.load(quick.evaluation_path).keys
    # A quarter of the boxes is 24 to 30 of 160 pixels large or smaller.
    session = DetectorSession(first.model_path)
    assert (session.resolution, session.labels) == (96, SHAPES)


def test_a_loss_of_nan_leaves_the_quick_model(
    dataset: DetectionDataset, train: Train, quick: TrainedDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unstable(*_: object, **__: object) -> None:
        raise LossNotFinite

    monkeypatch.setattr(advanced, "fine_tune_detector", unstable)
    assert train(dataset).model_path.read_bytes() == quick.model_path.read_bytes()


def test_the_learner_notices_a_loss_that_is_no_number(
    dataset: DetectionDataset,
) -> None:
    pictures = ImageCache()
    examples = pictures.load(dataset.images, lambda share: None)
    start = {**published_weights(), "stem.weight": published_weights()["stem.weight"] * numpy.nan}
    with pytest.raises(LossNotFinite):
        learned(examples, pictures, steps=2, start=start)


def learned(
    examples: list[Example],
    pictures: ImageCache,
    *,
    steps: int,
    recipe: AdvancedDetectorRecipe = SMALL,
    start: dict[str, numpy.ndarray] | None = None,
) -> dict[str, numpy.ndarray]:
    return fine_tune_detector(
        examples,
        pictures,
        {**(start or published_weights()), **new_class_layers(len(SHAPES), 0)},
        len(SHAPES),
        recipe.fine_tuning(len(examples)),
        Scale(96, 96 / 64),
        steps=steps,
        seed=[0],
        budget=Budget(1e9),
        progress=lambda share: None,
    )


def test_it_learns_from_small_windows_to_find_things_in_whole_pictures(
    dataset: DetectionDataset, tmp_path: Path
) -> None:
    pictures = ImageCache()
    examples = pictures.load(dataset.images, lambda share: None)
    weights = learned(examples, pictures, steps=80, recipe=replace(SMALL, small_set_learning_rate=1e-3))

    unseen = scenes(tmp_path, range(50, 56))
    session = DetectorSession(
        serialize_detector(dataset, replace(TINY, resolution=96), weights, PlattScaling())
    )
    tested = ImageCache().load(unseen.images, lambda share: None)
    found = detect_all([(session, example) for example in tested], lambda share: None)
    evaluation, _ = evaluate_detections(unseen, tested, numpy.zeros(len(tested), numpy.int8), found)
    assert evaluation.performance(overlap_threshold=0.5).average_precision > 0.6


def test_a_training_can_start_from_another(
    dataset: DetectionDataset, train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base = train(dataset, output="base")
    start = starting_detector(base.model_path)
    assert set(start) < set(published_weights())
    assert numpy.abs(start["stem.weight"] - published_weights()["stem.weight"]).max() > 0
    began_with: list[object] = []
    real = finetune.fine_tune_detector

    def noted(*arguments: object, **more: object) -> object:
        began_with.append(arguments[2])
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(advanced, "fine_tune_detector", noted)
    train(dataset, base_model=base.model_path, output="further")
    assert len(began_with) == 2
    numpy.testing.assert_array_equal(began_with[0]["stem.weight"], start["stem.weight"])  # type: ignore[index]
    broken = kept_classified(tmp_path, b"no model", ())
    with pytest.raises(TrainingFailed, match="cannot be read"):
        train(dataset, base_model=Path(broken.path))


def whole_network(slice_size: int) -> WholeNetwork:
    start = {"a.weight": numpy.eye(3), "a.bias": numpy.zeros(3)}
    return WholeNetwork(
        start, learning_rate=lambda name: 0.1, weight_decay=0.0, max_grad_norm=100.0, slice_size=slice_size
    )


def test_slices_change_nothing_but_rounding_and_too_little_memory_ends_it() -> None:
    inputs = torch.from_numpy(numpy.random.default_rng(0).normal(size=(12, 3)).astype(numpy.float32))

    def loss_of(first: int, last: int, weights: Any, device: torch.device) -> torch.Tensor:
        outputs = inputs[first:last] @ weights["a.weight"].float() + weights["a.bias"]
        return outputs.float().square().sum() / 12

    results = []
    for size in (12, 5, 1):
        network = whole_network(size)
        with slice_threads() as pool:
            for _ in range(3):
                network.train_step(12, 1.0, loss_of, pool)
        results.append(network.arrays())
    for result in results[1:]:
        numpy.testing.assert_allclose(result["a.weight"], results[0]["a.weight"], atol=0.02)

    def never_fits(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("no memory")

    with slice_threads() as pool, pytest.raises(MemoryError):
        whole_network(4).train_step(12, 1.0, never_fits, pool)


def test_the_learning_rate_rises_and_falls() -> None:
    shares = [learning_rate_factor(step, step / 100, 100, 50) for step in range(100)]
    assert shares[0] == pytest.approx(0.05)
    assert max(shares) == shares[19]
    assert shares[19:] == sorted(shares[19:], reverse=True)
    assert shares[-1] < 0.001


# --- arithmetic ---------------------------------------------------------------------------------------------


def example_of(side: float, count: int = 4) -> Example:
    left = numpy.linspace(0, 1 - side, count)
    return Example(
        "key", "path", numpy.stack([left, left, left + side, left + side], 1), numpy.zeros(count, int)
    )


@pytest.mark.parametrize(
    ("side", "longest", "resolution"),
    [(0.5, 4000, 320), (0.09, 4000, 320), (0.07, 4000, 416), (0.05, 640, 640), (0.05, 500, 416),
     (0.03, 4000, 960), (0.01, 1100, 960), (0.01, 700, 640), (0.01, 100, 320)],
)  # fmt: skip
def test_small_boxes_are_detected_at_a_large_resolution(side: float, longest: int, resolution: int) -> None:
    scale = choose_scale([example_of(side)], ADVANCED_DETECTOR, [(longest, longest // 2), (longest, 1)])
    assert scale == Scale(resolution, resolution / 320)


def test_images_without_boxes_have_a_scale() -> None:
    assert choose_scale([example_of(0.5, 0)], ADVANCED_DETECTOR, [(4000, 3000)]).resolution == 320


@pytest.mark.parametrize(
    ("fitting", "images", "steps"),
    [(99, 100, 0), (100, 100, 100), (160, 100, 146), (1e9, 10, 556), (1e9, 10_000, 2810)],
)
def test_steps_that_are_planned(fitting: float, images: int, steps: int) -> None:
    assert plan_steps(fitting, images, ADVANCED_DETECTOR) == steps


def evaluation(found_share: float, seed: int = 0, images: int = 30) -> DetectionEvaluation:
    """Two objects per image, a share of them detected, and one false detection per image."""
    random = numpy.random.default_rng(seed)
    truths = [(image, tag, 0.1, 0.1 + 0.4 * tag, 0.3, 0.3) for image in range(images) for tag in (0, 1)]
    detections = [row for row in truths if random.random() < found_share]
    wrong = [(image, 0, 0.6, 0.6, 0.2, 0.2) for image in range(images)]
    return DetectionEvaluation(
        keys=tuple(f"{image:064x}" for image in range(images)),
        folds=numpy.zeros(images, numpy.int8),
        tag_count=2,
        truths=BoxArrays.of(truths),
        detections=BoxArrays.of(detections + wrong),
        probabilities=numpy.concatenate(
            [random.uniform(0.3, 1, len(detections)), random.uniform(0, 0.7, len(wrong))]
        ).astype(numpy.float32),
    )


def test_the_comparison_ends_with_the_budget() -> None:
    """With 50 tags and 1,000 held-out images it takes 5 s."""
    remaining = iter(range(10))

    def check() -> None:
        if next(remaining, None) is None:
            raise OutOfTime

    with pytest.raises(OutOfTime):
        compare_detectors(evaluation(0.5), evaluation(0.9, seed=1), 0, check)


def is_significantly_better(old: DetectionEvaluation, new: DetectionEvaluation) -> bool:
    return compare_detectors(old, new, 0).is_significantly_better


def test_a_gain_that_is_larger_than_chance_is_real() -> None:
    assert is_significantly_better(evaluation(0.5), evaluation(0.9, seed=1))
    assert not is_significantly_better(evaluation(0.9), evaluation(0.5, seed=1))
    assert not is_significantly_better(evaluation(0.9), evaluation(0.9))
    few = [
        is_significantly_better(evaluation(0.7, 2 * n, 5), evaluation(0.7, 2 * n + 1, 5)) for n in range(20)
    ]
    assert sum(few) <= 8


def test_an_evaluation_of_some_images() -> None:
    whole = evaluation(0.8)
    keys = [whole.keys[number] for number in (7, 3, 20)]
    part = whole.subset([7, 3, 20])
    assert part.keys == tuple(keys)
    for row, number in enumerate((7, 3, 20)):
        assert part.detected(row) == whole.detected(number)
    assert sorted(part.truths.images.tolist()) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("magnification", [1.5, 3.0])
def test_small_windows_show_objects_at_the_right_scale(
    dataset: DetectionDataset, magnification: float
) -> None:
    pictures = ImageCache()
    for number, example in enumerate(pictures.load(dataset.images, lambda share: None)):
        random = numpy.random.default_rng(number)
        for _ in range(5):
            _, boxes, tags = random_crop(pictures.get(example), example, 64, random, magnification)
            assert len(boxes) == len(tags) > 0
            width = (example.boxes[:, 2] - example.boxes[:, 0]).max()
            # Zoom and aspect vary by a factor of 1.7 in all.
            assert (boxes[:, 2] - boxes[:, 0]).max() <= 64 * magnification * width * 1.7
