"""Quick training of detectors: several heads on one frozen backbone and neck. PyTorch; for the worker alone.

Beside the head of the final model, heads are trained without some of the images; their predictions on these
images are the training's evaluation. All heads use the same crops and the same features. Features are most of
the work, so a further head costs a fraction of a training.

Letters of shapes: N examples, T tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from emulator.vision.concurrency import (
    processor_count,
    single_threaded_operations,
    single_threaded_pool,
)
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
from emulator.vision.networks.torch_runner import run_operations
from emulator.vision.recipes.recipes import DetectorRecipe
from emulator.vision.training.errors import LossNotFinite
from emulator.vision.training.number_formats import NumberFormat, fastest_format
from emulator.vision.training.trainer import made_in_threads

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

_WEIGHT_DECAY = 1e-4
_MAX_GRAD_NORM = 10.0
_FINAL_LR_FACTOR = 0.01
_CLASS_WEIGHT_STD = 0.01
# Probability of each tag at each point before training.
_INITIAL_PROBABILITY = 0.02
# More threads would prepare batches faster than the heads use them; each needs 100 MB.
_MAX_CROP_THREADS = 4
# Images that number formats are compared with: few, so that it takes less than a second.
_MEASURED_IMAGES = 2
# Streams of random numbers: each is independent of how many numbers another has drawn.
_ORDER, _CROPS, _CLASSES = range(3)


@dataclass(frozen=True)
class Head:
    """A head to train.

    Attributes:
        held_out_N: the examples that it is not trained on.
    """

    held_out_N: NDArray[numpy.bool_]  # noqa: N815 - the suffix names the axes


def train_heads(
    examples: Sequence[Example],
    images: ImageCache,
    heads: Sequence[Head],
    tag_count: int,
    recipe: DetectorRecipe,
    *,
    seed: int,
    progress: Callable[[float], None],
) -> list[dict[str, FloatArray]]:
    """Train heads side by side, from the same weights and on the same crops, less its held-out examples.

    Args:
        progress: called with the share that is done, 0..1.

    Returns:
        The weights of each head's layers, by name.

    Raises:
        LossNotFinite: the loss is not finite.
    """
    steps = recipe.steps(len(examples))
    loss = DetectionLoss(recipe.resolution)
    with _reproducible():
        learners = [_Learner(head, tag_count, recipe, seed) for head in heads]
        backbone = _Backbone(recipe.resolution)
        learners[0].choose_format(backbone(_noise(recipe.resolution)), recipe.resolution)
        for learner in learners[1:]:
            learner.bfloat16 = learners[0].bfloat16
        chosen = sample_batches(examples, tag_count, recipe.batch, steps, seed)
        batches = _batches(examples, images, chosen, backbone, recipe.resolution, seed)
        with (
            closing(batches),
            single_threaded_pool(len(learners), "heads") as pool,
        ):
            for step, batch in enumerate(batches):
                warm = min(1.0, (step + 1) / recipe.warm_up_steps)
                falling = (
                    _FINAL_LR_FACTOR + (1 - _FINAL_LR_FACTOR) * (1 + math.cos(math.pi * step / steps)) / 2
                )
                train_step = partial(_Learner.train_step, batch=batch, loss=loss, share=warm * falling)
                list(pool.map(train_step, learners))
                progress((step + 1) / steps)
        return [learner.weights() for learner in learners]


def sample_batches(
    examples: Sequence[Example], tag_count: int, size: int, steps: int, seed: int
) -> list[list[int]]:
    """The examples of each step's batch, as numbers.

    All examples in a random order, then all again in another one. Examples of rare tags are repeated (repeat
    factors of Gupta et al., *LVIS*, 2019: the square root of the mean frequency of tags over the tag's own),
    and images without objects are at most as many as the others.

    Args:
        size: examples per batch.
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


class _Backbone:
    """The published backbone and neck, frozen, in the fastest number format."""

    def __init__(self, resolution: int) -> None:
        """
        Args:
            resolution: side of the images in pixels.
        """
        self._operations = backbone_and_neck_operations()
        pixels = _noise(resolution)
        in_format: dict[NumberFormat, dict[str, torch.Tensor]] = {}

        def run(number_format: NumberFormat) -> None:
            if number_format not in in_format:
                in_format[number_format] = self._weights_in(number_format)
            self._weights = in_format[number_format]
            self(pixels)

        layers = f"frozen backbone and neck of the detector, {resolution} pixels"
        self._weights = self._weights_in(fastest_format(layers, run))

    def _weights_in(self, number_format: NumberFormat) -> dict[str, torch.Tensor]:
        import torch

        element = torch.bfloat16 if number_format.bfloat16 else torch.float32
        layout = torch.channels_last if number_format.channels_last else torch.contiguous_format
        return {
            name: _tensor(weight).to(element, memory_format=layout if weight.ndim == 4 else None)
            for name, weight in published_weights().items()
            if not name.startswith("head.")
        }

    def __call__(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """From images (N, side, side, 3), uint8, to the levels of the feature pyramid, by name."""
        import torch

        tensors = {INPUT: pixels}
        with torch.no_grad():
            run_operations(self._operations, self._weights, tensors)
        return {name: tensors[name] for name in PYRAMID}


class _Learner:
    """A head in training. Its shared layers and distance layers start from the weights for COCO."""

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
        self._optimizer = torch.optim.AdamW(
            [{"params": classes}, {"params": others}], weight_decay=_WEIGHT_DECAY
        )
        self.bfloat16 = False

    def choose_format(self, features: Mapping[str, torch.Tensor], resolution: int) -> None:
        """Choose between float32 and bfloat16 by the speed on these features of images of `resolution`."""
        import torch

        def run(number_format: NumberFormat) -> None:
            self.bfloat16 = number_format.bfloat16
            tensors = self._outputs(features)
            result = tensors[LOGITS].float().sum() + tensors[DISTANCES].float().sum()
            torch.autograd.grad(result, list(self._weights.values()))

        layers = f"head of the detector, {resolution} pixels"
        self.bfloat16 = fastest_format(layers, run, channels_first=False).bfloat16

    def _outputs(self, features: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The tensors of the head, by name."""
        import torch

        tensors = dict(features)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            run_operations(self._operations, self._weights, tensors)
        return tensors

    def train_step(self, *, batch: _Batch, loss: DetectionLoss, share: float) -> None:
        """One optimizer step on the examples that are not held out; `share`: factor on the learning rate."""
        import numpy
        import torch

        rows = numpy.flatnonzero(self._visible_N[batch.chosen])
        if not len(rows):
            return
        features = batch.features
        if len(rows) < len(batch.chosen):
            features = {name: level[torch.from_numpy(rows)] for name, level in features.items()}
        tensors = self._outputs(features)
        value = loss(tensors[LOGITS], tensors[DISTANCES], [batch.truths[row] for row in rows.tolist()])
        if not math.isfinite(value.item()):
            raise LossNotFinite
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        self._optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._weights.values(), _MAX_GRAD_NORM)
        self._optimizer.step()

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
    """The material of a step: numbers of the examples, features of their crops, objects of the crops."""

    chosen: NDArray[numpy.int64]
    features: dict[str, torch.Tensor]
    truths: list[Truth]


def _batches(
    examples: Sequence[Example],
    images: ImageCache,
    batches: Sequence[Sequence[int]],
    backbone: _Backbone,
    resolution: int,
    seed: int,
) -> Generator[_Batch]:
    """The batches in order, prepared ahead by several threads.

    The backbone is frozen, so features of later crops can be computed while the heads train on earlier ones.
    Each crop has its own random generator, so its pixels do not depend on the thread that makes it.
    """
    import numpy
    import torch

    def prepare(step: int) -> _Batch:
        crops = [
            random_crop(
                images.get(examples[number]),
                examples[number],
                resolution,
                numpy.random.default_rng([seed, _CROPS, step, slot]),
            )
            for slot, number in enumerate(batches[step])
        ]
        pixels, boxes, tags = zip(*crops, strict=True)
        truths = [
            Truth(torch.from_numpy(each), torch.from_numpy(which))
            for each, which in zip(boxes, tags, strict=True)
        ]
        features = backbone(torch.from_numpy(numpy.stack(pixels)))
        return _Batch(numpy.array(batches[step]), features, truths)

    threads = min(processor_count(), _MAX_CROP_THREADS)
    yield from made_in_threads(prepare, len(batches), threads=threads, ahead=1)


def _noise(resolution: int) -> torch.Tensor:
    """Images of noise (`_MEASURED_IMAGES`, resolution, resolution, 3), for measurements of speed."""
    import numpy
    import torch

    shape = (_MEASURED_IMAGES, resolution, resolution, 3)
    return torch.from_numpy(numpy.random.default_rng(0).integers(0, 256, shape, numpy.uint8))


def _tensor(weight: FloatArray) -> torch.Tensor:
    """A copy as a tensor; channels last for convolutions."""
    import torch

    tensor = torch.from_numpy(weight.copy())
    return tensor.to(memory_format=torch.channels_last) if weight.ndim == 4 else tensor


@contextmanager
def _reproducible() -> Iterator[None]:
    """Within the block, PyTorch is deterministic, and each operation computes on the thread that calls it.

    Threads inside of an operation would wait for each other thousands of times a step, and would nearly stop
    whenever another process uses a processor; results could also depend on their number.
    """
    import torch

    strict = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with single_threaded_operations():
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
