"""Write a network as a TensorFlow Lite file, without TensorFlow: the same bytes for the same network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emulator.vision.exports.tflite.file import TfliteFile
from emulator.vision.networks.graph import Network, Operation

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# Values of the schema's enumerations `Padding` and `ActivationFunctionType`.
_SAME, _VALID = 0, 1
_RELU6 = 3
_LARGEST_HALF = 65504.0
# Elementwise operations: operator and table of options.
_EACH = {
    "add_each": ("ADD", "AddOptions"),
    "subtract": ("SUB", "SubOptions"),
    "multiply": ("MUL", "MulOptions"),
    "divide": ("DIV", "DivOptions"),
    "minimum": ("MINIMUM", "MaximumMinimumOptions"),
    "maximum": ("MAXIMUM", "MaximumMinimumOptions"),
    "exp": ("EXP", "ExpOptions"),
    "log": ("LOG", None),
    "abs": ("ABS", "AbsOptions"),
    "floor": ("FLOOR", None),
    "sqrt": ("SQRT", None),
}


def tflite_bytes(
    network: Network,
    *,
    half: bool = False,
    bytes_in: bool = False,
    description: str = "",
) -> bytes:
    """Serialize a network to TensorFlow Lite, for one image at a time.

    The input is float32 (1, resolution, resolution, 3), with the channel order and range of the network.
    Images inside are (1, height, width, channels). The outputs, named as in the network, are float32; those
    of an operation `integers` are int64.

    Args:
        bytes_in: the input is uint8 instead.
        half: store the weights in half precision. The file is half as large; runtimes convert them on load.
    """
    writer = _Writer(network, half, bytes_in, description)
    for operation in network.operations:
        writer.write(operation)
    return writer.file.content([network.input], [*network.outputs])


class _Writer:
    def __init__(self, network: Network, half: bool, bytes_in: bool, description: str) -> None:
        self._network = network
        self._half = half
        # Indices that each "top_k" computed, by its input and count.
        self._greatest: dict[tuple[str, int], str] = {}
        self.file = TfliteFile(description)
        shape = (1, network.resolution, network.resolution, 3)
        self.file.tensor(network.input, shape, "uint8" if bytes_in else "float32")

    def write(self, operation: Operation) -> None:
        inputs = [self._operand(name) for name in operation.inputs]
        match operation.kind:
            case "normalise":
                self._normalise(operation, inputs[0])
            case "convolution" | "depthwise_convolution":
                self._convolution(operation, inputs[0])
            case "add":
                self._compute("ADD", inputs, operation.output, self._shape(inputs[0]), "AddOptions")
            case "concatenate":
                self._concatenate(inputs, operation.output, axis=3)
            case "max_pool":
                self._max_pool(operation, inputs[0])
            case "resize":
                self._resize(operation, inputs[0])
            case "points":
                self._points(operation, inputs)
            case "global_average":
                axes = self._integers("axes of images", [1, 2])
                channels = self._shape(inputs[0])[3]
                self._compute(
                    "MEAN",
                    [inputs[0], axes],
                    operation.output,
                    (1, channels),
                    "ReducerOptions",
                    KeepDims=False,
                )
            case "channel_minimum":
                axis = self._integers("axis of channels", [3])
                shape = (*self._shape(inputs[0])[:3], 1)
                self._compute(
                    "REDUCE_MIN",
                    [inputs[0], axis],
                    operation.output,
                    shape,
                    "ReducerOptions",
                    KeepDims=True,
                )
            case "l2_normalise":
                self._l2_normalise(operation, inputs[0])
            case "dense":
                self._dense(operation, inputs[0])
            case "softmax":
                self._compute(
                    "SOFTMAX", inputs, operation.output, self._shape(inputs[0]), "SoftmaxOptions", Beta=1.0
                )
            case "sigmoid":
                self._compute("LOGISTIC", inputs, operation.output, self._shape(inputs[0]))
            case "scale_rows":
                factors = self._reshape(inputs[1], f"{operation.output}.factors", (1, *operation.shape))
                shape = self._shape(inputs[0])
                self._compute("MUL", [inputs[0], factors], operation.output, shape, "MulOptions")
            case _:
                self._plain(operation, inputs)

    def _plain(self, operation: Operation, inputs: list[str]) -> None:
        """An operation on plain tensors."""
        first = self._shape(inputs[0])
        output = operation.output
        shape: tuple[int, ...]
        match operation.kind:
            case "reshape":
                self._reshape(inputs[0], output, operation.shape)
            case "picture":
                self._reshape(inputs[0], output, (1, *operation.shape, first[-1]))
            case "slice":
                start, end = operation.span
                begin = self._integers(f"{output}.begin", [0, start])
                size = self._integers(f"{output}.size", [first[0], end - start])
                shape = (first[0], end - start)
                self._compute("SLICE", [inputs[0], begin, size], output, shape, "SliceOptions")
            case "transpose":
                axes = self._integers("exchanged axes", [1, 0])
                self._compute("TRANSPOSE", [inputs[0], axes], output, first[::-1], "TransposeOptions")
            case "join":
                self._concatenate(inputs, output, axis=1)
            case "matmul":
                shape = (first[0], self._shape(inputs[1])[1])
                self._compute("BATCH_MATMUL", inputs, output, shape, "BatchMatMulOptions")
            case "greater":
                shape = self._broadcast(inputs)
                truth = self._compute(
                    "GREATER", inputs, f"{output}.truth", shape, "GreaterOptions", kind_of_output="bool"
                )
                self._cast(truth, output, "float32")
            case "top_k":
                self._top_k(operation, inputs[0])
            case "top_k_places":
                self._cast(f"{self._top_k_of(operation)}.places", output, "float32")
            case "gather":
                rows = self._cast(inputs[1], f"{output}.rows", "int32")
                shape = (*self._shape(inputs[1]), *first[1:])
                self._compute("GATHER", [inputs[0], rows], output, shape, "GatherOptions", Axis=0)
            case "integers":
                self._cast(inputs[0], output, "int64")
            case _:
                kind, table = _EACH[operation.kind]
                self._compute(kind, inputs, output, self._broadcast(inputs), table)

    def _broadcast(self, inputs: Sequence[str]) -> tuple[int, ...]:
        return tuple(max(sides) for sides in zip(*map(self._shape, inputs), strict=True))

    def _cast(self, tensor: str, output: str, kind: str) -> str:
        return self._compute(
            "CAST", [tensor], output, self._shape(tensor), "CastOptions", kind_of_output=kind
        )

    def _top_k(self, operation: Operation, tensor: str) -> None:
        names = [operation.output, f"{operation.output}.places"]
        for name, kind in zip(names, ("float32", "int32"), strict=True):
            self.file.tensor(name, (operation.count,), kind)
        inputs = [tensor, self._integers(f"{names[0]}.count", operation.count)]
        self.file.operator("TOPK_V2", inputs, names, "TopKV2Options")
        self._greatest[operation.inputs[0], operation.count] = names[0]

    def _top_k_of(self, operation: Operation) -> str:
        return self._greatest[operation.inputs[0], operation.count]

    def _normalise(self, operation: Operation, tensor: str) -> None:
        prefix, shape = operation.output, self._shape(tensor)
        if self.file.kind(tensor) != "float32":
            tensor = self._cast(tensor, f"{prefix}.float", "float32")
        mean = self._floats(f"{prefix}.mean", operation.mean)
        centred = self._compute("SUB", [tensor, mean], f"{prefix}.centred", shape, "SubOptions")
        scale = self._floats(f"{prefix}.scale", operation.scale)
        self._compute("MUL", [centred, scale], prefix, shape, "MulOptions")

    def _convolution(self, operation: Operation, tensor: str) -> None:
        weight = self._weights(operation.weight)
        outputs, _, kernel, _ = weight.shape
        _, side, _, channels = self._shape(tensor)
        padding = _SAME
        if operation.symmetric_padding and operation.stride > 1:
            # "SAME" would pad fewer pixels before than after.
            tensor = self._padded(tensor, kernel // 2, 0.0)
            padding = _VALID
        shape = (1, -(-side // operation.stride), -(-side // operation.stride), outputs)
        depthwise = operation.kind == "depthwise_convolution"
        # (output, input, height, width) to (output, height, width, input); depthwise (channel, 1, height,
        # width) to (1, height, width, channel).
        axes = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        inputs = [
            tensor,
            self._weight(operation.weight, weight.transpose(axes)),
            self._weight(operation.bias, self._weights(operation.bias)),
        ]
        options: dict[str, Any] = {
            "Padding": padding,
            "StrideW": operation.stride,
            "StrideH": operation.stride,
            # Flatbuffers omit defaults of the schema, which is 1 for these.
            "DilationWFactor": 1,
            "DilationHFactor": 1,
            "FusedActivationFunction": _RELU6 if operation.relu6 else 0,
        }
        linear = f"{operation.output}.linear" if operation.negative_slope is not None else operation.output
        if depthwise:
            options["DepthMultiplier"] = outputs // channels
            self._compute("DEPTHWISE_CONV_2D", inputs, linear, shape, "DepthwiseConv2DOptions", **options)
        else:
            self._compute("CONV_2D", inputs, linear, shape, "Conv2DOptions", **options)
        if operation.negative_slope is not None:
            self._compute(
                "LEAKY_RELU",
                [linear],
                operation.output,
                shape,
                "LeakyReluOptions",
                Alpha=operation.negative_slope,
            )

    def _concatenate(self, inputs: list[str], output: str, axis: int) -> str:
        shape = list(self._shape(inputs[0]))
        shape[axis] = sum(self._shape(tensor)[axis] for tensor in inputs)
        return self._compute("CONCATENATION", inputs, output, shape, "ConcatenationOptions", Axis=axis)

    def _max_pool(self, operation: Operation, tensor: str) -> None:
        import numpy

        _, side, _, channels = self._shape(tensor)
        # The padding is lower than any value.
        padded = self._padded(tensor, 1, float(numpy.finfo(numpy.float32).min))
        self._compute(
            "MAX_POOL_2D",
            [padded],
            operation.output,
            (1, -(-side // 2), -(-side // 2), channels),
            "Pool2DOptions",
            Padding=_VALID,
            StrideW=2,
            StrideH=2,
            FilterWidth=3,
            FilterHeight=3,
        )

    def _resize(self, operation: Operation, tensor: str) -> None:
        _, side, _, channels = self._shape(tensor)
        size = round(side * operation.factor)
        self._compute(
            "RESIZE_BILINEAR",
            [tensor, self._integers(f"{operation.output}.size", [size, size])],
            operation.output,
            (1, size, size, channels),
            "ResizeBilinearOptions",
            version=3,
            HalfPixelCenters=True,
        )

    def _points(self, operation: Operation, inputs: list[str]) -> None:
        rows = []
        for number, tensor in enumerate(inputs):
            _, side, _, channels = self._shape(tensor)
            rows.append(self._reshape(tensor, f"{operation.output}.{number}", (1, side * side, channels)))
        self._concatenate(rows, operation.output, axis=1)

    def _l2_normalise(self, operation: Operation, tensor: str) -> None:
        prefix, shape = operation.output, self._shape(tensor)
        unit = self._compute("L2_NORMALIZATION", [tensor], f"{prefix}.unit", shape, "L2NormOptions")
        scale = self._floats(f"{prefix}.scale", operation.scale)
        self._compute("MUL", [unit, scale], prefix, shape, "MulOptions")

    def _dense(self, operation: Operation, tensor: str) -> None:
        weight = self._weights(operation.weight)
        inputs = [
            tensor,
            self._weight(operation.weight, weight.T),
            self._weight(operation.bias, self._weights(operation.bias)),
        ]
        self._compute(
            "FULLY_CONNECTED", inputs, operation.output, (1, weight.shape[1]), "FullyConnectedOptions"
        )

    def _padded(self, tensor: str, pixels: int, value: float) -> str:
        _, height, width, channels = self._shape(tensor)
        shape = (1, height + 2 * pixels, width + 2 * pixels, channels)
        around = self._constant(
            f"{pixels} pixels around", [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]], "int32"
        )
        if value == 0:
            return self._compute("PAD", [tensor, around], f"{tensor}.padded", shape, "PadOptions")
        inputs = [tensor, around, self._floats(f"{value}", value)]
        return self._compute("PADV2", inputs, f"{tensor}.padded", shape, "PadV2Options")

    def _reshape(self, tensor: str, output: str, shape: Sequence[int]) -> str:
        if self._shape(tensor) == tuple(shape):
            # Some runtimes remove an operator without effect together with the name of its output.
            return self.file.rename(tensor, output)
        inputs = [tensor, self._integers(f"{output}.shape", shape)]
        return self._compute("RESHAPE", inputs, output, shape, "ReshapeOptions")

    def _compute(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str,
        shape: Sequence[int],
        table: str | None = None,
        *,
        version: int = 1,
        kind_of_output: str = "float32",
        **options: float,
    ) -> str:
        """Add an operator and its output tensor."""
        name = self.file.tensor(output, shape, kind_of_output)
        self.file.operator(kind, inputs, [name], table, version=version, **options)
        return name

    def _operand(self, name: str) -> str:
        """A tensor that an operation reads. A constant is added at its first use, in single precision."""
        if name in self._network.weights and not self.file.has(name):
            self.file.constant(name, self._network.weights[name])
        return name

    def _shape(self, name: str) -> tuple[int, ...]:
        return self.file.shape(name)

    def _weights(self, name: str | None) -> NDArray[numpy.float32]:
        assert name is not None
        return self._network.weights[name]

    def _weight(self, name: str | None, value: NDArray[numpy.float32]) -> str:
        import numpy

        assert name is not None
        if self.file.has(name):
            return name
        # Biases and the weights of depthwise convolutions are few, and rounding them costs the most accuracy.
        depthwise = value.ndim == 4 and value.shape[0] == 1
        if not self._half or value.ndim == 1 or depthwise:
            return self.file.constant(name, value)
        narrow = value.clip(-_LARGEST_HALF, _LARGEST_HALF).astype(numpy.float16)
        stored = self.file.constant(f"{name}.half", narrow)
        self.file.tensor(name, value.shape)
        self.file.operator("DEQUANTIZE", [stored], [name], "DequantizeOptions", version=3)
        return name

    def _integers(self, name: str, value: int | Sequence[int]) -> str:
        return self._constant(name, value, "int32")

    def _floats(self, name: str, value: float | Sequence[float]) -> str:
        return self._constant(name, value, "float32")

    def _constant(self, name: str, value: Any, kind: str) -> str:
        import numpy

        return name if self.file.has(name) else self.file.constant(name, numpy.array(value, kind))
