"""Advanced training of classifiers: as good as a budget in time allows, and never worse than quick training.

Runs in the worker process: the functions import PyTorch, the module does not. What is tried, in this order,
as far as the time goes:

1. what quick training gives;
2. other networks, frozen, those among them that the user has brought, and other strengths of
   regularisation;
3. a network whose coarse layers are trained (`finetuning`), by itself and together with the best so far.

A model is chosen by what it says about images that it has not seen (`advanced_candidates`), and its figures
come from the same images.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from emulator.files import write_atomically
from emulator.vision.backbones.base_models import starting_backbone
from emulator.vision.classification.dataset import ClassificationDataset, TrainedClassifier, distinct_images
from emulator.vision.classification.head import probabilities
from emulator.vision.classification.search import Search
from emulator.vision.classification.search_finetune import try_fine_tuning
from emulator.vision.classification.train import (
    EVALUATION_FILE,
    LOOK_AT_IMAGES,
    MODEL_FILE,
    evaluation_bytes,
    model_bytes,
)
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.networks.weights import BaseWeightsMissing
from emulator.vision.recipes.recipes import AdvancedRecipe, ClassifierRecipe
from emulator.vision.training.budget import Budget
from emulator.vision.training.errors import (
    LossNotFinite,
    TrainingFailed,
    loss_not_finite,
    storage_failure,
    timed,
)
from emulator.vision.training.progress import ProgressReporter

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
    """Train the best classifier that the budget allows and write it, with its evaluation, into `output`.

    The evaluation is of the images for which the chosen model has scores without having seen them: all of
    them, or at least a fifth where a network was fine-tuned.

    The same arguments give the same files on the same machine as long as the budget decides nothing: which
    attempts fit into it depends on how fast the machine is. It plans in coarse steps, so that small
    differences in speed change nothing.

    Args:
        recipe: what quick training does; its model is always among the candidates, and there whatever the
            budget.
        budget_seconds: kept within a tenth, unless quick training alone takes longer. Where more time would
            bring nothing, less is used.
        seed: decides which images are predicted together, the order of learning and the views.
        output: made when missing. Files appear in it whole or not at all.
        feature_cache: folder of the features of pictures seen before; may be shared by trainings.
        progress: called with the share that is done, 0..1 and never falling, and what is being done.
        base_model: a model of this program whose network is a candidate and the start of fine-tuning.
        backbones: folder of networks that the user has brought (`registered_backbones`), which are candidates
            where models are not exported. Damaged ones are left out.
        clock: seconds since some moment.

    Raises:
        TrainingFailed: with a message for a person.
        ValueError: a label is not an index of a tag.
    """
    images = distinct_images(dataset)
    budget = Budget(budget_seconds, clock)
    seconds: dict[str, float] = {}
    reporter = ProgressReporter(progress, budget)
    try:
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
        with timed(seconds, "fine-tuning"):
            try_fine_tuning(search, output)
        reporter.step = "Writing the model"
        with timed(seconds, "writing"):
            chosen, calibration = search.best, search.judge.calibration(search.best)
            _log.info("Chosen: %s", chosen.name)
            held_out_ET = probabilities(calibration.applied(chosen.logits_ET), multilabel=dataset.multilabel)
            evaluation = evaluation_bytes(
                held_out_ET,
                search.targets_NT[chosen.rows],
                search.folds_N[chosen.rows],
                [search.images[row] for row in chosen.rows],
            )
            write_atomically(output / EVALUATION_FILE, evaluation)
            write_atomically(output / MODEL_FILE, model_bytes(dataset, chosen.make(calibration)))
    except BaseWeightsMissing as error:
        raise TrainingFailed(str(error)) from error
    except (ImageRejected, OSError, sqlite3.Error) as error:
        raise storage_failure(error) from error
    except LossNotFinite as error:
        raise loss_not_finite(LOOK_AT_IMAGES) from error
    progress(1.0, "Done")
    readable = {image.key for image in search.images}
    return TrainedClassifier(
        model_path=output / MODEL_FILE,
        evaluation_path=output / EVALUATION_FILE,
        seconds=seconds,
        image_count=len(search.images),
        skipped=tuple(image.key for image in images if image.key not in readable),
    )
