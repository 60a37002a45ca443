"""NanoDet-g, the network that detectors start from: its architecture as operations, and its weights.

A one-stage detector without anchor boxes. Its feature maps have 1/8, 1/16 and 1/32 of the input's side. Each
of their pixels is a point that predicts the tag of the object there and the distances to the object's left,
top, right and bottom edges. A distance is the mean of a distribution over 0, 1, .. 10 strides (Li et al.,
*Generalized Focal Loss*, 2020). Its card in `models/` gives origin, licence and measured accuracy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from emulator.vision.boxes.geometry import DISTANCE_BINS, STRIDES
from emulator.vision.networks.graph import INPUT, Network, Operation
from emulator.vision.networks.weights import BaseWeightsMissing

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    FloatArray = NDArray[numpy.float32]

COCO_CLASSES = 80
# The feature maps that the head reads, from fine to coarse, with `PYRAMID_CHANNELS` channels each.
PYRAMID = ("pyramid.0", "pyramid.1", "pyramid.2")
PYRAMID_CHANNELS = 128
# The coarsest maps of the backbone, with the largest context.
COARSEST_STAGE = "stage4"
LOGITS, SCORES, DISTANCES = "logits", "scores", "distances"

WEIGHTS_FILE = "nanodet-g-coco.npz"
WEIGHTS_SHA256 = "762e5a7e74e1f26775730ff6c7c66f3ca965a94d2647dde7a1e7f76a7ab6db15"

# Red, green, blue.
_MEAN = (123.675, 116.28, 103.53)
_SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)
_NEGATIVE_SLOPE = 0.1
# The four stages: input channels, pairs of convolutions, stride. Each doubles the number of channels.
_STAGES = ((32, 1, 1), (64, 2, 2), (128, 2, 2), (256, 3, 2))


def layer_names() -> list[str]:
    """The names of all convolutions; each has the weights `<name>.weight` and `<name>.bias`."""
    return [
        operation.output
        for operation in (*backbone_and_neck_operations(), *head_operations())
        if operation.kind == "convolution"
    ]


def backbone_and_neck_operations() -> tuple[Operation, ...]:
    """From the image to the feature pyramid. Quick training does not change these layers."""
    operations = [
        Operation("normalise", (INPUT,), "normalised", mean=_MEAN, scale=_SCALE),
        _conv("normalised", "stem", stride=2, negative_slope=_NEGATIVE_SLOPE),
        Operation("max_pool", ("stem",), "stem.pooled"),
    ]
    tensor, stages = "stem.pooled", []
    for number, (_, pairs, stride) in enumerate(_STAGES, 1):
        stage = f"stage{number}"
        operations.append(_conv(tensor, f"{stage}.first", stride=stride, negative_slope=_NEGATIVE_SLOPE))
        tensor = f"{stage}.first"
        for pair in range(pairs):
            wide, deep = f"{stage}.{pair}.wide", f"{stage}.{pair}.deep"
            operations += [
                _conv(tensor, wide, negative_slope=_NEGATIVE_SLOPE),
                _conv(wide, deep, negative_slope=_NEGATIVE_SLOPE),
                Operation("concatenate", (deep, wide), f"{stage}.{pair}"),
            ]
            tensor = f"{stage}.{pair}"
        operations += [
            _conv(tensor, f"{stage}.last", negative_slope=_NEGATIVE_SLOPE),
            Operation("concatenate", (f"{stage}.last", f"{stage}.first"), stage),
        ]
        tensor = stage
        stages.append(stage)
    # The neck: a path-aggregation network (Liu et al., 2018) without convolutions. Coarse maps are added to
    # fine ones, then fine to coarse.
    operations += [_conv(stage, f"lateral.{level}") for level, stage in enumerate(stages[1:])]
    operations += [
        Operation("resize", ("lateral.2",), "down.2", factor=2.0),
        Operation("add", ("lateral.1", "down.2"), "merged.1"),
        Operation("resize", ("merged.1",), "down.1", factor=2.0),
        Operation("add", ("lateral.0", "down.1"), PYRAMID[0]),
        Operation("resize", (PYRAMID[0],), "up.0", factor=0.5),
        Operation("add", ("merged.1", "up.0"), PYRAMID[1]),
        Operation("resize", (PYRAMID[1],), "up.1", factor=0.5),
        Operation("add", ("lateral.2", "up.1"), PYRAMID[2]),
    ]
    return tuple(operations)


def head_operations() -> tuple[Operation, ...]:
    """From the pyramid to `LOGITS` (N, points, tags), raw `DISTANCES` (N, points, 4 x bins) and `SCORES`."""
    operations = []
    for level, features in enumerate(PYRAMID):
        shared = f"head.{level}.shared"
        operations += [
            _conv(features, shared, negative_slope=_NEGATIVE_SLOPE),
            _conv(shared, f"head.{level}.classes"),
            _conv(shared, f"head.{level}.distances"),
        ]
    operations += [
        Operation("points", tuple(f"head.{level}.distances" for level in range(len(PYRAMID))), DISTANCES),
        Operation("points", tuple(f"head.{level}.classes" for level in range(len(PYRAMID))), LOGITS),
        Operation("sigmoid", (LOGITS,), SCORES),
    ]
    return tuple(operations)


def frozen_layers(stages: int) -> list[str]:
    """The names of the weights of the stem and of the first stages, none of 0; 5 adds the lateral layers."""
    if not stages:
        return []
    parts = ("stem", *(f"stage{number}." for number in range(1, stages + 1)))
    if stages > len(_STAGES):
        parts = (*parts, "lateral.")
    return [
        f"{name}.{part}" for name in layer_names() for part in ("weight", "bias") if name.startswith(parts)
    ]


def detection_network(
    weights: Mapping[str, FloatArray], resolution: int, *, input_resolution: int | None = None
) -> Network:
    """The whole network, from an image to `SCORES` and `DISTANCES` of every point.

    Args:
        weights: of every layer in `layer_names()`; the class layers determine the number of tags.
        resolution: side in pixels at which the network runs, a multiple of the coarsest stride.
        input_resolution: side of the input in pixels; if it differs, the network resizes its input first.
    """
    points = sum((resolution // stride) ** 2 for stride in STRIDES)
    backbone_and_neck = backbone_and_neck_operations()
    if input_resolution not in (None, resolution):
        assert input_resolution is not None
        first, second, *others = backbone_and_neck
        factor = resolution / input_resolution
        resize = Operation("resize", (first.output,), "resized", factor=factor)
        backbone_and_neck = (first, resize, replace(second, inputs=("resized",)), *others)
    return Network(
        input_resolution or resolution,
        (*backbone_and_neck, *head_operations()),
        weights,
        outputs={
            SCORES: (points, len(weights["head.0.classes.bias"])),
            DISTANCES: (points, 4 * DISTANCE_BINS),
        },
    )


@lru_cache(maxsize=1)
def published_weights() -> dict[str, FloatArray]:
    """The weights of every layer as trained on COCO, for RGB images. Do not modify them in place.

    Raises:
        BaseWeightsMissing: the file is damaged or missing.
    """
    from io import BytesIO

    import numpy

    try:
        content = (resources.files("emulator.vision") / "weights" / WEIGHTS_FILE).read_bytes()
    except OSError as error:
        raise BaseWeightsMissing(f"The weights of the detector are missing; reinstall ({error}).") from error
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise BaseWeightsMissing(f"The file {WEIGHTS_FILE} is not the known one; reinstall the package.")
    with numpy.load(BytesIO(content), allow_pickle=False) as arrays:
        weights: dict[str, FloatArray] = {name: arrays[name].astype(numpy.float32) for name in arrays.files}
    # The network was trained on BGR images.
    weights["stem.weight"] = numpy.ascontiguousarray(weights["stem.weight"][:, ::-1])
    return weights


def _conv(tensor: str, layer: str, *, stride: int = 1, negative_slope: float | None = None) -> Operation:
    return Operation(
        "convolution",
        (tensor,),
        layer,
        weight=f"{layer}.weight",
        bias=f"{layer}.bias",
        stride=stride,
        symmetric_padding=True,
        negative_slope=negative_slope,
    )
