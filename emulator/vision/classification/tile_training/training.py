"""Classifiers that look at tiles of large images, trained from the tags of images alone.

A detail of a few pixels disappears when a large image is scaled to the input of the network, and hardly
changes the mean of the features of all its tiles. So windows of the tiles are scored, and an image is scored
by the highest of them: multiple-instance learning. First with a head on the frozen network (`window_head`).
Then the late layers are trained on the parts of images that this head gives the highest scores, with the
tags of their images: one round of expectation maximization with hard assignments, as in Andrews,
Tsochantaridis and Hofmann, *Support vector machines for multiple-instance learning*, 2003. Cross-validation
decides whether any of it is used.

In the worker only.

Axes: N images, R windows of all images, T tags.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from emulator.vision.classification.candidates import Candidate, TileUse, restricted
from emulator.vision.classification.dataset import LabelledImage
from emulator.vision.classification.finetune import FineTuned, TrainingImages, averaged, fine_tune
from emulator.vision.classification.head import LinearHead, LogitCalibration
from emulator.vision.classification.late_layers import QuickTraining
from emulator.vision.classification.novelty import NoveltyFilter
from emulator.vision.classification.tile_training.features import (
    map_parts,
    principal_components,
    window_network,
    window_scores,
)
from emulator.vision.classification.tile_training.window_head import (
    Windows,
    fit_scale_and_shifts,
    fit_window_head,
)
from emulator.vision.classification.tiles.layout import TileLayout, pooled
from emulator.vision.imaging.decode import ImageRejected
from emulator.vision.imaging.usual_side import usual_side
from emulator.vision.networks.graph import Network
from emulator.vision.networks.parts import divided
from emulator.vision.networks.weights import backbone_network
from emulator.vision.recipes.tiles import TilesRecipe
from emulator.vision.training.attempts import Outcome
from emulator.vision.training.budget import Budget
from emulator.vision.training.stops import STOPS, NoGain, add_stopped

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    Rows = NDArray[numpy.integer]

_log = logging.getLogger(__name__)

_NAME, _TRAINED = "tiles", "tiles with late layers"

# Fewer tiles of an image are not worth it.
_FEWEST_TILES = 4
# Progress: features of windows, then the models.
_FEATURES_DONE = 0.5
_UNCHANGED = LogitCalibration()
# Images on which the mean of the weights is compared with the models that it is the mean of.
_COMPARED_WITH_MEAN = 40


def budget_seconds(recipe: TilesRecipe, image_count: int) -> float:
    """Seconds on two processors that a training with tiles may take."""
    tiles = min(recipe.most_of_all, image_count * recipe.most)
    return recipe.seconds_per_tile * tiles + recipe.seconds_per_crop * recipe.most_crops


def tiles_fit(images: Sequence[LabelledImage], recipe: TilesRecipe) -> bool:
    """Whether the images are many and large enough for tiles, and not too many."""
    if not recipe.min_images <= len(images) <= recipe.most_of_all / _FEWEST_TILES:
        return False
    try:
        return usual_side(images) >= recipe.min_side
    except (ImageRejected, OSError):
        return False


def best_with_tiles(training: QuickTraining, champion: Candidate, recipe: TilesRecipe) -> Candidate:
    """A model that scores tiles if it is clearly better than the best so far, else that.

    Args:
        training: `frozen` has the filter for unlike images; the budget is that of `budget_seconds`.
        champion: the best so far.
    """
    comparison, best = training.comparison, champion
    mistakes = comparison.mistakes(champion)
    least = max(recipe.min_mistakes, recipe.min_error * len(champion.rows))
    if mistakes < least:
        reason = f"{champion.name} makes {mistakes:.0f} mistakes; it needs {least:.0f} to show a gain."
        training.attempts.add(_NAME, reason, outcome=Outcome.SKIPPED)
        return champion
    try:
        for each in _Attempt(training, recipe, champion).candidates():
            loss = comparison.loss(each)
            _log.info("%s: log loss %.4f", each.name, loss)
            gain = str(comparison.gain(each, champion))
            training.attempts.add(each.name, gain, figure=loss, image_count=len(each.rows))
            if comparison.replaces(each, champion) and (best is champion or loss < comparison.loss(best)):
                best = each
        return best
    except STOPS as stop:
        add_stopped(training.attempts, _NAME if best is champion else _TRAINED, stop)
        return best


@dataclass(frozen=True)
class _Parts:
    """Parts of images: their windows, and for each which tags it shows.

    Attributes:
        windows: numbers of windows of each image, ascending.
        targets: 1 where a part shows the tag, (parts, T), image after image.
    """

    windows: list[list[int]]
    targets: Array


class _Attempt:
    def __init__(self, training: QuickTraining, recipe: TilesRecipe, champion: Candidate) -> None:
        self._training, self._recipe, self._champion = training, recipe, champion
        count = len(training.images)
        self._layout = TileLayout(recipe.overlap, min(recipe.most, recipe.most_of_all // count))
        self._backbone = backbone_network(training.recipe.backbone, training.recipe.resolution)
        self._divided = divided(self._backbone, recipe.first_layer)
        self._folds = min(recipe.folds, int(training.folds_N.max()) + 1)
        self._report(0.0, "Looking at tiles")
        self._components = principal_components(
            training.images, self._layout, self._backbone, recipe.components
        )
        self._known: dict[int, Array] = {}
        if count > recipe.probed:
            self._probe()
        self._windows = self._windows_of(range(count))
        self._known.clear()

    def _probe(self) -> None:
        """Raises NoGain if a head for a few images is much worse than the best so far: then the time for the
        tiles of all others is saved."""
        import numpy

        training, recipe = self._training, self._recipe
        hidden_N = training.folds_N == 0
        tested = recipe.probed // 3
        hidden = _some(numpy.flatnonzero(hidden_N), tested)
        used = _some(numpy.flatnonzero(~hidden_N), recipe.probed - tested)
        windows = self._windows_of([*used.tolist(), *hidden.tolist()])
        rows = numpy.concatenate([used, hidden])
        head = self._head(windows, training.targets_NT[rows], ~hidden_N[rows])
        scores = replace(windows, rows_RD=head.logits(windows.rows_RD))
        logits_ET = self._pooled(scores, range(len(used), len(rows)))
        probed = self._candidate("probe", hidden, logits_ET, self._frozen_network)
        loss = training.comparison.loss(probed)
        before = training.comparison.loss_at(self._champion, hidden)
        _log.info("Tiles of %d images: log loss %.4f, whole images %.4f", len(rows), loss, before)
        if loss > recipe.most_loss * before:
            raise NoGain(
                f"The log loss with {len(rows)} images is {loss:.4f}; "
                f"that of {self._champion.name} with all is {before:.4f}."
            )

    def _windows_of(self, images: Sequence[int]) -> Windows:
        """The components of the features of the windows of some images, which are computed once."""
        import numpy

        missing = [image for image in images if image not in self._known]
        before, count = len(self._known), len(self._training.images)

        def report(done: float) -> None:
            self._report(_FEATURES_DONE * (before + done * len(missing)) / count, "Looking at tiles")

        found = window_scores(
            [self._training.images[image] for image in missing],
            self._layout,
            window_network(self._backbone, self._components.as_head()),
            report,
        )
        self._known |= {image: found.of(place) for place, image in enumerate(missing)}
        rows = [self._known[image] for image in images]
        return Windows(numpy.concatenate(rows), numpy.array([len(each) for each in rows]))

    def candidates(self) -> Iterator[Candidate]:
        """A head on the frozen network, and then one with trained late layers.

        Raises:
            OutOfTime: there is no time.
            NoGain: whole images are clearly better.
        """
        import numpy

        training, comparison = self._training, self._training.comparison
        heads = []
        logits_NT = numpy.zeros_like(training.targets_NT)
        for fold in range(self._folds):
            self._report(_FEATURES_DONE, "Training on tiles")
            hidden_N = training.folds_N == fold
            heads.append(self._head(self._windows, training.targets_NT, ~hidden_N))
            scores = replace(self._windows, rows_RD=heads[-1].logits(self._windows.rows_RD))
            logits_NT[hidden_N] = self._pooled(scores, numpy.flatnonzero(hidden_N).tolist())
        rows = numpy.flatnonzero(training.folds_N < self._folds)
        frozen = self._candidate(_NAME, rows, logits_NT[rows], self._frozen_network)
        whole = restricted(self._champion, rows)
        _log.info("Tiles: log loss %.4f, whole images %.4f", comparison.loss(frozen), comparison.loss(whole))
        if comparison.replaces(whole, frozen):
            raise NoGain(str(comparison.gain(frozen, whole)))
        # If anything fails from here on, this one remains.
        yield frozen
        if len(training.images) >= training.late_layers.min_images:
            tuned = self._tuned(heads, frozen)
            if tuned is not None:
                yield tuned

    def _tuned(self, heads: list[LinearHead], frozen: Candidate) -> Candidate | None:
        """The candidate with trained late layers; None if the first model is clearly worse than without."""
        import numpy

        training = self._training
        models: list[FineTuned] = []
        logits_NT = numpy.zeros_like(training.targets_NT)
        for fold, head in enumerate(heads):
            used = numpy.flatnonzero(training.folds_N != fold)
            hidden = numpy.flatnonzero(training.folds_N == fold)
            parts = self._parts(used, head, training.seed + fold)
            maps = map_parts(
                [training.images[image] for image in used],
                self._layout,
                self._divided,
                parts.windows,
                self._recipe.crop,
                partial(self._report, self._part_done(fold, 0), "Training on tiles"),
            )
            models.append(self._fine_tuned(maps, parts.targets, fold))
            logits_NT[hidden] = self._scores(models[-1], hidden)
            if fold == 0 and not self._promising(hidden, logits_NT[hidden], frozen):
                return None
        tuned = self._trained_candidate(
            frozen.rows, logits_NT[frozen.rows], lambda: self._tuned_network(models[-1])
        )
        return self._with_mean(models, tuned)

    def _promising(self, hidden: Rows, logits_ET: Array, frozen: Candidate) -> bool:
        """Whether a model with trained layers is not clearly worse than without, on a fold of neither."""
        comparison = self._training.comparison
        first = self._trained_candidate(hidden, logits_ET, self._frozen_network)
        before = restricted(frozen, hidden)
        _log.info("First fold: %.4f, frozen %.4f", comparison.loss(first), comparison.loss(before))
        return not comparison.replaces(before, first)

    def _with_mean(self, models: list[FineTuned], tuned: Candidate) -> Candidate:
        """The candidate with the mean of the weights of all models, unless that is worse on some images: it
        was trained on them, so it should be better."""
        comparison = self._training.comparison
        mean = averaged(models)
        some = _some(tuned.rows, _COMPARED_WITH_MEAN)
        of_mean = self._trained_candidate(some, self._scores(mean, some), lambda: self._tuned_network(mean))
        if comparison.loss(of_mean) <= comparison.loss(restricted(tuned, some)):
            return replace(tuned, make=of_mean.make)
        _log.info("The mean of %d models is worse than each of them", len(models))
        return tuned

    def _head(self, windows: Windows, targets_NT: Array, used_N: NDArray[numpy.bool_]) -> LinearHead:
        dataset = self._training.dataset
        return fit_window_head(
            windows,
            targets_NT,
            used_N,
            multilabel=dataset.multilabel,
            negative=dataset.negative,
            inverse_regularisation=self._recipe.inverse_regularisation,
        )

    def _parts(self, used: Rows, head: LinearHead, seed: int) -> _Parts:
        """The windows with the highest scores for the tags of each image; and, as examples of none, those
        with the highest scores for some tags that it lacks, and random ones."""
        import numpy

        recipe, dataset, targets_NT = self._recipe, self._training.dataset, self._training.targets_NT
        random = numpy.random.default_rng(seed)
        shown: list[tuple[int, int, tuple[int, ...]]] = []
        for number, image in enumerate(used.tolist()):
            scores_RT = head.logits(self._windows.of(image))
            tags: dict[int, tuple[int, ...]] = {}
            for tag in numpy.flatnonzero(targets_NT[image]).tolist():
                if tag != dataset.negative:
                    for window in numpy.argsort(-scores_RT[:, tag], kind="stable")[: recipe.chosen].tolist():
                        tags[window] = (*tags.get(window, ()), tag)
            lacking = random.permutation(numpy.flatnonzero(targets_NT[image] == 0))[: recipe.unlike]
            others = [*scores_RT[:, lacking].argmax(axis=0).tolist()]
            others += random.integers(0, len(scores_RT), recipe.random).tolist()
            for window in others:
                tags.setdefault(window, ())
            shown += [(number, window, tags[window]) for window in sorted(tags)]
        if len(shown) > recipe.most_crops:
            kept = numpy.sort(random.permutation(len(shown))[: recipe.most_crops])
            shown = [shown[index] for index in kept]
        windows: list[list[int]] = [[] for _ in used]
        targets = numpy.zeros((len(shown), len(dataset.tags)))
        for row, (number, window, of_window) in enumerate(shown):
            windows[number].append(window)
            targets[row, list(of_window)] = 1
        return _Parts(windows, targets)

    def _fine_tuned(self, maps_RPPC: NDArray[numpy.float16], targets: Array, fold: int) -> FineTuned:
        """The late layers and a head, trained on parts and their mirror images."""
        import numpy

        training, recipe = self._training, self._recipe

        def report(done: float) -> None:
            self._report(self._part_done(fold, done), "Training on tiles")

        # Also where images have one tag: a part may show none.
        images = TrainingImages(
            numpy.concatenate([maps_RPPC, maps_RPPC[:, :, ::-1]]), targets, multilabel=True, views=2
        )
        return fine_tune(
            self._divided.late,
            images,
            numpy.arange(len(targets)),
            training.late_layers.fine_tuning,
            epochs=recipe.epochs,
            seed=training.seed + fold,
            # The plan is not shortened, so that the speed of the machine does not change the model.
            budget=Budget(math.inf, training.budget.clock),
            progress=report,
        )

    def _part_done(self, fold: int, done: float) -> float:
        return _FEATURES_DONE + (1 - _FEATURES_DONE) * (fold + done) / self._folds

    def _scores(self, model: FineTuned, rows: Rows) -> NDArray[numpy.float64]:
        """Pooled scores of some images, (images, T)."""
        images = [self._training.images[row] for row in rows]
        found = window_scores(
            images, self._layout, self._tuned_network(model), lambda done: self._training.budget.check()
        )
        return self._pooled(found, range(len(images)))

    def _pooled(self, scores: Windows, images: Iterable[int]) -> NDArray[numpy.float64]:
        import numpy

        dataset = self._training.dataset
        return numpy.array(
            [pooled(scores.of(image), dataset.negative, multilabel=dataset.multilabel) for image in images]
        )

    def _tuned_network(self, model: FineTuned) -> Network:
        return window_network(self._divided.with_late(model.backbone.weights), model.head)

    def _frozen_network(self) -> Network:
        """With a head trained on all images."""
        import numpy

        every_N = numpy.ones(len(self._training.images), bool)
        head = self._head(self._windows, self._training.targets_NT, every_N)
        return window_network(self._backbone, self._components.of_features(head))

    def _trained_candidate(self, rows: Rows, logits_ET: Array, network: Callable[[], Network]) -> Candidate:
        """A candidate with trained layers. These learned from parts, so their scores of images are first
        brought to the scale of logits."""
        first = fit_scale_and_shifts(
            logits_ET, self._training.targets_NT[rows], multilabel=self._training.dataset.multilabel
        )
        return self._candidate(_TRAINED, rows, first.applied(logits_ET), network, first)

    def _candidate(
        self,
        name: str,
        rows: Rows,
        logits_ET: Array,
        network: Callable[[], Network],
        first: LogitCalibration = _UNCHANGED,
    ) -> Candidate:
        whole = self._training.frozen

        def novelty() -> NoveltyFilter:
            assert whole.novelty is not None
            fitted = whole.novelty()
            return replace(fitted, inliers_N=fitted.inliers_N[rows])

        return Candidate(
            name,
            rows,
            logits_ET,
            # Calibration is applied to the pooled scores, not in the network.
            lambda calibration: network(),
            novelty,
            tiles=TileUse(self._layout, self._backbone, first),
        )

    def _report(self, done: float, step: str, _: float = 0.0) -> None:
        self._training.report(done, step)
        self._training.budget.check()


def _some(rows: Rows, count: int) -> Rows:
    """At most that many of the rows, evenly chosen."""
    return rows[:: max(1, -(-len(rows) // count))]
