"""Training of a whole detector, body and head, from given weights on. PyTorch; for the worker alone.

As in `finetuning`, a batch is divided into slices of fixed size, each of which a thread computes by itself;
the gradients are added in the order of the slices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.budget import Budget
from emulator.vision.detection_loss import DetectionLoss, Truth
from emulator.vision.detection_training import new_class_layers, reproducible, sample_batches
from emulator.vision.detection_views import Example, Pictures, random_view
from emulator.vision.features import processor_count
from emulator.vision.finetuning import Unstable
from emulator.vision.nanodet import DISTANCES, LOGITS, body_operations, head_operations
from emulator.vision.networks import INPUT
from emulator.vision.recipes import AdvancedDetectorRecipe
from emulator.vision.torch_network import fast_bfloat16, run_operations

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

_SLICE = 4
# Streams of random numbers: those of quick training are other ones.
_VIEWS = 10


@dataclass(frozen=True)
class Scale:
    """How large pictures are: `resolution` is the side in pixels that they are scored in, `magnification` how
    much smaller than a picture the windows are that are learned from."""

    resolution: int
    magnification: float


def train_whole(
    examples: Sequence[Example],
    pictures: Pictures,
    start: Mapping[str, FloatArray],
    tag_count: int,
    recipe: AdvancedDetectorRecipe,
    scale: Scale,
    *,
    steps: int,
    seed: int,
    budget: Budget,
    progress: Callable[[float], None],
) -> dict[str, FloatArray]:
    """Train all layers; those of the tags are new.

    Args:
        start: weights of the body and of the head's other layers, as `nanodet.published_weights` names them.
        steps: planned; see `Budget.plan` for when it becomes fewer.
        progress: called with the share that is done, 0..1.

    Returns:
        The weights of all layers, by name.

    Raises:
        Unstable: the loss is not a number any more.
    """
    chosen = sample_batches(examples, tag_count, recipe.batch, steps, seed)
    with reproducible(), ThreadPoolExecutor(_threads(), thread_name_prefix="slices") as pool:
        learner = _Learner(examples, pictures, start, tag_count, recipe, scale, seed)
        warm_up = min(recipe.warm_up_steps, max(1, steps // 5))
        done, step, remaining = 0.0, 0, budget.plan(steps)
        while remaining:
            share = min(1.0, (step + 1) / warm_up) * (1 + math.cos(math.pi * done)) / 2
            learner.learn(step, chosen[step], share, pool)
            step += 1
            done += (1 - done) / remaining
            remaining = budget.plan(remaining - 1)
            progress(done)
        return learner.result()


def measure_step(
    examples: Sequence[Example],
    pictures: Pictures,
    start: Mapping[str, FloatArray],
    tag_count: int,
    recipe: AdvancedDetectorRecipe,
    scale: Scale,
    clock: Callable[[], float],
) -> float:
    """Seconds of a step on this machine, as it is now: the second of two, which change nothing."""
    (chosen,) = sample_batches(examples, tag_count, recipe.batch, 1, 0)
    with reproducible(), ThreadPoolExecutor(_threads(), thread_name_prefix="slices") as pool:
        learner = _Learner(examples, pictures, start, tag_count, recipe, scale, 0)
        for _ in range(2):
            started = clock()
            learner.learn(0, chosen, 0.0, pool)
        return clock() - started


class _Learner:
    def __init__(
        self,
        examples: Sequence[Example],
        pictures: Pictures,
        start: Mapping[str, FloatArray],
        tag_count: int,
        recipe: AdvancedDetectorRecipe,
        scale: Scale,
        seed: int,
    ) -> None:
        import torch

        self._examples, self._pictures, self._recipe = examples, pictures, recipe
        self._scale, self._seed = scale, seed
        self._loss = DetectionLoss(recipe.view)
        self._operations = (*body_operations(), *head_operations()[:-1])  # the loss takes logits
        weights = {
            **{name: weight for name, weight in start.items() if ".classes." not in name},
            **new_class_layers(tag_count, seed),
        }
        self._weights = {name: _parameter(weight) for name, weight in weights.items()}
        rate = recipe.rate if len(examples) >= recipe.few else recipe.rate_of_few
        groups: dict[tuple[bool, bool], list[torch.Tensor]] = {}
        for name, weight in self._weights.items():
            groups.setdefault((".classes." in name, name.endswith(".weight")), []).append(weight)
        self._rates = [rate * (recipe.class_factor if of_tags else 1.0) for of_tags, _ in groups]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": weights, "weight_decay": recipe.weight_decay if decays else 0.0}
                for (_, decays), weights in groups.items()
            ]
        )

    def learn(self, step: int, numbers: Sequence[int], share: float, pool: ThreadPoolExecutor) -> None:
        """One step; `share` is that of the full learning rate."""
        import torch

        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * share
        starts = range(0, len(numbers), _SLICE)
        sums: list[torch.Tensor] = []
        for gradients in pool.map(
            lambda first: self._gradients(step, first, numbers[first : first + _SLICE], len(numbers)), starts
        ):
            sums = [a.add_(b) for a, b in zip(sums, gradients, strict=True)] if sums else list(gradients)
        for weight, gradient in zip(self._weights.values(), sums, strict=True):
            weight.grad = gradient
        torch.nn.utils.clip_grad_norm_(self._weights.values(), self._recipe.longest_gradient)
        self._optimiser.step()

    def _gradients(self, step: int, first: int, numbers: Sequence[int], whole: int) -> Sequence[torch.Tensor]:
        import numpy
        import torch

        views = [
            random_view(
                self._pictures.of(self._examples[number]),
                self._examples[number],
                self._recipe.view,
                numpy.random.default_rng([self._seed, _VIEWS, step, first + slot]),
                self._scale.magnification,
            )
            for slot, number in enumerate(numbers)
        ]
        truths = [Truth(torch.from_numpy(boxes), torch.from_numpy(tags)) for _, boxes, tags in views]
        tensors = {INPUT: torch.from_numpy(numpy.stack([pixels for pixels, _, _ in views]))}
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16()):
            run_operations(self._operations, self._weights, tensors)
        loss = self._loss(tensors[LOGITS], tensors[DISTANCES], truths) * (len(numbers) / whole)
        if not math.isfinite(loss.item()):
            raise Unstable
        return torch.autograd.grad(loss, list(self._weights.values()))

    def result(self) -> dict[str, FloatArray]:
        import numpy

        return {
            name: numpy.ascontiguousarray(weight.detach().numpy()) for name, weight in self._weights.items()
        }


def _parameter(weight: FloatArray) -> torch.Tensor:
    import torch

    tensor = torch.from_numpy(weight.copy())
    if weight.ndim == 4:
        tensor = tensor.to(memory_format=torch.channels_last)
    return tensor.requires_grad_()


def _threads() -> int:
    return min(processor_count(), 2)
