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
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from emulator.vision.concurrency import (
    processor_count,
    single_threaded_operations,
    single_threaded_pool,
)
from emulator.vision.networks.torch_runner import give_up_device, training_device
from emulator.vision.training.errors import LossNotFinite
from emulator.vision.training.number_formats import FLOAT32, NumberFormat, fastest_format

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]
    # (first, last, weights, device) -> the part of the batch's loss, a scalar, of the samples first..last-1.
    LossOfSlice = Callable[[int, int, Mapping[str, torch.Tensor], torch.device], torch.Tensor]

_log = logging.getLogger(__name__)

Batch = TypeVar("Batch")

# More threads would only wait for each other.
_MOST_THREADS = 4
_GPU_SLICE = 32
# Steps on a GPU after which the losses are read, which waits for the GPU, and the weights are copied: a GPU
# that fails costs at most these.
_STEPS_PER_CHECK = 32
# What the errors of a GPU that is gone, or of a driver that has failed, contain.
_LOST = (
    "cuda error",
    "cuda driver",
    "cudnn error",
    "cublas",
    "unspecified launch failure",
    "no kernel image",
)
# Number formats are compared with a slice, or with this many samples if a slice takes longer than this many
# seconds of processor time: the comparison takes about a second.
_FEW_SAMPLES, _LONG_SECONDS = 2, 0.15


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
        layers: str | None = None,
    ) -> None:
        """
        Args:
            learning_rate: peak learning rate of a weight, by its name.
            weight_decay: of weights, not of biases.
            max_grad_norm: norm that gradients are clipped to.
            slice_size: samples per slice on a CPU.
            frozen: names of the weights that are not trained.
            layers: description of the layers and the size of their input, see
                `number_formats.fastest_format`; None computes in float32 on a CPU.
        """
        import torch

        self._layers = layers
        self._format: NumberFormat | None = None
        self._losses: list[torch.Tensor] = []
        self._kept: Mapping[str, Array] = weights
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
        import torch

        try:
            self._train_step(count, factor, loss_of, pool)
        except RuntimeError as error:
            if not self._is_lost(error):
                raise
            _log.warning(
                "The GPU failed; training goes on without it, from weights of at most %d steps before: %s",
                _STEPS_PER_CHECK,
                error,
            )
            give_up_device(self._device)
            self._move_to(torch.device("cpu"), self._kept)
            self.train_step(count, factor, loss_of, pool)

    def _train_step(self, count: int, factor: float, loss_of: LossOfSlice, pool: ThreadPoolExecutor) -> None:
        while True:
            try:
                self._choose_format(min(count, self._slice), loss_of)
                gradients = self._summed(count, loss_of, pool)
                break
            except (RuntimeError, MemoryError) as error:
                if not _is_lack_of_memory(error):
                    raise
            self._reduce_memory()  # outside of `except`, where the error no longer keeps tensors alive
        try:
            self._step(gradients, factor)
            if self._device.type != "cpu":
                self._check_now_and_then()
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
        # Without effect where the number type needs no scaling; all of it stays on the GPU. After an overflow
        # the step is left out, and the scale is halved.
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._trainable, self._max_grad_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def _check_now_and_then(self) -> None:
        """Read the losses of the latest steps on a GPU and keep the weights, at long intervals."""
        import torch

        self._steps += 1
        if self._steps % _STEPS_PER_CHECK:
            return
        finite = torch.stack(self._losses).isfinite()
        self._losses.clear()
        # With scaling, single losses overflow; the weights stay finite.
        if not bool(finite.any() if self._scaler.is_enabled() else finite.all()):
            raise LossNotFinite
        self._kept = self.arrays()

    def _is_lost(self, error: RuntimeError) -> bool:
        """Whether the GPU is gone or refuses further work."""
        import torch

        if self._device.type == "cpu" or _is_lack_of_memory(error):
            return False
        is_accelerator_error = isinstance(error, getattr(torch, "AcceleratorError", ()))
        return is_accelerator_error or any(words in str(error).lower() for words in _LOST)

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

        assert self._format is not None
        number_type = torch.float16 if self._scaler.is_enabled() else torch.bfloat16
        half = self._format.bfloat16 or self._scaler.is_enabled()
        with torch.autocast(self._device.type, number_type, enabled=half):
            loss = loss_of(first, last, self._weights, self._device)
        if self._device.type != "cpu":
            self._losses.append(loss.detach())
        elif not math.isfinite(loss.item()):
            raise LossNotFinite
        return list(torch.autograd.grad(self._scaler.scale(loss), self._trainable))

    def _choose_format(self, samples: int, loss_of: LossOfSlice) -> None:
        """Choose the number format, once for each device."""
        if self._format is not None:
            return
        if self._device.type != "cpu":
            self._format = NumberFormat(
                bfloat16=self._device.type == "cuda" and not needs_scaling(self._device)
            )
            return
        if self._layers is None:
            self._format = FLOAT32
            return

        measured = 0

        def run(number_format: NumberFormat) -> None:
            nonlocal measured
            self._use(number_format)
            before = time.thread_time()
            self._gradients(0, measured or samples, loss_of)
            if not measured:
                is_long = time.thread_time() - before > _LONG_SECONDS
                measured = min(samples, _FEW_SAMPLES) if is_long else samples

        try:
            self._use(fastest_format(self._layers, run))
        except BaseException:
            self._format = None
            raise

    def _use(self, number_format: NumberFormat) -> None:
        import torch

        self._format = number_format
        layout = torch.channels_last if number_format.channels_last else torch.contiguous_format
        for weight in self._weights.values():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=layout)

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
        self._format = None
        self._steps, self._losses, self._kept = 0, [], weights
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
        scaled = needs_scaling(device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": members, "weight_decay": self._weight_decay if decays else 0.0}
                for (_, decays), members in groups.items()
            ],
            # It leaves out a step after an overflow without waiting for the GPU.
            fused=True if scaled else None,
        )


def prepared_ahead(make: Callable[[int], Batch], steps: int) -> Generator[Batch]:
    """The batches of all steps in order. With a GPU, threads prepare them ahead, so that it need not wait.

    Args:
        make: prepares the batch of a step, from 0; the result must not depend on the order of calls.
    """
    if training_device().type == "cpu":
        yield from map(make, range(steps))
        return
    threads = min(processor_count(), _MOST_THREADS)
    yield from made_in_threads(make, steps, threads=threads, ahead=threads)


def made_in_threads(
    make: Callable[[int], Batch], steps: int, *, threads: int, ahead: int
) -> Generator[Batch]:
    """The batches of all steps in order, `threads` at a time; up to `ahead` of them wait to be used."""
    with single_threaded_pool(threads, "batches") as pool:
        submitted = (pool.submit(make, step) for step in range(steps))
        running = deque(islice(submitted, threads + ahead))
        try:
            while running:
                batch = running.popleft().result()
                running.extend(islice(submitted, 1))
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on a device; to CUDA it is copied while the processor goes on."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def needs_scaling(device: torch.device) -> bool:
    """Whether a GPU lacks bfloat16 (before Ampere) and computes in float16, whose gradients need scaling."""
    import torch

    return device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)


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
