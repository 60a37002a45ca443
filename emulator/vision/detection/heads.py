"""The training loop of detectors: several heads on one frozen body. PyTorch; for the worker alone.

Beside the head that becomes the model, heads are trained that do not see some of the images: what those
predict on them is the training's evaluation. All look at the same views through the same body, which is most
of the work, so that a second head costs a fraction of a second training.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from emulator.vision.concurrency import processor_count, single_threaded_operations, single_threaded_pool
from emulator.vision.detection.augment import ImageCache, random_crop
from emulator.vision.detection.dataset import Example
from emulator.vision.detection.loss import DetectionLoss, Truth
from emulator.vision.networks.graph import INPUT
from emulator.vision.networks.nanodet import (
    DISTANCES,
    LOGITS,
    PYRAMID,
    PYRAMID_CHANNELS,
    backbone_and_neck_operations,
    head_operations,
    published_weights,
)
from emulator.vision.networks.torch_runner import fast_bfloat16, run_operations
from emulator.vision.recipes.recipes import DetectorRecipe
from emulator.vision.training.errors import LossNotFinite

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

_WEIGHT_DECAY = 1e-4
_LONGEST_GRADIENT = 10.0
_LAST_RATE = 0.01
_CLASS_DEVIATION = 0.01
# What a point thinks of each tag before it has learned anything.
_FIRST_PROBABILITY = 0.02
# More cannot be used up by the heads, and each needs a hundred megabytes.
_MOST_VIEW_THREADS = 4
# Streams of random numbers, so that none depends on how many another has used.
_ORDER, _VIEWS, _CLASSES = range(3)


@dataclass(frozen=True)
class Head:
    """A head to train: which of the examples it must not see."""

    held_out_N: NDArray[numpy.bool_]  # noqa: N815 - the suffix names the axes


def train_heads(
    examples: Sequence[Example],
    pictures: ImageCache,
    heads: Sequence[Head],
    tag_count: int,
    recipe: DetectorRecipe,
    *,
    seed: int,
    progress: Callable[[float], None],
) -> list[dict[str, FloatArray]]:
    """Train heads side by side; each starts alike and sees the same views of all examples but the hidden
    ones.

    Returns:
        The weights of each head's layers, by name.

    Raises:
        LossNotFinite: the loss is not a number any more.
    """
    steps = recipe.steps(len(examples))
    loss = DetectionLoss(recipe.resolution)
    with _reproducible():
        learners = [_Learner(head, tag_count, recipe, seed) for head in heads]
        chosen = sample_batches(examples, tag_count, recipe.batch, steps, seed)
        batches = _batches(examples, pictures, chosen, recipe.resolution, seed)
        with (
            closing(batches),
            single_threaded_pool(len(learners), "heads") as pool,
        ):
            for step, batch in enumerate(batches):
                warm = min(1.0, (step + 1) / recipe.warm_up_steps)
                falling = _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * step / steps)) / 2
                learn = partial(_Learner.learn, batch=batch, loss=loss, share=warm * falling)
                list(pool.map(learn, learners))
                progress((step + 1) / steps)
        return [learner.weights() for learner in learners]


def sample_batches(
    examples: Sequence[Example], tag_count: int, size: int, steps: int, seed: int
) -> list[list[int]]:
    """Which examples each step looks at.

    All examples in a random order, then all again in another. Where tags are uneven, examples of rare ones
    come more often (repeat factors: Gupta et al., *LVIS*, 2019: the square root of how much rarer a tag is
    than if all had their share), and pictures without objects are never more than the others.
    """
    import numpy

    random = numpy.random.default_rng([seed, _ORDER])
    has_NT = numpy.zeros((len(examples), tag_count), bool)
    for row, example in enumerate(examples):
        has_NT[row, example.tags] = True
    with_objects = has_NT.any(axis=1)
    shares_T = has_NT[with_objects].mean(axis=0)
    even = shares_T[shares_T > 0].mean()
    factors_T = numpy.sqrt(even / shares_T.clip(min=1e-9)).clip(min=1)
    repeats_N = numpy.where(has_NT, factors_T, 0).max(axis=1)
    repeats_N[~with_objects] = min(1.0, with_objects.sum() / max(1, (~with_objects).sum()))
    order: list[int] = []
    while len(order) < steps * size:
        copies_N = (repeats_N + random.random(len(examples))).astype(int)
        order += random.permutation(numpy.repeat(numpy.arange(len(examples)), copies_N)).tolist()
    return [order[step * size : (step + 1) * size] for step in range(steps)]


def new_class_layers(tag_count: int, seed: int) -> dict[str, FloatArray]:
    """Weights of the layers of the tags, by name, before they have learned anything."""
    import numpy

    random = numpy.random.default_rng([seed, _CLASSES])
    layers: dict[str, FloatArray] = {}
    for operation in head_operations():
        if operation.output.endswith(".classes"):
            shape = (tag_count, PYRAMID_CHANNELS, 1, 1)
            weight = random.normal(0, _CLASS_DEVIATION, shape).astype(numpy.float32)
            layers[f"{operation.output}.weight"] = weight
            bias = numpy.full(tag_count, -math.log(1 / _FIRST_PROBABILITY - 1), numpy.float32)
            layers[f"{operation.output}.bias"] = bias
    return layers


class _Body:
    """The published network up to its pyramid, frozen."""

    def __init__(self) -> None:
        import torch

        self._type = torch.bfloat16 if fast_bfloat16() else torch.float32
        self._operations = backbone_and_neck_operations()
        self._weights = {
            name: _tensor(weight).to(self._type)
            for name, weight in published_weights().items()
            if not name.startswith("head.")
        }

    def __call__(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Pictures (N, side, side, 3), uint8, to the pyramid by name."""
        import torch

        tensors = {INPUT: pixels}
        with torch.no_grad():
            run_operations(self._operations, self._weights, tensors)
        return {name: tensors[name] for name in PYRAMID}


class _Learner:
    """A head while it learns. The shared and the distance layers start from what they were on COCO."""

    def __init__(self, head: Head, tag_count: int, recipe: DetectorRecipe, seed: int) -> None:
        import torch

        self._visible_N = ~head.held_out_N
        self._operations = head_operations()[:-1]  # the loss takes logits
        initial = {**published_weights(), **new_class_layers(tag_count, seed)}
        self._weights: dict[str, torch.Tensor] = {}
        for operation in self._operations:
            if operation.kind != "convolution":
                continue
            weight, bias = (initial[f"{operation.output}.{part}"] for part in ("weight", "bias"))
            self._weights[f"{operation.output}.weight"] = _tensor(weight).requires_grad_()
            self._weights[f"{operation.output}.bias"] = _tensor(bias).requires_grad_()
        classes = [weight for name, weight in self._weights.items() if ".classes." in name]
        others = [weight for name, weight in self._weights.items() if ".classes." not in name]
        self._rates = (recipe.class_learning_rate, recipe.learning_rate)
        self._optimiser = torch.optim.AdamW(
            [{"params": classes}, {"params": others}], weight_decay=_WEIGHT_DECAY
        )

    def learn(self, *, batch: _Batch, loss: DetectionLoss, share: float) -> None:
        """One step on those of the examples that the head may see; `share` is that of the full rate."""
        import numpy
        import torch

        rows = numpy.flatnonzero(self._visible_N[batch.chosen])
        if not len(rows):
            return
        tensors = dict(batch.features)
        if len(rows) < len(batch.chosen):
            tensors = {name: picture[torch.from_numpy(rows)] for name, picture in tensors.items()}
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16()):
            run_operations(self._operations, self._weights, tensors)
        value = loss(tensors[LOGITS], tensors[DISTANCES], [batch.truths[row] for row in rows.tolist()])
        if not math.isfinite(value.item()):
            raise LossNotFinite
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        self._optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._weights.values(), _LONGEST_GRADIENT)
        self._optimiser.step()

    def weights(self) -> dict[str, FloatArray]:
        import numpy

        weights = {
            name: numpy.ascontiguousarray(weight.detach().float().numpy())
            for name, weight in self._weights.items()
        }
        if not all(numpy.isfinite(weight).all() for weight in weights.values()):
            raise LossNotFinite
        return weights


@dataclass(frozen=True)
class _Batch:
    """What a step learns from: numbers of the examples, the pyramid of their views, what the views show."""

    chosen: NDArray[numpy.int64]
    features: dict[str, torch.Tensor]
    truths: list[Truth]


def _batches(
    examples: Sequence[Example],
    pictures: ImageCache,
    batches: Sequence[Sequence[int]],
    resolution: int,
    seed: int,
) -> Generator[_Batch]:
    """The batches in their order, prepared by several threads, a few ahead.

    The body does not change: it can look at later views while the heads still learn from earlier ones.
    Each view has random numbers of its own: it does not matter which thread makes it, or when.
    """
    import numpy
    import torch

    body = _Body()

    def prepare(step: int) -> _Batch:
        views = [
            random_crop(
                pictures.get(examples[number]),
                examples[number],
                resolution,
                numpy.random.default_rng([seed, _VIEWS, step, slot]),
            )
            for slot, number in enumerate(batches[step])
        ]
        pixels, boxes, tags = zip(*views, strict=True)
        truths = [
            Truth(torch.from_numpy(each), torch.from_numpy(which))
            for each, which in zip(boxes, tags, strict=True)
        ]
        features = body(torch.from_numpy(numpy.stack(pixels)))
        return _Batch(numpy.array(batches[step]), features, truths)

    threads = min(processor_count(), _MOST_VIEW_THREADS)
    with single_threaded_pool(threads, "views") as pool:
        submitted = (pool.submit(prepare, step) for step in range(len(batches)))
        running = deque(islice(submitted, threads + 1))
        try:
            while running:
                batch = running.popleft().result()
                running.extend(islice(submitted, 1))
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _tensor(weight: FloatArray) -> torch.Tensor:
    """A copy in PyTorch, channels last if it is of a convolution."""
    import torch

    tensor = torch.from_numpy(weight.copy())
    return tensor.to(memory_format=torch.channels_last) if weight.ndim == 4 else tensor


@contextmanager
def _reproducible() -> Iterator[None]:
    """While it lasts, PyTorch gives the same numbers for the same work, and computes on the thread that asks.

    Threads inside of an operation would wait for each other thousands of times a step, and come to a near
    standstill whenever another process wants a processor; they could also make the numbers depend on how many
    there are.
    """
    import torch

    strict = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with single_threaded_operations():
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
