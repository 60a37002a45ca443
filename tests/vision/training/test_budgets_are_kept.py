"""Advanced trainings end within a tenth of their budget, also on a machine that becomes slow."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from emulator.vision.classification import candidates, fold_training, search_finetune
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage
from emulator.vision.classification.finetune import FineTuned
from emulator.vision.classification.head import LinearHead
from emulator.vision.detection import advanced
from emulator.vision.detection.advanced import train_advanced_detector
from emulator.vision.detection.augment import ImageCache
from emulator.vision.detection.session import DetectorSession
from emulator.vision.networks.graph import Network
from emulator.vision.networks.nanodet import published_weights
from emulator.vision.recipes.recipes import ADVANCED_DETECTOR, AdvancedRecipe
from emulator.vision.training.budget import Budget
from tests.support.vision.advanced_training import (
    BETTER,
    SMALL,
    SMALL_COMPACT,
    SMALL_QUICK,
    SMALL_TWO,
)
from tests.support.vision.detection_images import TINY, scenes
from tests.support.vision.images import PATTERNS

BUDGET = 600.0


class WorkClock:
    """A clock that advances by the seconds of the work that is done."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds

    def taking(self, seconds: float, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose calls take this time."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.work(seconds)
            return function(*arguments, **options)

        return call

    def carried_out(self, steps: int, step_seconds: float, budget: Budget) -> None:
        remaining = budget.plan(steps)
        while remaining:
            self.work(step_seconds)
            remaining = budget.plan(remaining - 1)


@pytest.mark.parametrize(
    "recipe", [SMALL, SMALL_COMPACT, SMALL_TWO], ids=["blends", "compact", "two networks"]
)
@pytest.mark.parametrize("step_seconds", [0.5, 3.0])
@pytest.mark.parametrize("score_seconds", [0.01, 1.0, 8.0])
def test_a_classifier(
    pattern_images: tuple[LabelledImage, ...],
    tmp_path: Path,
    feature_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    recipe: AdvancedRecipe,
    step_seconds: float,
    score_seconds: float,
) -> None:
    """The clock advances by steps of fine-tuning, which take twice the measured time, and by scoring."""
    clock = WorkClock()
    fine_tuned: list[int] = []

    def fine_tune(
        backbone: Network, images: Any, used: Any, recipe: Any, *, epochs: int, budget: Budget, **_: Any
    ) -> FineTuned:
        fine_tuned.append(epochs)
        steps = epochs * search_finetune.steps_per_epoch(len(used), recipe)
        clock.carried_out(steps, 2 * step_seconds, budget)
        width = backbone.outputs[backbone.output][0]
        return FineTuned(
            backbone, LinearHead(numpy.zeros((width, len(PATTERNS))), numpy.zeros(len(PATTERNS)))
        )

    monkeypatch.setattr(fold_training, "fine_tune", fine_tune)
    monkeypatch.setattr(search_finetune, "measure_step", lambda *_: step_seconds)
    monkeypatch.setattr(
        fold_training,
        "resize_to_square",
        clock.taking(score_seconds, lambda data, side, fit: numpy.zeros((side, side, 3), numpy.uint8)),
    )
    monkeypatch.setattr(candidates.CandidateComparison, "is_perfect", lambda *_: False)
    monkeypatch.setattr(candidates.CandidateComparison, "replaces", lambda *_: True)
    dataset = ClassificationDataset(pattern_images, PATTERNS, multilabel=False)

    train_advanced_classifier(
        dataset,
        SMALL_QUICK,
        recipe,
        budget_seconds=BUDGET,
        seed=0,
        output=tmp_path / "model",
        feature_cache=feature_cache,
        progress=lambda share, step: None,
        clock=clock,
    )

    assert clock.now <= 1.1 * BUDGET
    if score_seconds < 1:
        assert fine_tuned


@pytest.mark.parametrize("decode_seconds", [0.0, 40.0])
@pytest.mark.parametrize("score_seconds", [0.01, 2.0, 50.0, 150.0])
def test_a_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decode_seconds: float, score_seconds: float
) -> None:
    """The clock advances by decoding, by scoring (twice the measured time) and by steps."""
    clock = WorkClock()

    def fine_tune(*_: Any, steps: int, budget: Budget, **__: Any) -> dict[str, numpy.ndarray]:
        clock.carried_out(steps, 2.0, budget)
        return {name: weight for name, weight in published_weights().items() if ".classes." not in name} | (
            advanced.new_class_layers(3, 0)
        )

    def detect_all(pairs: Any, progress: Callable[[float], None]) -> list[list[Any]]:
        for number in range(len(pairs)):
            clock.work(2 * score_seconds)
            progress((number + 1) / len(pairs))
        return [[] for _ in pairs]

    load = ImageCache.load

    def slow_load(self: ImageCache, images: Any, progress: Callable[[float], None]) -> Any:
        def report(share: float) -> None:
            clock.work(decode_seconds)
            progress(share)

        return load(self, images, report)

    def attempt(*arguments: Any) -> Any:  # quick training, before it, is not part of the comparison
        monkeypatch.setattr(ImageCache, "load", slow_load)
        monkeypatch.setattr(DetectorSession, "score", lambda *_: clock.work(score_seconds))
        return real_attempt(*arguments)

    real_attempt = advanced._Attempt.run
    monkeypatch.setattr(advanced._Attempt, "run", attempt)
    # Images of this size would be shared with quick training.
    monkeypatch.setattr(advanced, "CACHED_SIDE", 64)
    monkeypatch.setattr(advanced, "fine_tune_detector", fine_tune)
    monkeypatch.setattr(advanced, "measure_step", lambda *_: 1.0)
    monkeypatch.setattr(advanced, "detect_all", detect_all)
    monkeypatch.setattr(advanced, "compare_detectors", lambda *_: BETTER)

    train_advanced_detector(
        scenes(tmp_path, range(10)),
        TINY,
        replace(ADVANCED_DETECTOR, resolutions=(64, 96), window_size=64, batch=4, wanted_side=16.0),
        budget_seconds=BUDGET,
        seed=0,
        output=tmp_path / "model",
        feature_cache=tmp_path / "features",
        progress=lambda share, step: None,
        clock=clock,
    )

    assert clock.now <= 1.1 * BUDGET
