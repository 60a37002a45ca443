"""A network's list of operations as JSON, stored in model files beside the weights. Exports start from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.vision.networks.graph import Network, Operation

if TYPE_CHECKING:
    from emulator.vision.networks.graph import FloatArray

# Names in files that differ from those of the fields: files of earlier versions stay readable.
_STORED_NAMES = {"negative_slope": "leak", "symmetric_padding": "centred"}
_FIELD_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}
_DEFAULTS = {
    field.name: field.default
    for field in dataclasses.fields(Operation)
    if field.default is not dataclasses.MISSING
}


def serialize(network: Network) -> str:
    """The network without its weights, as JSON. Attributes with default values are omitted."""
    operations = [
        {
            _STORED_NAMES.get(name, name): value
            for name, value in vars(operation).items()
            if _DEFAULTS.get(name, ...) != value
        }
        for operation in network.operations
    ]
    content = {"resolution": network.resolution, "operations": operations, "outputs": dict(network.outputs)}
    return json.dumps(content, separators=(",", ":"))


def deserialize(text: str, weights: Mapping[str, FloatArray]) -> Network:
    """The network that `serialize` wrote, with its weights.

    Raises:
        ValueError: the text is not JSON.
        KeyError: a weight or a part of the description is missing.
        TypeError: an operation has an unknown attribute.
    """
    content = json.loads(text)
    operations = tuple(
        Operation(**{_FIELD_NAMES.get(name, name): _immutable(value) for name, value in entry.items()})
        for entry in content["operations"]
    )
    used = {
        name for operation in operations for name in (operation.weight, operation.bias) if name is not None
    }
    used |= {name for operation in operations for name in operation.inputs if name in weights}
    return Network(
        resolution=content["resolution"],
        operations=operations,
        weights={name: weights[name] for name in sorted(used)},
        outputs={name: tuple(shape) for name, shape in content["outputs"].items()},
    )


def _immutable(value: Any) -> Any:
    return tuple(_immutable(each) for each in value) if isinstance(value, list) else value
