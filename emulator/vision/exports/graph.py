"""The network of an export: the stored network with the input, outputs and boxes of its domain's exports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from emulator.vision.exports.detection_outputs import postprocessed, yolo_grid
from emulator.vision.exports.stored_model import StoredModel
from emulator.vision.networks.graph import Network

Family = Literal["onnx", "tensorflow"]

# Programs for frozen graphs, such as Microsoft's Android sample, subtract a mean from the pixels unless the
# name of a node contains this text.
NORMALISATION_NODE = "data_bn"


@dataclass(frozen=True)
class PixelFormat:
    """Order and range of the channels of the input, in the service's terms.

    Attributes:
        order: "Bgr8" (blue first) or "Rgb8".
        range: "NominalRange_0_255" or "Normalized_0_1".
    """

    order: Literal["Bgr8", "Rgb8"]
    range: Literal["NominalRange_0_255", "Normalized_0_1"] = "NominalRange_0_255"


def has_postprocessed_boxes(domain: str) -> bool:
    """Whether exports of the domain's detectors return boxes; else they return a YOLO grid."""
    return domain.endswith("[S1]")


def pixel_format(domain: str, *, detection: bool, family: Family) -> PixelFormat:
    """The input of a domain's exports: BGR for the first domains, RGB for the [S1] ones."""
    if not domain.endswith("[S1]"):
        return PixelFormat("Bgr8")
    # Programs that load the service's TensorFlow files of these domains do not scale pixels.
    unit = not detection and family == "onnx"
    return PixelFormat("Rgb8", "Normalized_0_1" if unit else "NominalRange_0_255")


def export_network(stored: StoredModel, domain: str, family: Family) -> Network:
    """The network to write, with the tensor names that consumers of the format expect.

    Its input is float32; detectors take one image at a time.

    Args:
        domain: its name.
        family: the conventions of the service's ONNX files, or of its TensorFlow files; TensorFlow.js and
            TensorFlow Lite follow the latter.
    """
    pixels = pixel_format(domain, detection=stored.detection, family=family)
    network = with_pixel_format(stored.network, pixels)
    if family == "tensorflow":
        network = with_tensor_names(network, {network.operations[0].output: NORMALISATION_NODE})
    first_input = {"onnx": "data", "tensorflow": "Placeholder"}[family]
    if not stored.detection:
        s1 = domain.endswith("[S1]")
        names = {
            network.input: "data" if s1 else first_input,
            network.output: "model_output" if s1 else "loss",
        }
        return with_tensor_names(network, names)
    if has_postprocessed_boxes(domain):
        network = with_tensor_names(network, {network.input: "image_tensor"})
        return postprocessed(network, batch_axis=family == "onnx")
    network = with_tensor_names(network, {network.input: first_input})
    return yolo_grid(network, {"onnx": "model_outputs0", "tensorflow": "model_outputs"}[family])


def with_pixel_format(network: Network, pixels: PixelFormat) -> Network:
    """The network for float32 images of this order and range, instead of RGB bytes.

    The order has no cost at run time: the input channels of the first convolution are reversed.
    """
    first, *others = network.operations
    assert first.kind == "normalise"
    weights = dict(network.weights)
    if pixels.order == "Bgr8":
        first = replace(first, mean=_reversed(first.mean), scale=_reversed(first.scale))
        stem = next(operation.weight for operation in others if operation.kind == "convolution")
        assert stem is not None
        weights[stem] = weights[stem][:, ::-1].copy()
    if pixels.range == "Normalized_0_1":
        first = replace(first, mean=_scaled(first.mean, 1 / 255), scale=_scaled(first.scale, 255))
    return replace(network, operations=(first, *others), weights=weights, float_input=True)


def with_tensor_names(network: Network, names: dict[str, str]) -> Network:
    """The network with some of its tensors renamed: old names to new names."""
    operations = [
        replace(
            operation,
            inputs=tuple(names.get(name, name) for name in operation.inputs),
            output=names.get(operation.output, operation.output),
        )
        for operation in network.operations
    ]
    return replace(
        network,
        operations=tuple(operations),
        input=names.get(network.input, network.input),
        outputs={names.get(name, name): shape for name, shape in network.outputs.items()},
    )


def _reversed(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    return value[::-1] if isinstance(value, tuple) else value


def _scaled(value: float | tuple[float, ...], factor: float) -> float | tuple[float, ...]:
    return tuple(each * factor for each in value) if isinstance(value, tuple) else value * factor
