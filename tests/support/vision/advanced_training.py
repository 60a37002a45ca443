"""Small recipes, a clock and helpers for tests of advanced training."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy
import onnx

from emulator.vision.classification.dataset import TrainedClassifier
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.classification.session import ClassifierSession
from emulator.vision.detection.comparison import Comparison
from emulator.vision.recipes.recipes import (
    ADVANCED,
    FINE_TUNING,
    QUICK,
    TINY_FINE_TUNING,
)

SMALL_QUICK = replace(QUICK, resolution=64)
_SIZES = {"resolution": 80, "tiny_resolution": 64, "large_resolution": 10_000}
SMALL = replace(
    ADVANCED,
    **_SIZES,
    fine_tuning=replace(FINE_TUNING, batch=8),
    tiny_fine_tuning=replace(TINY_FINE_TUNING, batch=8),
    regularisations=(1.0,),
    second_network=None,
)
SMALL_COMPACT = replace(SMALL, backbones=None)
SMALL_TWO = replace(SMALL, second_network="efficientnet-lite2", cross_validation_min_epochs=2)
PAIR = "efficientnet-lite0+efficientnet-lite2, C x 1.0"
# The outcomes of a comparison of two detectors.
BETTER, NO_BETTER = Comparison(before=0.0, after=1.0, wins=1.0), Comparison(before=1.0, after=1.0, wins=0.0)
SHORT, LONG = Plan(epochs=2, folds=1), Plan(epochs=10, folds=1)


class Ticks:
    """A clock that advances by a fixed number of seconds with each reading."""

    def __init__(self, seconds: float = 0.5) -> None:
        self.now, self._seconds = 0.0, seconds

    def __call__(self) -> float:
        self.now += self._seconds
        return self.now


Train = Callable[..., TrainedClassifier]


def scores(trained: TrainedClassifier, data: bytes) -> list[float]:
    return ClassifierSession(trained.model_path).score(data)


def weights_of(trained: TrainedClassifier) -> dict[str, numpy.ndarray]:
    model = onnx.load_from_string(trained.model_path.read_bytes())
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def digest(trained: TrainedClassifier) -> str:
    """The SHA-256 of the file of a model."""
    return hashlib.sha256(trained.model_path.read_bytes()).hexdigest()
