"""Neural networks as data: a network is a list of operations, and each file format has a writer.

Tensors are images (N, height, width, channels), vectors (N, width) or rows (N, rows, width). A writer may use
another order of axes for images inside. Weights of convolutions are (output channels, input channels, kernel
height, kernel width), of depthwise convolutions (channels, 1, kernel height, kernel width), and of dense
layers (inputs, outputs). Writers transpose from these.

The operations that follow a detector's rows, so that a file returns postprocessed boxes, work on **plain
tensors**. These are float32 (integers are exact), have a fixed shape, are the same in every format, and have
no batch axis. Both sides of a binary operation have the same number of axes and are broadcast. Either may be
a constant, which is named in the network's weights.

A **node** is any operator of ONNX, for networks from other sources (`backbones.from_torch`). Only the ONNX
writer supports nodes: such networks are not exported. Their images are (N, channels,
height, width), and their constants may have any type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

# The names are part of model files.
OperationKind = Literal[
    "normalise",  # (x - mean) x scale, for all channels or for each; from uint8 to float32
    "convolution",  # padding: TensorFlow's "SAME" or, if `symmetric_padding`, equal on all sides
    "depthwise_convolution",
    "add",  # images of one size, or vectors
    "concatenate",  # channels of images of one size, or vectors
    "max_pool",  # 3 x 3 pixels, stride 2; one pixel of padding, lower than any value
    "resize",  # images `factor` times as large; bilinear, half-pixel centres, no antialiasing
    "points",  # images to rows: one row a pixel, line by line, image after image
    "global_average",  # mean over height and width
    "channel_minimum",  # the least channel of each pixel of an image, which then has one channel
    "l2_normalise",  # each row, or pixel of an image, to the Euclidean length `scale`
    "dense",
    "softmax",  # along the last axis
    "sigmoid",
    "scale_rows",  # rows (N, rows, width) times a vector (N, width); `shape` is (1, width)
    # On plain tensors from here on.
    "reshape",  # to `shape`; also from rows or vectors of one image, and to the shape of an output
    "slice",  # columns `span[0]` to `span[1]` - 1 of a matrix
    "transpose",  # a matrix
    "join",  # concatenate the columns of matrices, or vectors
    "matmul",  # of two matrices
    "add_each",
    "subtract",
    "multiply",  # also of vectors, and of images of one size
    "divide",
    "minimum",  # also of images and constants
    "maximum",
    "greater",  # 1 where the first is greater than the second, else 0
    "exp",
    "log",  # also of vectors
    "abs",  # also of images
    "floor",
    "sqrt",  # also of vectors
    "top_k",  # the `count` greatest elements of a vector (n,), descending; equal ones in their order
    "top_k_places",  # their indices: the inputs and `count` of the "top_k" that stands just before
    "gather",  # the rows of a matrix whose indices are in a vector
    "picture",  # (1, height x width, channels) to an image of height and width `shape`; inverse of "points"
    "integers",  # to int64, or the widest integers of the format; for outputs only
    "node",  # the ONNX operator `operator` of opset `NODE_OPSET`, with its `attributes`
]

# The ONNX opset of nodes.
NODE_OPSET = 18

# Attributes of nodes.
Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One step of a network: its kind, the tensors that it reads and the one that it writes."""

    kind: OperationKind
    inputs: tuple[str, ...]
    output: str
    weight: str | None = None
    bias: str | None = None
    stride: int = 1
    relu6: bool = False
    negative_slope: float | None = None  # of a leaky ReLU after a convolution
    symmetric_padding: bool = False
    factor: float = 1.0
    mean: float | tuple[float, ...] = 0.0
    scale: float | tuple[float, ...] = 1.0
    shape: tuple[int, ...] = ()
    span: tuple[int, int] = (0, 0)
    count: int = 0
    operator: str = ""
    attributes: tuple[tuple[str, Attribute], ...] = ()
    further_outputs: tuple[str, ...] = ()  # of a node, after the first; "" is one that is not read


@dataclass(frozen=True)
class Network:
    """A network for RGB images of `resolution` x `resolution` pixels, 0..255.

    Attributes:
        outputs: the output tensors, with the shape of each for one image.
        input: name of the input tensor.
        float_input: the input is float32, and in a file with the axes that its format prefers, instead of
            uint8 (N, height, width, 3). "normalise" determines the order and range of the channels.
        single_image: the network takes one image at a time, because it has plain tensors. The shapes in
            `outputs` are then complete; otherwise a batch axis comes before them.
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
        """The output of a network with one output."""
        (name,) = self.outputs
        return name

    @property
    def has_nodes(self) -> bool:
        """Whether it has ONNX operators: then it cannot be exported."""
        return any(operation.kind == "node" for operation in self.operations)


INPUT = "image"
# The features of a classifier, of a fixed Euclidean length.
NORMALISED_FEATURES = "normalised_features"
# For an image, the probability of being like those of a training, and what is added for the rest.
INLIER, NOVEL = "novelty.inlier", "novelty.novel"
# The mean features of the windows of a tile, and their scores.
WINDOW_MEANS, WINDOW_SCORES = "window_means", "window_scores"


def with_classifier(
    backbone: Network,
    weight: FloatArray,
    bias: FloatArray,
    *,
    feature_length: float,
    multilabel: bool,
    roots: bool = False,
) -> Network:
    """The backbone with a linear head on its features, which are scaled to the length `feature_length`.

    The output is "probabilities" (N, tags).

    Args:
        weight, bias: (features, tags) and (tags,).
        multilabel: independent probabilities (sigmoid) instead of ones that sum to 1 (softmax).
        roots: the head reads the square roots of the features, scaled to `feature_length`. No feature may be
            negative.
    """
    read = NORMALISED_FEATURES
    steps = [Operation("l2_normalise", (backbone.output,), NORMALISED_FEATURES, scale=feature_length)]
    if roots:
        read = "normalised_roots"
        steps.append(Operation("sqrt", (NORMALISED_FEATURES,), "roots"))
        steps.append(Operation("l2_normalise", ("roots",), read, scale=feature_length))
    head = (
        *steps,
        Operation("dense", (read,), "scores", weight="head.weight", bias="head.bias"),
        Operation("sigmoid" if multilabel else "softmax", ("scores",), "probabilities"),
    )
    return replace(
        backbone,
        operations=backbone.operations + head,
        weights={**backbone.weights, "head.weight": weight, "head.bias": bias},
        outputs={"probabilities": (weight.shape[1],)},
    )


def with_novelty_filter(
    classifier: Network,
    features: str,
    references: FloatArray,
    *,
    sharpness: float,
    limit: float,
    novel: FloatArray,
) -> Network:
    """The classifier with other probabilities for images that are far from all references.

    Its probabilities are multiplied by i, and (1 - i) x `novel` is added: i is the sum of the references'
    shares in a softmax of -`sharpness` x distance, with one constant, -`sharpness` x `limit`, in the softmax.
    Distance is 1 - cosine.

    Args:
        features: a tensor of the classifier, of a fixed Euclidean length.
        references: (features, references) unit vectors x `sharpness` / that length.
        novel: the probabilities of an image that is far from all references, (tags,).
    """
    known = "probabilities.known"
    *steps, last = classifier.operations
    shares, weights = _inlier_and_novel(features, references, sharpness=sharpness, limit=limit, novel=novel)
    return replace(
        classifier,
        operations=(
            *steps,
            replace(last, output=known),
            *shares,
            Operation("multiply", (known, INLIER), "novelty.discounted"),
            Operation("add", ("novelty.discounted", NOVEL), last.output),
        ),
        weights={**classifier.weights, **weights},
    )


def with_inlier_outputs(
    network: Network,
    features: str,
    references: FloatArray,
    *,
    sharpness: float,
    limit: float,
    novel: FloatArray,
) -> Network:
    """The network with two further outputs (N, tags), for programs that apply the filter of
    `with_novelty_filter` themselves: `INLIER`, by which probabilities are multiplied, and `NOVEL`, which is
    then added. The arguments are those of that function."""
    shares, weights = _inlier_and_novel(features, references, sharpness=sharpness, limit=limit, novel=novel)
    tags = (len(novel),)
    return replace(
        network,
        operations=(*network.operations, *shares),
        weights={**network.weights, **weights},
        outputs={**network.outputs, INLIER: tags, NOVEL: tags},
    )


def _inlier_and_novel(
    features: str, references: FloatArray, *, sharpness: float, limit: float, novel: FloatArray
) -> tuple[list[Operation], dict[str, FloatArray]]:
    """Operations from features to `INLIER` and `NOVEL`, and their weights."""
    import numpy

    tags = len(novel)
    share_of_constant = _share_of_constant(references.shape[1], tags)
    compared, weights = _compared(features, references, sharpness=sharpness, limit=limit)
    weights |= {
        # The complement of one share cannot exceed 1, as a rounded sum of many could.
        f"{INLIER}.weight": -share_of_constant,
        f"{INLIER}.bias": numpy.ones(tags, numpy.float32),
        f"{NOVEL}.weight": share_of_constant * novel,
        f"{NOVEL}.bias": numpy.zeros(tags, numpy.float32),
    }
    return [*compared, _dense("novelty.shares", INLIER), _dense("novelty.shares", NOVEL)], weights


def with_window_scores(
    backbone: Network, places: str, weight: FloatArray, bias: FloatArray, *, feature_length: float
) -> Network:
    """The backbone with a linear head on the mean features of windows of 3 x 3 places, every second place.

    The output is `WINDOW_SCORES`, a row for each window, line by line; windows at edges have fewer places.

    Args:
        places: the tensor of images whose means are the features.
        weight, bias: (features, columns) and (columns,).
        feature_length: length to which the features of a window are scaled.
    """
    import numpy

    channels, columns = weight.shape
    side = backbone.resolution
    for operation in backbone.operations:
        side = -(-round(side * operation.factor) // operation.stride)
        if operation.output == places:
            break
    rows = (-(-side // 2)) ** 2
    operations = (
        Operation(
            "depthwise_convolution",
            (places,),
            WINDOW_MEANS,
            weight="window_means.weight",
            bias="window_means.bias",
            stride=2,
            symmetric_padding=True,
        ),
        Operation("l2_normalise", (WINDOW_MEANS,), "window_features", scale=feature_length),
        Operation(
            "convolution",
            ("window_features",),
            "window_score_map",
            weight="window_head.weight",
            bias="window_head.bias",
        ),
        Operation("points", ("window_score_map",), WINDOW_SCORES),
    )
    weights = {
        # The zeros around the image do not change the direction of a mean, and its length is not used.
        "window_means.weight": numpy.full((channels, 1, 3, 3), 1 / 9, numpy.float32),
        "window_means.bias": numpy.zeros(channels, numpy.float32),
        "window_head.weight": numpy.ascontiguousarray(weight.T[:, :, None, None], numpy.float32),
        "window_head.bias": bias.astype(numpy.float32),
    }
    return replace(
        backbone,
        operations=backbone.operations + operations,
        weights={**backbone.weights, **weights},
        outputs={WINDOW_SCORES: (rows, columns)},
    )


def with_scores_filter(
    detector: Network,
    images: str,
    scores: str,
    references: FloatArray,
    *,
    sharpness: float,
    limit: float,
) -> Network:
    """The detector with scores near 0 in images that are far from all references.

    Its scores are multiplied by i, as in `with_novelty_filter`. The features are the means of a tensor of
    images, scaled to the length 1.

    Args:
        images: a tensor of the detector.
        scores: the output with the scores (N, points, tags).
        references: (features, references) unit vectors x `sharpness`.
    """
    import numpy

    _, tags = detector.outputs[scores]
    compared, weights = _compared("novelty.features", references, sharpness=sharpness, limit=limit)
    weights |= {
        "novelty.inlier.weight": -_share_of_constant(references.shape[1], tags),
        "novelty.inlier.bias": numpy.ones(tags, numpy.float32),
    }
    operations = [
        replace(operation, output=f"{scores}.known") if operation.output == scores else operation
        for operation in detector.operations
    ]
    return replace(
        detector,
        operations=(
            *operations,
            Operation("global_average", (images,), "novelty.average"),
            Operation("l2_normalise", ("novelty.average",), "novelty.features", scale=1.0),
            *compared,
            _dense("novelty.shares", "novelty.inlier"),
            Operation("scale_rows", (f"{scores}.known", "novelty.inlier"), scores, shape=(1, tags)),
        ),
        weights={**detector.weights, **weights},
    )


def _compared(
    features: str, references: FloatArray, *, sharpness: float, limit: float
) -> tuple[list[Operation], dict[str, FloatArray]]:
    """Operations from features to "novelty.shares", a softmax of the similarity to each reference and a
    constant, the last; and their weights. The arguments are those of `with_novelty_filter`."""
    import numpy

    count = references.shape[1]
    constant = numpy.append(numpy.full(count, -sharpness), -sharpness * limit)
    weights = {
        "novelty.references.weight": numpy.pad(references, ((0, 0), (0, 1))),
        "novelty.references.bias": constant.astype(numpy.float32),
    }
    operations = [
        _dense(features, "novelty.references"),
        Operation("softmax", ("novelty.references",), "novelty.shares"),
    ]
    return operations, weights


def _share_of_constant(count: int, tags: int) -> FloatArray:
    """The matrix that copies the last of `count` + 1 shares for each tag."""
    import numpy

    result = numpy.zeros((count + 1, tags), numpy.float32)
    result[count] = 1
    return result


def _dense(tensor: str, output: str) -> Operation:
    return Operation("dense", (tensor,), output, weight=f"{output}.weight", bias=f"{output}.bias")


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """TensorFlow's "SAME" padding along one axis: pixels before, pixels after, and the output size."""
    output = -(-size // stride)
    total = max((output - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, output
