"""Advanced training of classifiers: the best candidate within a time budget, and never worse than quick
training.

Runs in the worker process: the functions import PyTorch, the module does not. Candidates, in this order, as
far as there is time:

1. the model of quick training;
2. other frozen networks, including the user's own, and other strengths of regularisation;
3. tiles of large images (`tile_training`);
4. a fine-tuned network (`finetune`), alone and in blends with the best of 1 and 2.

Candidates are compared on images that they were not trained on (`candidates`), and the evaluation of the
chosen model is of the same images.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from emulator.vision.backbones.base_models import starting_backbone
from emulator.vision.classification.candidates import write_candidate
from emulator.vision.classification.dataset import (
    ClassificationDataset,
    TrainedClassifier,
    distinct_images,
)
from emulator.vision.classification.search import Search
from emulator.vision.classification.search_finetune import try_fine_tuning
from emulator.vision.classification.search_tiles import consider_tiles, tiles_candidate
from emulator.vision.classification.train import LOOK_AT_IMAGES
from emulator.vision.recipes.recipes import AdvancedRecipe, ClassifierRecipe
from emulator.vision.training.budget import Budget
from emulator.vision.training.errors import timed
from emulator.vision.training.progress import ProgressReporter
from emulator.vision.training.results import EVALUATION_FILE, MODEL_FILE, training_failures

_log = logging.getLogger(__name__)


def train_advanced_classifier(
    dataset: ClassificationDataset,
    recipe: ClassifierRecipe,
    advanced: AdvancedRecipe,
    *,
    budget_seconds: float,
    seed: int,
    output: Path,
    feature_cache: Path,
    progress: Callable[[float, str], None],
    base_model: Path | None = None,
    backbones: Path | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainedClassifier:
    """Train the best classifier within the budget and write it, with its evaluation, into the folder
    `output`.

    The evaluation is of the held-out images of the chosen model: all images, or at least a fifth of them for
    a fine-tuned network.

    The same arguments give the same files on the same machine if the same candidates fit into the budget,
    which depends on the machine's speed. Plans have coarse steps, so that small differences in speed have no
    effect.

    Args:
        recipe: the recipe of quick training, whose model is a candidate with any budget.
        budget_seconds: exceeded by at most a tenth, unless quick training alone, with features of the base
            model, takes longer. Less is used if more time would not improve the model.
        seed: determines the folds, the order of training and the augmentation.
        output: created if missing. Files are written atomically.
        feature_cache: folder of the features of images of earlier trainings; trainings may share it.
        progress: called with the fraction that is done, 0..1 and never falling, and the current step.
        base_model: a model of this program whose network is a candidate and the start of fine-tuning.
        backbones: folder of the user's own networks (`backbones.registry`), which are candidates for models
            without exports. Damaged ones are skipped.
        clock: returns seconds, from any origin.

    Raises:
        TrainingFailed: with a message for the user.
        ValueError: a label is not an index of a tag.
    """
    images = distinct_images(dataset)
    budget = Budget(budget_seconds, clock)
    seconds: dict[str, float] = {}
    reporter = ProgressReporter(progress, budget)
    with training_failures(LOOK_AT_IMAGES):
        start = None if base_model is None else starting_backbone(base_model)
        with timed(seconds, "quick"):
            search = Search.begin(
                dataset,
                images,
                recipe,
                advanced,
                start=start,
                seed=seed,
                cache=feature_cache,
                reporter=reporter,
                registered=backbones,
            )
        output.mkdir(parents=True, exist_ok=True)
        with timed(seconds, "networks"):
            search.try_frozen()
        with timed(seconds, "tiles"):
            tiles = tiles_candidate(search)
        with timed(seconds, "fine-tuning"):
            try_fine_tuning(search, output)
            consider_tiles(search, tiles)
        reporter.step = "Writing the model"
        with timed(seconds, "writing"):
            chosen, calibration = search.best, search.comparison.calibration(search.best)
            _log.info("Chosen: %s", chosen.name)
            write_candidate(
                chosen,
                calibration,
                output,
                dataset,
                images=search.images,
                targets_NT=search.targets_NT,
                folds_N=search.folds_N,
                fit=recipe.fit,
            )
    progress(1.0, "Done")
    readable = {image.key for image in search.images}
    return TrainedClassifier(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(search.images),
        skipped=tuple(image.key for image in images if image.key not in readable),
        report=search.attempts.report(chosen.name, budget_seconds),
    )
