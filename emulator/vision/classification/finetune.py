"""Fine-tuning of a classification network: its coarse layers are trained from pretrained weights. PyTorch,
only in the worker.

Batch norms were folded into the convolutions before, so their statistics do not change.

Axes: N images of the set, P their views, U used ones, B images of a batch, S side in pixels, 3 colour
channels, T tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emulator.vision import _torchvision
from emulator.vision.classification.head import FEATURE_LENGTH, LinearHead, balancing_weights
from emulator.vision.imaging.image_array_file import ImageArrayFile
from emulator.vision.networks.graph import INPUT, NORMALISED_FEATURES, Network, Operation
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.recipes.recipes import FineTuningRecipe
from emulator.vision.training.budget import Budget
from emulator.vision.training.number_formats import layers_digest
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

    Array = NDArray[numpy.floating]
    Pixels = NDArray[numpy.uint8]
    Maps = NDArray[numpy.float16]

_SLICE = 4
# Weights above which slices are halved.
_LARGE_NETWORK = 10_000_000
_HEAD = ("head.weight", "head.bias")
# Largest weight in the loss, and largest repeat factor, of an image of a rare tag.
_LARGEST_WEIGHT, _MOST_REPEATS = 5.0, 8.0
# Epochs grow by about a tenth from one level to the next, so that small differences in the machine's speed do
# not change the model, and little of a budget is left.
EPOCH_LEVELS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 19)
# Streams of random numbers, independent of each other.
_ORDER, _AUGMENTATION = range(2)


@dataclass(frozen=True)
class TrainingImages:
    """Resized images and their targets.

    Attributes:
        pixels_PSS3: RGB, 0..255, of `imaging.decode.resize_to_square`; accessed one at a time. P is views x
            N: all images in the first view, then all in the next. A step takes a random view of each image.
            Or maps of early layers, with other channels, for the late layers of a network.
        targets_NT: 1 where the image has the tag, else 0.
        multilabel: whether an image may have several tags.
        views: number of views of each image.
    """

    pixels_PSS3: Pixels | Maps | ImageArrayFile  # noqa: N815 - the suffix names the axes
    targets_NT: Array  # noqa: N815
    multilabel: bool
    views: int = 1


@dataclass(frozen=True)
class FineTuned:
    """A backbone with new weights and the head that was trained with it, for `graph.with_classifier`."""

    backbone: Network
    head: LinearHead


def fine_tune(
    backbone: Network,
    images: TrainingImages,
    used: NDArray[numpy.integer],
    recipe: FineTuningRecipe,
    *,
    epochs: int,
    seed: int,
    budget: Budget,
    progress: Callable[[float], None],
) -> FineTuned:
    """Fine-tune a backbone together with a new head on its features, which are scaled to `FEATURE_LENGTH`.

    Args:
        backbone: from the image to its features.
        used: indexes of the images that are trained on.
        epochs: number of passes over the images.
        budget: if the time does not suffice, the rest of the plan is shortened, depending on the machine's
            speed. Otherwise the same arguments give the same weights.
        progress: called with the fraction that is done, 0..1.

    Raises:
        LossNotFinite: the loss is NaN or infinite.
    """
    import numpy

    steps = epochs * steps_per_epoch(len(used), recipe)
    tag_count = images.targets_NT.shape[1]
    with ExitStack() as stack:
        pool = stack.enter_context(slice_threads())
        learner = _Learner(backbone, tag_count, images.multilabel, recipe)
        order = _order(images, used, steps * recipe.batch, seed)
        weights_N = _weights(images, used)
        done, step = 0.0, 0
        remaining = budget.plan(steps)

        def batch_of(step: int) -> _Batch:
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            random = numpy.random.default_rng([seed, _AUGMENTATION, step])
            return _mixed(images, chosen, weights_N[chosen], recipe, random)

        batches = stack.enter_context(closing(prepared_ahead(batch_of, steps)))
        while remaining:
            batch = next(batches)
            learner.train_step(batch, learning_rate_factor(step, done, steps, recipe.warm_up_steps), pool)
            step += 1
            done += (1 - done) / remaining
            remaining = budget.plan(remaining - 1)
            progress(done)
        return learner.result()


def finer_weights(backbone: Network, stride: int) -> frozenset[str]:
    """Names of the weights of layers with a stride below `stride`, in pixels."""
    strides = {INPUT: 1.0}
    names: set[str] = set()
    for operation in backbone.operations:
        # Nodes also read weights and constants.
        reduced = max((strides.get(name, 1.0) for name in operation.inputs), default=1.0) * _stride(operation)
        if operation.kind == "resize":
            reduced /= operation.factor
        strides[operation.output] = reduced
        if reduced >= stride:
            break
        read = (operation.weight, operation.bias, *operation.inputs)
        names |= {name for name in read if name is not None and name in backbone.weights}
    return frozenset(names)


def _stride(operation: Operation) -> int:
    if operation.kind != "node":
        return operation.stride
    strides = dict(operation.attributes).get("strides", 1)
    return int(strides[0]) if isinstance(strides, tuple) else 1


def is_trained(weight: NDArray[Any]) -> bool:
    """Whether an array of a network is a weight; nodes also have constants: shapes, indices, factors."""
    return weight.dtype.kind == "f" and weight.size > 1


def averaged(models: Sequence[FineTuned]) -> FineTuned:
    """One model with the mean of the weights of models fine-tuned from the same network: nearly as good as
    their ensemble, at the cost of one model (Wortsman et al., *Model soups*, 2022)."""
    import numpy

    def mean(arrays: Sequence[Array]) -> NDArray[numpy.float64]:
        middle: NDArray[numpy.float64] = numpy.stack(arrays).mean(axis=0, dtype=numpy.float64)
        return middle

    weights = {
        name: mean([model.backbone.weights[name] for model in models]).astype(numpy.float32)
        if is_trained(weight)
        else weight
        for name, weight in models[0].backbone.weights.items()
    }
    head = LinearHead(
        mean([model.head.weight for model in models]), mean([model.head.bias for model in models])
    )
    return FineTuned(replace(models[0].backbone, weights=weights), head)


def steps_per_epoch(image_count: int, recipe: FineTuningRecipe) -> int:
    """Number of steps of one epoch."""
    return max(1, round(image_count / recipe.batch))


def measure_step(
    backbone: Network,
    tag_count: int,
    images: TrainingImages,
    recipe: FineTuningRecipe,
    clock: Callable[[], float],
) -> float:
    """Duration of a step in seconds: the second of two steps with learning rate 0."""
    import numpy

    count = len(images.targets_NT)
    chosen = numpy.arange(recipe.batch) % count
    with slice_threads() as pool:
        learner = _Learner(backbone, tag_count, images.multilabel, recipe)
        for _ in range(2):
            started = clock()
            random = numpy.random.default_rng(0)
            learner.train_step(_mixed(images, chosen, numpy.ones(len(chosen)), recipe, random), 0.0, pool)
        return clock() - started


@dataclass(frozen=True)
class _Batch:
    """Augmented images (B, S, S, 3), float32, 0..255; soft targets (B, T); weights in the loss (B,)."""

    pixels: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


class _Learner:
    def __init__(self, backbone: Network, tag_count: int, multilabel: bool, recipe: FineTuningRecipe) -> None:
        import numpy
        import torch

        self._backbone, self._multilabel = backbone, multilabel
        self._operations = (
            *backbone.operations,
            Operation("l2_normalise", (backbone.output,), NORMALISED_FEATURES, scale=FEATURE_LENGTH),
            Operation("dense", (NORMALISED_FEATURES,), "scores", weight=_HEAD[0], bias=_HEAD[1]),
        )
        # A head of zeros proved better than one fitted to the features of the pretrained network.
        width = backbone.outputs[backbone.output][0]
        head = {_HEAD[0]: numpy.zeros((width, tag_count)), _HEAD[1]: numpy.zeros(tag_count)}
        trained = {name: weight for name, weight in backbone.weights.items() if is_trained(weight)}
        self._constants = {
            name: torch.from_numpy(numpy.array(weight))
            for name, weight in backbone.weights.items()
            if name not in trained
        }
        self._network = WholeNetwork(
            {**trained, **head},
            learning_rate=lambda name: (
                recipe.learning_rate * (recipe.head_lr_multiplier if name in _HEAD else 1.0)
            ),
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.max_grad_norm,
            slice_size=_slice_size(trained.values()),
            frozen=finer_weights(backbone, recipe.frozen_to_stride),
            layers=(
                f"fine-tuning from stride {recipe.frozen_to_stride}, {backbone.resolution} pixels, "
                f"{layers_digest(backbone.operations, backbone.weights)}"
            ),
        )

    def train_step(self, batch: _Batch, factor: float, pool: ThreadPoolExecutor) -> None:
        """One step; `factor` multiplies the peak learning rates."""
        total = float(batch.weights.sum())

        def loss_of(
            first: int, last: int, weights: Mapping[str, torch.Tensor], device: torch.device
        ) -> torch.Tensor:
            tensors = {INPUT: sent(batch.pixels[first:last], device)}
            run_operations(self._operations, {**self._constants, **weights}, tensors)
            scores, targets = tensors["scores"].float(), sent(batch.targets[first:last], device)
            return (self._losses(scores, targets) * sent(batch.weights[first:last], device)).sum() / total

        self._network.train_step(len(batch.pixels), factor, loss_of, pool)

    def _losses(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Log loss of each image, (B,); in multilabel sets the sum over the tags."""
        import torch
        from torch.nn import functional

        if self._multilabel:
            losses = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
            return losses.sum(1)
        return -(torch.log_softmax(scores, 1) * targets).sum(1)

    def result(self) -> FineTuned:
        import numpy

        trained = self._network.arrays()
        weight, bias = (trained.pop(name).astype(numpy.float64) for name in _HEAD)
        weights = {**self._backbone.weights, **trained}
        return FineTuned(replace(self._backbone, weights=weights), LinearHead(weight, bias))


def _slice_size(weights: Iterable[Array]) -> int:
    """Images a slice: fewer for networks that need much memory for gradients."""
    return _SLICE if sum(weight.size for weight in weights) <= _LARGE_NETWORK else _SLICE // 2


def _mixed(
    images: TrainingImages,
    chosen: NDArray[numpy.integer],
    weights: Array,
    recipe: FineTuningRecipe,
    random: numpy.random.Generator,
) -> _Batch:
    """Augmented images, each mixed with another one of the batch (Zhang et al., *mixup*, 2018) or with a
    rectangle of it (Yun et al., *CutMix*, 2019), and smoothed targets (Szegedy et al., 2016)."""
    import numpy
    import torch

    shown = chosen
    if images.views > 1:
        shown = chosen + len(images.targets_NT) * random.integers(0, images.views, len(chosen))
    augmented = torch.stack([augmented_image(images.pixels_PSS3[number], recipe, random) for number in shown])
    targets = images.targets_NT[chosen]
    floor = 0.5 if images.multilabel else 1 / targets.shape[1]
    targets = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing * floor
    weight = random.beta(recipe.mixup, recipe.mixup, len(chosen))
    weight = numpy.maximum(weight, 1 - weight)
    partner = random.permutation(len(chosen))
    tensor = augmented.float()
    if recipe.cutmix and random.random() < recipe.cutmix:
        mixed, weight = _with_rectangles(tensor, partner, random)
    else:
        mixing = torch.from_numpy(weight.astype(numpy.float32))
        mixed = tensor * mixing[:, None, None, None]
        mixed += tensor[torch.from_numpy(partner)] * (1 - mixing)[:, None, None, None]
    targets = weight[:, None] * targets + (1 - weight)[:, None] * targets[partner]
    weights = weight * weights + (1 - weight) * weights[partner]
    return _Batch(
        mixed,
        torch.from_numpy(targets.astype(numpy.float32)),
        torch.from_numpy(weights.astype(numpy.float32)),
    )


def _with_rectangles(
    tensor_BSSC: torch.Tensor, partner_B: NDArray[numpy.integer], random: numpy.random.Generator
) -> tuple[torch.Tensor, NDArray[numpy.float64]]:
    """Images or maps, each with a rectangle of its partner in the same place; and the fraction of each that
    is its own, (B,).

    The area of the rectangle is uniform between nothing and all, before it is cut off at the edges of the
    image; its centre is anywhere in the image.
    """
    import numpy

    mixed, side = tensor_BSSC.clone(), tensor_BSSC.shape[1]
    own_B = numpy.ones(len(partner_B))
    for number, other in enumerate(partner_B.tolist()):
        half = side * numpy.sqrt(random.random()) / 2
        centre = random.uniform(0, side, 2)
        top, left = numpy.rint(centre - half).clip(0, side).astype(int).tolist()
        bottom, right = numpy.rint(centre + half).clip(0, side).astype(int).tolist()
        mixed[number, top:bottom, left:right] = tensor_BSSC[other, top:bottom, left:right]
        own_B[number] -= (bottom - top) * (right - left) / side**2
    return mixed, own_B


def augmented_image(image: Pixels, recipe: FineTuningRecipe, random: numpy.random.Generator) -> torch.Tensor:
    """The image (S, S, 3), shifted by up to `max_shift` of its side with its border reflected, with `mirror`
    mirrored half of the time, and with brightness, contrast and saturation changed by up to `color_jitter`.

    The parameters come from `random`: torchvision's own transforms draw them from the global generator of
    PyTorch, which does not repeat with several threads.
    """
    import torch

    side = len(image)
    most = round(side * recipe.max_shift)
    if not (most or recipe.mirror or recipe.color_jitter):
        return torch.from_numpy(image)
    kernels = _torchvision.transforms()
    down, right = random.integers(-most, most + 1, 2).tolist()
    augmented = torch.from_numpy(image).permute(2, 0, 1)
    # left, top, right, bottom: only where the shifted image lacks pixels.
    border = [max(0, -right), max(0, -down), max(0, right), max(0, down)]
    augmented = kernels.pad_image(augmented, border, padding_mode="reflect")
    augmented = kernels.crop_image(augmented, max(0, down), max(0, right), side, side)
    if recipe.mirror and random.random() < 0.5:
        augmented = kernels.horizontal_flip_image(augmented)
    if recipe.color_jitter:
        least, most_color = 1 - recipe.color_jitter, 1 + recipe.color_jitter
        augmented = kernels.adjust_brightness_image(augmented, random.uniform(least, most_color))
        augmented = kernels.adjust_contrast_image(augmented, random.uniform(least, most_color))
        augmented = kernels.adjust_saturation_image(augmented, random.uniform(least, most_color))
    result: torch.Tensor = augmented.permute(1, 2, 0)
    return result


def _balance(images: TrainingImages, used: NDArray[numpy.integer]) -> Array:
    """Weights (U,) that would give all tags the same total weight; their mean is 1."""
    import numpy

    if images.multilabel:
        return numpy.ones(len(used))
    return balancing_weights(images.targets_NT[used])


def _repeats(balance: Array) -> Array:
    """Repeat factors: the square root of the weights (Gupta et al., *LVIS*, 2019)."""
    import numpy

    repeats: Array = numpy.sqrt(balance).clip(1.0, _MOST_REPEATS)
    return repeats


def _weights(images: TrainingImages, used: NDArray[numpy.integer]) -> Array:
    """Weights in the loss, (N,): the part of the balance that repeating does not provide."""
    import numpy

    balance = _balance(images, used)
    weights = numpy.zeros(len(images.targets_NT))
    weights[used] = (balance / _repeats(balance)).clip(max=_LARGEST_WEIGHT)
    return weights


def _order(
    images: TrainingImages, used: NDArray[numpy.integer], count: int, seed: int
) -> NDArray[numpy.integer]:
    """Indexes of the images in the order of training: one random order of all for each epoch."""
    import numpy

    random = numpy.random.default_rng([seed, _ORDER])
    repeats = _repeats(_balance(images, used))
    parts: list[NDArray[numpy.integer]] = []
    have = 0
    while have < count:
        copies = (repeats + random.random(len(used))).astype(int)
        parts.append(random.permutation(numpy.repeat(used, copies)))
        have += len(parts[-1])
    return numpy.concatenate(parts)[:count]
