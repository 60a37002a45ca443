"""Write a network as a Core ML model with coremltools.

It is a neural network, not an ML program, and runs on iOS 14 and macOS 11 or later.
"""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from emulator.vision.networks.graph import Network, Operation, same_padding

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# The prefix of coremltools' notes, which are removed: date and versions would make each file different.
_NOTES = "com.github.apple.coremltools."
_LARGEST_HALF = 65504.0
# On GPUs and neural engines Core ML computes in half precision. There a number just below 1 becomes 1, its
# difference to 1 becomes 0, and the logarithm of the difference must not become infinite.
_LEAST = 1e-4


def coreml_network(network: Network, *, labels: Sequence[str] | None = None, half: bool = False) -> Any:
    """A network as Core ML's protobuf message `Model`.

    The input is an RGB image of `resolution` x `resolution` pixels, of Core ML's image type, so that programs
    can pass camera images. Inside, images are (1, channels, height, width).

    Args:
        labels: if given, the network's only output are the probabilities of these labels. The model then also
            has the output `classLabel`, and its own output becomes a dictionary.
        half: store the weights in half precision.
    """
    with _quiet():
        import coremltools

        side = network.resolution
        classifier = None
        if labels is not None:
            classifier = coremltools.ClassifierConfig(list(labels), predicted_feature_name="classLabel")
        model = coremltools.convert(
            _program(network),
            source="milinternal",
            convert_to="neuralnetwork",
            inputs=[
                coremltools.ImageType(
                    name=network.input, shape=(1, 3, side, side), color_layout=coremltools.colorlayout.RGB
                )
            ],
            classifier_config=classifier,
            minimum_deployment_target=coremltools.target.iOS14,
            skip_model_load=True,
        )
    message = model.get_spec()
    _number(message)
    if half:
        _narrow(message)
    notes = message.description.metadata.userDefined
    for key in [key for key in notes if key.startswith(_NOTES)]:
        del notes[key]
    return message


def _number(message: Any) -> None:
    """Name layers and tensors by their position.

    coremltools chooses the name of one of two equal tensors at random, and the same network must give the
    same file.
    """
    described = (*message.description.input, *message.description.output)
    names = {feature.name: feature.name for feature in described}
    for number, layer in enumerate(_layers(message)):
        layer.name = f"{layer.WhichOneof('layer')}_{number}"
        layer.input[:] = [names[name] for name in layer.input]
        for place, name in enumerate(layer.output):
            names.setdefault(name, f"{layer.name}_output_{place}")
        layer.output[:] = [names[name] for name in layer.output]


def _layers(message: Any) -> Any:
    return getattr(message, message.WhichOneof("Type")).layers


def _narrow(message: Any) -> None:
    """Store the weights of convolutions and dense layers in half precision.

    Biases and the weights of depthwise convolutions are few, and rounding them costs the most accuracy.
    """
    import numpy

    for layer in _layers(message):
        kind = layer.WhichOneof("layer")
        if kind not in ("convolution", "innerProduct"):
            continue
        if kind == "convolution" and layer.convolution.kernelChannels == 1:
            continue
        weights = getattr(layer, kind).weights
        values = numpy.array(weights.floatValue, numpy.float32).clip(-_LARGEST_HALF, _LARGEST_HALF)
        weights.ClearField("floatValue")
        weights.float16Value = values.astype("<f2").tobytes()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress coremltools' warnings about untested versions and other systems, and its progress bars."""
    loggers = [logging.getLogger(name) for name in ("coremltools", "coremltools.converters")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _program(network: Network) -> Any:
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import Function, Program

    side = network.resolution
    program = Program()
    with Function({network.input: Builder.placeholder(shape=(1, 3, side, side))}) as function:
        writer = _Writer(network, function.inputs[network.input])
        for operation in network.operations:
            writer.write(operation)
        function.set_outputs([_output(Builder, writer.tensors[name], name) for name in network.outputs])
        program.add_function("main", function)
    return program


def _output(build: Any, tensor: Any, name: str) -> Any:
    if len(tensor.shape) == 4:
        # Programs that decode the grid of a detector expect the five axes of early Core ML networks.
        return build.reshape(x=tensor, shape=[1, *tensor.shape], name=name)
    # Only operations can name outputs.
    return build.identity(x=tensor, name=name)


class _Writer:
    def __init__(self, network: Network, images: Any) -> None:
        from coremltools.converters.mil import Builder

        self._network = network
        self._builder = Builder
        # Indices of the greatest elements, by input and count of the "top_k".
        self._places: dict[tuple[str, int], Any] = {}
        # A 1 x 1 matrix of zero that coremltools cannot fold as a constant.
        self._zero: Any = None
        self.tensors: dict[str, Any] = {network.input: images}

    def write(self, operation: Operation) -> None:
        inputs = [self._operand(name) for name in operation.inputs]
        self.tensors[operation.output] = self._compute(operation, inputs)

    def _operand(self, name: str) -> Any:
        """A tensor, or a constant of an operation on plain tensors."""
        return self.tensors[name] if name in self.tensors else self._network.weights[name]

    def _compute(self, operation: Operation, inputs: list[Any]) -> Any:
        build, first = self._builder, inputs[0]
        match operation.kind:
            case "normalise":
                centred = build.sub(x=first, y=_for_planes(operation.mean))
                return build.mul(x=centred, y=_for_planes(operation.scale))
            case "convolution" | "depthwise_convolution":
                return self._convolution(operation, first)
            case "add":
                return build.add(x=first, y=inputs[1])
            case "concatenate":
                return build.concat(values=inputs, axis=1)
            case "max_pool":
                return build.max_pool(
                    x=first, kernel_sizes=[3, 3], strides=[2, 2], pad_type="custom", pad=[1, 1, 1, 1]
                )
            case "resize":
                return self._resize(operation, first)
            case "points":
                flat = [build.reshape(x=each, shape=[1, each.shape[1], -1]) for each in inputs]
                return build.transpose(x=build.concat(values=flat, axis=2), perm=[0, 2, 1])
            case "global_average":
                return build.reduce_mean(x=first, axes=[2, 3], keep_dims=False)
            case "l2_normalise":
                length = build.reduce_l2_norm(x=first, axes=[1], keep_dims=True)
                unit = build.real_div(x=first, y=build.maximum(x=length, y=1e-12))
                return build.mul(x=unit, y=float(operation.scale))  # type: ignore[arg-type]
            case "dense":
                weight, bias = self._weight(operation.weight), self._weight(operation.bias)
                return build.linear(x=first, weight=weight.T.copy(), bias=bias)
            case "softmax":
                return build.softmax(x=first, axis=-1)
            case "sigmoid":
                return build.sigmoid(x=first)
            case "scale_rows":
                return build.mul(x=first, y=inputs[1])  # of one image
            case _:
                return self._plain(operation, inputs)

    def _convolution(self, operation: Operation, images: Any) -> Any:
        weight = self._weight(operation.weight)
        outputs, _, kernel, _ = weight.shape
        before, after, _ = same_padding(images.shape[2], kernel, operation.stride)
        if operation.symmetric_padding:
            before = after = kernel // 2
        result = self._builder.conv(
            x=images,
            weight=weight,
            bias=self._weight(operation.bias),
            strides=[operation.stride, operation.stride],
            pad_type="custom",
            pad=[before, after, before, after],
            groups=outputs if operation.kind == "depthwise_convolution" else 1,
        )
        if operation.relu6:
            return self._builder.relu6(x=result)
        if operation.negative_slope is not None:
            return self._builder.leaky_relu(x=result, alpha=operation.negative_slope)
        return result

    def _resize(self, operation: Operation, images: Any) -> Any:
        build, side = self._builder, images.shape[2]
        size = round(side * operation.factor)
        if size > side:
            return build.upsample_bilinear(
                x=images,
                scale_factor_height=float(operation.factor),
                scale_factor_width=float(operation.factor),
                align_corners=False,
            )
        if size * 2 == side:
            # The new centre lies between four pixels: bilinear interpolation is their mean.
            return build.avg_pool(x=images, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid")
        # Core ML has no half-pixel resizing to arbitrary sizes. The image is divided into blocks that are
        # resized independently, each by a product with a small matrix.
        blocks = math.gcd(side, size)
        matrix = _shrinking(side // blocks, size // blocks)
        for _ in range(2):
            # Reduce the columns of (.., rows, columns), then transpose and reduce the rows.
            _, channels, rows, columns = images.shape
            cut = build.reshape(x=images, shape=[channels * rows * blocks, columns // blocks])
            shrunk = build.reshape(x=build.matmul(x=cut, y=matrix), shape=[1, channels, rows, size])
            images = build.transpose(x=shrunk, perm=[0, 1, 3, 2])
        return images

    def _plain(self, operation: Operation, inputs: list[Any]) -> Any:
        """An operation on plain tensors."""
        import numpy
        from coremltools.converters.mil.mil import types

        if operation.kind != "gather":
            # Indices stay integers up to "gather", so that no step rounds them.
            inputs = [self._floating(each) for each in inputs]
        build, first = self._builder, inputs[0]
        if len(inputs) == 2 and all(isinstance(each, numpy.ndarray) for each in inputs):
            # coremltools would fold this constant expression, which may be many times as large.
            first = build.add(x=first, y=self._zero)
        match operation.kind:
            case "reshape":
                return build.reshape(x=first, shape=list(operation.shape))
            case "picture":
                rows = build.transpose(x=first, perm=[0, 2, 1])
                return build.reshape(x=rows, shape=[1, first.shape[2], *operation.shape])
            case "slice":
                start, end = operation.span
                return build.slice_by_index(x=first, begin=[0, start], end=[first.shape[0], end])
            case "transpose":
                return build.transpose(x=first, perm=[1, 0])
            case "join":
                return build.concat(values=inputs, axis=1)
            case "matmul":
                return build.matmul(x=first, y=inputs[1])
            case "greater":
                return build.cast(x=build.greater(x=first, y=inputs[1]), dtype="fp32")
            case "top_k":
                values, places = build.topk(x=first, k=operation.count, axis=0)
                self._places[operation.inputs[0], operation.count] = places
                if self._zero is None:
                    one = build.slice_by_index(x=values, begin=[0], end=[1])
                    self._zero = build.reshape(x=build.mul(x=one, y=0.0), shape=[1, 1])
                return values
            case "top_k_places":
                return self._places[operation.inputs[0], operation.count]
            case "gather":
                rows = inputs[1]
                if rows.dtype != types.int32:
                    rows = build.cast(x=rows, dtype="int32")
                return build.gather(x=first, indices=rows, axis=0)
            case "integers":
                return build.cast(x=first, dtype="int32")
            case "log":
                return build.log(x=first, epsilon=_LEAST)
            case "exp" | "abs" | "floor" | "sqrt":
                of_one: Callable[..., Any] = getattr(build, operation.kind)
                return of_one(x=first)
            case _:
                of_two: Callable[..., Any] = getattr(build, _TWO_SIDED[operation.kind])
                return of_two(x=first, y=inputs[1])

    def _floating(self, tensor: Any) -> Any:
        from coremltools.converters.mil.mil import types

        whole = getattr(tensor, "dtype", None) == types.int32
        return self._builder.cast(x=tensor, dtype="fp32") if whole else tensor

    def _weight(self, name: str | None) -> NDArray[numpy.float32]:
        assert name is not None
        return self._network.weights[name]


_TWO_SIDED = {
    "add_each": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "real_div",
    "minimum": "minimum",
    "maximum": "maximum",
}


def _shrinking(side: int, size: int) -> NDArray[numpy.float32]:
    """The matrix (side, size) that resizes a row of pixels bilinearly, with half-pixel centres."""
    import numpy

    matrix = numpy.zeros((side, size), numpy.float32)
    for column in range(size):
        place = (column + 0.5) * side / size - 0.5
        first = int(place)
        matrix[first, column] += 1 - (place - first)
        if place > first:
            matrix[first + 1, column] += place - first
    return matrix


def _for_planes(value: float | tuple[float, ...]) -> NDArray[numpy.float32]:
    """A value for each channel, shaped to broadcast over (1, channels, height, width)."""
    import numpy

    return numpy.array(value, numpy.float32).reshape(1, -1, 1, 1)
