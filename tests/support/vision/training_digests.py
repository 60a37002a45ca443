"""``python -m tests.support.vision.training_digests FOLDER [PROCESSORS]``: small trainings of every kind.

Prints, as JSON, the SHA-256 of all output files. FOLDER: a new folder for them; the images are generated
each time. PROCESSORS: the number of processors that the process may use, where the system supports it.
"""

import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy

from emulator.vision.classification import candidates as advanced_candidates
from emulator.vision.classification import late_layers
from emulator.vision.classification import search_finetune as advanced_finetuning
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.cross_validation import TrainingSet, fit_heads
from emulator.vision.classification.dataset import ClassificationDataset
from emulator.vision.classification.fold_plan import Plan
from emulator.vision.classification.tile_training import training as tile_training
from emulator.vision.classification.train import train_classifier
from emulator.vision.detection import advanced as advanced_detection
from emulator.vision.detection.advanced import train_advanced_detector
from emulator.vision.detection.train import train_detector
from emulator.vision.recipes.recipes import ADVANCED, ADVANCED_DETECTOR, FINE_TUNING, LATE_LAYERS, QUICK
from emulator.vision.recipes.tiles import TILES
from emulator.vision.training.number_formats import number_formats_from
from tests.support.vision.advanced_training import BETTER
from tests.support.vision.detection_images import TINY, scenes
from tests.support.vision.images import PATTERNS, drawn, encoded, kept

SMALL_QUICK = replace(QUICK, resolution=64)
SMALL_ADVANCED = replace(
    ADVANCED,
    resolution=80,
    tiny_resolution=64,
    large_resolution=10_000,
    fine_tuning=replace(FINE_TUNING, batch=24),
    regularisations=(1.0,),
    second_network=None,
)
SMALL_LATE_LAYERS = replace(
    LATE_LAYERS, resolution=64, epochs=3, min_images=12, min_mistakes=0, min_error=0.0
)
SMALL_TILES = replace(
    TILES,
    overlap=16,
    most=12,
    min_side=100,
    min_images=12,
    min_mistakes=0,
    min_error=0.0,
    probed=9,
    most_loss=1e9,
    components=32,
    most_crops=60,
    epochs=1,
)
LARGE = (200, 152)
SMALL_DETECTOR = replace(ADVANCED_DETECTOR, resolutions=(64, 96), window_size=64, wanted_side=16.0)


def digests(folder: Path) -> dict[str, str]:
    # Planning and selection depend on the clock and on few images; only the learned weights are tested.
    advanced_finetuning.planned = lambda *_, **__: Plan(epochs=3, folds=1)
    advanced_detection.plan_steps = lambda *_: 4
    advanced_detection.compare_detectors = lambda *_: BETTER
    advanced_candidates.CandidateComparison.is_perfect = lambda self, candidate: False  # type: ignore[method-assign]
    advanced_candidates.CandidateComparison.replaces = (  # type: ignore[method-assign]
        lambda self, challenger, champion: challenger.name.startswith(
            ("fine-tuned beside", "late layers", "tiles with late layers")
        )
    )
    late_layers._Attempt._check_promise = lambda self, first: None  # type: ignore[method-assign]
    tile_training._Attempt._promising = lambda self, *_: True  # type: ignore[method-assign]
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    images = tuple(
        kept(pictures, encoded(drawn(pattern, number)), (label,))
        for label, pattern in enumerate(PATTERNS)
        for number in range(8)
    )
    classes = ClassificationDataset(images, PATTERNS, multilabel=False)
    several = replace(classes, multilabel=True)
    large_images = tuple(
        kept(pictures, encoded(drawn(pattern, number, LARGE)), (label,))
        for label, pattern in enumerate(PATTERNS)
        for number in range(8)
    )
    large = ClassificationDataset(large_images, PATTERNS, multilabel=False)
    objects = scenes(pictures, range(10))
    cached: dict[str, Any] = {
        "seed": 3,
        "progress": lambda share, step: None,
        "feature_cache": folder / "features",
    }
    timed = {"budget_seconds": 1.0, "clock": lambda: 0.0}
    for name, train in {
        "quick": lambda output: train_classifier(classes, SMALL_QUICK, output=output, **cached),
        "quick, multilabel": lambda output: train_classifier(several, SMALL_QUICK, output=output, **cached),
        "late layers": lambda output: train_classifier(
            classes,
            SMALL_QUICK,
            output=output,
            late_layers=SMALL_LATE_LAYERS,
            clock=lambda: 0.0,
            **cached,
        ),
        "tiles": lambda output: train_classifier(
            large,
            replace(SMALL_QUICK, late_layers=False),
            output=output,
            late_layers=SMALL_LATE_LAYERS,
            tiles=SMALL_TILES,
            clock=lambda: 0.0,
            **cached,
        ),
        "advanced": lambda output: train_advanced_classifier(
            classes, SMALL_QUICK, SMALL_ADVANCED, output=output, **cached, **timed
        ),
        "quick detection": lambda output: train_detector(objects, TINY, output=output, **cached),
        "advanced detection": lambda output: train_advanced_detector(
            objects, TINY, SMALL_DETECTOR, output=output, **cached, **timed
        ),
    }.items():
        # As a data folder does for all workers of a machine.
        with number_formats_from(folder.parent / "number-formats"):
            train(folder / "trained" / name)
    found = {
        str(path.relative_to(folder / "trained").as_posix()): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "trained").rglob("*.*"))
    }
    return {**found, **_large_heads()}


def _large_heads() -> dict[str, str]:
    """Enough rows that libraries for linear algebra divide the work among threads."""
    random = numpy.random.default_rng(0)
    features = random.normal(size=(3001, 1280))
    classes = numpy.eye(7)[random.integers(0, 7, len(features))]
    heads = {"a large head": (classes, False), "a large head of one tag": (classes[:, :1], True)}
    return {name: _head(features, targets, multilabel) for name, (targets, multilabel) in heads.items()}


def _head(features: numpy.ndarray, targets: numpy.ndarray, multilabel: bool) -> str:
    rows = numpy.arange(len(features))
    training_set = TrainingSet(features, rows, targets, multilabel, inverse_regularisation=0.01)
    folds = (numpy.arange(len(features)) % 2).astype(numpy.int8)
    head, logits = fit_heads(training_set, folds, lambda share: None)
    return hashlib.sha256(head.weight.tobytes() + head.bias.tobytes() + logits.tobytes()).hexdigest()


if __name__ == "__main__":
    if len(sys.argv) > 2 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[2])])
    print(json.dumps(digests(Path(sys.argv[1]))))
