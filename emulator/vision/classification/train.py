"""Training of classifiers. Runs in the worker process: the functions import PyTorch, the module does not.

Axes: N images, T tags.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from emulator.vision.classification.candidates import (
    CandidateComparison,
    frozen_candidate,
    write_candidate,
)
from emulator.vision.classification.cross_validation import TrainingSet, folds_of
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    TrainedClassifier,
    check_every_tag_has_images,
    distinct_images,
    regular_images,
    targets_of,
)
from emulator.vision.classification.features import backbone_session, compute_features, training_views
from emulator.vision.classification.head import fit_linear_head
from emulator.vision.classification.late_layers import (
    QuickTraining,
    best_with_late_layers,
    budget_seconds,
    may_be_tried,
)
from emulator.vision.classification.tile_training.training import best_with_tiles, tiles_fit
from emulator.vision.classification.tile_training.training import budget_seconds as tiles_seconds
from emulator.vision.networks.weights import BaseWeightsMissing, backbone_network
from emulator.vision.recipes.recipes import LATE_LAYERS, QUICK, ClassifierRecipe, LateLayersRecipe
from emulator.vision.recipes.tiles import TILES, TilesRecipe
from emulator.vision.training.attempts import AttemptLog, Measure
from emulator.vision.training.budget import Budget, processor_seconds
from emulator.vision.training.errors import TrainingFailed, timed
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures

LOOK_AT_IMAGES = "Check that the images show what their tags say"
# Progress after the first three steps, by the approximate duration of each.
_FEATURES_DONE, _FOLDS_DONE, _HEADS_DONE = 0.80, 0.90, 0.98
# The duration of training late layers, and of tiles, as a multiple of these.
_LATE_LAYERS_TAKE, _TILES_TAKE = 3, 6


def train_classifier(
    dataset: ClassificationDataset,
    recipe: ClassifierRecipe,
    *,
    seed: int,
    output: Path,
    feature_cache: Path,
    progress: Callable[[float, str], None],
    late_layers: LateLayersRecipe = LATE_LAYERS,
    tiles: TilesRecipe = TILES,
    clock: Callable[[], float] = processor_seconds,
) -> TrainedClassifier:
    """Train a classifier and write it, with its evaluation, into the folder `output`.

    The same images, tags, recipe and seed give the same model file, byte by byte, on the same machine, unless
    it is so slow that the plan for late layers does not fit into their time.

    The evaluation is of the held-out images of the chosen model: all images for a frozen network.

    Args:
        seed: determines the folds of cross-validation.
        output: created if missing. Files are written atomically.
        feature_cache: folder of the features of images of earlier trainings; trainings may share it.
        progress: called with the fraction that is done, 0..1 and never falling, and the current step.
        late_layers, tiles: training of late layers, and on tiles, if the recipe allows it.
        clock: returns seconds, from any origin, for the time that these may take.

    Raises:
        TrainingFailed: with a message for the user.
        ValueError: a label is not an index of a tag.
    """
    images = distinct_images(dataset)
    budget = Budget(late_layers.most_slowness * budget_seconds(late_layers, len(images)), clock)
    # Training of late layers, and of tiles, takes most of the time, if it is tried.
    late = may_be_tried(recipe, late_layers, len(images))
    large = recipe.tiles and tiles_fit(images, tiles)
    first_part = 1 / (1 + _LATE_LAYERS_TAKE * late + _TILES_TAKE * large)
    second_part = first_part * (1 + _LATE_LAYERS_TAKE * late)
    attempts = AttemptLog(Measure.LOG_LOSS, clock)
    seconds: dict[str, float] = {}
    with training_failures(LOOK_AT_IMAGES):
        progress(0.0, "Looking at the images")
        with timed(seconds, "features"):
            features = compute_features(
                images,
                backbone=recipe.backbone,
                resolution=recipe.resolution,
                views=training_views(recipe, len(images)),
                cache_folder=feature_cache,
                progress=lambda done: progress(first_part * _FEATURES_DONE * done, "Looking at the images"),
            )
        readable = [image for image in images if image.key in features.plain]
        targets_NT = targets_of(dataset, readable)
        check_every_tag_has_images(dataset, targets_NT)
        with timed(seconds, "folds"):
            folds_N = folds_of(
                readable,
                features,
                targets_NT,
                seed=seed,
                held_out=dataset.held_out,
                cache_folder=feature_cache,
                progress=lambda done: progress(
                    first_part * (_FEATURES_DONE + (_FOLDS_DONE - _FEATURES_DONE) * done),
                    "Comparing the images",
                ),
            )
        with timed(seconds, "heads"):
            training_set = TrainingSet.of(
                features,
                [image.key for image in readable],
                targets_NT,
                multilabel=dataset.multilabel,
                inverse_regularisation=recipe.inverse_regularisation(len(readable)),
                roots=not dataset.multilabel,
            )
            comparison = CandidateComparison(targets_NT, multilabel=dataset.multilabel)
            chosen = frozen_candidate(
                "frozen",
                training_set,
                folds_N,
                regular_images(dataset, targets_NT),
                backbone_network(recipe.backbone, recipe.resolution),
                lambda done: progress(
                    first_part * (_FOLDS_DONE + (_HEADS_DONE - _FOLDS_DONE) * done),
                    "Training and evaluating",
                ),
            )
            attempts.add(
                chosen.name,
                "A head on the frozen network; others must be better by more than the standard error.",
                figure=comparison.loss(chosen),
                image_count=len(readable),
            )
        training = QuickTraining(
            dataset=dataset,
            images=readable,
            targets_NT=targets_NT,
            folds_N=folds_N,
            recipe=recipe,
            late_layers=late_layers,
            comparison=comparison,
            frozen=chosen,
            seed=seed,
            budget=budget,
            report=_part(progress, first_part, second_part),
            attempts=attempts,
        )
        if late:
            with timed(seconds, "late layers"):
                chosen = best_with_late_layers(training)
        if large:
            with timed(seconds, "tiles"):
                allowed = late_layers.most_slowness * tiles_seconds(tiles, len(readable))
                training = replace(
                    training, budget=Budget(allowed, clock), report=_part(progress, second_part, 1.0)
                )
                chosen = best_with_tiles(training, chosen, tiles)
        progress(_HEADS_DONE, "Writing the model")
        with timed(seconds, "writing"):
            output.mkdir(parents=True, exist_ok=True)
            write_candidate(
                chosen,
                comparison.calibration(chosen),
                output,
                dataset,
                images=readable,
                targets_NT=targets_NT,
                folds_N=folds_N,
                fit=recipe.fit,
            )
    progress(1.0, "Done")
    return TrainedClassifier(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(readable),
        skipped=tuple(image.key for image in images if image.key not in features.plain),
        report=attempts.report(chosen.name, budget_seconds=None),
    )


def _part(progress: Callable[[float, str], None], start: float, end: float) -> Callable[[float, str], None]:
    """Progress of a part of the training before the model is written."""
    return lambda done, step: progress(_HEADS_DONE * (start + (end - start) * done), step)


def warm_up(recipe: ClassifierRecipe = QUICK) -> None:
    """Import packages, load the network, run it once and fit a small head: the first training starts faster.

    Raises:
        TrainingFailed: a package that trainings need is not installed.
    """
    import numpy

    try:
        session = backbone_session(recipe.backbone, recipe.resolution)
    except BaseWeightsMissing as error:
        raise TrainingFailed(str(error)) from error
    session.run(None, {"image": numpy.zeros((1, recipe.resolution, recipe.resolution, 3), numpy.uint8)})
    fit_linear_head(numpy.eye(2), numpy.eye(2), numpy.ones(2), multilabel=False, inverse_regularisation=1.0)
