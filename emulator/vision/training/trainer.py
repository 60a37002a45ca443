"""Learning all weights of a network: slices of a batch, threads, devices, memory. PyTorch; for the worker
alone.

A batch is divided into slices of fixed size, each of which a thread computes by itself; the gradients are
added in the order of the slices. That makes the numbers independent of how many processors there are, and
keeps PyTorch's own threads, which come to a near standstill whenever another process wants a processor, out
of it. A GPU computes one slice after the other, as large as its memory allows.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emulator.vision.concurrency import processor_count, single_threaded_operations, single_threaded_pool
from emulator.vision.networks.torch_runner import fast_bfloat16, training_device
from emulator.vision.training.errors import LossNotFinite

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    # Of the members of the batch from the first number up to, but without, the second, with these weights on
    # this device: what they add to the batch's loss, a scalar.
    LossOfSlice = Callable[[int, int, Mapping[str, torch.Tensor], torch.device], torch.Tensor]

_log = logging.getLogger(__name__)

# More threads than these wait for each other.
_MOST_THREADS = 4
_GPU_SLICE = 32


class WholeNetwork:
    """The weights of a network while it learns, by AdamW."""

    def __init__(
        self,
        weights: Mapping[str, Array],
        *,
        learning_rate: Callable[[str], float],
        weight_decay: float,
        max_grad_norm: float,
        slice_size: int,
        frozen: Collection[str] = (),
    ) -> None:
        """
        Args:
            learning_rate: full learning rate of the weight with a name.
            weight_decay: of weights, not of biases.
            max_grad_norm: longer ones are cut to this length.
            slice_size: members of a batch that a processor computes together.
            frozen: names of the weights that stay as they are.
        """
        import torch

        self._frozen = frozenset(frozen)
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._max_grad_norm, self._slice_size = max_grad_norm, slice_size
        device = training_device()
        try:
            self._move_to(device, weights)
        except RuntimeError as error:  # too little memory, or a GPU that this PyTorch cannot use after all
            if device.type == "cpu":
                raise
            _log.warning("The GPU cannot be used: %s", error)
            self._move_to(torch.device("cpu"), weights)

    def learn(self, count: int, share: float, loss_of: LossOfSlice, pool: ThreadPoolExecutor) -> None:
        """One step on a batch of so many members; `share` is that of the full learning rates.

        Raises:
            LossNotFinite: the loss is not a number any more.
            MemoryError: not even a single member fits into memory.
        """
        while True:
            try:
                gradients = self._summed(count, loss_of, pool)
                break
            except (RuntimeError, MemoryError) as error:
                if not _is_lack_of_memory(error):
                    raise
            self._need_less()  # out here, where the error and what it holds on to are gone
        try:
            self._step(gradients, share)
            return
        except (RuntimeError, MemoryError) as error:
            if not _is_lack_of_memory(error):
                raise
        del gradients
        self._go_on_without_gpu()
        self.learn(count, share, loss_of, pool)

    def _step(self, gradients: list[torch.Tensor], share: float) -> None:
        import torch

        for weight, gradient in zip(self._learning, gradients, strict=True):
            weight.grad = gradient
        for group, rate in zip(self._optimiser.param_groups, self._learning_rates, strict=True):
            group["lr"] = rate * share
        torch.nn.utils.clip_grad_norm_(self._learning, self._max_grad_norm)
        self._optimiser.step()

    def arrays(self) -> dict[str, NDArray[numpy.float32]]:
        """The weights as they are now, by name. Raises LossNotFinite when one of them is not finite."""
        import numpy

        weights = {
            name: numpy.ascontiguousarray(weight.detach().cpu().numpy())
            for name, weight in self._weights.items()
        }
        if not all(numpy.isfinite(weight).all() for weight in weights.values()):
            raise LossNotFinite
        return weights

    def _summed(self, count: int, loss_of: LossOfSlice, pool: ThreadPoolExecutor) -> list[torch.Tensor]:
        """Gradients of a batch."""
        run = pool.map if self._device.type == "cpu" else map
        sums: list[torch.Tensor] = []
        for gradients in run(
            lambda first: self._gradients(first, min(first + self._slice, count), loss_of),
            range(0, count, self._slice),
        ):
            sums = [a.add_(b) for a, b in zip(sums, gradients, strict=True)] if sums else gradients
        return sums

    def _gradients(self, first: int, last: int, loss_of: LossOfSlice) -> list[torch.Tensor]:
        import torch

        half = fast_bfloat16() if self._device.type == "cpu" else self._device.type == "cuda"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=half):
            loss = loss_of(first, last, self._weights, self._device)
        if not math.isfinite(loss.item()):
            raise LossNotFinite
        return list(torch.autograd.grad(loss, self._learning))

    def _need_less(self) -> None:
        """Go on in smaller slices, and where even those are too large, on the CPU."""
        import torch

        if self._slice == 1:
            self._go_on_without_gpu()
            return
        self._slice //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _go_on_without_gpu(self) -> None:
        import torch

        if self._device.type == "cpu":
            raise MemoryError("There is not enough memory to train")
        _log.warning("The memory of the GPU is too small; training goes on without it")
        self._move_to(torch.device("cpu"), self.arrays())
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _move_to(self, device: torch.device, weights: Mapping[str, Array]) -> None:
        """Begin, or go on, with these weights; what the optimiser remembers is lost."""
        import torch

        self._device = device
        self._slice = self._slice_size if device.type == "cpu" else _GPU_SLICE
        self._weights = {
            name: _parameter(weight, device, learns=name not in self._frozen)
            for name, weight in weights.items()
        }
        learning = {name: weight for name, weight in self._weights.items() if weight.requires_grad}
        self._learning = list(learning.values())
        groups: dict[tuple[float, bool], list[torch.Tensor]] = {}
        for name, weight in learning.items():
            groups.setdefault((self._learning_rate(name), weight.ndim > 1), []).append(weight)
        self._learning_rates = [rate for rate, _ in groups]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": members, "weight_decay": self._weight_decay if decays else 0.0}
                for (_, decays), members in groups.items()
            ]
        )


@contextmanager
def slice_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for slices. While it lasts, PyTorch gives the same numbers for the same work."""
    import torch

    strict = torch.are_deterministic_algorithms_enabled()
    # GPUs have no such promise to give for all that is needed here.
    torch.use_deterministic_algorithms(training_device().type == "cpu")
    try:
        with (
            single_threaded_operations(),
            single_threaded_pool(min(processor_count(), _MOST_THREADS), "slices") as pool,
        ):
            yield pool
    finally:
        torch.use_deterministic_algorithms(strict)


def learning_rate_factor(step: int, done: float, steps: int, warm_up_steps: int) -> float:
    """Share of the full learning rate: it rises over the warm-up and then falls along a cosine to nothing.

    Args:
        step: from 0.
        done: share of the training that is done, 0..1.
        steps: planned; the warm-up takes a fifth of them at most.
    """
    warm = min(1.0, (step + 1) / min(warm_up_steps, max(1, steps // 5)))
    return warm * (1 + math.cos(math.pi * done)) / 2


def _is_lack_of_memory(error: Exception) -> bool:
    """Whether a processor's or a GPU's memory was too small. Only CUDA has an exception of its own for it."""
    import torch

    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in text for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _parameter(weight: Array, device: torch.device, *, learns: bool) -> torch.Tensor:
    import numpy
    import torch

    tensor = torch.from_numpy(weight.astype(numpy.float32)).to(device)
    if weight.ndim == 4:
        tensor = tensor.to(memory_format=torch.channels_last)
    return tensor.requires_grad_(learns)
