"""A network in two parts: early layers, which stay as they are, and late layers, which are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emulator.vision.networks.graph import INPUT, Network, Operation

if TYPE_CHECKING:
    from emulator.vision.networks.graph import FloatArray


@dataclass(frozen=True)
class DividedNetwork:
    """A network from an image to features, divided at one tensor.

    Attributes:
        whole: the network; its outputs are the map at the division, (channels, side, side), and the features.
        map: name of that tensor.
        late: the layers after it, as a network whose input is the map, (side, side, channels).
    """

    whole: Network
    map: str
    late: Network

    def with_late(self, weights: Mapping[str, FloatArray]) -> Network:
        """The network from an image to features with other weights of the late layers."""
        features = {name: shape for name, shape in self.whole.outputs.items() if name != self.map}
        return replace(
            self.whole,
            outputs=features,
            weights={**self.whole.weights, **weights},
        )


def divided(network: Network, first_late: str) -> DividedNetwork:
    """Divide a network of layers on images before the first layer whose name begins with a text.

    Raises:
        ValueError: there is no such layer, or late layers read more than one tensor of early ones.
    """
    names = [operation.output for operation in network.operations]
    places = [place for place, name in enumerate(names) if name.startswith(first_late)]
    if not places:
        raise ValueError(f"no layer begins with {first_late}")
    early, late = network.operations[: places[0]], network.operations[places[0] :]
    (tensor,) = late[0].inputs
    own = {operation.output for operation in late}
    if any(name not in {*own, tensor} for operation in late for name in operation.inputs):
        raise ValueError(f"layers after {tensor} also read others before it")
    side, channels = network.resolution, 3
    for operation in early:
        side = -(-side // operation.stride)
        if operation.weight is not None:
            channels = len(network.weights[operation.weight])
    used = {name for operation in late for name in (operation.weight, operation.bias)}
    return DividedNetwork(
        replace(network, outputs={tensor: (channels, side, side), **network.outputs}),
        tensor,
        Network(
            side,
            (Operation("normalise", (INPUT,), tensor), *late),
            {name: weight for name, weight in network.weights.items() if name in used},
            network.outputs,
        ),
    )
