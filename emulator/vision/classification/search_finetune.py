"""Fine-tuning as a candidate of an advanced training: plan, comparison and averaging. In the worker only.

Axes: N images, E images with scores of the candidate, R rows of images, D features, T tags.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.candidates import Candidate, restricted
from emulator.vision.classification.features import training_views
from emulator.vision.classification.finetune import (
    FineTuned,
    TrainingImages,
    averaged,
    measure_step,
    steps_per_epoch,
)
from emulator.vision.classification.fold_plan import Plan, are_sufficient, planned
from emulator.vision.classification.fold_training import (
    Fold,
    FoldData,
    TrainedFold,
    features_of,
    scores_of,
    session_at,
    train_fold,
    train_fold_outside,
)
from emulator.vision.classification.head import LogitCalibration
from emulator.vision.classification.late_layers import QuickTraining, best_with_late_layers
from emulator.vision.classification.model import classifying_network
from emulator.vision.classification.resized_images import resized_images
from emulator.vision.classification.search import Search
from emulator.vision.classification.trainable import is_trainable
from emulator.vision.concurrency import processor_count
from emulator.vision.fit import Fit
from emulator.vision.imaging.usual_side import usual_side
from emulator.vision.networks.graph import Network
from emulator.vision.networks.weights import BaseWeightsMissing, backbone_network
from emulator.vision.recipes.recipes import LATE_LAYERS
from emulator.vision.training.attempts import Outcome
from emulator.vision.training.budget import Budget, OutOfTime
from emulator.vision.training.number_formats import formats_in_use
from emulator.vision.training.pieces import Results, Work, current_pieces
from emulator.vision.training.stops import STOPS, add_stopped

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Rows = NDArray[numpy.integer]

_log = logging.getLogger(__name__)

_NAME = "fine-tuned"
# Fraction of the remaining budget, without the time for scoring, that is for training.
_USABLE = 0.93
# Fraction of the budget for the first of two networks, if both parts are sufficient; and an upper bound of
# the duration of an epoch of the second one, in epochs of the first: 1.5 to 1.8 were measured.
_FIRST_SHARE, _COST_OF_SECOND = 0.5, 2.0
# A model is trained on all images only if there is time for this fraction of its plan; otherwise the mean of
# the models without a fold is better.
_ENOUGH_OF_PLAN = 0.6


def try_fine_tuning(search: Search, scratch: Path) -> None:
    """Fine-tune a network; candidates are it alone and blends with the best so far.

    The user's own network is fine-tuned if it is better than the built-in one; if there is no time or memory
    for it, the built-in one is. If there is no time for that either, the late layers are trained, as in quick
    training. Skipped if the best so far makes no errors.

    Args:
        scratch: a folder for resized images, which are removed at the end.
    """
    if search.comparison.is_perfect(search.best):
        reason = f"{search.best.name} makes no mistakes on the held-out images."
        search.attempts.add(_NAME, reason, outcome=Outcome.SKIPPED)
        return
    search.reporter.step = "Fine-tuning"
    for backbone in _starts(search):
        if _fine_tuned(search, scratch, backbone):
            return
    seconds = min(LATE_LAYERS.most_seconds, max(0.0, search.reporter.budget.left))
    search.best = best_with_late_layers(
        QuickTraining(
            dataset=search.dataset,
            images=search.images,
            targets_NT=search.targets_NT,
            folds_N=search.folds_N,
            recipe=search.recipe,
            late_layers=replace(LATE_LAYERS, most_seconds=seconds),
            comparison=search.comparison,
            frozen=search.best,
            seed=search.seed,
            budget=search.reporter.budget,
            report=search.reporter.at,
            attempts=search.attempts,
        )
    )


def _starts(search: Search) -> Iterator[Network]:
    """Networks to fine-tune: the first for which there are time and memory."""
    for found in (search.registered_to_tune(), search.start):
        if found is None or (found.has_nodes and search.advanced.backbones is None):
            continue
        if is_trainable(found):
            yield found
        else:
            search.failed(_NAME, "PyTorch cannot train the network, which is used as it is.")
    if search.start is None or search.start.has_nodes:
        yield backbone_network(search.recipe.backbone, _resolution(search))


def _fine_tuned(search: Search, scratch: Path, backbone: Network) -> bool:
    """Fine-tune a network, and then the second one; False if there is not enough time or memory for the
    first, or it became unstable."""
    try:
        with resized_images(
            search.images,
            search.targets_NT,
            multilabel=search.dataset.multilabel,
            fits=_fits(search),
            side=backbone.resolution,
            scratch=scratch,
            progress=search.reporter.until(search.reporter.budget.part(0.5)),
        ) as images_at_size:
            with closing(_Attempt(search, backbone, images_at_size)) as attempt:
                is_best = _is_best(search, attempt, attempt.candidates())
            if is_best:
                _try_second(search, attempt, images_at_size)
            return True
    except STOPS as stop:
        add_stopped(search.attempts, _NAME, stop)
    return False


def _is_best(search: Search, attempt: _Attempt, candidates: list[Candidate]) -> bool:
    """Compare the candidates of an attempt with the best so far; whether one of them is the best now."""
    if any(search.comparison.replaces(each, search.best) for each in candidates):
        attempt.learn_from_everything()
    search.consider(candidates, attempt.plan)
    return search.best in candidates


def _try_second(search: Search, first: _Attempt, images_at_size: TrainingImages) -> None:
    """Fine-tune another network in the time that is left; candidates are its blends with the first one."""
    if search.advanced.second_network is None:
        return
    name = f"{search.advanced.second_network}, fine-tuned"
    try:
        backbone = backbone_network(search.advanced.second_network, first.resolution)
        with closing(_Attempt(search, backbone, images_at_size, name, most_folds=first.folds)) as attempt:
            _is_best(search, attempt, attempt.additions(first))
    except BaseWeightsMissing as error:
        search.failed(name, str(error))
    except STOPS as stop:
        add_stopped(search.attempts, name, stop)


class _Attempt:
    """Models trained without one fold each, their scores on it, and finally one trained on all images."""

    def __init__(
        self,
        search: Search,
        backbone: Network,
        images_at_size: TrainingImages,
        name: str = _NAME,
        *,
        most_folds: int | None = None,
    ) -> None:
        """
        Args:
            name: of the candidate.
            most_folds: of the first network, if this is the second one, for which at least
                `cross_validation_min_epochs` are wanted.
        """
        import numpy

        self._search, self._backbone, self._images = search, backbone, images_at_size
        self._name = name
        self._recipe = search.advanced.fine_tuning_of(usual_side(search.images))
        self._budget = search.reporter.budget
        self._budget.check()
        together = search.advanced.backbones is not None
        larger = max(backbone.resolution, search.best.make(LogitCalibration()).resolution)
        # Input size of scoring for blends with the best so far.
        self._beside_resolution = larger if together else backbone.resolution
        self._step_seconds = measure_step(
            backbone, len(search.dataset.tags), images_at_size, self._recipe, self._budget.clock
        )
        self._score_seconds = self._measured_scoring()
        self._fold_count = int(search.folds_N.max()) + 1
        epoch_seconds = max(self._step_seconds, 1e-6) * steps_per_epoch(len(search.images), self._recipe)
        scoring_epochs = self._score_seconds * len(search.images) / epoch_seconds
        self._lanes = current_pieces().lanes()

        def plan_for(seconds: float) -> Plan | None:
            epochs_that_fit = seconds * _USABLE / epoch_seconds
            count = len(search.images)
            return planned(
                epochs_that_fit,
                count,
                self._fold_count,
                search.advanced,
                scoring_epochs=scoring_epochs,
                lanes=self._lanes,
            )

        plan = plan_for(self._budget.left)
        least = search.advanced.min_epochs
        if most_folds is not None:
            least = search.advanced.cross_validation_min_epochs
            enough = plan is not None and plan.epochs >= least
            plan = Plan(plan.epochs, min(plan.folds, most_folds)) if plan and enough else None
        elif search.advanced.second_network is not None:
            left, share = self._budget.left, _FIRST_SHARE
            shorter, second = plan_for(share * left), plan_for((1 - share) * left / _COST_OF_SECOND)
            if are_sufficient(shorter, second, search.advanced.min_folds, self._recipe.sufficient_epochs):
                plan, self._budget = shorter, self._budget.part(_FIRST_SHARE)
        if plan is None:
            raise OutOfTime(
                f"An epoch takes {epoch_seconds:.0f} s, and {self._budget.left:.0f} s were left: too few for "
                f"{least} epochs of two models."
            )
        self._plan = plan
        _log.info("%s, %.2f s a step at %d pixels", plan, self._step_seconds, backbone.resolution)
        # Of the models without a fold, and then of the one of all images.
        self._results = self._started()
        self._models: list[FineTuned] = []
        self._rows: Rows = numpy.flatnonzero(search.folds_N < plan.folds)
        self._alone: Candidate | None = None
        # With scores at the input size of blends.
        self.beside: Candidate | None = None
        self._has_all = False

    @property
    def plan(self) -> str:
        """What was trained, for people."""
        models = "1 model" if self._plan.folds == 1 else f"{self._plan.folds} models"
        text = f"{models} without a part of the images, {self._plan.epochs} epochs"
        text += f" at {self._backbone.resolution} pixels"
        return text + ("; one more of all images" if self._has_all else "")

    @property
    def resolution(self) -> int:
        return self._backbone.resolution

    @property
    def folds(self) -> int:
        """Number of models without a fold."""
        return self._plan.folds

    def candidates(self) -> list[Candidate]:
        """The fine-tuned network, and for models without exports also its blends with the best so far."""
        search = self._search
        alone, beside = self._held_out()
        if search.advanced.backbones is None:
            return [alone]
        weights = search.advanced.blend_weights
        return [alone, *(search.comparison.blended(beside, search.best, weight) for weight in weights)]

    def additions(self, first: _Attempt) -> list[Candidate]:
        """Blends of the network with the first one, which stays the first member, and a frozen one.

        The frozen one is that of quick training alone, so that models with three networks score in the same
        time with and without the second fine-tuned one.
        """
        search, comparison = self._search, self._search.comparison
        frozen = search.frozen_at(self._beside_resolution)
        _, beside = self._held_out()
        assert first.beside is not None
        firsts = restricted(first.beside, self._rows)
        weights = search.advanced.blend_weights
        both = [comparison.blended(firsts, frozen, weight) for weight in weights]
        return [comparison.blended(each, beside, search.advanced.second_weight) for each in both]

    def close(self) -> None:
        """Give up the models that were not asked for."""
        self._results.close()

    def _started(self) -> Results[TrainedFold]:
        """Begin to train the models without a fold, and the one of all images, which may not be needed."""
        search, count = self._search, self._plan.folds
        data = FoldData(
            images=search.images,
            targets_NT=search.targets_NT,
            folds_N=search.folds_N,
            multilabel=search.dataset.multilabel,
            fits=_fits(search),
            fit=search.recipe.fit,
            backbone=self._backbone,
            recipe=self._recipe,
            epochs=self._plan.epochs,
            seed=search.seed,
            beside_resolution=self._beside_resolution,
        )
        check, formats = search.reporter.until(self._budget), formats_in_use()

        def here(fold: Fold) -> TrainedFold:
            search.reporter.step = f"Fine-tuning ({fold.number + 1} of {count + 1})"
            budget = self._budget_of(fold)
            return train_fold(data, fold, self._images, budget, search.reporter, check)

        work = Work(
            here=here,
            outside=train_fold_outside,
            shared=lambda: (data, formats),
            seconds=lambda fold: self._budget_of(fold).seconds,
            waiting=lambda: check(0.0),
        )
        folds = [Fold(number, is_hidden=number < count) for number in range(count + 1)]
        return current_pieces().start(work, folds, certain=count)

    def _held_out(self) -> tuple[Candidate, Candidate]:
        """Train the models without a fold; the candidate, and the same at the input size of blends."""
        import numpy

        search = self._search
        alone_NT = numpy.zeros_like(search.targets_NT)
        beside_NT = numpy.zeros_like(search.targets_NT)
        for fold in range(self._plan.folds):
            trained = self._results.next()
            self._models.append(trained.model)
            hidden = numpy.flatnonzero(search.folds_N == fold)
            alone_NT[hidden], beside_NT[hidden] = trained.alone_RT, trained.beside_RT
        self._alone = Candidate(self._name, self._rows, alone_NT[self._rows], self._make)
        self.beside = replace(self._alone, logits_ET=beside_NT[self._rows])
        return self._alone, self.beside

    def learn_from_everything(self) -> None:
        """Train one more model on all images, if there is time for most of the plan, and average the weights
        of all models: together they were trained on all images, and their errors differ. Without time to
        score the mean, the last model stays."""
        search = self._search
        steps = self._plan.epochs * steps_per_epoch(len(search.images), self._recipe)
        is_time = self._budget.left > _ENOUGH_OF_PLAN * steps * self._step_seconds
        if is_time or self._results.is_ahead():
            self._models.append(self._results.next().model)
            self._has_all = True
        assert self._alone is not None
        mean = averaged(self._models)
        try:
            scores_ET = scores_of(
                search.images,
                mean,
                search.recipe.fit,
                self._backbone.resolution,
                self._rows,
                search.reporter.until(self._budget),
            )
        except OutOfTime:
            _log.info("No time to score the mean of %d models", len(self._models))
            return
        comparison, together = search.comparison, replace(self._alone, logits_ET=scores_ET)
        # The mean was trained on these images, so its loss on them must be lower. If it is not, the weights
        # of the members are too different to be averaged.
        if comparison.loss(together) <= comparison.loss(self._alone):
            self._models = [mean]
        else:
            _log.info("The mean of %d models is worse than each of them", len(self._models))

    def _budget_of(self, fold: Fold) -> Budget:
        """The part of the remaining time for a model that begins now."""
        number = fold.number
        shares = [1 - 1 / self._fold_count] * self._plan.folds + [1.0]
        scoring = self._score_seconds * len(self._search.images) * self._plan.folds / self._fold_count
        # Half of it is enough for the mean of all models; folds before this one used their part of the rest.
        reserved = scoring * (1 - number / (2 * self._plan.folds)) / self._lanes
        in_turn = max(shares[number], sum(shares[number:]) / self._lanes)
        return self._budget.part(_USABLE * shares[number] / in_turn, reserved=reserved)

    def _measured_scoring(self) -> float:
        """Seconds for all scores of an image at present, from as many images as there are processors."""
        search, clock = self._search, self._budget.clock
        rows = range(min(processor_count(), len(search.images)))
        check = search.reporter.until(self._budget)
        sizes = {self._backbone.resolution, self._beside_resolution}
        total = 0.0
        for resolution in sizes:
            session = session_at(self._backbone, resolution)
            for _ in range(2):  # the first run allocates memory
                started = clock()
                features_of(search.images, session, search.recipe.fit, resolution, rows, check)
                elapsed = (clock() - started) / len(rows)
            # At the size of fine-tuning, the mean of all models is scored, too.
            total += elapsed * (2 if resolution == self._backbone.resolution else 1)
        return total

    def _make(self, calibration: LogitCalibration) -> Network:
        chosen = self._models[-1]
        return classifying_network(
            chosen.backbone,
            chosen.head.calibrated(calibration),
            multilabel=self._search.dataset.multilabel,
        )


def _fits(search: Search) -> tuple[Fit, ...]:
    """How images become square for training."""
    views = training_views(search.recipe, len(search.images))
    return tuple(dict.fromkeys(view.fit for view in views))


def _resolution(search: Search) -> int:
    """The input size of fine-tuning. Models for exports keep theirs."""
    advanced = search.advanced
    if advanced.backbones is None:
        return search.recipe.resolution
    if search.best.make(LogitCalibration()).resolution == advanced.large_resolution:
        return advanced.large_resolution
    tiny = usual_side(search.images) <= advanced.tiny_side
    return advanced.tiny_resolution if tiny else advanced.resolution
