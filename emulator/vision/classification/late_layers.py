"""Training the late layers of the network within a quick training, where cross-validation shows that it pays.

The early layers stay as they are. So the maps that they make of an image are computed once, for a few views
of it, and the late layers are trained on these: a step takes a third of the time of one through all layers.
Models are trained without one fold each and compared with the frozen network on these folds, and their
weights are averaged. The classifier has the late layers twice: the filter for images unlike the training
(`novelty`) reads the frozen ones, whose head also takes part in the scores.

In the worker only.

Axes: N images, P their views, R rows of images, H side of a map, C its channels, D features, T tags.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emulator.vision.classification.candidates import Candidate, CandidateComparison, frozen_candidate
from emulator.vision.classification.cross_validation import TrainingSet
from emulator.vision.classification.dataset import ClassificationDataset, LabelledImage, regular_images
from emulator.vision.classification.features import Features
from emulator.vision.classification.finetune import (
    FineTuned,
    TrainingImages,
    augmented_image,
    averaged,
    fine_tune,
    measure_step,
    steps_per_epoch,
)
from emulator.vision.classification.head import FEATURE_LENGTH, LogitCalibration
from emulator.vision.classification.model import classifying_network
from emulator.vision.concurrency import (
    ordered,
    processor_count,
    single_threaded_operations,
    single_threaded_pool,
)
from emulator.vision.imaging.decode import resize_to_square
from emulator.vision.imaging.image_file import read_image_file
from emulator.vision.imaging.usual_side import usual_side
from emulator.vision.networks.graph import INPUT, Network
from emulator.vision.networks.onnx_writer import onnx_bytes
from emulator.vision.networks.parts import DividedNetwork, divided
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.networks.weights import backbone_network
from emulator.vision.onnx_runtime import inference_session
from emulator.vision.recipes.recipes import ClassifierRecipe, FineTuningRecipe, LateLayersRecipe
from emulator.vision.training.attempts import AttemptLog, Outcome
from emulator.vision.training.budget import Budget, OutOfTime
from emulator.vision.training.stops import STOPS, NoGain, add_stopped

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    Rows = NDArray[numpy.integer]
    Maps = NDArray[numpy.float16]

_log = logging.getLogger(__name__)

_NAME = "late layers"
# Limit in bytes of the maps of all views.
_MOST_IN_MEMORY = 300 * 2**20
# Fraction of the remaining time that maps may take.
_FOR_MAPS = 0.5
# Factor on the scores of the mean of models in multiclass sets: it is more accurate than each of them, whose
# calibration it has. See models/defaults.md.
_GAIN_OF_MEAN = 1.08
# Maps that are computed at once when images are scored.
_AT_ONCE = 8


@dataclass(frozen=True)
class QuickTraining:
    """A quick training after its head on the frozen network.

    Attributes:
        images: those that can be read.
        targets_NT: 1 where the image has the tag, else 0.
        folds_N: the fold of each image, from 0.
        frozen: the model so far.
        budget: if it is exceeded, the model so far is kept.
        report: called with the fraction of this part that is done, 0..1, and the step.
        attempts: what was tried so far.
    """

    dataset: ClassificationDataset
    images: list[LabelledImage]
    targets_NT: Array  # noqa: N815 - the suffix names the axes
    folds_N: NDArray[numpy.int8]  # noqa: N815
    recipe: ClassifierRecipe
    late_layers: LateLayersRecipe
    comparison: CandidateComparison
    frozen: Candidate
    seed: int
    budget: Budget
    report: Callable[[float, str], None]
    attempts: AttemptLog


def budget_seconds(recipe: LateLayersRecipe, image_count: int) -> float:
    """Seconds on two processors that a quick training of this many images may take."""
    return min(recipe.most_seconds, recipe.seconds_per_image * image_count)


def planned_epochs(recipe: LateLayersRecipe, image_count: int, *, tiny: bool = False) -> int:
    """Number of epochs that fit into the time of a quick training; 0 if they are too few.

    It does not depend on the machine, whose speed must not change the model.

    Args:
        tiny: the images have sides of at most `recipe.tiny_side` pixels.
    """
    for_epochs = budget_seconds(recipe, image_count) / image_count - recipe.other_seconds_per_image
    each = recipe.tiny_epoch_seconds_per_image if tiny else recipe.epoch_seconds_per_image
    epochs = min(recipe.tiny_epochs if tiny else recipe.epochs, int(for_epochs / each))
    return epochs if epochs >= recipe.min_epochs else 0


def may_be_tried(recipe: ClassifierRecipe, late_layers: LateLayersRecipe, image_count: int) -> bool:
    """Whether there are enough images, and time, to train late layers."""
    enough = image_count >= late_layers.min_images
    return recipe.late_layers and enough and planned_epochs(late_layers, image_count) > 0


def reason_to_skip(training: QuickTraining) -> str | None:
    """Why training late layers cannot gain much, for people; None if it can.

    There must be enough images and time, and the frozen network must make enough mistakes that it may correct
    some.
    """
    recipe, count = training.late_layers, len(training.images)
    if not may_be_tried(training.recipe, recipe, count):
        return f"It needs {recipe.min_images} images and enough time, and the domain must not be compact."
    mistakes = training.comparison.mistakes(training.frozen)
    _log.info(
        "Frozen network: %.0f mistakes, log loss %.4f", mistakes, training.comparison.loss(training.frozen)
    )
    least = max(recipe.min_mistakes, recipe.min_error * count)
    if mistakes >= least:
        return None
    return f"{training.frozen.name} makes {mistakes:.0f} mistakes; it needs {least:.0f} to show a gain."


def best_with_late_layers(training: QuickTraining) -> Candidate:
    """The model with trained late layers if it is clearly better than the frozen network, else that."""
    obstacle = reason_to_skip(training)
    if obstacle is not None:
        training.attempts.add(_NAME, obstacle, outcome=Outcome.SKIPPED)
        return training.frozen
    try:
        attempt = _Attempt(training)
        candidates = attempt.candidates()
    except STOPS as stop:
        add_stopped(training.attempts, _NAME, stop)
        return training.frozen
    comparison, best = training.comparison, training.frozen
    for each in candidates:
        loss = comparison.loss(each)
        _log.info("%s: log loss %.4f", each.name, loss)
        gain = str(comparison.gain(each, training.frozen))
        training.attempts.add(each.name, gain, figure=loss, image_count=len(each.rows), plan=attempt.plan)
        if comparison.replaces(each, training.frozen) and (
            best is training.frozen or loss < comparison.loss(best)
        ):
            best = each
    return best


class _Attempt:
    """Models trained without one fold each, and the mean of their weights."""

    def __init__(self, training: QuickTraining) -> None:
        recipe = training.late_layers
        tiny = usual_side(training.images) <= recipe.tiny_side
        resolution = recipe.tiny_resolution if tiny else recipe.resolution
        first = recipe.tiny_first_layer if tiny else recipe.first_layer
        self._training, self._recipe = training, recipe
        self._epochs = planned_epochs(recipe, len(training.images), tiny=tiny)
        if not self._epochs:
            raise OutOfTime(f"There is time for fewer than {recipe.min_epochs} epochs.")
        self._network = backbone_network(training.recipe.backbone, resolution)
        self._divided = divided(self._network, first)
        self._maps_PHHC, features = _looked_at(training, self._divided)
        self._frozen_here = self._head(features)
        self._images = TrainingImages(
            self._maps_PHHC,
            training.targets_NT,
            training.dataset.multilabel,
            views=len(self._maps_PHHC) // len(training.images),
        )
        self._models: list[FineTuned] = []
        self._folds = min(recipe.folds, int(training.folds_N.max()) + 1)
        self._check_speed()

    def _head(self, features: Features) -> Candidate:
        """A head on the frozen network at the input size of the late layers."""
        training = self._training
        dataset, targets_NT = training.dataset, training.targets_NT
        training_set = TrainingSet.of(
            features,
            [image.key for image in training.images],
            targets_NT,
            multilabel=dataset.multilabel,
            inverse_regularisation=training.recipe.inverse_regularisation(len(training.images)),
            roots=not dataset.multilabel,
        )
        regular_N = regular_images(dataset, targets_NT)
        return frozen_candidate(
            "frozen", training_set, training.folds_N, regular_N, self._network, lambda done: None
        )

    def _check_speed(self) -> None:
        """Raises OutOfTime if all steps would take longer than the time that is left."""
        training, recipe = self._training, self._recipe.fine_tuning
        step_seconds = measure_step(
            self._divided.late, len(training.dataset.tags), self._images, recipe, training.budget.clock
        )
        used = self._folds * (1 - 1 / (int(training.folds_N.max()) + 1))
        steps = self._epochs * used * steps_per_epoch(len(training.images), recipe)
        _log.info("%.0f steps of %.3f s; %.0f s are left", steps, step_seconds, training.budget.left)
        if steps * step_seconds > training.budget.left:
            seconds, left = steps * step_seconds, training.budget.left
            raise OutOfTime(f"Training would take {seconds:.0f} s, and {left:.0f} s were left.")

    @property
    def plan(self) -> str:
        """What was trained, for people."""
        side = self._network.resolution
        return f"{self._folds} models without a part of the images, {self._epochs} epochs at {side} pixels"

    def candidates(self) -> list[Candidate]:
        """Blends of the trained layers with the frozen ones.

        Raises:
            OutOfTime: there is no time.
            NoGain: the first model is no better than the frozen network.
        """
        import numpy

        training, comparison = self._training, self._training.comparison
        folds = self._folds
        logits_NT = numpy.zeros_like(training.targets_NT)
        for fold in range(folds):
            hidden_N = training.folds_N == fold
            self._models.append(self._train(numpy.flatnonzero(~hidden_N), fold, folds))
            hidden = numpy.flatnonzero(hidden_N)
            logits_NT[hidden] = self._scores(self._models[-1], hidden)
            if fold == 0:
                self._check_promise(Candidate(_NAME, hidden, logits_NT[hidden], self._make))
        rows = numpy.flatnonzero(training.folds_N < folds)
        tuned = Candidate(_NAME, rows, logits_NT[rows], self._make)
        tuned = self._averaged(tuned)
        return [comparison.blended(tuned, self._frozen_here, weight) for weight in self._recipe.blend_weights]

    def _check_promise(self, first: Candidate) -> None:
        """Raises NoGain if the first model is no better than the frozen network."""
        comparison, frozen = self._training.comparison, self._training.frozen
        least = min(
            comparison.loss(comparison.blended(first, self._frozen_here, weight))
            for weight in self._recipe.blend_weights
        )
        before = comparison.loss_at(frozen, first.rows)
        _log.info("First fold: %.4f, frozen %.4f", least, before)
        if least >= before:
            raise NoGain(
                f"The first model is not better than {frozen.name}: log loss {least:.4f}, not below "
                f"{before:.4f}."
            )

    def _train(self, used: Rows, number: int, count: int) -> FineTuned:
        training = self._training

        def report(done: float) -> None:
            training.report((number + done) / count, f"Training late layers ({number + 1} of {count})")
            training.budget.check()

        return fine_tune(
            self._divided.late,
            self._images,
            used,
            self._recipe.fine_tuning,
            epochs=self._epochs,
            seed=training.seed + number,
            # The plan is not shortened, so that the speed of the machine does not change the model.
            budget=Budget(math.inf, training.budget.clock),
            progress=report,
        )

    def _averaged(self, tuned: Candidate) -> Candidate:
        """Average the weights of all models, unless the mean is worse than they are: it was trained on these
        images, so it should be better."""
        mean = averaged(self._models)
        together = replace(tuned, logits_ET=self._scores(mean, tuned.rows))
        comparison = self._training.comparison
        if comparison.loss(together) > comparison.loss(tuned):
            _log.info("The mean of %d models is worse than each of them", len(self._models))
            return tuned
        self._models = [mean]
        return tuned if self._training.dataset.multilabel else replace(tuned, gain=_GAIN_OF_MEAN)

    def _scores(self, model: FineTuned, rows: Rows) -> NDArray[numpy.float64]:
        """Logits (R, T) of images as they are."""
        import numpy

        features_RD = features_of_maps(model.backbone, self._maps_PHHC[rows])
        lengths = numpy.linalg.norm(features_RD, axis=1, keepdims=True)
        return model.head.logits(features_RD * (FEATURE_LENGTH / numpy.maximum(lengths, 1e-12)))

    def _make(self, calibration: LogitCalibration) -> Network:
        chosen = self._models[-1]
        return classifying_network(
            self._divided.with_late(chosen.backbone.weights),
            chosen.head.calibrated(calibration),
            multilabel=self._training.dataset.multilabel,
        )


def features_of_maps(late: Network, maps_RHHC: Maps) -> NDArray[numpy.float64]:
    """Features (R, D) that late layers make of maps."""
    import numpy
    import torch

    weights = {name: torch.from_numpy(numpy.array(weight)) for name, weight in late.weights.items()}
    for name, weight in weights.items():
        if weight.ndim == 4:
            weights[name] = weight.to(memory_format=torch.channels_last)

    def features(start: int) -> NDArray[numpy.float32]:
        tensors = {INPUT: torch.from_numpy(maps_RHHC[start : start + _AT_ONCE])}
        with torch.inference_mode():
            run_operations(late.operations, weights, tensors)
        result: NDArray[numpy.float32] = tensors[late.output].numpy()
        return result

    with single_threaded_operations(), single_threaded_pool(processor_count(), "late layers") as pool:
        parts = list(pool.map(features, range(0, len(maps_RHHC), _AT_ONCE)))
    return numpy.concatenate(parts).astype(numpy.float64)


def _looked_at(training: QuickTraining, network: DividedNetwork) -> tuple[Maps, Features]:
    """Maps (P, H, H, C) of all views, all images in the first view, then all in the next; and the features of
    the first two views."""
    import numpy

    recipe, images = training.late_layers, training.images
    channels, side, _ = network.whole.outputs[network.map]
    bytes_per_view = 2 * side * side * channels * len(images)
    view_count = min(recipe.views, _MOST_IN_MEMORY // bytes_per_view)
    if view_count < 2:
        raise MemoryError
    maps_PHHC = numpy.empty((view_count * len(images), side, side, channels), numpy.float16)
    session = inference_session(onnx_bytes(network.whole, {}), threads=1)
    resolution = network.whole.resolution
    shifts = replace(recipe.fine_tuning, max_shift=recipe.max_shift, mirror=True)

    def looked(image: LabelledImage) -> list[tuple[Array, Array]]:
        pixels = resize_to_square(read_image_file(image), resolution, training.recipe.fit)
        found = []
        for view in range(view_count):
            shown = _view(pixels, view, image.key, shifts)
            map_1CHH, features_1D = session.run(None, {INPUT: numpy.ascontiguousarray(shown)[None]})
            found.append((map_1CHH[0].transpose(1, 2, 0), features_1D[0].astype(numpy.float16)))
        return found

    plain, mirrored = {}, {}
    part = training.budget.part(_FOR_MAPS)
    with ThreadPoolExecutor(processor_count(), thread_name_prefix="maps") as pool:
        for number, (image, views) in enumerate(ordered(pool, looked, images)):
            for view, (map_HHC, _) in enumerate(views):
                maps_PHHC[view * len(images) + number] = map_HHC
            plain[image.key], mirrored[image.key] = views[0][1], views[1][1]
            part.check()
            training.report(0.0, "Looking at the images again")
    return maps_PHHC, Features(plain, mirrored)


def _view(
    pixels: NDArray[numpy.uint8], view: int, key: str, recipe: FineTuningRecipe
) -> NDArray[numpy.uint8]:
    """The image, its mirror image, and then shifted ones."""
    import numpy

    if view < 2:
        return pixels[:, ::-1] if view else pixels
    random = numpy.random.default_rng([zlib.crc32(key.encode()), view])
    shifted: NDArray[numpy.uint8] = augmented_image(numpy.array(pixels), recipe, random).numpy()
    return shifted
