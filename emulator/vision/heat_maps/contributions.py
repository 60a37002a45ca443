"""What each place of an image contributes to the scores of a classifier.

The features of most classification networks are means over the places of a last layer, and the head is
linear. So the score of a tag is a sum over the places, up to the bias: class activation mapping (Zhou et al.,
*Learning Deep Features for Discriminative Localization*, 2016). Operations between the mean and the head that
divide by a length or take roots multiply each feature by a number that is known for the image, and keep the
sum exact.

Axes: P places, D features, T tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.vision.networks.graph import Network, Operation

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats = NDArray[numpy.float64]
    # By the name of the layer, (P, D): their sum over the places and layers is the tensor.
    Parts = dict[str, Floats]


class NotLinear(Exception):
    """The scores of the network are no sums over the places of a layer."""


def pooled_layers(network: Network) -> list[str]:
    """The layers whose means over all places are features, (N, channels, side, side) in a file.

    Raises:
        NotLinear: there are none.
    """
    layers = [each.inputs[0] for each in network.operations if each.kind == "global_average"]
    if not layers or network.has_nodes:
        raise NotLinear
    return layers


def score_contributions(network: Network, layers: Mapping[str, Floats], tag_count: int) -> Parts:
    """The contributions (P, T) of the places of each layer to the scores before the softmax or sigmoid.

    Args:
        layers: the values of `pooled_layers` for one image, (channels, side, side).

    Raises:
        NotLinear: the network has other operations between its layers and its scores.
    """
    parts: dict[str, Parts] = {}
    for operation in network.operations:
        if operation.kind == "global_average":
            name = operation.inputs[0]
            values_PD = layers[name].reshape(len(layers[name]), -1).T
            parts[operation.output] = {name: values_PD / len(values_PD)}
        elif any(name in parts for name in operation.inputs):
            if operation.kind in ("softmax", "sigmoid"):
                scores = parts[operation.inputs[0]]
                if all(each.shape[1] == tag_count for each in scores.values()):
                    return scores
                raise NotLinear
            parts[operation.output] = _applied(network, operation, parts)
    raise NotLinear


def _applied(network: Network, operation: Operation, parts: Mapping[str, Parts]) -> Parts:
    """The parts of the output of an operation on vectors."""
    import numpy

    inputs = [parts[name] for name in operation.inputs if name in parts]
    if len(inputs) != len(operation.inputs):
        raise NotLinear
    match operation.kind:
        case "l2_normalise":
            assert not isinstance(operation.scale, tuple)
            length = float(numpy.linalg.norm(_total(inputs[0])))
            return {name: each * (operation.scale / max(length, 1e-12)) for name, each in inputs[0].items()}
        case "sqrt":
            # A root is the value divided by its root.
            roots_D = numpy.sqrt(_total(inputs[0]).clip(0))
            factors_D = numpy.divide(1, roots_D, out=numpy.zeros_like(roots_D), where=roots_D > 0)
            return {name: each * factors_D for name, each in inputs[0].items()}
        case "dense":
            assert operation.weight is not None
            weight = network.weights[operation.weight].astype(numpy.float64)
            return {name: each @ weight for name, each in inputs[0].items()}
        case "add":
            joined: Parts = {}
            for part in inputs:
                for name, each in part.items():
                    joined[name] = joined[name] + each if name in joined else each
            return joined
        case "concatenate":
            return _concatenated(inputs)
        case _:
            raise NotLinear


def _concatenated(inputs: list[Parts]) -> Parts:
    """Contributions of each input fill its columns; the others are zero."""
    import numpy

    widths = [next(iter(part.values())).shape[1] for part in inputs]
    joined: Parts = {}
    for number, part in enumerate(inputs):
        before, after = sum(widths[:number]), sum(widths[number + 1 :])
        for name, each in part.items():
            padded = numpy.pad(each, ((0, 0), (before, after)))
            joined[name] = joined[name] + padded if name in joined else padded
    return joined


def _total(parts: Parts) -> Floats:
    """The tensor (D,) of which these are the parts."""
    import numpy

    total: Floats = numpy.sum([each.sum(axis=0) for each in parts.values()], axis=0)
    return total
