"""Several networks as one network. All get the same image, each at its own resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from emulator.vision.networks.graph import INPUT, Network, Operation

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from emulator.vision.networks.graph import FloatArray

    Features = NDArray[numpy.floating]

# The length of each feature vector before concatenation, so that no network dominates another.
_LENGTH = 10.0
# Layers that members may share: those on images, which are nearly all of the computation.
_SHARED = ("normalise", "resize", "convolution", "depthwise_convolution", "add")


def concatenate_backbones(networks: Sequence[Network], resolution: int) -> Network:
    """The concatenated features of all networks, each scaled to the same length."""
    members = [with_input_resolution(network, resolution) for network in networks]
    operations = [
        operation for number, member in enumerate(members) for operation in _prefixed(member, number)
    ]
    lengths = []
    for number, member in enumerate(members):
        lengths.append(f"{number}.unit")
        operations.append(
            Operation("l2_normalise", (f"{number}.{member.output}",), lengths[-1], scale=_LENGTH)
        )
    operations.append(Operation("concatenate", tuple(lengths), "features"))
    width = sum(member.outputs[member.output][0] for member in members)
    return Network(resolution, tuple(operations), _weights(members), {"features": (width,)})


def concatenate_features(
    first: Mapping[str, Features], second: Mapping[str, Features]
) -> dict[str, Features]:
    """Concatenate the features of two networks by key, as `concatenate_backbones` does."""
    import numpy

    def unit(features: Features) -> Features:
        vector = features.astype(numpy.float32)
        scaled: Features = vector * numpy.float32(_LENGTH / max(float(numpy.linalg.norm(vector)), 1e-12))
        return scaled

    return {key: numpy.concatenate([unit(first[key]), unit(second[key])]) for key in first}


def sum_classifiers(classifiers: Sequence[Network], resolution: int) -> Network:
    """A network that sums the scores of all classifiers before the softmax or sigmoid.

    Its probabilities are, up to normalisation, the geometric mean of the classifiers' probabilities. Layers
    that are equal in several classifiers, with the same weights and input, are computed once.

    Args:
        classifiers: as `graph.with_classifier` makes them, all for the same tags.
    """
    members = [with_input_resolution(network, resolution) for network in classifiers]
    operations: list[Operation] = []
    scores = []
    for number, member in enumerate(members):
        *steps, last = _prefixed(member, number)
        operations += steps
        scores.append(f"{number}.{member.operations[-1].inputs[0]}")
    operations.append(Operation("add", tuple(scores), "scores"))
    operations.append(replace(last, inputs=("scores",), output="probabilities"))
    return _without_repeats(Network(resolution, tuple(operations), _weights(members), classifiers[0].outputs))


def side_by_side(networks: Sequence[Network]) -> Network:
    """A network with the outputs of all networks, which have the same input and different names of outputs.

    Layers that are equal in several of them, with the same weights and input, are computed once.
    """
    operations: list[Operation] = []
    names = {
        member_tensor(number, name): name for number, each in enumerate(networks) for name in each.outputs
    }
    for number, member in enumerate(networks):
        for operation in _prefixed(member, number):
            inputs = tuple(names.get(name, name) for name in operation.inputs)
            output = names.get(operation.output, operation.output)
            operations.append(replace(operation, inputs=inputs, output=output))
    outputs = {name: shape for each in networks for name, shape in each.outputs.items()}
    return _without_repeats(Network(networks[0].resolution, tuple(operations), _weights(networks), outputs))


def with_input_resolution(network: Network, resolution: int) -> Network:
    """The same network for images of another side, which it first resizes to its own."""
    if network.resolution == resolution:
        return network
    first, *others = network.operations
    assert first.kind == "normalise"
    small = f"{first.output}.scaled"
    scaled = Operation("resize", (first.output,), small, factor=_factor(resolution, network.resolution))
    followers = [
        replace(operation, inputs=tuple(small if name == first.output else name for name in operation.inputs))
        for operation in others
    ]
    return replace(network, resolution=resolution, operations=(first, scaled, *followers))


def _factor(side: int, wanted: int) -> float:
    """A factor that gives `wanted` pixels also in single precision with the product rounded down."""
    import numpy

    factor = numpy.float32(wanted / side)
    if float(factor) * side >= wanted:
        return wanted / side
    return float(numpy.nextafter(factor, numpy.float32(numpy.inf)))


def member_tensor(number: int, name: str) -> str:
    """The name that a tensor of a member has in the joined network."""
    return f"{number}.{name}"


def _without_repeats(network: Network) -> Network:
    """The same network without layers that repeat an earlier one."""
    digests = {
        name: blake2b(repr(weight.shape).encode() + weight.tobytes()).hexdigest()
        for name, weight in network.weights.items()
    }
    outputs: dict[Operation, str] = {}
    earlier: dict[str, str] = {}
    kept: list[Operation] = []
    for operation in network.operations:
        operation = replace(operation, inputs=tuple(earlier.get(name, name) for name in operation.inputs))
        if operation.kind in _SHARED:
            weight, bias = (name and digests[name] for name in (operation.weight, operation.bias))
            first = outputs.setdefault(
                replace(operation, output="", weight=weight, bias=bias), operation.output
            )
            if first != operation.output:
                earlier[operation.output] = first
                continue
        kept.append(operation)
    read = {name for each in kept for name in (each.weight, each.bias, *each.inputs)}
    weights = {name: weight for name, weight in network.weights.items() if name in read}
    return replace(network, operations=tuple(kept), weights=weights)


def _prefixed(member: Network, number: int) -> list[Operation]:
    """The operations of a member, with its number as prefix of all names."""

    def name(old: str | None) -> str | None:
        return None if old is None else f"{number}.{old}"

    def tensor(old: str) -> str:
        # Optional inputs and outputs of a node that are left out have an empty name.
        return old if old in (INPUT, "") else member_tensor(number, old)

    return [
        replace(
            operation,
            inputs=tuple(map(tensor, operation.inputs)),
            output=f"{number}.{operation.output}",
            further_outputs=tuple(map(tensor, operation.further_outputs)),
            weight=name(operation.weight),
            bias=name(operation.bias),
        )
        for operation in member.operations
    ]


def _weights(members: Sequence[Network]) -> dict[str, FloatArray]:
    return {
        f"{number}.{name}": weight
        for number, member in enumerate(members)
        for name, weight in member.weights.items()
    }
