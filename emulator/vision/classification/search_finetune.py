"""Fine-tuning as a candidate of an advanced training: plan, comparison and averaging. In the worker only.

Axes: N images, E images with scores of the candidate, R rows of images, D features, T tags.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.vision.classification.candidates import Candidate, restricted
from emulator.vision.classification.finetune import (
    EPOCH_LEVELS,
    FineTuned,
    TrainingImages,
    averaged,
    fine_tune,
    measure_step,
    steps_per_epoch,
)
from emulator.vision.classification.head import FEATURE_LENGTH, LogitCalibration
from emulator.vision.classification.late_layers import QuickTraining, best_with_late_layers
from emulator.vision.classification.model import classifying_network
from emulator.vision.classification.resized_images import resized_images
from emulator.vision.classification.search import Search
from emulator.vision.classification.trainable import is_trainable
from emulator.vision.concurrency import processor_count
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.imaging.usual_side import usual_side
from emulator.vision.networks.ensembles import with_input_resolution
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.weights import BaseWeightsMissing, backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import LATE_LAYERS, AdvancedRecipe
from emulator.vision.training.attempts import Outcome
from emulator.vision.training.budget import OutOfTime
from emulator.vision.training.stops import STOPS, add_stopped

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    Array = NDArray[numpy.floating]
    Rows = NDArray[numpy.integer]

_log = logging.getLogger(__name__)

_NAME = "fine-tuned"
# Fraction of the remaining budget, without the time for scoring, that is for training.
_USABLE = 0.93
# Models for further folds are trained for at least this fraction of the longest training.
_SUFFICIENT = 0.75
# Fraction of the budget for the first of two networks, if both parts are sufficient; and an upper bound of
# the duration of an epoch of the second one, in epochs of the first: 1.5 to 1.8 were measured.
_FIRST_SHARE, _COST_OF_SECOND = 0.5, 2.0
# A model is trained on all images only if there is time for this fraction of its plan; otherwise the mean of
# the models without a fold is better.
_ENOUGH_OF_PLAN = 0.6


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
) -> Plan | None:
    """The plan that fits into the budget; None if not even the smallest does.

    More folds mean more held-out images for the comparison, and more models that are averaged, but sufficient
    epochs have priority. Of plans with sufficient epochs, the one that uses most of the budget is chosen.

    Args:
        epochs_that_fit: number of epochs over all images for which there is time.
        scoring_epochs: time for scoring all images, in epochs; each fold needs its part of it.
    """
    share = 1 - 1 / fold_count

    def epochs(folds: int) -> int:
        fitting = (epochs_that_fit - scoring_epochs * folds / fold_count) / (1 + folds * share)
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


def _are_sufficient(first: Plan | None, second: Plan | None, recipe: AdvancedRecipe) -> bool:
    """Whether the plans of two networks are long enough."""
    if first is None or second is None or first.folds < recipe.min_folds:
        return False
    return min(first.epochs, second.epochs) >= recipe.cross_validation_min_epochs


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
        with resized_images(search, scratch, backbone) as images_at_size:
            attempt = _Attempt(search, backbone, images_at_size)
            if _is_best(search, attempt, attempt.candidates()):
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
        attempt = _Attempt(search, backbone, images_at_size, name, most_folds=first.folds)
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
        self._recipe = search.advanced.fine_tuning
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

        def plan_for(seconds: float) -> Plan | None:
            epochs_that_fit = seconds * _USABLE / epoch_seconds
            count = len(search.images)
            return planned(
                epochs_that_fit, count, self._fold_count, search.advanced, scoring_epochs=scoring_epochs
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
            if _are_sufficient(shorter, second, search.advanced):
                plan, self._budget = shorter, self._budget.part(_FIRST_SHARE)
        if plan is None:
            raise OutOfTime(
                f"An epoch takes {epoch_seconds:.0f} s, and {self._budget.left:.0f} s were left: too few for "
                f"{least} epochs of two models."
            )
        self._plan = plan
        _log.info("%s, %.2f s a step at %d pixels", plan, self._step_seconds, backbone.resolution)
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

    def _held_out(self) -> tuple[Candidate, Candidate]:
        """Train the models without a fold; the candidate, and the same at the input size of blends."""
        import numpy

        search = self._search
        alone_NT = numpy.zeros_like(search.targets_NT)
        beside_NT = numpy.zeros_like(search.targets_NT)
        for fold in range(self._plan.folds):
            hidden_N = search.folds_N == fold
            model = self._train(numpy.flatnonzero(~hidden_N), fold)
            self._models.append(model)
            hidden = numpy.flatnonzero(hidden_N)
            alone_NT[hidden] = self._scores(model, self._backbone.resolution, hidden)
            beside_NT[hidden] = alone_NT[hidden]
            if self._beside_resolution != self._backbone.resolution:
                beside_NT[hidden] = self._scores(model, self._beside_resolution, hidden)
        self._alone = Candidate(self._name, self._rows, alone_NT[self._rows], self._make)
        self.beside = replace(self._alone, logits_ET=beside_NT[self._rows])
        return self._alone, self.beside

    def learn_from_everything(self) -> None:
        """Train one more model on all images, if there is time for most of the plan, and average the weights
        of all models: together they were trained on all images, and their errors differ. Without time to
        score the mean, the last model stays."""
        import numpy

        everything = numpy.arange(len(self._search.images))
        steps = self._plan.epochs * steps_per_epoch(len(everything), self._recipe)
        if self._budget.left > _ENOUGH_OF_PLAN * steps * self._step_seconds:
            self._models.append(self._train(everything, self._plan.folds))
            self._has_all = True
        assert self._alone is not None
        mean = averaged(self._models)
        try:
            scores_ET = self._scores(mean, self._backbone.resolution, self._rows)
        except OutOfTime:
            _log.info("No time to score the mean of %d models", len(self._models))
            return
        comparison, together = self._search.comparison, replace(self._alone, logits_ET=scores_ET)
        # The mean was trained on these images, so its loss on them must be lower. If it is not, the weights
        # of the members are too different to be averaged.
        if comparison.loss(together) <= comparison.loss(self._alone):
            self._models = [mean]
        else:
            _log.info("The mean of %d models is worse than each of them", len(self._models))

    def _train(self, used: Rows, number: int) -> FineTuned:
        """Train the next of all models, within its part of the remaining time."""
        shares = [1 - 1 / self._fold_count] * self._plan.folds + [1.0]
        scoring = self._score_seconds * len(self._search.images) * self._plan.folds / self._fold_count
        # Half of it is enough for the mean of all models; folds before this one used their part of the rest.
        reserved = scoring * (1 - number / (2 * self._plan.folds))
        self._search.reporter.step = f"Fine-tuning ({number + 1} of {len(shares)})"
        return fine_tune(
            self._backbone,
            self._images,
            used,
            self._recipe,
            epochs=self._plan.epochs,
            seed=self._search.seed + number,
            budget=self._budget.part(_USABLE * shares[number] / sum(shares[number:]), reserved=reserved),
            progress=self._search.reporter,
        )

    def _measured_scoring(self) -> float:
        """Seconds for all scores of an image at present, from as many images as there are processors."""
        clock, rows = self._budget.clock, range(min(processor_count(), len(self._search.images)))
        sizes = {self._backbone.resolution, self._beside_resolution}
        total = 0.0
        for resolution in sizes:
            session = _session(self._backbone, resolution)
            for _ in range(2):  # the first run allocates memory
                started = clock()
                self._features(session, resolution, rows)
                elapsed = (clock() - started) / len(rows)
            # At the size of fine-tuning, the mean of all models is scored, too.
            total += elapsed * (2 if resolution == self._backbone.resolution else 1)
        return total

    def _scores(self, model: FineTuned, resolution: int, rows: Rows) -> NDArray[numpy.float64]:
        """Logits (R, T) of these images at this input size, by the network in ONNX Runtime as in scoring.

        Raises:
            OutOfTime: the budget is used up.
        """
        import numpy

        features_RD = self._features(_session(model.backbone, resolution), resolution, rows.tolist())
        lengths = numpy.linalg.norm(features_RD, axis=1, keepdims=True)
        return model.head.logits(features_RD * (FEATURE_LENGTH / numpy.maximum(lengths, 1e-12)))

    def _features(
        self, session: InferenceSession, resolution: int, rows: Sequence[int]
    ) -> NDArray[numpy.float64]:
        import numpy

        report_progress = self._search.reporter.until(self._budget)

        images, fit = self._search.images, self._search.recipe.fit

        def features(row: int) -> NDArray[numpy.float32]:
            pixels = resize_to_square(read_image_file(images[row]), resolution, fit)
            (result,) = session.run(None, {INPUT: pixels[None]})
            vector: NDArray[numpy.float32] = result[0]
            return vector

        features_RD = []
        with ThreadPoolExecutor(processor_count(), thread_name_prefix="evaluation") as pool:
            for vector in pool.map(features, rows):
                features_RD.append(vector)
                report_progress(0.0)
        return numpy.stack(features_RD).astype(numpy.float64)

    def _make(self, calibration: LogitCalibration) -> Network:
        chosen = self._models[-1]
        return classifying_network(
            chosen.backbone,
            chosen.head.calibrated(calibration),
            multilabel=self._search.dataset.multilabel,
        )


def _resolution(search: Search) -> int:
    """The input size of fine-tuning. Models for exports keep theirs."""
    advanced = search.advanced
    if advanced.backbones is None:
        return search.recipe.resolution
    if search.best.make(LogitCalibration()).resolution == advanced.large_resolution:
        return advanced.large_resolution
    tiny = usual_side(search.images) <= advanced.tiny_side
    return advanced.tiny_resolution if tiny else advanced.resolution


def _session(backbone: Network, resolution: int) -> InferenceSession:
    return inference_session(onnx_bytes(with_input_resolution(backbone, resolution), {}), threads=1)
