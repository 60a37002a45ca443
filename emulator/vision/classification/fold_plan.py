"""Plans of fine-tuning that fit into a budget: how many epochs, and how many models without a fold."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from emulator.vision.classification.finetune import EPOCH_LEVELS
from emulator.vision.recipes.recipes import AdvancedRecipe

# Models for further folds are trained for at least this fraction of the longest training.
_SUFFICIENT = 0.75


@dataclass(frozen=True)
class Plan:
    """Epochs, and the number of models that are trained without one fold each."""

    epochs: int
    folds: int


def planned(
    epochs_that_fit: float,
    image_count: int,
    fold_count: int,
    recipe: AdvancedRecipe,
    *,
    scoring_epochs: float = 0.0,
    lanes: int = 1,
) -> Plan | None:
    """The plan that fits into the budget; None if not even the smallest does.

    More folds mean more held-out images for the comparison, and more models that are averaged, but sufficient
    epochs have priority. Of plans with sufficient epochs, the one that uses most of the budget is chosen.

    Args:
        epochs_that_fit: number of epochs over all images for which there is time.
        scoring_epochs: time for scoring all images, in epochs; each fold needs its part of it.
        lanes: how many models are trained at the same time, as fast as one alone.
    """
    share = 1 - 1 / fold_count

    def epochs(folds: int) -> int:
        scoring = scoring_epochs * folds / fold_count / min(lanes, folds)
        fitting = (epochs_that_fit - scoring) / _models_in_turn(folds, share, lanes)
        most = min(fitting, recipe.max_epochs)
        return max((level for level in EPOCH_LEVELS if level <= most), default=0)

    folds = max(recipe.min_folds, -(-recipe.min_eval_images * fold_count // image_count))
    folds = min(fold_count, folds)
    while folds > 1 and epochs(folds) < recipe.cross_validation_min_epochs:
        folds -= 1
    sufficient = _SUFFICIENT * recipe.max_epochs
    further = [more for more in range(folds + 1, fold_count + 1) if epochs(more) >= sufficient]
    folds = max([folds, *further], key=lambda folds: epochs(folds) * (1 + folds * share))
    return Plan(epochs(folds), folds) if epochs(folds) >= recipe.min_epochs else None


def _models_in_turn(folds: int, share: float, lanes: int) -> float:
    """How long the models without a fold and the one of all images take, in the time of the latter.

    Args:
        share: of the images that a model without a fold is trained on.
        lanes: each takes the next model when it is free, that of all images last.
    """
    if lanes == 1:
        return 1 + folds * share
    ends = [0.0] * lanes
    for duration in [share] * folds + [1.0]:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


def are_sufficient(first: Plan | None, second: Plan | None, min_folds: int, min_epochs: int) -> bool:
    """Whether the plans of two networks are long enough."""
    if first is None or second is None or first.folds < min_folds:
        return False
    return min(first.epochs, second.epochs) >= min_epochs
