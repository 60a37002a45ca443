"""A network as a TensorFlow graph, with its weights as constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulator.vision.exports.tensorflow.messages import messages
from emulator.vision.networks.graph import Network, Operation

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The graph version of TensorFlow 2.8, which every later release reads.
_PRODUCER = 987
_PADDING_THAT_NEVER_WINS = -1e30
_SIMPLE = {
    "add": "AddV2",
    "matmul": "MatMul",
    "add_each": "AddV2",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "RealDiv",
    "minimum": "Minimum",
    "maximum": "Maximum",
    "exp": "Exp",
    "log": "Log",
    "abs": "Abs",
    "floor": "Floor",
    "sqrt": "Sqrt",
    "softmax": "Softmax",
    "sigmoid": "Sigmoid",
}
_DATA_TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "int64": "DT_INT64", "bool": "DT_BOOL"}


class TensorFlowGraph:
    """A `GraphDef` of a network with float input.

    Images are (N, height, width, channels). Inputs and outputs are named as in the network, everything else
    with a prefix. Only outputs are not read by other nodes.

    Attributes:
        definition: the message.
        constants: the values of the constants, by name.
        input: name, shape and type of the input; -1 is a variable batch size.
        outputs: the same of each output, in the order of the network.
    """

    def __init__(self, network: Network, *, widest_integer: str = "int64") -> None:
        """Write the graph.

        Args:
            widest_integer: type of integer outputs, "int64" or "int32".
        """
        assert network.float_input
        self._network = network
        self._widest_integer = widest_integer
        self.definition: Any = messages()["GraphDef"]()
        self.definition.versions.producer = _PRODUCER
        self.constants: dict[str, NDArray[Any]] = {}
        self._sides = {network.input: network.resolution}
        self._places: dict[tuple[str, int], str] = {}
        self._types: dict[str, str] = {}
        count = 1 if network.single_image else -1
        side = network.resolution
        self.input = (network.input, (count, side, side, 3), "float32")
        placeholder = self._add("Placeholder", network.input, (), dtype="float32")
        for size in self.input[1]:
            placeholder.attr["shape"].shape.dim.add(size=size)
        for operation in network.operations:
            self._write(operation)
        self.outputs = [
            (name, shape if network.single_image else (count, *shape), self._types.get(name, "float32"))
            for name, shape in network.outputs.items()
        ]

    def _write(self, operation: Operation) -> None:
        output, kind = self._name(operation.output), operation.kind
        inputs = [self._read(name) for name in operation.inputs]
        match kind:
            case "normalise":
                self._sides[operation.output] = self._sides[operation.inputs[0]]
                mean = self._constant(f"{output}/mean", operation.mean)
                scale = self._constant(f"{output}/scale", operation.scale)
                self._add("Sub", f"{output}/centred", (*inputs, mean))
                self._add("Mul", output, (f"{output}/centred", scale))
            case "convolution" | "depthwise_convolution":
                self._convolution(operation, *inputs)
            case "max_pool":
                self._max_pool(operation, *inputs)
            case "resize":
                side = round(self._sides[operation.inputs[0]] * operation.factor)
                self._sides[operation.output] = side
                size = self._constant(f"{output}/size", [side, side], "int32")
                pixels = {"align_corners": False, "half_pixel_centers": True}
                self._add("ResizeBilinear", output, (*inputs, size), **pixels)
            case "concatenate":
                self._sides[operation.output] = self._sides[operation.inputs[0]]
                self._join(output, inputs, axis=3)
            case "points":
                self._points(operation, inputs)
            case "global_average":
                axes = self._constant(f"{output}/axes", [1, 2], "int32")
                self._add("Mean", output, (*inputs, axes), Tidx="int32", keep_dims=False)
            case "channel_minimum":
                self._sides[operation.output] = self._sides[operation.inputs[0]]
                axis = self._constant(f"{output}/axis", [3], "int32")
                self._add("Min", output, (*inputs, axis), Tidx="int32", keep_dims=True)
            case "l2_normalise":
                self._l2_normalise(operation, *inputs)
            case "dense":
                assert operation.weight is not None and operation.bias is not None
                self._add("MatMul", f"{output}/product", (*inputs, self._read(operation.weight)), **_PLAIN)
                bias = self._read(operation.bias)
                self._add("BiasAdd", output, (f"{output}/product", bias), data_format="NHWC")
            case "scale_rows":
                self._reshape(f"{output}/factors", inputs[1], (-1, *operation.shape))
                self._add("Mul", output, (inputs[0], f"{output}/factors"))
            case "reshape":
                self._reshape(output, inputs[0], operation.shape)
            case "picture":
                self._reshape(output, inputs[0], (1, *operation.shape, -1))
            case "slice":
                begin, end = operation.span
                first = self._constant(f"{output}/begin", [0, begin], "int32")
                size = self._constant(f"{output}/size", [-1, end - begin], "int32")
                self._add("Slice", output, (*inputs, first, size), Index="int32")
            case "transpose":
                axes = self._constant("network/swapped", [1, 0], "int32")
                self._add("Transpose", output, (*inputs, axes), Tperm="int32")
            case "join":
                self._join(output, inputs, axis=1)
            case "greater":
                self._add("Greater", f"{output}/true", inputs)
                self._cast(output, f"{output}/true", "bool", "float32")
            case "top_k":
                count = self._constant(f"network/count.{operation.count}", operation.count, "int32")
                self._add("TopKV2", output, (*inputs, count), sorted=True)
                self._places[inputs[0], operation.count] = f"{output}:1"
            case "top_k_places":
                self._cast(output, self._places[inputs[0], operation.count], "int32", "float32")
            case "gather":
                table, places = inputs
                self._cast(f"{output}/places", places, "float32", "int32")
                axis = self._constant("network/axis.0", 0, "int32")
                types = {"Tparams": "float32", "Tindices": "int32", "Taxis": "int32", "batch_dims": 0}
                self._add("GatherV2", output, (table, f"{output}/places", axis), typed=False, **types)
            case "integers":
                self._types[operation.output] = self._widest_integer
                self._cast(output, inputs[0], "float32", self._widest_integer)
            case _:
                if operation.inputs[0] in self._sides:
                    self._sides[operation.output] = self._sides[operation.inputs[0]]
                self._add(_SIMPLE[kind], output, inputs, **(_PLAIN if kind == "matmul" else {}))

    def _convolution(self, operation: Operation, tensor: str) -> None:
        assert operation.weight is not None and operation.bias is not None
        output = self._name(operation.output)
        weight = self._network.weights[operation.weight]
        kernel, stride = weight.shape[-1], operation.stride
        self._sides[operation.output] = -(-self._sides[operation.inputs[0]] // stride)
        padding = "SAME"
        if operation.symmetric_padding and stride > 1:
            # "SAME" would pad only the right and the bottom.
            around = [[0, 0], [kernel // 2] * 2, [kernel // 2] * 2, [0, 0]]
            sides = self._constant(f"{output}/around", around, "int32")
            self._add("Pad", f"{output}/padded", (tensor, sides), Tpaddings="int32")
            tensor, padding = f"{output}/padded", "VALID"
        depthwise = operation.kind == "depthwise_convolution"
        filters = weight.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        self._add(
            "DepthwiseConv2dNative" if depthwise else "Conv2D",
            f"{output}/product",
            (tensor, self._constant(f"{output}/filters", filters)),
            strides=[1, stride, stride, 1],
            dilations=[1, 1, 1, 1],
            padding=padding,
            data_format="NHWC",
        )
        activated = operation.relu6 or operation.negative_slope is not None
        result = f"{output}/linear" if activated else output
        bias = self._constant(f"{output}/bias", self._network.weights[operation.bias])
        self._add("BiasAdd", result, (f"{output}/product", bias), data_format="NHWC")
        if operation.relu6:
            self._add("Relu6", output, (result,))
        elif operation.negative_slope is not None:
            self._add("LeakyRelu", output, (result,), alpha=operation.negative_slope)

    def _max_pool(self, operation: Operation, tensor: str) -> None:
        output = self._name(operation.output)
        self._sides[operation.output] = -(-self._sides[operation.inputs[0]] // 2)
        around = self._constant(f"{output}/around", [[0, 0], [1, 1], [1, 1], [0, 0]], "int32")
        value = self._constant(f"{output}/nothing", _PADDING_THAT_NEVER_WINS)
        self._add("PadV2", f"{output}/padded", (tensor, around, value), Tpaddings="int32")
        self._add(
            "MaxPool",
            output,
            (f"{output}/padded",),
            ksize=[1, 3, 3, 1],
            strides=[1, 2, 2, 1],
            padding="VALID",
            data_format="NHWC",
        )

    def _points(self, operation: Operation, inputs: Sequence[str]) -> None:
        output, flat = self._name(operation.output), []
        for number, (tensor, name) in enumerate(zip(inputs, operation.inputs, strict=True)):
            flat.append(f"{output}/{number}")
            self._reshape(flat[-1], tensor, (1, self._sides[name] ** 2, -1))
        self._join(output, flat, axis=1)

    def _l2_normalise(self, operation: Operation, tensor: str) -> None:
        output = self._name(operation.output)
        axis = self._constant(f"{output}/axis", [1], "int32")
        self._add("Mul", f"{output}/squares", (tensor, tensor))
        self._add("Sum", f"{output}/sum", (f"{output}/squares", axis), Tidx="int32", keep_dims=True)
        self._add("Sqrt", f"{output}/length", (f"{output}/sum",))
        # A row of zeros stays zero instead of becoming NaN.
        smallest = self._constant(f"{output}/smallest", 1e-12)
        self._add("Maximum", f"{output}/divisor", (f"{output}/length", smallest))
        self._add("RealDiv", f"{output}/unit", (tensor, f"{output}/divisor"))
        scale = self._constant(f"{output}/scale", operation.scale)
        self._add("Mul", output, (f"{output}/unit", scale))

    def _reshape(self, output: str, tensor: str, shape: Sequence[int]) -> None:
        sizes = self._constant(f"{output}/shape", list(shape), "int32")
        self._add("Reshape", output, (tensor, sizes), Tshape="int32")

    def _join(self, output: str, inputs: Sequence[str], axis: int) -> None:
        number = self._constant(f"network/axis.{axis}", axis, "int32")
        self._add("ConcatV2", output, (*inputs, number), N=len(inputs), Tidx="int32")

    def _cast(self, output: str, tensor: str, source: str, target: str) -> None:
        types = {"SrcT": source, "DstT": target}
        self._add("Cast", output, (tensor,), typed=False, Truncate=False, **types)

    def _name(self, tensor: str) -> str:
        """The name of a tensor in the graph. TensorFlow does not allow a leading underscore."""
        kept = tensor == self._network.input or tensor in self._network.outputs
        return tensor if kept else f"network/{tensor}"

    def _read(self, tensor: str) -> str:
        """The name of a tensor that an operation reads. A constant is added at its first use."""
        name = self._name(tensor)
        if tensor in self._network.weights:
            return self._constant(name, self._network.weights[tensor])
        return name

    def _constant(self, name: str, value: Any, kind: str = "float32") -> str:
        import numpy

        if name not in self.constants:
            array = numpy.ascontiguousarray(value, kind).reshape(numpy.shape(value))
            self.constants[name] = array
            node = self._add("Const", name, (), typed=False, dtype=kind)
            tensor = node.attr["value"].tensor
            tensor.dtype = self._number(kind)
            tensor.tensor_content = array.astype(array.dtype.newbyteorder("<")).tobytes()
            # Set also without dimensions; an unset shape means that the shape is unknown.
            tensor.tensor_shape.SetInParent()
            for size in array.shape:
                tensor.tensor_shape.dim.add(size=size)
        return name

    def _add(
        self, operator: str, name: str, inputs: Sequence[str], *, typed: bool = True, **attributes: Any
    ) -> Any:
        """Append a node. The type of each value is that of its attribute; names of data types are types."""
        node = self.definition.node.add(name=name, op=operator)
        node.input.extend(inputs)
        if typed and operator != "Placeholder":
            node.attr["T"].type = self._number("float32")
        for key, value in attributes.items():
            attribute = node.attr[key]
            if isinstance(value, bool):
                attribute.b = value
            elif isinstance(value, int):
                attribute.i = value
            elif isinstance(value, float):
                attribute.f = value
            elif isinstance(value, list):
                attribute.list.i.extend(value)
            elif value in _DATA_TYPES:
                attribute.type = self._number(value)
            else:
                attribute.s = value.encode()
        return node

    @staticmethod
    def _number(kind: str) -> int:
        number: int = data_type(kind)
        return number


_PLAIN = {"transpose_a": False, "transpose_b": False}


def data_type(kind: str) -> int:
    """TensorFlow's enum value of a data type, by its NumPy name."""
    field = messages()["TensorProto"].DESCRIPTOR.fields_by_name["dtype"]
    number: int = field.enum_type.values_by_name[_DATA_TYPES[kind]].number
    return number
