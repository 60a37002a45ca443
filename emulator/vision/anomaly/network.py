"""Networks of anomaly detection: from an image to the distances of its patches, and to probabilities.

For each layer, the squared distance u of a patch is that from the nearest reference of the memory, and the
score of an image is log(mean over its patches of u^8): a smooth maximum, for which a single unusual place
suffices. The log odds of an anomaly are a weighted sum of the scores of the layers.

Axes: N images, C channels, K references, L layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.anomaly.memory import LayerMemory
from emulator.vision.networks.graph import Network, Operation

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.networks.graph import FloatArray

# The end of the names of the squared distances of a layer's patches, and the name of the log odds.
DISTANCES = "distances"
SCORES = "anomaly.scores"
_LIMIT = "anomaly.greatest"
# Squarings of the squared distance: its power is 2 to this.
DOUBLINGS = 3
# Of squared distances, which are about 1 for good patches: below and above, powers leave single precision.
_LEAST, _GREATEST = 1e-3, 1e4


@dataclass(frozen=True)
class Layer:
    """A layer whose patches are compared: its tensor, its side in pixels and its number of channels."""

    tensor: str
    side: int
    channels: int


def layers_of(backbone: Network, strides: Sequence[int]) -> list[Layer]:
    """The last layer of each stride, in pixels, without those that the classifier alone reads.

    Raises:
        ValueError: the network has no layer of a stride.
    """
    sides = {backbone.input: backbone.resolution}
    found: dict[int, Layer] = {}
    channels: dict[str, int] = {}
    for operation in backbone.operations:
        side = sides.get(operation.inputs[0], 0)
        if operation.kind in ("convolution", "depthwise_convolution"):
            assert operation.weight is not None
            side = -(-side // operation.stride)
            channels[operation.output] = len(backbone.weights[operation.weight])
        elif operation.inputs[0] in channels:
            channels[operation.output] = channels[operation.inputs[0]]
        sides[operation.output] = side
        # The sum that ends a block of the network.
        if operation.kind == "add":
            stride = round(backbone.resolution / side)
            found[stride] = Layer(operation.output, side, channels[operation.output])
    missing = [stride for stride in strides if stride not in found]
    if missing:
        raise ValueError(f"the network has no layer of the strides {missing}")
    return [found[stride] for stride in strides]


def patches_network(backbone: Network, layers: Sequence[Layer]) -> Network:
    """The part of a network up to its layers, which are the outputs: (N, C, side, side) in a file."""
    return Network(
        backbone.resolution,
        _up_to(backbone, layers),
        backbone.weights,
        {layer.tensor: (layer.channels, layer.side, layer.side) for layer in layers},
    )


def scores_network(
    backbone: Network, layers: Sequence[Layer], memories: Mapping[str, Sequence[LayerMemory]]
) -> Network:
    """The network from an image to its scores (N, L) by each of several sets of memories, one for each layer.

    Args:
        memories: by the name of the output.
    """
    operations = [*_up_to(backbone, layers)]
    weights = dict(backbone.weights)
    for name, of_layers in memories.items():
        _append_scores(operations, weights, layers, of_layers, output=name, prefix=f"{name}.")
    return Network(
        backbone.resolution, tuple(operations), weights, {name: (len(layers),) for name in memories}
    )


def anomaly_network(
    backbone: Network,
    layers: Sequence[Layer],
    memories: Sequence[LayerMemory],
    *,
    weight_L: NDArray[numpy.floating],
    bias: float,
    anomaly: int,
) -> Network:
    """The model: from an image to the probabilities (N, 2) of the good tag and of an anomaly.

    Args:
        weight_L, bias: the log odds of an anomaly are scores_NL @ weight_L + bias.
        anomaly: the index, 0 or 1, of the probability of an anomaly.
    """
    import numpy

    operations = [*_up_to(backbone, layers)]
    weights = dict(backbone.weights)
    _append_scores(operations, weights, layers, memories, output="anomaly.layers", prefix="anomaly.")
    weights["anomaly.head.weight"] = numpy.zeros((len(layers), 2), numpy.float32)
    weights["anomaly.head.weight"][:, anomaly] = weight_L
    weights["anomaly.head.bias"] = numpy.zeros(2, numpy.float32)
    weights["anomaly.head.bias"][anomaly] = bias
    operations += [
        Operation(
            "dense", ("anomaly.layers",), SCORES, weight="anomaly.head.weight", bias="anomaly.head.bias"
        ),
        Operation("softmax", (SCORES,), "probabilities"),
    ]
    return Network(backbone.resolution, tuple(operations), weights, {"probabilities": (2,)})


def _up_to(backbone: Network, layers: Sequence[Layer]) -> tuple[Operation, ...]:
    wanted = {layer.tensor for layer in layers}
    last = max(place for place, operation in enumerate(backbone.operations) if operation.output in wanted)
    return backbone.operations[: last + 1]


def _append_scores(
    operations: list[Operation],
    weights: dict[str, FloatArray],
    layers: Sequence[Layer],
    memories: Sequence[LayerMemory],
    *,
    output: str,
    prefix: str,
) -> None:
    """Add the operations from the layers to their scores, a vector `output` of L."""
    import numpy

    def pointwise(tensor: str, result: str, weight: FloatArray, bias: FloatArray) -> str:
        """The product of each pixel's channels with a matrix (outputs, C)."""
        weights[f"{result}.weight"] = numpy.ascontiguousarray(weight[:, :, None, None])
        weights[f"{result}.bias"] = bias
        operations.append(
            Operation("convolution", (tensor,), result, weight=f"{result}.weight", bias=f"{result}.bias")
        )
        return result

    # Both sides of an operation have four axes.
    weights[_LIMIT] = numpy.full((1, 1, 1, 1), _GREATEST, numpy.float32)
    scores = []
    for number, (layer, memory) in enumerate(zip(layers, memories, strict=True)):
        name, references_KC = f"{prefix}{number}", memory.references_KC
        white = pointwise(layer.tensor, f"{name}.white", memory.whitening_CC.T, memory.offset_C)
        operations.append(Operation("multiply", (white, white), f"{name}.squares"))
        # |x - r|^2 = |x|^2 + (|r|^2 - 2 x r), whose second part has its minimum at the nearest reference.
        ones, least = numpy.ones((1, layer.channels), numpy.float32), numpy.full(1, _LEAST, numpy.float32)
        length = pointwise(f"{name}.squares", f"{name}.length", ones, least)
        squares_K = (references_KC.astype(numpy.float64) ** 2).sum(axis=1).astype(numpy.float32)
        rest = pointwise(white, f"{name}.references", -2 * references_KC, squares_K)
        distances = f"{name}.{DISTANCES}"
        operations += [
            Operation("channel_minimum", (rest,), f"{name}.nearest"),
            Operation("add", (length, f"{name}.nearest"), f"{name}.sum"),
            # Rounding can make it negative.
            Operation("abs", (f"{name}.sum",), f"{name}.positive"),
            Operation("minimum", (f"{name}.positive", _LIMIT), distances),
        ]
        power = distances
        for doubling in range(DOUBLINGS):
            operations.append(Operation("multiply", (power, power), f"{name}.power.{doubling}"))
            power = f"{name}.power.{doubling}"
        scores.append(f"{name}.score")
        operations += [
            Operation("global_average", (power,), f"{name}.mean"),
            Operation("log", (f"{name}.mean",), scores[-1]),
        ]
    operations.append(Operation("join", tuple(scores), output))
