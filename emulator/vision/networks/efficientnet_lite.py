"""EfficientNet-Lite (Tan and Le, *EfficientNet*, 2019), built from the published PyTorch checkpoints.

Axes of weights are (output channels, input channels, kernel height, kernel width).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from emulator.vision.networks.graph import INPUT, Network, Operation

if TYPE_CHECKING:
    from emulator.vision.networks.graph import FloatArray

_BATCH_NORM_EPSILON = 1e-3

# The seven stages of EfficientNet-B0 (table 1 of the paper): expansion, channels, repeats, stride of the
# first repeat, kernel size. The Lite family has no squeeze-and-excitation and uses ReLU6; the multipliers do
# not apply to the stem, the first stage, the last stage and the head.
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
    """EfficientNet-Lite without its classifier: from an image to 1280 pooled features.

    Args:
        state: weights by the names of the published PyTorch checkpoints.
        resolution: side of the input in pixels.
        resize_to: side in pixels to which the network resizes its input; None leaves it as it is.
        width, depth: multipliers of the family: 1.0 and 1.0 for Lite0, 1.0 and 1.1 for Lite1, 1.1 and 1.2 for
            Lite2.

    Raises:
        KeyError: a weight is missing.
        ValueError: a weight does not have the shape of the architecture.
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


class _LiteBuilder:
    """Collects operations and weights, and folds each batch norm into the convolution before it."""

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
        # In double precision, so that folding adds no rounding error.
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
        """Expand, convolve depthwise, project; the input is added where the shapes are equal."""
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
