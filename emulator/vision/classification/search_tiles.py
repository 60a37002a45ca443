"""A candidate of advanced training that scores tiles of large images."""

from __future__ import annotations

from emulator.vision.classification.candidates import Candidate, restricted
from emulator.vision.classification.late_layers import QuickTraining
from emulator.vision.classification.search import Search
from emulator.vision.classification.tile_training.training import best_with_tiles, budget_seconds, tiles_fit
from emulator.vision.recipes.recipes import LATE_LAYERS
from emulator.vision.recipes.tiles import TILES
from emulator.vision.training.attempts import Outcome

# Fraction of the remaining budget.
_FRACTION = 0.5


def tiles_candidate(search: Search) -> Candidate | None:
    """A model that scores tiles if it is clearly better than the best so far, and there is time for it.

    It is not the best of the search: other steps blend that with their own networks, which have one input.
    """
    budget = search.reporter.budget.part(_FRACTION)
    if not search.recipe.tiles or not tiles_fit(search.images, TILES):
        return None
    if budget_seconds(TILES, len(search.images)) > budget.left:
        search.attempts.add(
            "tiles", "It would take more than half of the remaining time.", outcome=Outcome.OUT_OF_TIME
        )
        return None
    training = QuickTraining(
        dataset=search.dataset,
        images=search.images,
        targets_NT=search.targets_NT,
        folds_N=search.folds_N,
        recipe=search.recipe,
        late_layers=LATE_LAYERS,
        comparison=search.comparison,
        frozen=search.quick,
        seed=search.seed,
        budget=budget,
        report=search.reporter.at,
        attempts=search.attempts,
    )
    best = best_with_tiles(training, search.best, TILES)
    return best if best.tiles is not None else None


def consider_tiles(search: Search, tiles: Candidate | None) -> None:
    """Make it the best if it is clearly better, on the images that both have scores of."""
    import numpy

    if tiles is None:
        return
    rows = numpy.intersect1d(tiles.rows, search.best.rows)
    if len(rows) and search.comparison.replaces(restricted(tiles, rows), search.best):
        search.best = tiles
