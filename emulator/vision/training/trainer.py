"""Training all weights of a network: slices of a batch, threads, devices, memory. PyTorch, only in the
worker.

A batch is divided into slices of fixed size, and each slice is computed by one thread; the gradients are
added in the order of the slices. The result does not depend on the number of processors, and PyTorch's own
threads, which become very slow when another process uses a processor, are not used. A GPU computes one slice
after the other, as large as its memory allows.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emulator.vision.concurrency import (
    processor_count,
    single_threaded_operations,
    single_threaded_pool,
)
from emulator.vision.networks.torch_runner import fast_bfloat16, training_device
from emulator.vision.training.errors import LossNotFinite

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    # (first, last, weights, device) -> the part of the batch's loss, a scalar, of the samples first..last-1.
    LossOfSlice = Callable[[int, int, Mapping[str, torch.Tensor], torch.device], torch.Tensor]

_log = logging.getLogger(__name__)

# More threads would only wait for each other.
_MOST_THREADS = 4
_GPU_SLICE = 32


class WholeNetwork:
    """A network in training, with AdamW."""

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
            learning_rate: peak learning rate of a weight, by its name.
            weight_decay: of weights, not of biases.
            max_grad_norm: norm that gradients are clipped to.
            slice_size: samples per slice on a CPU.
            frozen: names of the weights that are not trained.
        """
        import torch

        self._frozen = frozenset(frozen)
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._max_grad_norm, self._slice_size = max_grad_norm, slice_size
        device = training_device()
        try:
            self._move_to(device, weights)
        except RuntimeError as error:  # too little memory, or a GPU that this PyTorch does not support
            if device.type == "cpu":
                raise
            _log.warning("The GPU cannot be used: %s", error)
            self._move_to(torch.device("cpu"), weights)

    def train_step(self, count: int, factor: float, loss_of: LossOfSlice, pool: ThreadPoolExecutor) -> None:
        """One step on a batch of `count` samples; `factor` multiplies the peak learning rates.

        Raises:
            LossNotFinite: the loss is NaN or infinite.
            MemoryError: not even a single sample fits into memory.
        """
        while True:
            try:
                gradients = self._summed(count, loss_of, pool)
                break
            except (RuntimeError, MemoryError) as error:
                if not _is_lack_of_memory(error):
                    raise
            self._reduce_memory()  # outside of `except`, where the error no longer keeps tensors alive
        try:
            self._step(gradients, factor)
            return
        except (RuntimeError, MemoryError) as error:
            if not _is_lack_of_memory(error):
                raise
        del gradients
        self._continue_on_cpu()
        self.train_step(count, factor, loss_of, pool)

    def _step(self, gradients: list[torch.Tensor], factor: float) -> None:
        import torch

        for weight, gradient in zip(self._trainable, gradients, strict=True):
            weight.grad = gradient
        for group, rate in zip(self._optimizer.param_groups, self._learning_rates, strict=True):
            group["lr"] = rate * factor
        torch.nn.utils.clip_grad_norm_(self._trainable, self._max_grad_norm)
        self._optimizer.step()

    def arrays(self) -> dict[str, NDArray[numpy.float32]]:
        """The current weights by name. Raises LossNotFinite if one of them is not finite."""
        import numpy

        weights = {
            name: numpy.ascontiguousarray(weight.detach().cpu().numpy())
            for name, weight in self._weights.items()
        }
        if not all(numpy.isfinite(weight).all() for weight in weights.values()):
            raise LossNotFinite
        return weights

    def _summed(self, count: int, loss_of: LossOfSlice, pool: ThreadPoolExecutor) -> list[torch.Tensor]:
        """Gradients of a batch, added in the order of the slices."""
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
        return list(torch.autograd.grad(loss, self._trainable))

    def _reduce_memory(self) -> None:
        """Halve the slices, or continue on the CPU if a slice is a single sample."""
        import torch

        if self._slice == 1:
            self._continue_on_cpu()
            return
        self._slice //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _continue_on_cpu(self) -> None:
        import torch

        if self._device.type == "cpu":
            raise MemoryError("There is not enough memory to train")
        _log.warning("The memory of the GPU is too small; training goes on without it")
        self._move_to(torch.device("cpu"), self.arrays())
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _move_to(self, device: torch.device, weights: Mapping[str, Array]) -> None:
        """Start or continue with these weights; the state of the optimizer is reset."""
        import torch

        self._device = device
        self._slice = self._slice_size if device.type == "cpu" else _GPU_SLICE
        self._weights = {
            name: _parameter(weight, device, trainable=name not in self._frozen)
            for name, weight in weights.items()
        }
        trainable = {name: weight for name, weight in self._weights.items() if weight.requires_grad}
        self._trainable = list(trainable.values())
        groups: dict[tuple[float, bool], list[torch.Tensor]] = {}
        for name, weight in trainable.items():
            groups.setdefault((self._learning_rate(name), weight.ndim > 1), []).append(weight)
        self._learning_rates = [rate for rate, _ in groups]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": members, "weight_decay": self._weight_decay if decays else 0.0}
                for (_, decays), members in groups.items()
            ]
        )


@contextmanager
def slice_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for slices. Within the block, PyTorch is deterministic on the CPU."""
    import torch

    strict = torch.are_deterministic_algorithms_enabled()
    # On GPUs some of the operations have no deterministic implementation.
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
    """Factor on the peak learning rate: it rises over the warm-up and then falls to 0 along a cosine.

    Args:
        step: from 0.
        done: fraction of the training that is done, 0..1.
        steps: planned number; the warm-up takes at most a fifth of them.
    """
    warm = min(1.0, (step + 1) / min(warm_up_steps, max(1, steps // 5)))
    return warm * (1 + math.cos(math.pi * done)) / 2


def _is_lack_of_memory(error: Exception) -> bool:
    """Whether the memory of the CPU or GPU was too small. Only CUDA has an exception class for it."""
    import torch

    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in text for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _parameter(weight: Array, device: torch.device, *, trainable: bool) -> torch.Tensor:
    import numpy
    import torch

    tensor = torch.from_numpy(weight.astype(numpy.float32)).to(device)
    if weight.ndim == 4:
        tensor = tensor.to(memory_format=torch.channels_last)
    return tensor.requires_grad_(trainable)
