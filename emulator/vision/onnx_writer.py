"""A network written as an ONNX file's bytes: self-contained, and the same bytes for the same network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emulator.vision.networks import INPUT, Network, Operation, same_padding

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

# Old enough for every runtime of the last years, new enough for all operators in use.
_OPSET = 17
_IR_VERSION = 8
_PRODUCER = "custom-vision-emulator"


def onnx_bytes(network: Network, metadata: Mapping[str, str]) -> bytes:
    """Serialise a network to ONNX.

    The input "image" is uint8 (N, resolution, resolution, 3), RGB: the bytes of a decoded picture as they lie
    in memory, so that nothing is left to do outside of the graph. The outputs, named as in the network, are
    float32 (N, ...). N is free.

    Args:
        metadata: goes into the file's `metadata_props`, in the order given.
    """
    from onnx import TensorProto, helper

    writer = _Writer(network)
    for operation in network.operations:
        writer.write(operation)
    side = network.resolution
    graph = helper.make_graph(
        writer.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", side, side, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
            for name, shape in network.outputs.items()
        ],
        writer.initializers,
    )
    model = helper.make_model(
        graph,
        producer_name=_PRODUCER,
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    helper.set_model_props(model, dict(metadata))
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


class _Writer:
    def __init__(self, network: Network) -> None:
        self._network = network
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        # Height and width of the pictures: padding is explicit, because runtimes optimise it better than
        # "SAME".
        self._sides = {INPUT: network.resolution}

    def write(self, operation: Operation) -> None:
        match operation.kind:
            case "normalise":
                self._normalise(operation)
            case "convolution" | "depthwise_convolution":
                self._convolution(operation)
            case "add":
                self._sides[operation.output] = self._sides[operation.inputs[0]]
                self._node("Add", operation.inputs, operation.output)
            case "concatenate":
                self._sides[operation.output] = self._sides[operation.inputs[0]]
                self._node("Concat", operation.inputs, operation.output, axis=1)
            case "max_pool":
                self._sides[operation.output] = -(-self._sides[operation.inputs[0]] // 2)
                window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
                self._node("MaxPool", operation.inputs, operation.output, **window)
            case "resize":
                self._resize(operation)
            case "points":
                self._points(operation)
            case "global_average":
                pooled = f"{operation.output}.pooled"
                self._node("GlobalAveragePool", operation.inputs, pooled)
                self._node("Flatten", (pooled,), operation.output, axis=1)
            case "l2_normalise":
                self._l2_normalise(operation)
            case "dense":
                inputs = (*operation.inputs, self._weight(operation.weight), self._weight(operation.bias))
                self._node("Gemm", inputs, operation.output)
            case "softmax":
                self._node("Softmax", operation.inputs, operation.output, axis=1)
            case "sigmoid":
                self._node("Sigmoid", operation.inputs, operation.output)

    def _normalise(self, operation: Operation) -> None:
        from onnx import TensorProto

        prefix = operation.output
        self._sides[operation.output] = self._sides[operation.inputs[0]]
        self._node("Transpose", operation.inputs, f"{prefix}.planes", perm=[0, 3, 1, 2])
        self._node("Cast", (f"{prefix}.planes",), f"{prefix}.float", to=TensorProto.FLOAT)
        mean = self._constant(f"{prefix}.mean", _for_planes(operation.mean))
        self._node("Sub", (f"{prefix}.float", mean), f"{prefix}.centred")
        scale = self._constant(f"{prefix}.scale", _for_planes(operation.scale))
        self._node("Mul", (f"{prefix}.centred", scale), operation.output)

    def _convolution(self, operation: Operation) -> None:
        assert operation.weight is not None
        outputs, _, kernel, _ = self._network.weights[operation.weight].shape
        before, after, side = same_padding(self._sides[operation.inputs[0]], kernel, operation.stride)
        if operation.centred:
            before = after = kernel // 2
        self._sides[operation.output] = side
        activated = operation.relu6 or operation.leak is not None
        result = f"{operation.output}.linear" if activated else operation.output
        self._node(
            "Conv",
            (*operation.inputs, self._weight(operation.weight), self._weight(operation.bias)),
            result,
            kernel_shape=[kernel, kernel],
            strides=[operation.stride, operation.stride],
            pads=[before, before, after, after],
            group=outputs if operation.kind == "depthwise_convolution" else 1,
        )
        if operation.relu6:
            zero, six = self._constant("zero", 0.0), self._constant("six", 6.0)
            self._node("Clip", (result, zero, six), operation.output)
        elif operation.leak is not None:
            self._node("LeakyRelu", (result,), operation.output, alpha=operation.leak)

    def _resize(self, operation: Operation) -> None:
        (tensor,) = operation.inputs
        self._sides[operation.output] = round(self._sides[tensor] * operation.factor)
        scales = self._constant(f"scales.{operation.factor}", [1, 1, operation.factor, operation.factor])
        self._node(
            "Resize",
            (tensor, "", scales),
            operation.output,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def _points(self, operation: Operation) -> None:
        prefix = operation.output
        channels = self._initializer("channels", [0, 0, -1], "int64")
        flat = []
        for tensor in operation.inputs:
            flat.append(f"{prefix}.{tensor}")
            self._node("Reshape", (tensor, channels), flat[-1])
        self._node("Concat", tuple(flat), f"{prefix}.planes", axis=2)
        self._node("Transpose", (f"{prefix}.planes",), prefix, perm=[0, 2, 1])

    def _l2_normalise(self, operation: Operation) -> None:
        prefix, (tensor,) = operation.output, operation.inputs
        self._node("ReduceL2", (tensor,), f"{prefix}.length", axes=[1], keepdims=1)
        # A row of zeros stays one instead of becoming NaN.
        smallest = self._constant(f"{prefix}.smallest", 1e-12)
        self._node("Max", (f"{prefix}.length", smallest), f"{prefix}.divisor")
        self._node("Div", (tensor, f"{prefix}.divisor"), f"{prefix}.unit")
        scale = self._constant(f"{prefix}.scale", operation.scale)
        self._node("Mul", (f"{prefix}.unit", scale), operation.output)

    def _node(self, operator: str, inputs: tuple[str, ...], output: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))

    def _weight(self, name: str | None) -> str:
        from onnx import numpy_helper

        assert name is not None
        self.initializers.append(numpy_helper.from_array(self._network.weights[name], name))
        return name

    def _constant(self, name: str, value: float | Sequence[Any]) -> str:
        return self._initializer(name, value, "float32")

    def _initializer(self, name: str, value: float | Sequence[Any], kind: str) -> str:
        import numpy
        from onnx import numpy_helper

        if all(tensor.name != name for tensor in self.initializers):
            self.initializers.append(numpy_helper.from_array(numpy.array(value, kind), name))
        return name


def _for_planes(value: float | tuple[float, ...]) -> float | list[list[list[float]]]:
    """A value for each channel, shaped to meet (N, channels, height, width)."""
    return [[[each]] for each in value] if isinstance(value, tuple) else value
