"""The trained part of a classifier: a linear head on features of a frozen network, and its calibration.

Axes: N images, D features, T tags.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.vision.concurrency import single_threaded_operations

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Features are scaled to this Euclidean length, for which values of C between 1 and 10 work well.
FEATURE_LENGTH = 10.0

_MOST_ITERATIONS = 300
_GRADIENT_TOLERANCE = 1e-5

# Upper limit of the calibration's scale, and the standard deviation of its logarithm in the prior: without a
# prior, the scale of images that are all classified correctly has no upper limit.
_LARGEST_SCALE = 4.0
_SCALE_STD = 0.5
# The same for the shift of a tag: with half of it, and 60 images, probabilities of tags that most images have
# were too low by .04 on average. And the number of iterations, far more than are needed.
_SHIFT_STD = 1.0
_ROUNDS, _NEWTON_STEPS = 10, 8


@dataclass(frozen=True)
class LinearHead:
    """Scores = features x weight + bias. `weight`: (features, tags), `bias`: (tags,), both float64."""

    weight: NDArray[numpy.float64]
    bias: NDArray[numpy.float64]

    def logits(self, features_ND: Array) -> NDArray[numpy.float64]:
        """Scores (N, tags) before softmax or sigmoid.

        By PyTorch, because the last digits of NumPy's product depend on the number of threads of its BLAS.
        """
        with single_threaded_operations():
            product = aligned(features_ND).double() @ aligned(self.weight)
        logits: NDArray[numpy.float64] = product.numpy() + self.bias
        return logits

    def calibrated(self, calibration: LogitCalibration) -> LinearHead:
        """The head whose scores are the calibrated scores of this one."""
        return LinearHead(self.weight * calibration.scale, calibration.applied(self.bias))


@dataclass(frozen=True)
class LogitCalibration:
    """Calibrates logits: each is multiplied by `scale`, and its tag's `shift` is added.

    Attributes:
        shift_T: (T,), or one shift for all tags.
    """

    scale: float = 1.0
    shift_T: NDArray[numpy.float64] | float = 0.0  # noqa: N815 - the suffix names the axes

    def applied(self, logits_NT: Array) -> NDArray[numpy.float64]:
        """Calibrated scores, (..., T)."""
        import numpy

        return numpy.asarray(logits_NT * self.scale + self.shift_T, numpy.float64)

    def weighted(self, weight: float) -> LogitCalibration:
        """Calibrated scores multiplied by a weight, for a blend of models."""
        return LogitCalibration(self.scale * weight, self.shift_T * weight)

    def after(self, first: LogitCalibration) -> LogitCalibration:
        """The composition: `first`, then this calibration."""
        return LogitCalibration(self.scale * first.scale, first.shift_T * self.scale + self.shift_T)


def fit_linear_head(
    features_ND: Array,
    targets_NT: Array,
    sample_weights_N: Array,
    *,
    multilabel: bool,
    inverse_regularisation: float,
) -> LinearHead:
    """Logistic regression: multinomial for one tag an image, one independent regression a tag for several.

    Minimizes C x sum(weight x log loss) + (squared weights + squared biases) / 2 over centered features, by
    L-BFGS. The optimum is unique, because the biases are regularised too; on few images this also proved
    better than free biases, and a tag without images just gets a low score.

    Args:
        features_ND: rows of length `FEATURE_LENGTH`; their type is the precision of the computation.
        targets_NT: 1 where the image has the tag, else 0.
        sample_weights_N: rows with weight 0 are not used at all.
        inverse_regularisation: C.
    """
    import numpy
    import torch

    used = sample_weights_N > 0
    count, tags = int(used.sum()), targets_NT.shape[1]
    if count == 0:
        return LinearHead(numpy.zeros((features_ND.shape[1], tags)), numpy.zeros(tags))
    features = aligned(features_ND)
    targets = torch.from_numpy(targets_NT).to(features.dtype)
    sample_weights = torch.from_numpy(sample_weights_N).to(features.dtype)
    centre = (aligned(used).to(features.dtype) @ features) / count
    weight = torch.zeros(features.shape[1], tags, dtype=features.dtype, requires_grad=True)
    bias = torch.zeros(tags, dtype=features.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MOST_ITERATIONS,
        tolerance_grad=_GRADIENT_TOLERANCE,
        tolerance_change=0,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        # The features stay as they are; centring them is the same as shifting the bias.
        logits = features @ weight + (bias - centre @ weight)
        if multilabel:
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, targets, reduction="none"
            ).sum(1)
        else:
            losses = -(torch.log_softmax(logits, 1) * targets).sum(1)
        penalty = (weight.square().sum() + bias.square().sum()) / 2
        value = (inverse_regularisation * (sample_weights * losses).sum() + penalty) / count
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        shifted = bias - centre @ weight
    return LinearHead(weight.detach().double().numpy(), shifted.double().numpy())


def aligned(array: NDArray[Any]) -> torch.Tensor:
    """The values at an address that is a multiple of 64 bytes, where MKL's vector loops do not begin with a
    remainder: the order of a sum, and so its last digits, would depend on where an array happens to lie.

    Shares the memory of arrays that already lie so, such as those of PyTorch's own tensors.
    """
    import torch

    tensor = torch.from_numpy(array)
    return tensor if tensor.data_ptr() % 64 == 0 else tensor.clone()


def balancing_weights(targets_NT: Array) -> NDArray[numpy.float64]:
    """Weights of the images of a multiclass set that give all tags the same total weight; their mean is 1."""
    images_per_tag = targets_NT.sum(axis=0).clip(min=1)
    weights: NDArray[numpy.float64] = (targets_NT / images_per_tag).sum(axis=1)
    balanced: NDArray[numpy.float64] = weights * (len(weights) / weights.sum())
    return balanced


def calibration_of(logits_NT: Array, targets_NT: Array, *, multilabel: bool) -> LogitCalibration:
    """Calibration from logits of images that their model was not trained on.

    Temperature scaling (Guo et al., 2017; the scale is 1 / temperature) with a prior: it minimises the log
    loss plus 2 (ln scale)^2. Without the prior, a small set that is classified without errors would result in
    probabilities of exactly 0 and 1. The scale lies between 1/4 and 4.

    In multilabel sets each tag also has a shift, with a prior of shift^2 / 2: if the features contain little
    information about a tag, its probability should be its frequency instead of 0.5.
    """
    import numpy

    scale = _best_scale(logits_NT, targets_NT, multilabel)
    if not multilabel:
        return LogitCalibration(scale)
    shift_T = numpy.zeros(targets_NT.shape[1])
    for _ in range(_ROUNDS):
        shift_T = _best_shift(logits_NT * scale, targets_NT, shift_T)
        scale = _best_scale(logits_NT, targets_NT, multilabel, shift_T)
    return LogitCalibration(scale, shift_T)


def _best_scale(logits_NT: Array, targets_NT: Array, multilabel: bool, shift_T: Array | float = 0.0) -> float:
    import numpy

    def cost(log_scale: float) -> float:
        losses = log_losses(logits_NT * math.exp(log_scale) + shift_T, targets_NT, multilabel=multilabel)
        return float(losses.sum()) + (log_scale / _SCALE_STD) ** 2 / 2

    limit = math.log(_LARGEST_SCALE)
    coarse = numpy.linspace(-limit, limit, 17)
    step = limit / 8
    best = min(coarse.tolist(), key=cost)
    fine = numpy.linspace(max(best - step, -limit), min(best + step, limit), 17)
    return math.exp(min(fine.tolist(), key=cost))


def _best_shift(logits_NT: Array, targets_NT: Array, begin_T: Array) -> NDArray[numpy.float64]:
    """By Newton's method: the cost of a shift is convex."""
    import numpy

    shift_T = numpy.asarray(begin_T, numpy.float64)
    precision = 1 / _SHIFT_STD**2
    for _ in range(_NEWTON_STEPS):
        probabilities_NT = numpy.exp(-numpy.logaddexp(0, -(logits_NT + shift_T)))
        slope_T = (probabilities_NT - targets_NT).sum(axis=0) + shift_T * precision
        curvature_T = (probabilities_NT * (1 - probabilities_NT)).sum(axis=0) + precision
        # A full step may go too far where the curvature is small.
        shift_T = shift_T - (slope_T / curvature_T).clip(-1, 1)
    return shift_T


def log_losses(logits_NT: Array, targets_NT: Array, *, multilabel: bool) -> Array:
    """Log loss of each image, (N,); with several tags an image, the sum over the tags."""
    import numpy

    if multilabel:
        return numpy.asarray((numpy.logaddexp(0, logits_NT) - targets_NT * logits_NT).sum(axis=1))
    highest_N1: Array = logits_NT.max(axis=1, keepdims=True)
    normaliser_N1: Array = highest_N1 + numpy.log(
        numpy.exp(logits_NT - highest_N1).sum(axis=1, keepdims=True)
    )
    return numpy.asarray(((normaliser_N1 - logits_NT) * targets_NT).sum(axis=1))


def probabilities(logits_NT: Array, *, multilabel: bool) -> NDArray[numpy.float32]:
    """Sigmoid or softmax of logits, as the model file computes it."""
    import numpy

    if multilabel:
        # exp(-log(1 + exp(-x))): no overflow on either side.
        independent: Array = numpy.exp(-numpy.logaddexp(0, -logits_NT))
        return independent.astype(numpy.float32)
    exponentials: Array = numpy.exp(logits_NT - logits_NT.max(axis=1, keepdims=True))
    normalized: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return normalized.astype(numpy.float32)
