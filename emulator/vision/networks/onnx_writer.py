"""Write a network as an ONNX file: self-contained, and the same bytes for the same network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.vision.networks.graph import NODE_OPSET, Network, Operation, same_padding

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

    from emulator.vision.networks.graph import FloatArray

# Old enough for every runtime of recent years, new enough for all operators in use. Then the version of the
# file format that was released with each opset.
OPSET = 17
_IR_VERSIONS = {10: 5, 12: 7, 13: 7, 17: 8, NODE_OPSET: 8}
_PRODUCER = "custom-vision-emulator"


def onnx_bytes(network: Network, metadata: Mapping[str, str]) -> bytes:
    """Serialize a network to ONNX; see `onnx_model`."""
    return serialize_model(onnx_model(network, metadata))


def serialize_model(model: ModelProto) -> bytes:
    """The bytes of a model, always the same ones."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def onnx_model(
    network: Network,
    metadata: Mapping[str, str],
    *,
    opset: int = OPSET,
    images: int | None = None,
    half_weights: bool = False,
) -> ModelProto:
    """A network as an ONNX model.

    The input is uint8 (N, resolution, resolution, 3), RGB: a decoded image as it lies in memory, so that no
    preprocessing remains outside of the graph. If the network takes floats, it is (N, 3, resolution,
    resolution). The outputs, named as in the network, are float32 (N, ...); those of an
    operation `integers` are int64.

    Args:
        metadata: the entries of the file's `metadata_props`, in this order.
        opset: 10, 12, 13, 17 or 18. Networks with nodes are always written with opset 18.
        images: the batch size N; None leaves it variable, except for networks that take a single image.
        half_weights: store weights in float16 and compute in float32. Biases and the weights of depthwise
            convolutions stay in float32: they are a twentieth of all weights, and rounding them costs the
            most accuracy.
    """
    from onnx import TensorProto, helper

    if network.has_nodes:
        opset = NODE_OPSET
    writer = _Writer(network, opset, half_weights)
    for operation in network.operations:
        writer.write(operation)
    count: int | str = 1 if network.single_image else images or "N"
    side = network.resolution
    if network.float_input:
        image = helper.make_tensor_value_info(network.input, TensorProto.FLOAT, [count, 3, side, side])
    else:
        image = helper.make_tensor_value_info(network.input, TensorProto.UINT8, [count, side, side, 3])
    outputs = []
    for name, shape in network.outputs.items():
        kind = TensorProto.INT64 if name in writer.integers else TensorProto.FLOAT
        if name in writer.image_outputs:
            shape = (shape[0], shape[3], *shape[1:3])
        whole = shape if network.single_image else (count, *shape)
        outputs.append(helper.make_tensor_value_info(name, kind, whole))
    graph = helper.make_graph(writer.nodes, "network", [image], outputs, writer.initializers)
    model = helper.make_model(
        graph,
        producer_name=_PRODUCER,
        ir_version=_IR_VERSIONS[opset],
        opset_imports=[helper.make_opsetid("", opset)],
    )
    helper.set_model_props(model, dict(metadata))
    return model


_SIMPLE = {
    "matmul": "MatMul",
    "add_each": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "minimum": "Min",
    "maximum": "Max",
    "exp": "Exp",
    "log": "Log",
    "abs": "Abs",
    "floor": "Floor",
    "sqrt": "Sqrt",
}


class _Writer:
    def __init__(self, network: Network, opset: int, half_weights: bool) -> None:
        self._network = network
        self._opset = opset
        self._half_weights = half_weights
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._constants: set[str] = set()
        # Side in pixels of each image. Padding is explicit, because runtimes optimise it better than "SAME".
        self._sides = {network.input: network.resolution}
        self._places: dict[tuple[str, int], str] = {}
        # Outputs that are not float rows: integers, and images.
        self.integers: set[str] = set()
        self.image_outputs: set[str] = set()

    def write(self, operation: Operation) -> None:
        match operation.kind:
            case "normalise":
                self._normalise(operation)
            case "convolution" | "depthwise_convolution":
                self._convolution(operation)
            case "add":
                self._keep_side(operation)
                self._node("Add", operation.inputs, operation.output)
            case "concatenate":
                self._keep_side(operation)
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
            case "channel_minimum":
                self._keep_side(operation)
                self._reduce_channels("ReduceMin", operation.inputs[0], operation.output)
            case "l2_normalise":
                self._l2_normalise(operation)
            case "dense":
                inputs = (*operation.inputs, self._weight(operation.weight), self._weight(operation.bias))
                self._node("Gemm", inputs, operation.output)
            case "softmax":
                self._node("Softmax", operation.inputs, operation.output, axis=1)
            case "sigmoid":
                self._node("Sigmoid", operation.inputs, operation.output)
            case "scale_rows":
                rows, vector = operation.inputs
                shape = self._initializer(f"{operation.output}.shape", (-1, *operation.shape), "int64")
                self._node("Reshape", (vector, shape), f"{operation.output}.factors")
                self._node("Mul", (rows, f"{operation.output}.factors"), operation.output)
            case "node":
                self._foreign_node(operation)
            case _:
                self._plain(operation)

    def _plain(self, operation: Operation) -> None:
        """An operation on plain tensors."""
        from onnx import TensorProto

        inputs = tuple(self._known(name) for name in operation.inputs)
        output = operation.output
        match operation.kind:
            case "reshape":
                shape = self._initializer(f"{output}.shape", operation.shape, "int64")
                self._node("Reshape", (*inputs, shape), output)
            case "slice":
                begin, end = (
                    self._initializer(f"column.{number}", [number], "int64") for number in operation.span
                )
                axis = self._initializer("axis.1", [1], "int64")
                self._node("Slice", (*inputs, begin, end, axis), output)
            case "transpose":
                self._node("Transpose", inputs, output, perm=[1, 0])
            case "join":
                self._node("Concat", inputs, output, axis=1)
            case "greater":
                self._node("Greater", inputs, f"{output}.true")
                self._node("Cast", (f"{output}.true",), output, to=TensorProto.FLOAT)
            case "top_k":
                places = f"{output}.places"
                count = self._initializer(f"count.{operation.count}", [operation.count], "int64")
                self._node("TopK", (*inputs, count), output, places, axis=0)
                self._places[operation.inputs[0], operation.count] = places
            case "top_k_places":
                places = self._places[operation.inputs[0], operation.count]
                self._node("Cast", (places,), output, to=TensorProto.FLOAT)
            case "gather":
                table, places = inputs
                self._node("Cast", (places,), f"{output}.places", to=TensorProto.INT64)
                self._node("Gather", (table, f"{output}.places"), output, axis=0)
            case "picture":
                self._rows_to_image(operation, *inputs)
            case "integers":
                self.integers.add(output)
                self._node("Cast", inputs, output, to=TensorProto.INT64)
            case _:
                self._keep_side(operation)
                self._node(_SIMPLE[operation.kind], inputs, output)

    def _foreign_node(self, operation: Operation) -> None:
        for name in operation.inputs:
            if name in self._network.weights:
                weight = self._network.weights[name]
                self._initializer(name, weight, str(weight.dtype))
        outputs = (operation.output, *operation.further_outputs)
        self._node(operation.operator, operation.inputs, *outputs, **dict(operation.attributes))

    def _rows_to_image(self, operation: Operation, rows: str) -> None:
        output = operation.output
        self.image_outputs.add(output)
        self._node("Transpose", (rows,), f"{output}.planes", perm=[0, 2, 1])
        shape = self._initializer(f"{output}.shape", [1, -1, *operation.shape], "int64")
        self._node("Reshape", (f"{output}.planes", shape), output)

    def _normalise(self, operation: Operation) -> None:
        from onnx import TensorProto

        prefix, (tensor,) = operation.output, operation.inputs
        self._sides[operation.output] = self._sides[tensor]
        if not self._network.float_input:
            self._node("Transpose", (tensor,), f"{prefix}.planes", perm=[0, 3, 1, 2])
            self._node("Cast", (f"{prefix}.planes",), f"{prefix}.float", to=TensorProto.FLOAT)
            tensor = f"{prefix}.float"
        mean = self._constant(f"{prefix}.mean", _for_planes(operation.mean))
        self._node("Sub", (tensor, mean), f"{prefix}.centred")
        scale = self._constant(f"{prefix}.scale", _for_planes(operation.scale))
        self._node("Mul", (f"{prefix}.centred", scale), operation.output)

    def _convolution(self, operation: Operation) -> None:
        assert operation.weight is not None
        outputs, _, kernel, _ = self._network.weights[operation.weight].shape
        before, after, side = same_padding(self._sides[operation.inputs[0]], kernel, operation.stride)
        if operation.symmetric_padding:
            before = after = kernel // 2
        self._sides[operation.output] = side
        activated = operation.relu6 or operation.negative_slope is not None
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
        if operation.relu6 and self._opset < 11:
            self._node("Clip", (result,), operation.output, min=0.0, max=6.0)
        elif operation.relu6:
            zero, six = self._constant("zero", 0.0), self._constant("six", 6.0)
            self._node("Clip", (result, zero, six), operation.output)
        elif operation.negative_slope is not None:
            self._node("LeakyRelu", (result,), operation.output, alpha=operation.negative_slope)

    def _keep_side(self, operation: Operation) -> None:
        """The output is as large as the first input; vectors have no side."""
        if operation.inputs[0] in self._sides:
            self._sides[operation.output] = self._sides[operation.inputs[0]]

    def _resize(self, operation: Operation) -> None:
        (tensor,) = operation.inputs
        side = self._sides[tensor]
        resized = self._sides[operation.output] = round(side * operation.factor)
        # Programs make the input of exported detectors variable and feed images of other sizes, which the
        # network then resizes to its own size.
        any_size = self._network.float_input and side == self._network.resolution
        if self._opset < 11:
            # Half-pixel resizing exists since opset 11. Before, it is two matrix products.
            if any_size:
                rows, across = (self._bilinear_weights(tensor, axis, resized) for axis in (2, 3))
            else:
                rows = across = self._constant(f"rows.{side}.{resized}", bilinear_matrix(side, resized))
            columns, tall = f"{operation.output}.columns", f"{operation.output}.tall"
            self._node("Transpose", (across,), columns, perm=[1, 0])
            self._node("MatMul", (rows, tensor), tall)
            self._node("MatMul", (tall, columns), operation.output)
            return
        # The region of interest is not used, but required before opset 13, as are scales beside a size.
        region = "" if self._opset >= 13 else self._constant("region", [])
        inputs: tuple[str, ...]
        if any_size:
            inputs = (tensor, region, region, self._resized_shape(operation, resized))
        else:
            scales = [1, 1, operation.factor, operation.factor]
            inputs = (tensor, region, self._constant(f"scales.{operation.factor}", scales))
        self._node(
            "Resize",
            inputs,
            operation.output,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def _resized_shape(self, operation: Operation, resized: int) -> str:
        """The shape of a resized image: batch size and channels of the input, new height and width."""
        (tensor,), prefix = operation.inputs, operation.output
        shape, leading, sizes = f"{prefix}.input_shape", f"{prefix}.leading", f"{prefix}.shape"
        begin, end, axis = (self._initializer(f"column.{at}", [at], "int64") for at in (0, 2, 0))
        self._node("Shape", (tensor,), shape)
        self._node("Slice", (shape, begin, end, axis), leading)
        sides = self._initializer(f"{prefix}.sides", [resized, resized], "int64")
        self._node("Concat", (leading, sides), sizes, axis=0)
        return sizes

    def _bilinear_weights(self, tensor: str, axis: int, resized: int) -> str:
        """`bilinear_matrix` for the size that the image has along an axis when the model runs."""
        import numpy
        from onnx import TensorProto, numpy_helper

        prefix = f"{tensor}.{axis}"

        def step(operator: str, *inputs: str, **attributes: Any) -> str:
            output = f"{prefix}.{len(self.nodes)}"
            self._node(operator, inputs, output, **attributes)
            return output

        one = numpy_helper.from_array(numpy.ones(1, numpy.int64))
        begin, end, first = (self._initializer(f"column.{at}", [at], "int64") for at in (axis, axis + 1, 0))
        side = step("Slice", step("Shape", tensor), begin, end, first)
        # The indices of all ones are 0, 1, 2, ...
        indices = step("NonZero", step("ConstantOfShape", side, value=one))
        positions = step("Cast", indices, to=TensorProto.FLOAT)
        length = step("Cast", side, to=TensorProto.FLOAT)
        centres = self._constant(f"centres.{resized}", (numpy.arange(resized)[:, None] + 0.5) / resized)
        half, unit, zero = (self._constant(f"number.{value}", value) for value in (0.5, 1.0, 0.0))
        centres = step("Sub", step("Mul", centres, length), half)
        centres = step("Min", step("Max", centres, zero), step("Sub", length, unit))
        distances = step("Abs", step("Sub", centres, positions))
        return step("Max", step("Sub", unit, distances), zero)

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
        self._keep_side(operation)
        self._reduce_channels("ReduceL2", tensor, f"{prefix}.length")
        # A row of zeros stays zero instead of becoming NaN.
        smallest = self._constant(f"{prefix}.smallest", 1e-12)
        self._node("Max", (f"{prefix}.length", smallest), f"{prefix}.divisor")
        self._node("Div", (tensor, f"{prefix}.divisor"), f"{prefix}.unit")
        scale = self._constant(f"{prefix}.scale", operation.scale)
        self._node("Mul", (f"{prefix}.unit", scale), operation.output)

    def _reduce_channels(self, operator: str, tensor: str, output: str) -> None:
        """Reduce the axis after that of the batch, which stays as one of length 1."""
        if self._opset < 18:
            self._node(operator, (tensor,), output, axes=[1], keepdims=1)
        else:
            self._node(operator, (tensor, self._initializer("axis.1", [1], "int64")), output, keepdims=1)

    def _node(self, operator: str, inputs: tuple[str, ...], *outputs: str, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(
            helper.make_node(operator, list(inputs), list(outputs), name=outputs[0], **attributes)
        )

    def _weight(self, name: str | None) -> str:
        from onnx import TensorProto

        assert name is not None
        weight = self._network.weights[name]
        small = weight.ndim == 1 or (weight.ndim == 4 and weight.shape[1] == 1)
        if small or not self._half_weights:
            return self._initializer(name, weight, "float32")
        if name not in self._constants:
            half = self._initializer(f"{name}.half", weight, "float16")
            self._node("Cast", (half,), name, to=TensorProto.FLOAT)
            self._constants.add(name)
        return name

    def _known(self, name: str) -> str:
        """The name of a tensor. A constant of the network is written to the file at its first use."""
        if name in self._network.weights:
            return self._initializer(name, self._network.weights[name], "float32")
        return name

    def _constant(self, name: str, value: Any) -> str:
        return self._initializer(name, value, "float32")

    def _initializer(self, name: str, value: Any, kind: str) -> str:
        import numpy
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants.add(name)
            self.initializers.append(numpy_helper.from_array(numpy.array(value, kind), name))
        return name


def bilinear_matrix(side: int, resized: int) -> FloatArray:
    """The weights (resized, side) of a bilinear resize along one axis, with half-pixel centres."""
    import numpy

    # The position of the centre of each new pixel, in old pixels.
    centres = (numpy.arange(resized) + 0.5) * side / resized - 0.5
    distances = numpy.abs(centres.clip(0, side - 1)[:, None] - numpy.arange(side))
    return (1 - distances).clip(0).astype(numpy.float32)


def _for_planes(value: float | tuple[float, ...]) -> float | list[list[list[float]]]:
    """A value for each channel, shaped to broadcast over (N, channels, height, width)."""
    return [[[each]] for each in value] if isinstance(value, tuple) else value
