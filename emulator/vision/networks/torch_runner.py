"""Run a network's list of operations with PyTorch, for training. Imports PyTorch: for the worker process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emulator.vision.networks.graph import Operation, same_padding
from emulator.vision.networks.torch_nodes import run_node

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def run_operations(
    operations: Iterable[Operation], weights: Mapping[str, Tensor], tensors: dict[str, Tensor]
) -> None:
    """Run operations in their order on `tensors`, a dict by name, and add their outputs to it.

    Images are (N, channels, height, width) inside; the network's input is uint8 (N, height, width, 3). The
    type of the weights is the precision of the computation; integer constants of nodes are in the processor's
    memory.

    Raises:
        NotImplementedError: operations of this kind are not supported.
    """
    for operation in operations:
        if operation.kind == "node":
            values = [_value(name, tensors, weights) for name in operation.inputs]
            names = (operation.output, *operation.further_outputs)
            tensors.update(zip(names, run_node(operation, values), strict=False))
            continue
        inputs = [tensors[name] for name in operation.inputs]
        tensors[operation.output] = _run(operation, inputs, weights)


def _value(name: str, tensors: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Tensor | None:
    """An input of a node: a tensor, a constant, or None for one that is left out."""
    if not name:
        return None
    return tensors[name] if name in tensors else weights[name]


# GPUs that failed in this process.
_lost: set[str] = set()


def training_device() -> torch.device:
    """The device for training whole networks: a GPU if PyTorch finds one (CUDA, Apple), else the CPU."""
    import torch

    if torch.cuda.is_available() and "cuda" not in _lost:
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() and "mps" not in _lost else "cpu")


def give_up_device(device: torch.device) -> None:
    """Use this GPU no more in this process: after an error, CUDA refuses all further work of a process."""
    _lost.add(device.type)


@contextmanager
def without_gpu() -> Iterator[None]:
    """Within the block, trainings use the processor."""
    before = set(_lost)
    _lost.update(("cuda", "mps"))
    try:
        yield
    finally:
        _lost.clear()
        _lost.update(before)


def _run(operation: Operation, inputs: list[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    import torch
    from torch.nn import functional

    (first, *_) = inputs
    match operation.kind:
        case "normalise":
            mean, scale = (
                torch.tensor(each, device=first.device) for each in (operation.mean, operation.scale)
            )
            # The permuted view has channels last in memory, the layout in which convolutions are fastest.
            return ((first.float() - mean) * scale).permute(0, 3, 1, 2)
        case "convolution" | "depthwise_convolution":
            return _convolution(operation, first, weights)
        case "add":
            return inputs[0] + inputs[1]
        case "multiply":
            return inputs[0] * inputs[1]
        case "concatenate":
            return torch.cat(inputs, 1)
        case "max_pool":
            return functional.max_pool2d(first, 3, 2, 1)
        case "resize":
            return functional.interpolate(
                first, scale_factor=operation.factor, mode="bilinear", align_corners=False
            )
        case "points":
            return torch.cat([image.flatten(2) for image in inputs], 2).transpose(1, 2)
        case "global_average":
            return first.mean((2, 3))
        case "l2_normalise":
            assert isinstance(operation.scale, float)
            return functional.normalize(first.float()) * operation.scale
        case "dense":
            assert operation.weight is not None and operation.bias is not None
            return torch.addmm(weights[operation.bias], first, weights[operation.weight])
        case "softmax":
            return first.softmax(1)
        case "sigmoid":
            return first.sigmoid()
        case "scale_rows":
            return first * inputs[1].unsqueeze(1)
        case "sqrt":
            return first.sqrt()
        case _:
            raise NotImplementedError(operation.kind)


def _convolution(operation: Operation, image: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    import torch
    from torch.nn import functional

    assert operation.weight is not None and operation.bias is not None
    weight = weights[operation.weight]
    kernel = weight.shape[-1]
    padding = kernel // 2
    if not operation.symmetric_padding:
        before, after, _ = same_padding(image.shape[-1], kernel, operation.stride)
        padding = before
        if before != after:
            image = functional.pad(image, [before, after, before, after])
            padding = 0
    # One order of channels for all layers: that of the weights. Kernels of one pixel and of one channel have
    # both.
    if kernel > 1 and weight.shape[1] > 1 and weight.is_contiguous():
        image = image.contiguous()
    # Autocast chooses the type; converting before would only cost time.
    if not torch.is_autocast_enabled(image.device.type):
        image = image.to(weight.dtype)
    output = functional.conv2d(
        image,
        weight,
        weights[operation.bias],
        operation.stride,
        padding,
        groups=len(weight) if operation.kind == "depthwise_convolution" else 1,
    )
    # In place: nothing else reads the output of the convolution.
    if operation.relu6:
        return functional.hardtanh_(output, 0.0, 6.0)
    slope = operation.negative_slope
    return output if slope is None else functional.leaky_relu_(output, slope)
