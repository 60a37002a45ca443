"""The training of a domain: one of five functions, with the domain's recipes.

Importing this module is cheap; the functions import PyTorch when they run, in the worker of the server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from emulator.vision.anomaly.train import train_anomaly_detector
from emulator.vision.classification.advanced import train_advanced_classifier
from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier
from emulator.vision.classification.train import train_classifier
from emulator.vision.detection.advanced import train_advanced_detector
from emulator.vision.detection.dataset import DetectionDataset, TrainedDetector
from emulator.vision.detection.train import train_detector
from emulator.vision.recipes.domains import domains
from emulator.vision.recipes.recipes import (
    LATE_LAYERS,
    AdvancedDetectorRecipe,
    AdvancedRecipe,
    AnomalyRecipe,
    ClassifierRecipe,
    DetectorRecipe,
    recipe_for_domain,
)
from emulator.vision.recipes.tiles import TILES
from emulator.vision.training.number_formats import FormatSetting, with_number_formats


def training_for_domain(
    dataset: ClassificationDataset | DetectionDataset,
    domain_id: str,
    *,
    budget_seconds: float | None,
    seed: int,
    output: Path,
    feature_cache: Path,
    base_model: Path | None = None,
    backbones: Path | None = None,
    clock: Callable[[], float] | None = None,
    number_formats: Path | None = None,
    number_format: FormatSetting = "measured",
    quick_seconds: float = LATE_LAYERS.most_seconds,
) -> partial[TrainedClassifier] | partial[TrainedDetector]:
    """The call that trains a model of a domain; it lacks the argument `progress`.

    A call instead of a model, because the server runs it in another process.

    Args:
        dataset: images with tags or with boxes, as the domain's type requires.
        budget_seconds: time for advanced training; None for quick training.
        seed: the same arguments give the same files on the same machine, see `docs/training.md`.
        output: folder of the model and its evaluation.
        feature_cache: folder of the features and thumbnails of images seen before.
        base_model: a model to start from; the training is then an advanced one, also without a budget.
        backbones: folder of the user's own networks, for classifiers.
        clock: returns seconds from any origin, for the budget; None is `time.perf_counter`.
        number_formats: folder of the number formats that were measured on this machine, created when needed;
            None measures them again in each process.
        number_format: "float32" or "bfloat16" instead of the faster one.
        quick_seconds: longest quick training of a classifier, in seconds on two processors; 0: without
            training layers. Tiles of large images may take as long again.

    Raises:
        KeyError: there is no such domain of the dataset's type.
    """
    training = partial(with_number_formats, number_formats, number_format)
    common: dict[str, Any] = {"seed": seed, "output": output}
    cached: dict[str, Any] = {**common, "feature_cache": feature_cache}
    advanced: dict[str, Any] = {"budget_seconds": budget_seconds or 0, "base_model": base_model}
    if clock is not None:
        advanced["clock"] = clock
    is_quick = budget_seconds is None and base_model is None
    if isinstance(dataset, DetectionDataset):
        detector_recipe = recipe_for_domain(DetectorRecipe, domain_id)
        if is_quick:
            return partial(training, train_detector, dataset, detector_recipe, **cached)
        advanced["advanced"] = recipe_for_domain(AdvancedDetectorRecipe, domain_id)
        return partial(
            training,
            train_advanced_detector,
            dataset,
            detector_recipe,
            **advanced,
            **cached,
        )
    if domains().by_id[domain_id.lower()].detects_anomalies:
        # A budget or another model would change nothing: there is nothing that is trained step by step.
        anomaly_recipe = recipe_for_domain(AnomalyRecipe, domain_id)
        return partial(training, train_anomaly_detector, dataset, anomaly_recipe, **common)
    recipe = recipe_for_domain(ClassifierRecipe, domain_id)
    if is_quick:
        late_layers = replace(LATE_LAYERS, most_seconds=quick_seconds)
        share = min(1.0, quick_seconds / LATE_LAYERS.most_seconds)
        tiles = replace(TILES, most_of_all=int(share * TILES.most_of_all))
        return partial(
            training, train_classifier, dataset, recipe, late_layers=late_layers, tiles=tiles, **cached
        )
    advanced["advanced"] = recipe_for_domain(AdvancedRecipe, domain_id)
    advanced["backbones"] = backbones
    return partial(training, train_advanced_classifier, dataset, recipe, **advanced, **cached)
