"""A network's list of operations, run by PyTorch: what training needs. Imports PyTorch; for the worker
alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from emulator.vision.networks import Operation

if TYPE_CHECKING:
    from torch import Tensor


def run_operations(
    operations: Iterable[Operation], weights: Mapping[str, Tensor], tensors: dict[str, Tensor]
) -> None:
    """Run operations one after the other on `tensors`, by name, and add what they write to it.

    Pictures are (N, channels, height, width) inside; the network's input is uint8 (N, height, width, 3), as
    it is everywhere. The type of the weights is the precision of the computation.

    Raises:
        NotImplementedError: nobody has trained through such an operation yet.
    """
    for operation in operations:
        inputs = [tensors[name] for name in operation.inputs]
        tensors[operation.output] = _run(operation, inputs, weights)


@lru_cache(maxsize=1)
def fast_bfloat16() -> bool:
    """Whether the processor computes in bfloat16, which then is two to three times as fast as float32."""
    import torch

    found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def _run(operation: Operation, inputs: list[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    import torch
    from torch.nn import functional

    (first, *_) = inputs
    match operation.kind:
        case "normalise":
            mean, scale = torch.tensor(operation.mean), torch.tensor(operation.scale)
            # The permuted view has its channels last in memory, the order in which convolutions are fastest.
            return ((first.float() - mean) * scale).permute(0, 3, 1, 2)
        case "convolution":
            assert operation.weight is not None and operation.bias is not None
            weight = weights[operation.weight]
            if not operation.centred:
                raise NotImplementedError("convolution with the padding of TensorFlow")
            output = functional.conv2d(
                first.to(weight.dtype),
                weight,
                weights[operation.bias],
                operation.stride,
                weight.shape[-1] // 2,
            )
            # In place: nothing else reads what a convolution gives.
            return output if operation.leak is None else functional.leaky_relu_(output, operation.leak)
        case "add":
            return inputs[0] + inputs[1]
        case "concatenate":
            return torch.cat(inputs, 1)
        case "max_pool":
            return functional.max_pool2d(first, 3, 2, 1)
        case "resize":
            return functional.interpolate(
                first, scale_factor=operation.factor, mode="bilinear", align_corners=False
            )
        case "points":
            return torch.cat([picture.flatten(2) for picture in inputs], 2).transpose(1, 2)
        case "sigmoid":
            return first.sigmoid()
        case _:
            raise NotImplementedError(operation.kind)
