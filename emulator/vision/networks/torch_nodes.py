"""Run ONNX nodes with PyTorch, for training networks that users add. Imports PyTorch: for the worker process.

The operators are those that PyTorch's exporter writes for classification networks of torchvision. Shapes,
axes and indices are integer tensors in the processor's memory, also when images are on a GPU: reading them
does not wait for the GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from emulator.vision.networks.graph import Operation

if TYPE_CHECKING:
    from torch import Tensor

    # (inputs, where a missing one is None; attributes) -> the output, or all outputs.
    Node = Callable[[Sequence[Any], Mapping[str, Any]], Tensor | Sequence[Tensor]]


def run_node(operation: Operation, inputs: Sequence[Tensor | None]) -> list[Tensor]:
    """The outputs of a node.

    Raises:
        NotImplementedError: operators of this kind, or with these attributes, are not supported.
    """
    run = _nodes().get(operation.operator)
    if run is None:
        raise NotImplementedError(operation.operator)
    outputs = run(inputs, dict(operation.attributes))
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]  # type: ignore[list-item]


@lru_cache(maxsize=1)
def _nodes() -> Mapping[str, Node]:
    import torch
    from torch.nn import functional

    return {
        "Add": lambda i, _: i[0] + i[1],
        "Sub": lambda i, _: i[0] - i[1],
        "Mul": lambda i, _: i[0] * i[1],
        "Div": lambda i, _: i[0] / i[1] if i[0].is_floating_point() else i[0] // i[1],
        "Pow": lambda i, _: i[0].pow(i[1]),
        "Sqrt": lambda i, _: i[0].sqrt(),
        "Erf": lambda i, _: i[0].erf(),
        "Exp": lambda i, _: i[0].exp(),
        "Tanh": lambda i, _: i[0].tanh(),
        "Relu": lambda i, _: i[0].relu(),
        "Sigmoid": lambda i, _: i[0].sigmoid(),
        "HardSwish": lambda i, _: functional.hardswish(i[0]),
        "HardSigmoid": lambda i, a: (i[0] * a.get("alpha", 0.2) + a.get("beta", 0.5)).clamp(0, 1),
        "Gelu": lambda i, a: functional.gelu(i[0], approximate=a.get("approximate", "none")),
        "Clip": _clip,
        "Softmax": lambda i, a: i[0].softmax(a.get("axis", -1)),
        "Identity": lambda i, _: i[0],
        "Conv": _convolution,
        "MaxPool": _max_pool,
        "AveragePool": _average_pool,
        "GlobalAveragePool": lambda i, _: i[0].mean(tuple(range(2, i[0].ndim)), keepdim=True),
        "ReduceMean": lambda i, a: i[0].mean(_axes(i, a), keepdim=bool(a.get("keepdims", 1))),
        "BatchNormalization": lambda i, a: functional.batch_norm(
            i[0], i[3], i[4], i[1], i[2], eps=a.get("epsilon", 1e-5)
        ),
        "LayerNormalization": _layer_normalisation,
        "Gemm": _gemm,
        "MatMul": lambda i, _: i[0] @ i[1],
        "Transpose": lambda i, a: i[0].permute(a.get("perm") or tuple(reversed(range(i[0].ndim)))),
        "Reshape": _reshape,
        "Flatten": lambda i, a: i[0].flatten(1) if a.get("axis", 1) == 1 else _unsupported("Flatten"),
        "Expand": lambda i, _: i[0] * torch.ones(i[1].tolist(), dtype=i[0].dtype, device=i[0].device),
        "Squeeze": lambda i, a: i[0].squeeze(_axes(i, a)) if _axes(i, a) else i[0].squeeze(),
        "Unsqueeze": _unsqueeze,
        "Concat": lambda i, a: torch.cat(list(i), a["axis"]),
        "Split": _split,
        "Slice": _slice,
        "Gather": _gather,
        "Shape": lambda i, a: torch.tensor(tuple(i[0].shape)[a.get("start", 0) : a.get("end")]),
        "Range": lambda i, _: torch.arange(i[0].item(), i[1].item(), i[2].item()),
        "Cast": _cast,
    }


def _unsupported(operator: str) -> Any:
    raise NotImplementedError(operator)


def _axes(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> tuple[int, ...]:
    """Axes, an input or an attribute; empty for all."""
    if len(inputs) > 1 and inputs[1] is not None:
        return tuple(inputs[1].reshape(-1).tolist())
    return tuple(attributes.get("axes", ()))


def _clip(inputs: Sequence[Any], _: Mapping[str, Any]) -> Tensor:
    image, *limits = inputs
    low, high = (*limits, None, None)[:2]
    result: Tensor = image.clamp(
        None if low is None else float(low.item()), None if high is None else float(high.item())
    )
    return result


def _padding(attributes: Mapping[str, Any]) -> tuple[int, ...]:
    """The padding of two axes, equal on both sides."""
    pads = attributes.get("pads", (0, 0, 0, 0))
    half = len(pads) // 2
    if pads[:half] != pads[half:] or attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NotImplementedError("padding of different sides")
    return tuple(pads[:half])


def _convolution(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    import torch

    image, weight, *bias = inputs
    if not torch.is_autocast_enabled(image.device.type):
        image = image.to(weight.dtype)
    return torch.nn.functional.conv2d(
        image,
        weight,
        bias[0] if bias else None,
        tuple(attributes.get("strides", (1, 1))),
        _padding(attributes),
        tuple(attributes.get("dilations", (1, 1))),
        attributes.get("group", 1),
    )


def _max_pool(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    import torch

    return torch.nn.functional.max_pool2d(
        inputs[0],
        attributes["kernel_shape"],
        attributes.get("strides", (1, 1)),
        _padding(attributes),
        attributes.get("dilations", (1, 1)),
        bool(attributes.get("ceil_mode", 0)),
    )


def _average_pool(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    import torch

    return torch.nn.functional.avg_pool2d(
        inputs[0],
        attributes["kernel_shape"],
        attributes.get("strides", (1, 1)),
        _padding(attributes),
        bool(attributes.get("ceil_mode", 0)),
        bool(attributes.get("count_include_pad", 0)),
    )


def _layer_normalisation(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    import torch

    tensor, weight, *bias = inputs
    first = attributes.get("axis", -1)
    return torch.nn.functional.layer_norm(
        tensor, tensor.shape[first:], weight, bias[0] if bias else None, attributes.get("epsilon", 1e-5)
    )


def _gemm(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    first, second, *bias = inputs
    first = first.T if attributes.get("transA") else first
    second = second.T if attributes.get("transB") else second
    product: Tensor = (first @ second) * attributes.get("alpha", 1.0)
    return product + bias[0] * attributes.get("beta", 1.0) if bias else product


def _reshape(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    tensor, shape = inputs
    sides = shape.tolist()
    if not attributes.get("allowzero", 0):
        sides = [tensor.shape[place] if side == 0 else side for place, side in enumerate(sides)]
    result: Tensor = tensor.reshape(sides)
    return result


def _unsqueeze(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    tensor, axes = inputs[0], _axes(inputs, attributes)
    rank = tensor.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        tensor = tensor.unsqueeze(axis)
    result: Tensor = tensor
    return result


def _split(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Sequence[Tensor]:
    tensor, axis = inputs[0], attributes.get("axis", 0)
    if len(inputs) > 1 and inputs[1] is not None:
        parts: Sequence[Tensor] = tensor.split(inputs[1].tolist(), axis)
        return parts
    count = attributes["num_outputs"]
    equal: Sequence[Tensor] = tensor.split(-(-tensor.shape[axis] // count), axis)
    return equal


def _slice(inputs: Sequence[Any], _: Mapping[str, Any]) -> Tensor:
    tensor, starts, ends, *more = inputs
    axes = more[0].tolist() if more and more[0] is not None else list(range(len(starts)))
    steps = more[1].tolist() if len(more) > 1 and more[1] is not None else [1] * len(starts)
    if any(step < 1 for step in steps):
        raise NotImplementedError("backward slices")
    places: list[slice] = [slice(None)] * tensor.ndim
    for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
        places[axis] = slice(start, end, step)
    result: Tensor = tensor[tuple(places)]
    return result


def _gather(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    tensor, places = inputs
    axis = attributes.get("axis", 0) % tensor.ndim
    places = (places % tensor.shape[axis]).to(tensor.device)
    result: Tensor = tensor.index_select(axis, places.reshape(-1))
    return result.reshape(tensor.shape[:axis] + places.shape + tensor.shape[axis + 1 :])


def _cast(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Tensor:
    import torch

    types = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}
    if attributes["to"] not in types:
        raise NotImplementedError(f"Cast to {attributes['to']}")
    result: Tensor = inputs[0].to(types[attributes["to"]])
    return result
