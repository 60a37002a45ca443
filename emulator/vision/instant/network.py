"""An instant model as a network, for exports. It approximates the model: its features are not rounded.

The network computes the features of `features` with convolutions, compares them with those of all images of
the model, and adds up their tags or boxes, weighted with a softmax, as `neighbors` and `scoring` do. It does
not recognize the very files of the training, which the model prefers to others that look alike.

Axes: K images of the model, F features, T tags, P points of a detector, D logits of distances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emulator.vision.boxes.geometry import DISTANCE_BINS, anchor_points
from emulator.vision.instant import features as definition
from emulator.vision.instant.features import CELL, GRID, MIDDLE, PART, PARTS, RESOLUTION
from emulator.vision.instant.model import InstantModel
from emulator.vision.instant.neighbors import BACKGROUND_HALVES, UNIT, directions
from emulator.vision.instant.scoring import DOUBT, label_matrix
from emulator.vision.networks.ensembles import with_input_resolution
from emulator.vision.networks.graph import INPUT, Network, Operation
from emulator.vision.networks.nanodet import DISTANCES, SCORES

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Sides of the grids of points of detectors: the second is for models of many images, whose exports would be
# very large otherwise.
_POINTS_SIDE, _POINTS_SIDE_OF_MANY = 128, 64
_MANY = 500
# Logits of distances: 0 is the most probable bin.
_NEVER = -20.0
_EDGES, _MIXES = "edges{}", "mixes"


def instant_network(model: InstantModel, resolution: int) -> Network:
    """The network of a model for images of a resolution, which it resizes to `features.RESOLUTION` first."""
    import numpy

    operations, weights = _features()
    exact_KF, lengths_K = directions(model.features_KF)
    # The logarithm of a share, of a cosine: see `neighbors.shares_of`.
    sharpness = math.log(2) * UNIT / model.half
    background = -math.log(2) * BACKGROUND_HALVES
    compare_FN = numpy.zeros((exact_KF.shape[1], len(exact_KF) + 1))
    compare_FN[:, :-1] = (exact_KF / lengths_K[:, None]).T * sharpness
    weights["compare.weight"] = compare_FN
    weights["compare.bias"] = numpy.append(numpy.full(len(exact_KF), -sharpness), background)
    operations += [
        Operation("l2_normalise", ("features",), "direction"),
        Operation("dense", ("direction",), "similarities", weight="compare.weight", bias="compare.bias"),
        Operation("softmax", ("similarities",), "shares"),
    ]
    if model.multilabel is None:
        outputs = _detect(model, operations, weights)
    else:
        known_KT, background_T = label_matrix(
            model.targets_KT, multilabel=model.multilabel, negative=model.negative
        )
        outputs = {"probabilities": (len(model.labels),)}
        operations.append(_dense("shares", "probabilities", "tags", weights, [*known_KT, background_T]))
    network = Network(
        RESOLUTION,
        tuple(operations),
        {name: numpy.ascontiguousarray(value, numpy.float32) for name, value in weights.items()},
        outputs,
    )
    return with_input_resolution(network, resolution)


def _features() -> tuple[list[Operation], dict[str, Array]]:
    """The operations from the image to "features" (N, F), and their weights."""
    import numpy

    operations = [Operation("normalise", (INPUT,), "normalised", mean=float(MIDDLE), scale=1 / MIDDLE)]
    weights: dict[str, Array] = {}

    def convolve(
        tensor: str,
        output: str,
        weight: Array,
        *,
        side: int,
        bias: Array | None = None,
        positive: bool = False,
    ) -> str:
        depthwise = weight.shape[1] == 1
        weights[f"{output}.weight"] = weight
        weights[f"{output}.bias"] = numpy.zeros(len(weight)) if bias is None else bias
        operations.append(
            Operation(
                "depthwise_convolution" if depthwise else "convolution",
                (tensor,),
                output,
                weight=f"{output}.weight",
                bias=f"{output}.bias",
                stride=side,
                negative_slope=0.0 if positive else None,
            )
        )
        return output

    def everywhere(factors: Array, side: int) -> Array:
        """The same factors (outputs, inputs) for each pixel of a square."""
        return numpy.tile(numpy.asarray(factors, float)[:, :, None, None], (1, 1, side, side))

    def summed(tensor: str, output: str, channels: int, side: int, factor: float) -> str:
        return convolve(tensor, output, everywhere(numpy.full((channels, 1), factor), side), side=side)

    # Here, a cell has the mean of its pixels, -1..1; in `features`, their sum, -128..127 each.
    unit = CELL * CELL * MIDDLE
    colors = convolve(
        "normalised", "colors", everywhere(numpy.array(definition.COLORS) / CELL**2, CELL), side=CELL
    )
    parts = [summed(colors, "layout", len(definition.COLORS), PART, unit / definition.LAYOUT_DIVISOR)]
    for side, divisor in zip(definition.EDGE_SIDES, definition.EDGE_DIVISORS, strict=True):
        half = side // 2
        first, second = numpy.repeat([1, -1], half), numpy.ones(side)
        waves = [numpy.outer(second, first), numpy.outer(first, second), numpy.outer(first, first)]
        luma = numpy.zeros((6, len(definition.COLORS), side, side))
        luma[:, 0] = [*waves, *(-wave for wave in waves)]
        edges = convolve(colors, _EDGES.format(side), luma, side=side, positive=True)
        parts.append(summed(edges, f"{edges}.parts", 6, GRID // side // PARTS, unit / divisor))
    operations.append(Operation("concatenate", tuple(parts), "parts"))
    # One output for each channel and part: the same order as in `features`.
    channels = len(definition.COLORS) + 6 * len(definition.EDGE_SIDES)
    apart = numpy.eye(channels * PARTS**2).reshape(-1, channels, PARTS, PARTS)
    convolve("parts", "apart", apart, side=PARTS)
    # The constant is one more mixture, of nothing.
    factor = unit / (definition.MIX_DIVISOR * definition.MIX_PARTS)
    mixtures = numpy.array([*definition.MIXES, (0, 0, 0)]) * factor
    squares = GRID // definition.MIX_SIDE
    constant = numpy.append(numpy.zeros(len(definition.MIXES)), definition.CONSTANT / squares**2)
    convolve(
        colors,
        _MIXES,
        everywhere(mixtures, definition.MIX_SIDE),
        side=definition.MIX_SIDE,
        bias=constant,
        positive=True,
    )
    summed(_MIXES, f"{_MIXES}.sums", len(mixtures), squares, 1.0)
    operations.append(Operation("concatenate", ("apart", f"{_MIXES}.sums"), "all"))
    operations.append(Operation("global_average", ("all",), "features"))
    return operations, weights


def _dense(
    source: str, output: str, name: str, weights: dict[str, Array], rows: Sequence[Array]
) -> Operation:
    import numpy

    weights[f"{name}.weight"] = numpy.stack(rows)
    weights[f"{name}.bias"] = numpy.zeros(weights[f"{name}.weight"].shape[1])
    return Operation("dense", (source,), output, weight=f"{name}.weight", bias=f"{name}.bias")


def _detect(
    model: InstantModel, operations: list[Operation], weights: dict[str, Array]
) -> dict[str, tuple[int, ...]]:
    """Add the operations from the shares to the outputs of a detector. Returns these with their shapes."""
    import numpy

    side = _POINTS_SIDE if len(model.features_KF) <= _MANY else _POINTS_SIDE_OF_MANY
    centers, strides = anchor_points(side)
    shapes = {SCORES: (len(strides), len(model.labels)), DISTANCES: (len(strides), 4 * DISTANCE_BINS)}
    tables = {
        name: numpy.zeros((len(model.features_KF) + 1, *shape), numpy.float32)
        for name, shape in shapes.items()
    }
    # Only the finest grid is used: its points can express every box that contains one of them.
    finest = int((strides == strides[0]).sum())
    taken: set[tuple[int, int]] = set()
    for image, tag, box in zip(
        model.box_images.tolist(), model.box_tags.tolist(), model.boxes * side, strict=True
    ):
        middle = (box[:2] + box[2:]) / 2
        nearest = numpy.argsort(((centers[:finest] - middle) ** 2).sum(axis=1), kind="stable").tolist()
        point = next((point for point in nearest if (image, point) not in taken), None)
        if point is None:
            continue
        taken.add((image, point))
        tables[SCORES][image, point, tag] = 1 - DOUBT
        reach = numpy.concatenate([centers[point] - box[:2], box[2:] - centers[point]]) / strides[point]
        tables[DISTANCES][image, point] = _logits(reach)
    for name, table in tables.items():
        flat = f"{name}.flat"
        operations.append(_dense("shares", flat, name, weights, [row.ravel() for row in table]))
        operations.append(Operation("reshape", (flat,), name, shape=(1, *shapes[name])))
    return dict(shapes)


def _logits(distances: Array) -> Array:
    """Logits of four distances in strides, (4 x bins): the two bins around each share its probability."""
    import numpy

    bins = numpy.arange(DISTANCE_BINS)
    shares = 1 - numpy.abs(bins - distances.clip(0, DISTANCE_BINS - 1)[:, None])
    result: Array = numpy.log(shares.clip(math.exp(_NEVER))).ravel()
    return result
