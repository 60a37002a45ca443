"""Neural networks as data: one list of operations a network, and for each file format a writer of its own.

Tensors are pictures (N, height, width, channels), vectors (N, width) or rows (N, rows, width); a writer may
order the axes of pictures otherwise inside. Weights of convolutions are (output, input, height, width), of
depthwise ones (channel, 1, height, width), of dense layers (input, output): the writers transpose from these.

What follows a detector's rows, so that a file can promise finished boxes, is written with operations on
**plain tensors**: float32 whatever they hold (whole numbers are exact), of a shape that is known beforehand,
the same in every format, without an axis for several pictures. Both sides of a two-sided operation have the
same number of axes and are broadcast; either may be a constant, that is a name of the network's weights.

A **node** is any operator of ONNX, for networks that come from elsewhere (`network_conversion`). Only the
writer of ONNX knows what to do with it: such networks are neither trained through nor exported. Its pictures
are (N, channels, height, width), and what it reads may be constants of any type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

OperationKind = Literal[
    "normalise",  # (x - mean) x scale, for all channels or for each; from uint8 to float32
    "convolution",  # padding as TensorFlow's "SAME" or, if `symmetric_padding`, the same on all sides
    "depthwise_convolution",
    "add",  # of pictures of one size, or of vectors
    "concatenate",  # pictures of one size, or vectors: channels of the first, then those of the next
    "max_pool",  # 3 x 3 pixels, stride 2, one pixel around the picture that never wins
    "resize",  # pictures `factor` times as large, bilinear, by the centres of pixels, not smoothed before
    "points",  # pictures to rows: the pixels of the first line by line, then those of the next picture
    "global_average",  # mean over height and width
    "l2_normalise",  # each row to Euclidean length `scale`
    "dense",
    "softmax",  # along the last axis
    "sigmoid",
    # Plain tensors from here on.
    "reshape",  # to `shape`; also from rows or vectors of one picture, and to an output's own shape
    "slice",  # of a matrix the columns `span[0]` to `span[1]` - 1
    "transpose",  # of a matrix
    "join",  # matrices beside each other: columns of the first, then those of the next
    "matmul",  # of two matrices
    "add_each",
    "subtract",
    "multiply",
    "divide",
    "minimum",
    "maximum",
    "greater",  # 1 where the first is greater than the second, else 0
    "exp",
    "log",
    "abs",
    "floor",
    "top_k",  # the `count` greatest of a vector (shape (n,)), falling; equal ones in their order
    "top_k_places",  # where they are: the same inputs and `count` as a "top_k" that stands just before
    "gather",  # the rows of a matrix whose numbers are in a vector
    "picture",  # (1, height x width, channels) to a picture of the height and width `shape`: undoes "points"
    "integers",  # to int64 (or the widest integers that a format has); for outputs alone
    "node",  # the operator `operator` of ONNX in the version `NODE_OPSET`, with its `attributes`
]

# The version of ONNX's set of operators that nodes belong to.
NODE_OPSET = 18

# What nodes have as attributes.
Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One step of a network: what it does, the tensors it reads and the one it writes."""

    kind: OperationKind
    inputs: tuple[str, ...]
    output: str
    weight: str | None = None
    bias: str | None = None
    stride: int = 1
    relu6: bool = False
    negative_slope: float | None = None  # the slope below zero of a leaky ReLU after a convolution
    symmetric_padding: bool = False
    factor: float = 1.0
    mean: float | tuple[float, ...] = 0.0
    scale: float | tuple[float, ...] = 1.0
    shape: tuple[int, ...] = ()
    span: tuple[int, int] = (0, 0)
    count: int = 0
    operator: str = ""
    attributes: tuple[tuple[str, Attribute], ...] = ()
    further_outputs: tuple[str, ...] = ()  # of a node, after the first; "" is one that nobody reads


@dataclass(frozen=True)
class Network:
    """A network that takes RGB pictures of `resolution` x `resolution` pixels, 0..255.

    Attributes:
        outputs: the tensors that it gives, with the shape of each for one picture.
        input: name of the tensor of pictures.
        float_input: the pictures are float32, and in a file with the axes that its format prefers, instead of
            uint8 (N, height, width, 3). "normalise" says of which order and range the channels are.
        single_image: it takes exactly one image at a time, because it has plain tensors. The shapes of
            outputs are then whole ones; else an axis of pictures comes before them.
    """

    resolution: int
    operations: tuple[Operation, ...]
    weights: Mapping[str, FloatArray] = field(repr=False)
    outputs: Mapping[str, tuple[int, ...]]
    input: str = "image"
    float_input: bool = False
    single_image: bool = False

    @property
    def output(self) -> str:
        """The output of a network that has one."""
        (name,) = self.outputs
        return name

    @property
    def has_nodes(self) -> bool:
        """Whether there are operators of ONNX in it: then it can be run, but not trained through."""
        return any(operation.kind == "node" for operation in self.operations)


INPUT = "image"
_BATCH_NORM_EPSILON = 1e-3

# Expansion, channels, repeats, stride of the first repeat, kernel: the seven stages of EfficientNet-B0 (Tan
# and Le, 2019, table 1). The Lite family drops squeeze-and-excitation, uses ReLU6 and leaves stem, first and
# last stage and head unscaled.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_FEATURES = 1280


def efficientnet_lite(
    state: Mapping[str, FloatArray],
    *,
    resolution: int,
    resize_to: int | None = None,
    width: float = 1.0,
    depth: float = 1.0,
) -> Network:
    """EfficientNet-Lite without its classifier: a picture in, the 1280 pooled features out.

    Args:
        state: weights by the names of the published PyTorch checkpoints.
        resolution: side of the input in pixels.
        resize_to: side to which the input is resized first, if it is another.
        width, depth: multipliers of the family: 1.0 and 1.0 for Lite0, 1.0 and 1.1 for Lite1, 1.1 and 1.2 for
            Lite2.

    Raises:
        KeyError: a weight is missing.
        ValueError: a weight has another shape than the architecture says.
    """
    builder = _LiteBuilder(state)
    tensor = builder.append(Operation("normalise", (INPUT,), "normalised", mean=127.0, scale=1 / 128))
    if resize_to not in (None, resolution):
        assert resize_to is not None
        tensor = builder.append(Operation("resize", (tensor,), "resized", factor=resize_to / resolution))
    tensor = builder.convolve(tensor, "_conv_stem", "_bn0", 3, 32, kernel=3, stride=2)
    channels, block = 32, 0
    for stage, (expansion, base_channels, base_repeats, first_stride, kernel) in enumerate(_STAGES):
        out_channels = _rounded_channels(base_channels, width)
        scaled = 0 < stage < len(_STAGES) - 1
        for repeat in range(math.ceil(base_repeats * depth) if scaled else base_repeats):
            stride = first_stride if repeat == 0 else 1
            tensor = builder.inverted_residual(
                tensor, f"_blocks.{block}.", channels, out_channels, expansion, kernel=kernel, stride=stride
            )
            channels, block = out_channels, block + 1
    tensor = builder.convolve(tensor, "_conv_head", "_bn1", channels, _FEATURES, kernel=1)
    builder.append(Operation("global_average", (tensor,), "features"))
    return Network(resolution, tuple(builder.operations), builder.weights, {"features": (_FEATURES,)})


def with_classifier(
    backbone: Network, weight: FloatArray, bias: FloatArray, *, feature_length: float, multilabel: bool
) -> Network:
    """The backbone with a linear head on its features, scaled to `feature_length`: a picture in,
    probabilities out.

    Args:
        weight: (features, tags). bias: (tags,).
        multilabel: independent probabilities (sigmoid) instead of ones that sum to 1 (softmax).
    """
    head = (
        Operation("l2_normalise", (backbone.output,), "normalised_features", scale=feature_length),
        Operation("dense", ("normalised_features",), "scores", weight="head.weight", bias="head.bias"),
        Operation("sigmoid" if multilabel else "softmax", ("scores",), "probabilities"),
    )
    return replace(
        backbone,
        operations=backbone.operations + head,
        weights={**backbone.weights, "head.weight": weight, "head.bias": bias},
        outputs={"probabilities": (weight.shape[1],)},
    )


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """TensorFlow's "SAME" padding of one side: pixels before, pixels after, and the size of the output."""
    output = -(-size // stride)
    total = max((output - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, output


class _LiteBuilder:
    """Collects operations and their weights, folding each batch norm into the convolution before it."""

    def __init__(self, state: Mapping[str, FloatArray]) -> None:
        self._state = state
        self.operations: list[Operation] = []
        self.weights: dict[str, FloatArray] = {}

    def append(self, operation: Operation) -> str:
        self.operations.append(operation)
        return operation.output

    def convolve(
        self,
        tensor: str,
        layer: str,
        norm: str,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int = 1,
        depthwise: bool = False,
        relu6: bool = True,
    ) -> str:
        import numpy

        weight = self._state[f"{layer}.weight"]
        expected = (out_channels, 1 if depthwise else in_channels, kernel, kernel)
        if weight.shape != expected:
            raise ValueError(f"{layer} has the shape {weight.shape} instead of {expected}")
        # In double precision, so that folding adds no error of its own.
        norm_weight, norm_bias, mean, variance = (
            self._state[f"{norm}.{part}"].astype(numpy.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = norm_weight / numpy.sqrt(variance + _BATCH_NORM_EPSILON)
        self.weights[f"{layer}.weight"] = (weight * factor[:, None, None, None]).astype(numpy.float32)
        self.weights[f"{layer}.bias"] = (norm_bias - mean * factor).astype(numpy.float32)
        return self.append(
            Operation(
                "depthwise_convolution" if depthwise else "convolution",
                (tensor,),
                f"{layer}.output",
                weight=f"{layer}.weight",
                bias=f"{layer}.bias",
                stride=stride,
                relu6=relu6,
            )
        )

    def inverted_residual(
        self,
        tensor: str,
        block: str,
        in_channels: int,
        out_channels: int,
        expansion: int,
        *,
        kernel: int,
        stride: int,
    ) -> str:
        """Expand, convolve each channel by itself, project; the input is added where the shapes agree."""
        shortcut, middle = tensor, in_channels * expansion
        if expansion != 1:
            tensor = self.convolve(
                tensor, f"{block}_expand_conv", f"{block}_bn0", in_channels, middle, kernel=1
            )
        tensor = self.convolve(
            tensor,
            f"{block}_depthwise_conv",
            f"{block}_bn1",
            middle,
            middle,
            kernel=kernel,
            stride=stride,
            depthwise=True,
        )
        tensor = self.convolve(
            tensor, f"{block}_project_conv", f"{block}_bn2", middle, out_channels, kernel=1, relu6=False
        )
        if stride == 1 and in_channels == out_channels:
            tensor = self.append(Operation("add", (tensor, shortcut), f"{block}output"))
        return tensor


def _rounded_channels(channels: int, width: float) -> int:
    """Channels x width, rounded to a multiple of 8 that is at most 10% smaller."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded
