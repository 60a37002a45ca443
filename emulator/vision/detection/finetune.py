"""Training of the layers of a detector, all or some, from given weights. PyTorch; for the worker alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Protocol

from emulator.vision.detection.augment import random_crop
from emulator.vision.detection.dataset import Example
from emulator.vision.detection.loss import DetectionLoss, Truth
from emulator.vision.detection.sampling import sample_batches
from emulator.vision.detection.scale import Scale
from emulator.vision.networks.graph import INPUT
from emulator.vision.networks.nanodet import (
    DISTANCES,
    LOGITS,
    PYRAMID_CHANNELS,
    backbone_and_neck_operations,
    frozen_layers,
    head_operations,
)
from emulator.vision.networks.torch_runner import run_operations, training_device
from emulator.vision.recipes.recipes import DetectorFineTuningRecipe
from emulator.vision.training.budget import Budget
from emulator.vision.training.trainer import (
    WholeNetwork,
    learning_rate_factor,
    prepared_ahead,
    sent,
    slice_threads,
)

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray
    from PIL.Image import Image

    FloatArray = NDArray[numpy.float32]
    # Pixels, boxes and tags of `augment.random_crop`.
    Crop = tuple[NDArray[numpy.uint8], FloatArray, NDArray[numpy.int64]]

_SLICE = 4
# Streams of random numbers, beside those of `sampling`.
_CROPS, _CLASSES = 10, 2
_CLASS_WEIGHT_STD = 0.01
# Probability of each tag at each point before training.
_INITIAL_PROBABILITY = 0.02


class ImageSource(Protocol):
    """Provides the images of examples."""

    def get(self, example: Example) -> Image: ...


def fine_tune_detector(
    examples: Sequence[Example],
    images: ImageSource,
    start: Mapping[str, FloatArray],
    tag_count: int,
    recipe: DetectorFineTuningRecipe,
    scale: Scale,
    *,
    steps: int,
    seed: Sequence[int],
    budget: Budget,
    progress: Callable[[float], None],
    factors_N: NDArray[numpy.float64] | None = None,
) -> dict[str, FloatArray]:
    """Train layers of a detector.

    Args:
        start: initial weights of all layers, under the names of `nanodet.published_weights`.
        seed: of the crops and their order; different numbers for trainings that continue each other.
        factors_N: see `sampling.sample_batches`.
        steps: planned number; `Budget.plan` shortens it when time runs out.
        progress: called with the share that is done, 0..1.

    Returns:
        The weights of all layers, by name.

    Raises:
        LossNotFinite: the loss is not finite.
    """
    chosen = sample_batches(examples, tag_count, recipe.batch, steps, seed, factors_N)
    with ExitStack() as stack:
        pool = stack.enter_context(slice_threads())
        learner = _Learner(examples, images, start, recipe, scale, seed)
        done, step, remaining = 0.0, 0, budget.plan(steps)
        batches = stack.enter_context(closing(prepared_ahead(partial(learner.crops, chosen), steps)))
        while remaining:
            share = learning_rate_factor(step, done, steps, recipe.warm_up_steps)
            learner.train_step(step, chosen[step], share, pool, next(batches))
            step += 1
            done += (1 - done) / remaining
            remaining = budget.plan(remaining - 1)
            progress(done)
        return learner.result()


def measure_step(
    examples: Sequence[Example],
    images: ImageSource,
    start: Mapping[str, FloatArray],
    tag_count: int,
    recipe: DetectorFineTuningRecipe,
    scale: Scale,
    clock: Callable[[], float],
) -> float:
    """Seconds of a step at present: the second of two with a learning rate of 0."""
    (chosen,) = sample_batches(examples, tag_count, recipe.batch, 1, [0])
    with slice_threads() as pool:
        learner = _Learner(examples, images, start, recipe, scale, [0])
        for _ in range(2):
            started = clock()
            learner.train_step(0, chosen, 0.0, pool)
        return clock() - started


def new_class_layers(tag_count: int, seed: int) -> dict[str, FloatArray]:
    """Initial weights of the classification layers, by name."""
    import numpy

    random = numpy.random.default_rng([seed, _CLASSES])
    layers: dict[str, FloatArray] = {}
    for operation in head_operations():
        if operation.output.endswith(".classes"):
            shape = (tag_count, PYRAMID_CHANNELS, 1, 1)
            weight = random.normal(0, _CLASS_WEIGHT_STD, shape).astype(numpy.float32)
            layers[f"{operation.output}.weight"] = weight
            bias = numpy.full(tag_count, -math.log(1 / _INITIAL_PROBABILITY - 1), numpy.float32)
            layers[f"{operation.output}.bias"] = bias
    return layers


class _Learner:
    def __init__(
        self,
        examples: Sequence[Example],
        images: ImageSource,
        start: Mapping[str, FloatArray],
        recipe: DetectorFineTuningRecipe,
        scale: Scale,
        seed: Sequence[int],
    ) -> None:
        self._examples, self._images, self._recipe = examples, images, recipe
        self._scale, self._seed = scale, seed
        self._loss = DetectionLoss(recipe.window_size)
        self._operations = (*backbone_and_neck_operations(), *head_operations()[:-1])  # the loss takes logits
        rates = (recipe.learning_rate, recipe.head_learning_rate, recipe.class_learning_rate)
        self._network = WholeNetwork(
            start,
            learning_rate=lambda name: rates[name.startswith("head.") + (".classes." in name)],
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.max_grad_norm,
            slice_size=_SLICE,
            frozen=frozen_layers(recipe.frozen_stages),
            layers=f"detector, {_trained(recipe)}, {recipe.window_size} pixels",
        )

    def crops(self, chosen: Sequence[Sequence[int]], step: int) -> list[Crop] | None:
        """The crops of a step that is prepared ahead; None on the processor, whose slices make their own."""
        if training_device().type == "cpu":
            return None
        return [self._crop(step, slot, number) for slot, number in enumerate(chosen[step])]

    def _crop(self, step: int, slot: int, number: int) -> Crop:
        import numpy

        return random_crop(
            self._images.get(self._examples[number]),
            self._examples[number],
            self._recipe.window_size,
            numpy.random.default_rng([*self._seed, _CROPS, step, slot]),
            self._scale.magnification,
        )

    def train_step(
        self,
        step: int,
        numbers: Sequence[int],
        share: float,
        pool: ThreadPoolExecutor,
        crops: Sequence[Crop] | None = None,
    ) -> None:
        """One optimizer step.

        Args:
            numbers: of the examples in the batch.
            share: factor on the learning rate.
            crops: of the examples, if they were prepared.
        """

        def loss_of(
            first: int, last: int, weights: Mapping[str, torch.Tensor], device: torch.device
        ) -> torch.Tensor:
            if crops is None:
                made = [self._crop(step, slot, numbers[slot]) for slot in range(first, last)]
            else:
                made = list(crops[first:last])
            loss = self._loss_of(made, weights, device)
            return loss * ((last - first) / len(numbers))

        self._network.train_step(len(numbers), share, loss_of, pool)

    def _loss_of(
        self, crops: Sequence[Crop], weights: Mapping[str, torch.Tensor], device: torch.device
    ) -> torch.Tensor:
        import numpy
        import torch

        truths = [
            Truth(sent(torch.from_numpy(boxes), device), sent(torch.from_numpy(tags), device))
            for _, boxes, tags in crops
        ]
        pixels = torch.from_numpy(numpy.stack([pixels for pixels, _, _ in crops]))
        tensors = {INPUT: sent(pixels, device)}
        run_operations(self._operations, weights, tensors)
        return self._loss(tensors[LOGITS], tensors[DISTANCES], truths)

    def result(self) -> dict[str, FloatArray]:
        return self._network.arrays()


def _trained(recipe: DetectorFineTuningRecipe) -> str:
    """The trained layers, for people."""
    if not recipe.frozen_stages:
        return "all layers"
    return "head" if recipe.frozen_stages == 5 else f"stage {recipe.frozen_stages + 1} and later"
