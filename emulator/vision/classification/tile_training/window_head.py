"""The head of classifiers that look at tiles, learned from tags of whole images: multiple-instance learning.

In the worker only.

Axes: N images, R windows of all images, D features, T tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.vision.classification.head import LinearHead, LogitCalibration, aligned, balancing_weights
from emulator.vision.concurrency import single_threaded_operations

if TYPE_CHECKING:
    import numpy
    import torch
    from numpy.typing import NDArray

    Array = NDArray[numpy.floating]

# Iterations for the mean of the windows, from which the smooth maximum starts, and for that.
_FIRST_ITERATIONS, _ITERATIONS = 30, 40
# Standard deviation of the scores of images that is expected of a model that knows something.
_SPREAD = 1.0


@dataclass(frozen=True)
class Windows:
    """What is known of the windows of all images.

    Attributes:
        rows_RD: features or scores, image after image.
        counts_N: number of windows of each image.
    """

    rows_RD: Array  # noqa: N815 - the suffix names the axes
    counts_N: NDArray[numpy.int64]  # noqa: N815

    def of(self, image: int) -> Array:
        """The rows of an image."""
        first = int(self.counts_N[:image].sum())
        return self.rows_RD[first : first + int(self.counts_N[image])]


def fit_window_head(
    windows: Windows,
    targets_NT: Array,
    used_N: NDArray[numpy.bool_],
    *,
    multilabel: bool,
    negative: int | None,
    inverse_regularisation: float,
) -> LinearHead:
    """Scores of windows such that their smooth maximum predicts the tags of the image.

    Minimizes C x sum(weight x log loss) + squared weights / 2 by L-BFGS, as `head.fit_linear_head`, where the
    score of an image is the log-sum-exp of those of its windows. That is not convex; it starts from the
    optimum for their mean, which is.

    Args:
        used_N: the images that are trained on.
        negative: see `layout.TileScoring`.
        inverse_regularisation: C.
    """
    import numpy
    import torch

    weights_N = used_N.astype(numpy.float64)
    if not multilabel and used_N.any():
        weights_N[used_N] = balancing_weights(targets_NT[used_N])
    count, tags = max(1, int(used_N.sum())), targets_NT.shape[1]
    with single_threaded_operations():
        rows = numpy.repeat(used_N, windows.counts_N)
        features = aligned(numpy.ascontiguousarray(windows.rows_RD[rows]))
        counts = torch.from_numpy(windows.counts_N[used_N])
        images = torch.repeat_interleave(torch.arange(count), counts)
        targets = torch.from_numpy(targets_NT[used_N]).float()
        sample_weights = torch.from_numpy(weights_N[used_N]).float()
        weight = torch.zeros(features.shape[1], tags, requires_grad=True)
        bias = torch.zeros(tags, requires_grad=True)

        def minimize(mean: bool, iterations: int) -> None:
            optimizer = torch.optim.LBFGS(
                [weight, bias],
                max_iter=iterations,
                tolerance_change=0,
                history_size=10,
                line_search_fn="strong_wolfe",
            )

            def objective() -> torch.Tensor:
                optimizer.zero_grad()
                scores = features @ weight
                by_image = _means(scores, images, counts) if mean else _log_sums(scores, images, count)
                logits = by_image + bias
                if negative is not None:
                    logits = _with_negative(logits, negative, multilabel=multilabel)
                losses = _losses(logits, targets, negative, multilabel=multilabel)
                value = inverse_regularisation * (sample_weights * losses).sum() + weight.square().sum() / 2
                value = value / count
                value.backward()  # type: ignore[no-untyped-call]
                return value

            optimizer.step(objective)  # type: ignore[no-untyped-call]

        minimize(True, _FIRST_ITERATIONS)
        with torch.no_grad():
            bias -= counts.double().mean().log().float()
        minimize(False, _ITERATIONS)
    return LinearHead(weight.detach().double().numpy(), bias.detach().double().numpy())


def fit_scale_and_shifts(logits_NT: Array, targets_NT: Array, *, multilabel: bool) -> LogitCalibration:
    """One scale and a shift of each tag for scores that may be far from logits.

    `head.calibration_of` corrects logits; its priors keep it near them, and it shifts no tag of multiclass
    sets. Here the prior is that the scores have a standard deviation of `_SPREAD` once they are scaled, and
    that tags are as frequent as in the training.
    """
    import numpy
    import torch

    means_T, spread = logits_NT.mean(axis=0), float(logits_NT.std(axis=0).mean())
    weights_N = numpy.ones(len(targets_NT)) if multilabel else balancing_weights(targets_NT)
    with single_threaded_operations():
        centred = torch.from_numpy((logits_NT - means_T) / max(spread, 1e-6))
        targets, weights = torch.from_numpy(targets_NT), torch.from_numpy(weights_N)
        log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
        shifts = torch.zeros(targets_NT.shape[1], dtype=torch.float64, requires_grad=True)
        usual = targets.mean(dim=0).clamp(0.01, 0.99).logit() if multilabel else torch.zeros_like(shifts)
        optimizer = torch.optim.LBFGS(
            [log_scale, shifts], max_iter=100, tolerance_change=0, line_search_fn="strong_wolfe"
        )

        def objective() -> torch.Tensor:
            optimizer.zero_grad()
            logits = centred * log_scale.exp() * _SPREAD + usual + shifts
            losses = _losses(logits, targets, None, multilabel=multilabel)
            value = (weights * losses).sum() + (log_scale.square() + shifts.square().sum()) / 2
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(objective)  # type: ignore[no-untyped-call]
        scale = float(log_scale.detach().exp()) * _SPREAD / max(spread, 1e-6)
        shifts_T = (usual + shifts).detach().numpy() - means_T * scale
    return LogitCalibration(scale, shifts_T)


def _means(scores: torch.Tensor, images: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    import torch

    sums = torch.zeros(len(counts), scores.shape[1]).index_add(0, images, scores)
    return sums / counts[:, None]


def _log_sums(scores: torch.Tensor, images: torch.Tensor, count: int) -> torch.Tensor:
    """Log-sum-exp over the windows of each image."""
    import torch

    tags = scores.shape[1]
    highest = torch.full((count, tags), -torch.inf).scatter_reduce(
        0, images[:, None].expand(-1, tags), scores.detach(), "amax"
    )
    exponentials = (scores - highest[images]).exp()
    return torch.zeros(count, tags).index_add(0, images, exponentials).log() + highest


def _with_negative(logits: torch.Tensor, negative: int, *, multilabel: bool) -> torch.Tensor:
    """As `layout.pooled`."""
    import torch

    kept = torch.ones(logits.shape[1], dtype=torch.bool)
    kept[negative] = False
    if multilabel and logits.shape[1] > 1:
        return torch.where(kept, logits, -logits[:, kept].max(dim=1, keepdim=True).values)
    return torch.where(kept, logits, 0.0)


def _losses(
    logits: torch.Tensor, targets: torch.Tensor, negative: int | None, *, multilabel: bool
) -> torch.Tensor:
    """Log loss of each image; with several tags an image, the sum over the tags except the negative one,
    which follows from the others."""
    import torch
    from torch.nn import functional

    if not multilabel:
        return -(torch.log_softmax(logits, 1) * targets).sum(1)
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if negative is not None:
        losses = torch.cat([losses[:, :negative], losses[:, negative + 1 :]], 1)
    return losses.sum(1)
